//! Modules of a crate and the names in them, read with syn, and the files that paths lead to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Ident, Item, ItemMod, ItemUse, UseTree, Visibility};

/// Sources by their paths from the root of the repository.
pub(crate) type Sources = BTreeMap<String, String>;

/// A module: the file it is written in and the names that it declares or imports.
pub(crate) struct Module {
    pub(crate) file: String,
    /// The modules that it lies in within its file, and its own name.
    within: Vec<String>,
    parent: Option<usize>,
    root: usize,
    names: HashMap<String, Vec<Name>>,
    globs: Vec<Vec<String>>,
}

enum Name {
    /// Declared here.
    Item,
    /// A module inside this one.
    Module(usize),
    /// Brought in by `use`.
    Import(Vec<String>),
    /// A `#[macro_export]` macro of the crate, at its root.
    Macro(String),
}

/// The end of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    /// An item in a file.
    Item(String),
    /// A module itself.
    Module(usize),
}

/// The module trees of several crates.
#[derive(Default)]
pub(crate) struct Modules {
    pub(crate) all: Vec<Module>,
    /// Roots by the name that other crates use.
    crates: HashMap<String, usize>,
    pub(crate) parsed: BTreeMap<String, File>,
}

impl Modules {
    /// Reads the crates of these roots: `("gpu_core", "crates/gpu-core/src/lib.rs")`.
    pub(crate) fn read(sources: &Sources, roots: &[(&str, &str)]) -> Self {
        let mut modules = Self::default();
        for (path, text) in sources {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path} does not parse: {error}"));
            modules.parsed.insert(path.clone(), file);
        }
        for (name, path) in roots {
            let root = modules.add(path, None);
            modules.crates.insert((*name).to_string(), root);
            let items = modules.parsed.get(*path).unwrap_or_else(|| panic!("no {path}")).items.clone();
            modules.fill(root, &items);
        }
        modules
    }

    /// The files that a crate's root reaches.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.all.iter().map(|module| module.file.as_str()).collect()
    }

    /// The items of a module.
    pub(crate) fn items(&self, module: usize) -> &[Item] {
        let mut items = self.parsed[&self.all[module].file].items.as_slice();
        for name in &self.all[module].within {
            let inner = items.iter().find_map(|item| match item {
                Item::Mod(child) if child.ident == name => child.content.as_ref(),
                _ => None,
            });
            items = &inner.expect("a module within a file").1;
        }
        items
    }

    fn add(&mut self, file: &str, parent: Option<usize>) -> usize {
        let id = self.all.len();
        let root = parent.map_or(id, |parent| self.all[parent].root);
        self.all.push(Module {
            file: file.to_string(),
            within: Vec::new(),
            parent,
            root,
            names: HashMap::new(),
            globs: Vec::new(),
        });
        id
    }

    fn declare(&mut self, module: usize, ident: impl ToString, name: Name) {
        self.all[module].names.entry(ident.to_string()).or_default().push(name);
    }

    fn fill(&mut self, module: usize, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(child) if !is_test(&child.attrs) => self.fill_child(module, child),
                Item::Macro(made) if made.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) => {
                    let (root, file) = (self.all[module].root, self.all[module].file.clone());
                    if let Some(ident) = &made.ident {
                        self.declare(root, ident, Name::Macro(file));
                    }
                }
                _ => {
                    if let Some(ident) = ident(item) {
                        self.declare(module, ident, Name::Item);
                    }
                    let mut imports = Imports::default();
                    imports.visit_item(item);
                    for (ident, path) in imports.named {
                        self.declare(module, ident, Name::Import(path));
                    }
                    self.all[module].globs.extend(imports.globs);
                }
            }
        }
    }

    fn fill_child(&mut self, parent: usize, child: &ItemMod) {
        let (file, items) = match &child.content {
            Some((_, items)) => (self.all[parent].file.clone(), items.clone()),
            None => {
                let file = self.file_of(parent, &child.ident.to_string());
                let items = self.parsed[&file].items.clone();
                (file, items)
            }
        };
        let id = self.add(&file, Some(parent));
        if child.content.is_some() {
            self.all[id].within = [&self.all[parent].within[..], &[child.ident.to_string()]].concat();
        }
        self.declare(parent, &child.ident, Name::Module(id));
        self.fill(id, &items);
    }

    fn file_of(&self, parent: usize, name: &str) -> String {
        let file = &self.all[parent].file;
        let (folder, own) = file.rsplit_once('/').expect("a source lies in a folder");
        let folder = match own {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_string(),
            _ => format!("{folder}/{}", own.trim_end_matches(".rs")),
        };
        let candidates = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
        let found = candidates.into_iter().find(|path| self.parsed.contains_key(path));
        found.unwrap_or_else(|| panic!("{file} declares {name}, which has no file"))
    }

    /// The file or module that a path of a module leads to, through re-exports. None for other crates' paths.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> Option<Target> {
        self.follow(module, path, 0)
    }

    fn follow(&self, from: usize, path: &[String], depth: usize) -> Option<Target> {
        // A re-export of a re-export of itself never ends.
        if depth > 32 {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Target::Module(self.all[from].root),
            "self" => Target::Module(from),
            "super" => Target::Module(self.all[from].parent?),
            name => match self.lookup(from, name, rest.is_empty(), depth) {
                Some(found) => found,
                None => Target::Module(*self.crates.get(name)?),
            },
        };
        while let (Target::Module(module), Some((next, after))) = (&at, rest.split_first()) {
            let module = *module;
            at = match next.as_str() {
                "super" => Target::Module(self.all[module].parent?),
                "self" => Target::Module(module),
                // A name that no declaration shows is made by a macro of that module's file.
                name => self
                    .lookup(module, name, after.is_empty(), depth)
                    .unwrap_or_else(|| Target::Item(self.all[module].file.clone())),
            };
            rest = after;
        }
        Some(at)
    }

    /// A name within a module. At the end of a path an item comes before a module of the same name.
    fn lookup(&self, module: usize, name: &str, last: bool, depth: usize) -> Option<Target> {
        let here = &self.all[module];
        let declared = here.names.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<Target> = declared
            .iter()
            .filter_map(|one| match one {
                Name::Item => Some(Target::Item(here.file.clone())),
                Name::Module(child) => Some(Target::Module(*child)),
                Name::Macro(file) => Some(Target::Item(file.clone())),
                // `use serde;` names another crate.
                Name::Import(path) if path.len() == 1 && path[0] == name => None,
                Name::Import(path) => self.follow(module, path, depth + 1),
            })
            .collect();
        found.sort_by_key(|target| matches!(target, Target::Module(_)) == last);
        found.into_iter().next().or_else(|| self.lookup_globs(module, name, last, depth))
    }

    fn lookup_globs(&self, module: usize, name: &str, last: bool, depth: usize) -> Option<Target> {
        if depth > 32 {
            return None;
        }
        self.all[module].globs.iter().find_map(|glob| match self.follow(module, glob, depth + 1)? {
            Target::Module(other) if other != module => self.lookup(other, name, last, depth + 1),
            _ => None,
        })
    }
}

fn name_of(path: &[String]) -> &str {
    path.last().map(String::as_str).unwrap_or_default()
}

/// The `use` items of an item, those in function bodies included.
#[derive(Default)]
struct Imports {
    named: Vec<(String, Vec<String>)>,
    globs: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for leaf in leaves(&item.tree) {
            match leaf.alias {
                Some(alias) => self.named.push((alias.to_string(), leaf.path)),
                None => self.globs.push(leaf.path),
            }
        }
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}
}

/// One name of a `use`.
pub(crate) struct Leaf {
    pub(crate) path: Vec<String>,
    /// Its name in the importing module. None for a glob.
    pub(crate) alias: Option<Ident>,
}

/// The names of a `use` tree.
pub(crate) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    fn gather(tree: &UseTree, before: &[String], leaves: &mut Vec<Leaf>) {
        let with = |ident: &Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => gather(&path.tree, &with(&path.ident), leaves),
            UseTree::Name(name) if name.ident == "self" => {
                let last = Ident::new(name_of(before), name.ident.span());
                leaves.push(Leaf { path: before.to_vec(), alias: Some(last) });
            }
            UseTree::Name(name) => leaves.push(Leaf { path: with(&name.ident), alias: Some(name.ident.clone()) }),
            UseTree::Rename(name) => leaves.push(Leaf { path: with(&name.ident), alias: Some(name.rename.clone()) }),
            UseTree::Glob(_) => leaves.push(Leaf { path: before.to_vec(), alias: None }),
            UseTree::Group(group) => group.items.iter().for_each(|item| gather(item, before, leaves)),
        }
    }
    let mut found = Vec::new();
    gather(tree, &[], &mut found);
    found
}

/// `#[test]` or `#[cfg(test)]`.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<Ident>().is_ok_and(|argument| argument == "test")
    })
}

pub(crate) fn is_public(visibility: &Visibility) -> bool {
    !matches!(visibility, Visibility::Inherited)
}

fn ident(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::TraitAlias(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// The attributes of an item that can be compiled for tests alone.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Visits a file's items that are not for tests alone.
pub(crate) fn visit_shipped<'ast>(visitor: &mut impl Visit<'ast>, item: &'ast Item) {
    if !is_test(attributes(item)) {
        visit::visit_item(visitor, item);
    }
}
