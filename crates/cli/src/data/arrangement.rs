//! Folders of pictures: sub-folders are classes, below `train` and `test` if these exist.

use super::dataset::{MAX_CLASSES, ONLY_CLASS};
use super::picture;
use crate::io::error::{Context, ErrorKind, Result, bail, error};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Names of the sub-folders of the splits.
const TRAIN: &str = "train";
const TEST: [&str; 2] = ["test", "val"];

/// Name of a class without a folder of its own; no folder has it.
const LOOSE: &str = "";

/// The pictures of one class of one split, in the order of their paths.
struct Class {
    /// Name of its folder, or [`LOOSE`].
    name: String,
    files: Vec<PathBuf>,
}

/// A picture's file and label.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) label: u8,
}

/// The files of a folder by split and class.
pub(super) struct Arrangement {
    /// Files of the training set and, if there is one, of the test set.
    pub(super) parts: Vec<Vec<File>>,
    /// Names of the classes, in their order.
    pub(super) classes: Vec<String>,
}

/// Finds the pictures below a folder; files in the order of their names, whatever the system lists first.
///
/// # Errors
/// There are no pictures, too many classes, pictures both in and next to folders, or a folder cannot be read.
pub(super) fn arrange(folder: &Path) -> Result<Arrangement> {
    let (train, test) = parts_of(folder)?;
    let parts: Vec<Vec<Class>> =
        [Some(train), test].into_iter().flatten().map(|part| classes_of(&part)).collect::<Result<_>>()?;
    let names = class_names(folder, &parts)?;
    let label = |name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).expect("it was listed") as u8;
    let files = |Class { name, files }: Class| {
        let label = label(&name);
        files.into_iter().map(move |path| File { path, label })
    };
    let parts = parts.into_iter().map(|part| part.into_iter().flat_map(files).collect()).collect();
    let named = |name: String| if name == LOOSE { ONLY_CLASS.into() } else { name };
    Ok(Arrangement { parts, classes: names.into_iter().map(named).collect() })
}

/// The folders of the training set and of the test set, if there is one: `train` with `test` or `val`, or `train`
/// alone. Otherwise `train` is a class.
fn parts_of(folder: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let train = folder.join(TRAIN);
    let test = TEST.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
    if train.is_dir() {
        let (folders, pictures) = list(folder)?;
        if test.is_some() || (folders.len() == 1 && pictures.is_empty()) {
            return Ok((train, test));
        }
    }
    Ok((folder.to_path_buf(), None))
}

/// The classes of a split in the order of their names: its sub-folders with pictures, or itself.
fn classes_of(part: &Path) -> Result<Vec<Class>> {
    let (folders, loose) = list(part)?;
    let mut classes = Vec::new();
    let mut above = vec![real_path(part)?];
    for folder in folders {
        let mut files = Vec::new();
        collect(&folder, &mut above, &mut files)?;
        if !files.is_empty() {
            classes.push(Class { name: name_of(&folder), files });
        }
    }
    match loose.first() {
        None => Ok(classes),
        Some(_) if classes.is_empty() => Ok(vec![Class { name: LOOSE.into(), files: loose }]),
        Some(first) => bail!(
            Data,
            "{} is next to folders of pictures, each of which is a class; move it into one of them, or remove it",
            first.display()
        ),
    }
}

/// The names of the classes of all splits, in their order.
fn class_names(folder: &Path, parts: &[Vec<Class>]) -> Result<Vec<String>> {
    let name = folder.display();
    if parts.iter().all(Vec::is_empty) {
        bail!(Data, "{name} holds no pictures ({})", picture::formats());
    }
    if let Some(empty) = parts.iter().position(Vec::is_empty) {
        bail!(Data, "{name} has no {} pictures; add some, or remove that folder", ["training", "test"][empty]);
    }
    let loose = |part: &Vec<Class>| part[0].name == LOOSE;
    if parts.iter().any(loose) && !parts.iter().all(loose) {
        bail!(
            Data,
            "one split of {name} has its pictures in sub-folders, one for each class, and the other has not; arrange \
             both alike"
        );
    }
    let names: BTreeSet<&str> = parts.iter().flatten().map(|class| class.name.as_str()).collect();
    if names.len() > MAX_CLASSES {
        bail!(
            Data,
            "{name} has {} sub-folders with pictures, and a data set has at most {} classes; use fewer",
            names.len(),
            MAX_CLASSES
        );
    }
    Ok(names.into_iter().map(String::from).collect())
}

/// The sub-folders and the pictures in a folder, by name, without hidden files and files of other types.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let unreadable =
        |error| error!(Data, "the folder {} could not be read ({error}); check its permissions", folder.display());
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(unreadable)?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| !name_of(path).starts_with('.'));
    paths.sort();
    let (folders, mut files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    files.retain(|path| picture::is_named_so(path));
    Ok((folders, files))
}

/// Appends the pictures of a folder and of those below it; `above` is the path of folders to it. A link to one of
/// them is not followed.
fn collect(folder: &Path, above: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    let real = real_path(folder)?;
    if above.contains(&real) {
        return Ok(());
    }
    above.push(real);
    let (folders, pictures) = list(folder)?;
    files.extend(pictures);
    folders.iter().try_for_each(|folder| collect(folder, above, files))?;
    above.pop();
    Ok(())
}

fn real_path(folder: &Path) -> Result<PathBuf> {
    let found = folder.canonicalize();
    found.with_context(ErrorKind::Data, || {
        format!("the folder {} could not be read; check its permissions", folder.display())
    })
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    fn put(root: &TempDir, name: &str) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    /// The files of each part below `root`, each with its class.
    fn arranged(root: &TempDir) -> Vec<Vec<String>> {
        let Arrangement { parts, classes } = arrange(root.path()).unwrap();
        let shown = |File { path, label }: &File| {
            let path = path.strip_prefix(root.path()).unwrap().display().to_string();
            format!("{path} is {}", classes[usize::from(*label)])
        };
        parts.iter().map(|part| part.iter().map(shown).collect()).collect()
    }

    fn sentence(root: &TempDir) -> String {
        arrange(root.path()).err().unwrap().to_string()
    }

    #[test]
    fn sub_folders_are_classes_in_the_order_of_names() {
        let root = tempfile::tempdir().unwrap();
        for name in ["dog/2.png", "dog/1.jpg", "cat/b/9.webp", "cat/a.PNG", "cat/c.jpeg", ".hidden/x.png", "dog/.x.png"]
        {
            put(&root, name);
        }
        put(&root, "dog/notes.txt");
        put(&root, "readme.md");
        fs::create_dir(root.path().join("empty")).unwrap();
        let expected =
            ["cat/a.PNG is cat", "cat/c.jpeg is cat", "cat/b/9.webp is cat", "dog/1.jpg is dog", "dog/2.png is dog"];
        assert_eq!(arranged(&root), [expected]);
        let loose = tempfile::tempdir().unwrap();
        put(&loose, "b.png");
        put(&loose, "a.png");
        assert_eq!(arranged(&loose), [["a.png is pictures", "b.png is pictures"]]);
    }

    #[test]
    fn splits_are_train_with_test_or_val() {
        for (test, other) in [("test", "val"), ("val", "extra")] {
            let root = tempfile::tempdir().unwrap();
            for name in ["train/b/1.png", "train/c/1.png", &format!("{test}/a/1.png"), &format!("{other}/d/1.png")] {
                put(&root, name);
            }
            let train = vec!["train/b/1.png is b".to_string(), "train/c/1.png is c".into()];
            assert_eq!(arranged(&root), [train, vec![format!("{test}/a/1.png is a")]]);
        }
        let alone = tempfile::tempdir().unwrap();
        put(&alone, "train/a/1.png");
        assert_eq!(arranged(&alone), [["train/a/1.png is a"]]);
        // Beside buses, trains are vehicles.
        put(&alone, "bus/1.png");
        assert_eq!(arranged(&alone), [["bus/1.png is bus", "train/a/1.png is train"]]);
    }

    #[test]
    fn ambiguous_folders_are_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(sentence(&root).contains("holds no pictures (PNG"));
        put(&root, "train/a.png");
        fs::create_dir(root.path().join("test")).unwrap();
        assert!(sentence(&root).contains("has no test pictures"));
        put(&root, "test/cat/a.png");
        assert!(sentence(&root).contains("the other has not; arrange both alike"));
        put(&root, "test/b.png");
        assert!(sentence(&root).contains("b.png is next to folders of pictures"));
        let many = tempfile::tempdir().unwrap();
        (0..257).for_each(|class| put(&many, &format!("{class}/a.png")));
        assert!(sentence(&many).contains("has 257 sub-folders with pictures, and a data set has at most 256 classes"));
        fs::remove_dir_all(many.path().join("256")).unwrap();
        assert_eq!(arrange(many.path()).unwrap().classes.len(), 256);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        put(&elsewhere, "deep/1.png");
        put(&root, "a/1.png");
        symlink(elsewhere.path(), root.path().join("b")).unwrap();
        symlink(root.path(), root.path().join("a/up")).unwrap();
        symlink(root.path().join("a"), root.path().join("a/self")).unwrap();
        assert_eq!(arranged(&root), [["a/1.png is a", "b/deep/1.png is b"]]);
    }
}
