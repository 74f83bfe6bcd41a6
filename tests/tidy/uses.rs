//! The files that each file uses.

use crate::modules::{Modules, Sources, Target, is_public, is_test, leaves, visit_shipped};
use proc_macro2::{Span, TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};
use syn::{ImplItemFn, Item, ItemFn, ItemMod, ItemUse, Macro, Path};

/// Files that a file uses, each with the first line that does.
pub(crate) type Uses = BTreeMap<String, BTreeMap<String, Use>>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Use {
    pub(crate) line: usize,
    /// The path as it is written.
    pub(crate) path: String,
}

/// Follows every path of the crates of these roots to the file that declares its item. Neither a re-export nor a `mod`
/// declaration is a use of the file that it names.
pub(crate) fn uses(sources: &Sources, roots: &[(&str, &str)]) -> Uses {
    let modules = Modules::read(sources, roots);
    let mut uses: Uses = modules.files().into_iter().map(|file| (file.to_string(), BTreeMap::new())).collect();
    for (id, module) in modules.all.iter().enumerate() {
        let mut paths = Paths::default();
        for item in modules.items(id) {
            paths.visit_item(item);
        }
        for (line, path) in paths.found {
            let Some(Target::Item(target)) = modules.resolve(id, &path) else { continue };
            if target != module.file {
                let found = uses
                    .get_mut(&module.file)
                    .expect("a module's file")
                    .entry(target)
                    .or_insert(Use { line, path: path.join("::") });
                if line < found.line {
                    *found = Use { line, path: path.join("::") };
                }
            }
        }
    }
    uses
}

/// The paths of a module, with their lines. Modules within it are visited on their own.
#[derive(Default)]
struct Paths {
    found: Vec<(usize, Vec<String>)>,
}

impl Paths {
    fn push(&mut self, span: Span, path: Vec<String>) {
        self.found.push((span.start().line, path));
    }

    /// Paths among the tokens of a macro call, which syn does not parse.
    fn push_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut start, mut colons) = (Span::call_site(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.take(start, &mut path);
                    }
                    if path.is_empty() {
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.take(start, &mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.push_tokens(group.stream());
                    }
                }
            }
        }
        self.take(start, &mut path);
    }

    fn take(&mut self, start: Span, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.push(start, path);
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        visit_shipped(self, item);
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_public(&item.vis) {
            for leaf in leaves(&item.tree) {
                if let Some(alias) = leaf.alias {
                    self.push(alias.span(), leaf.path);
                }
            }
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_path(&mut self, path: &'ast Path) {
        let idents: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.push(first.ident.span(), idents);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.push_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}
