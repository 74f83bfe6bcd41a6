//! Folders of images: sub-folders are classes, below folders of a training and a test part if there are any.

use super::dataset::{MAX_CLASSES, ONLY_CLASS};
use super::scan::{Folder, images_of};
use crate::io::error::{Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Names of the folders of the parts, in any case; of several test folders, the first of this list is used.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// Name of a class without its own folder; no folder has it.
const LOOSE: &str = "";

/// The images of one class of one part, in the order of their paths.
struct Class {
    /// Name of its folder, or [`LOOSE`].
    name: String,
    files: Vec<PathBuf>,
}

/// An image's file and label.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) label: u8,
}

/// The files of a folder by part and class.
pub(super) struct Arrangement {
    /// Files of the training set and, if there is one, of the test set.
    pub(super) parts: Vec<Vec<File>>,
    /// Names of the classes, in their order.
    pub(super) classes: Vec<String>,
    /// Sentences on what was left out or could be meant otherwise.
    pub(super) notes: Vec<String>,
}

/// Finds the images below a folder; files in the order of their names, whatever the system lists first.
///
/// # Errors
/// There are no images, too many classes, images both in and next to folders, a test part without a training part, or
/// a folder cannot be read.
pub(super) fn arrange(root: &Path) -> Result<Arrangement> {
    let mut notes = Vec::new();
    let folder = images_of(root, &mut notes)?;
    let (train, test) = parts_of(root, unwrapped(folder, &mut notes), &mut notes)?;
    let parts: Vec<Vec<Class>> = [Some(train), test].into_iter().flatten().map(classes_of).collect::<Result<_>>()?;
    let names = class_names(root, &parts)?;
    let label = |name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).expect("it was listed") as u8;
    let files = |Class { name, files }: Class| {
        let label = label(&name);
        files.into_iter().map(move |path| File { path, label })
    };
    let parts = parts.into_iter().map(|part| part.into_iter().flat_map(files).collect()).collect();
    let named = |name: String| if name == LOOSE { ONLY_CLASS.into() } else { name };
    Ok(Arrangement { parts, classes: names.into_iter().map(named).collect(), notes })
}

/// The same without classes: all images are of one, in whatever folders they are.
///
/// # Errors
/// There are no images, a test part without a training part, or a folder cannot be read.
pub(super) fn arrange_all(root: &Path) -> Result<Arrangement> {
    let mut notes = Vec::new();
    let folder = images_of(root, &mut notes)?;
    let (train, test) = parts_of(root, unwrapped(folder, &mut notes), &mut notes)?;
    Ok(of_one_class([Some(train), test].into_iter().flatten(), notes))
}

/// All images below the folder of the training part and below that of the test part, if there is one, of one class.
///
/// # Errors
/// A part has no images, or a folder cannot be read.
pub(super) fn arrange_parts(train: &Path, test: Option<&Path>) -> Result<Arrangement> {
    let mut notes = Vec::new();
    let parts = [Some(train), test].into_iter().flatten().map(|part| images_of(part, &mut notes));
    let parts: Vec<Folder> = parts.collect::<Result<_>>()?;
    Ok(of_one_class(parts.into_iter(), notes))
}

fn of_one_class(parts: impl Iterator<Item = Folder>, notes: Vec<String>) -> Arrangement {
    let files = |part: Folder| part.into_images().into_iter().map(|path| File { path, label: 0 }).collect();
    Arrangement { parts: parts.map(files).collect(), classes: vec![ONLY_CLASS.into()], notes }
}

impl Folder {
    fn is_train(&self) -> bool {
        TRAIN.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    /// Place of its name among those of test folders.
    fn test_rank(&self) -> Option<usize> {
        rank(&self.name)
    }
}

fn rank(name: &str) -> Option<usize> {
    TEST.iter().position(|known| name.eq_ignore_ascii_case(known))
}

/// The folder that holds the parts or the classes: a folder may hold nothing but it.
fn unwrapped(mut folder: Folder, notes: &mut Vec<String>) -> Folder {
    while let [only] = &folder.folders[..]
        && folder.images.is_empty()
        && only.images.is_empty()
        && !only.is_train()
        && only.test_rank().is_none()
    {
        notes.push(format!("the images are in its sub-folder '{}'", only.name));
        folder = folder.folders.remove(0);
    }
    folder
}

/// The folders of the training part and of the test part, if there is one. Without a folder of a training part, all is
/// one part.
fn parts_of(root: &Path, mut folder: Folder, notes: &mut Vec<String>) -> Result<(Folder, Option<Folder>)> {
    let name = root.display();
    let names = |folders: &[Folder]| {
        folders
            .iter()
            .map(|folder| format!("'{}' ({} images)", folder.name, folder.count()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (mut trains, rest): (Vec<_>, Vec<_>) = folder.folders.into_iter().partition(Folder::is_train);
    let (mut tests, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|folder| folder.test_rank().is_some());
    tests.sort_by_key(Folder::test_rank);
    if trains.len() > 1 {
        bail!(Data, "{name} has several training folders: {}; keep one", names(&trains));
    }
    let Some(train) = trains.pop() else {
        if !tests.is_empty() && others.is_empty() && folder.images.is_empty() {
            bail!(Data, "{name} has {}, but no folder 'train' with images; add one", names(&tests));
        }
        if !tests.is_empty() {
            notes.push(format!("{}: used as a class, because there is no folder 'train'", names(&tests)));
        }
        folder.folders = others.into_iter().chain(tests).collect();
        folder.folders.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok((folder, None));
    };
    if tests.is_empty()
        && let Some(empty) = folder.empty.iter().find(|name| rank(name).is_some())
    {
        bail!(Data, "{name} has no test images in '{empty}'; add some, or remove that folder");
    }
    // Among folders of images, `train` may be a kind of vehicle.
    if tests.is_empty() && !others.is_empty() && !train.images.is_empty() {
        notes.push(format!("'{}': used as a class, because there are other folders of images", train.name));
        folder.folders = others.into_iter().chain([train]).collect();
        folder.folders.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok((folder, None));
    }
    let unused: Vec<Folder> = others.into_iter().chain(tests.drain(tests.len().min(1)..)).collect();
    if !unused.is_empty() {
        notes.push(format!("not used, next to '{}': {}", train.name, names(&unused)));
    }
    if !folder.images.is_empty() {
        notes.push(format!("not used, next to '{}': {} images", train.name, folder.images.len()));
    }
    Ok((train, tests.pop()))
}

/// The classes of a part in the order of their names: its sub-folders, or itself.
fn classes_of(part: Folder) -> Result<Vec<Class>> {
    let Folder { folders, images, .. } = part;
    match images.first() {
        None => Ok(folders
            .into_iter()
            .map(|class| Class { name: class.name.clone(), files: class.into_images() })
            .collect()),
        Some(_) if folders.is_empty() => Ok(vec![Class { name: LOOSE.into(), files: images }]),
        Some(first) => {
            bail!(
                Data,
                "{} is next to class folders ({}); move it into one of them, or remove it or the folders",
                first.display(),
                folders.iter().map(|class| class.name.as_str()).take(3).collect::<Vec<_>>().join(", ")
            )
        }
    }
}

/// The names of the classes of all parts, in their order.
fn class_names(folder: &Path, parts: &[Vec<Class>]) -> Result<Vec<String>> {
    let name = folder.display();
    let loose = |part: &Vec<Class>| part[0].name == LOOSE;
    if parts.iter().any(loose) && !parts.iter().all(loose) {
        bail!(
            Data,
            "{name} has class folders in only one of its parts, training and test; use class folders in both, or in \
             neither"
        );
    }
    let names: BTreeSet<&str> = parts.iter().flatten().map(|class| class.name.as_str()).collect();
    if names.len() > MAX_CLASSES {
        bail!(Data, "{name} has {} class folders (at most {MAX_CLASSES}); use fewer", names.len());
    }
    Ok(names.into_iter().map(String::from).collect())
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
        let Arrangement { parts, classes, .. } = arrange(root.path()).unwrap();
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
        assert_eq!(arranged(&loose), [["a.png is images", "b.png is images"]]);
    }

    fn notes(root: &TempDir) -> Vec<String> {
        arrange(root.path()).unwrap().notes
    }

    #[test]
    fn parts_have_the_names_that_people_give_them() {
        for (train, test, other) in [
            ("train", "test", "val"),
            ("Train", "val", "extra"),
            ("training", "Testing", "__MACOSX"),
            ("TRAIN", "valid", "@eaDir"),
            ("Training", "Validation", ".cache"),
        ] {
            let root = tempfile::tempdir().unwrap();
            for name in ["b/1.png", "c/1.png"] {
                put(&root, &format!("{train}/{name}"));
            }
            put(&root, &format!("{test}/a/1.png"));
            put(&root, &format!("{other}/d/1.png"));
            let expected = vec![format!("{train}/b/1.png is b"), format!("{train}/c/1.png is c")];
            assert_eq!(arranged(&root), [expected, vec![format!("{test}/a/1.png is a")]]);
            let unused = format!("not used, next to '{train}': '{other}' (1 images)");
            assert_eq!(notes(&root), if ["val", "extra"].contains(&other) { vec![unused] } else { vec![] });
        }
    }

    #[test]
    fn a_training_part_keeps_its_classes_whatever_is_beside_it() {
        let root = tempfile::tempdir().unwrap();
        put(&root, "train/cat/1.png");
        put(&root, "train/dog/1.png");
        let expected = [["train/cat/1.png is cat", "train/dog/1.png is dog"]];
        assert_eq!(arranged(&root), expected);
        put(&root, "__MACOSX/train/cat/._1.png");
        put(&root, "labels/1.txt");
        assert_eq!(arranged(&root), expected);
        assert_eq!(notes(&root), ["not read: 1 file of other types (1 .txt)"]);
        put(&root, "unlabelled/1.png");
        assert_eq!(arranged(&root), expected);
        assert_eq!(notes(&root)[1], "not used, next to 'train': 'unlabelled' (1 images)");
        // Beside buses, trains are vehicles.
        let vehicles = tempfile::tempdir().unwrap();
        put(&vehicles, "train/1.png");
        put(&vehicles, "bus/1.png");
        assert_eq!(arranged(&vehicles), [["bus/1.png is bus", "train/1.png is train"]]);
        assert!(notes(&vehicles)[0].contains("'train': used as a class"));
    }

    #[test]
    fn a_folder_around_all_is_skipped() {
        let root = tempfile::tempdir().unwrap();
        put(&root, "download/dataset/cat/1.png");
        put(&root, "download/dataset/dog/1.png");
        let below = ["download/dataset/cat/1.png is cat", "download/dataset/dog/1.png is dog"];
        assert_eq!(arranged(&root), [below]);
        assert!(notes(&root)[1].contains("'dataset'"));
        let parts = tempfile::tempdir().unwrap();
        put(&parts, "images/train/1.png");
        put(&parts, "images/test/1.png");
        put(&parts, "labels/train/1.txt");
        assert_eq!(arranged(&parts), [["images/train/1.png is images"], ["images/test/1.png is images"]]);
        // One class has its own name.
        let one = tempfile::tempdir().unwrap();
        put(&one, "cat/1.png");
        assert_eq!(arranged(&one), [["cat/1.png is cat"]]);
    }

    #[test]
    fn other_files_are_counted() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a.HEIC", "b.heic", "c.mov", "Thumbs.db", "README"] {
            put(&root, name);
        }
        let others = "4 files of other types (2 .heic, 1 .mov, 1 without an ending)";
        assert!(sentence(&root).ends_with(&format!("; it holds {others}")), "{}", sentence(&root));
        put(&root, "d.gif");
        assert_eq!(notes(&root), [format!("not read: {others}")]);
    }

    #[test]
    fn ambiguous_folders_are_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(sentence(&root).contains("holds no images (PNG"));
        put(&root, "train/a.png");
        fs::create_dir(root.path().join("test")).unwrap();
        assert!(sentence(&root).contains("has no test images in 'test'"));
        put(&root, "test/cat/a.png");
        assert!(sentence(&root).contains("in only one of its parts"));
        put(&root, "test/b.png");
        assert!(sentence(&root).contains("b.png is next to class folders"));
        put(&root, "Training/b.png");
        assert!(sentence(&root).contains("has several training folders: 'Training' (1 images), 'train' (1 images)"));
        let tests = tempfile::tempdir().unwrap();
        put(&tests, "valid/a.png");
        assert!(sentence(&tests).contains("has 'valid' (1 images), but no folder 'train'"));
        let many = tempfile::tempdir().unwrap();
        (0..257).for_each(|class| put(&many, &format!("{class}/a.png")));
        assert!(sentence(&many).contains("has 257 class folders (at most 256)"));
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
