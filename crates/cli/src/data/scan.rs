//! The image files in a folder and below.

use super::picture;
use crate::io::error::{Context, ErrorKind, Result, bail, error};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folders and files that systems leave, in lower case.
const LEFT_BY_SYSTEMS: [&str; 8] = [
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "lost+found",
    "system volume information",
    "thumbs.db",
    "desktop.ini",
];

/// A folder with images in it or below.
pub(super) struct Folder {
    pub(super) name: String,
    /// Its sub-folders that hold images, by name.
    pub(super) folders: Vec<Folder>,
    /// Names of its sub-folders that hold none.
    pub(super) empty: Vec<String>,
    /// Its images, by name.
    pub(super) images: Vec<PathBuf>,
}

impl Folder {
    fn has_images(&self) -> bool {
        !self.images.is_empty() || !self.folders.is_empty()
    }

    /// All images in it and below.
    pub(super) fn into_images(self) -> Vec<PathBuf> {
        self.images.into_iter().chain(self.folders.into_iter().flat_map(Self::into_images)).collect()
    }

    /// Number of images in it and below.
    pub(super) fn count(&self) -> usize {
        self.images.len() + self.folders.iter().map(Self::count).sum::<usize>()
    }
}

/// The images in a folder and below; files in the order of their names, whatever the system lists first. A note tells
/// of files that are not images.
///
/// # Errors
/// There are no images, or a folder cannot be read.
pub(super) fn images_of(root: &Path, notes: &mut Vec<String>) -> Result<Folder> {
    let mut others = BTreeMap::new();
    let folder = scan(root, &mut Vec::new(), &mut others)?;
    let others = others_of(&others);
    let Some(folder) = folder.filter(Folder::has_images) else {
        let others = others.map(|others| format!("; it holds {others}")).unwrap_or_default();
        bail!(Data, "{} holds no images ({}){others}", root.display(), picture::formats());
    };
    notes.extend(others.map(|others| format!("not read: {others}")));
    Ok(folder)
}

/// A folder and all below it, without those of systems and hidden ones; `above` is the path of folders to it, and a
/// link to one of them is not followed. Files that are not images are counted by their ending.
fn scan(folder: &Path, above: &mut Vec<PathBuf>, others: &mut BTreeMap<String, usize>) -> Result<Option<Folder>> {
    let unreadable = || format!("cannot read the folder {}; check its permissions", folder.display());
    let real = folder.canonicalize().with_context(ErrorKind::Data, unreadable)?;
    if above.contains(&real) {
        return Ok(None);
    }
    above.push(real);
    let unreadable =
        |error| error!(Data, "cannot read the folder {} ({error}); check its permissions", folder.display());
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(unreadable)?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    let mut found = Folder { name: name_of(folder), folders: Vec::new(), empty: Vec::new(), images: Vec::new() };
    for path in paths {
        let name = name_of(&path);
        if name.starts_with('.') || LEFT_BY_SYSTEMS.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        if path.is_dir() {
            match scan(&path, above, others)? {
                Some(below) if below.has_images() => found.folders.push(below),
                _ => found.empty.push(name),
            }
        } else if picture::is_named_so(&path) {
            found.images.push(path);
        } else {
            let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy().to_lowercase()));
            *others.entry(ending.unwrap_or_else(|| "without an ending".into())).or_default() += 1;
        }
    }
    above.pop();
    Ok(Some(found))
}

/// A clause on files that are not images: `12 files of other types (10 .heic, 2 .mov)`.
fn others_of(others: &BTreeMap<String, usize>) -> Option<String> {
    let total: usize = others.values().sum();
    let mut most: Vec<_> = others.iter().map(|(ending, count)| (*count, ending)).collect();
    most.sort_by_key(|&(count, ending)| (usize::MAX - count, ending));
    let mut named: Vec<String> = most.iter().take(6).map(|(count, ending)| format!("{count} {ending}")).collect();
    named.extend((most.len() > 6).then(|| "and others".into()));
    let files = if total == 1 { "file" } else { "files" };
    (total > 0).then(|| format!("{total} {files} of other types ({})", named.join(", ")))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
