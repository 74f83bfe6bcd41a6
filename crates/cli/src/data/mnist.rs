//! The built-in digits, and folders of four IDX files: MNIST, Fashion-MNIST, KMNIST and EMNIST.

use super::dataset::{SizedSplit, Split, Splits, numbered};
use super::idx::{self, Idx};
use crate::io::error::{Result, bail, error};
use crate::io::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One of the four files: its name in the spellings of mirrors, and its built-in contents.
struct Source {
    names: [&'static str; 3],
    built_in: &'static [u8],
}

macro_rules! source {
    ($stem:literal, $kind:literal, $emnist:literal) => {
        Source {
            names: [concat!($stem, "-", $kind), concat!($stem, ".", $kind), concat!($emnist, "-", $kind)],
            built_in: include_bytes!(concat!("../../../../data/", $stem, "-", $kind, ".gz")),
        }
    };
}

static TRAIN: [Source; 2] =
    [source!("train-images", "idx3-ubyte", "train-images"), source!("train-labels", "idx1-ubyte", "train-labels")];
static TEST: [Source; 2] =
    [source!("t10k-images", "idx3-ubyte", "test-images"), source!("t10k-labels", "idx1-ubyte", "test-labels")];

/// Sub-folders in which torchvision keeps the files.
const INNER: [&str; 3] = ["", "raw", "MNIST/raw"];
/// Start of the names of EMNIST's files. Its images lie on their side.
const EMNIST: &str = "emnist-";
/// End of the name of EMNIST's file of classes: a label and the number of its character, a line each.
const MAPPING: &str = "mapping.txt";

/// True for a folder that holds any of MNIST's four files, or whose `raw` or `MNIST/raw` does.
pub(super) fn is_in(folder: &Path) -> bool {
    within(folder).is_some()
}

/// The folder with the files, and the starts of their names: empty for MNIST, `emnist-letters-` for EMNIST.
fn within(folder: &Path) -> Option<(PathBuf, BTreeSet<String>)> {
    let folders = INNER.into_iter().map(|inner| folder.join(inner));
    let mut found = folders.map(|folder| (prefixes(&folder), folder)).filter(|(prefixes, _)| !prefixes.is_empty());
    found.next().map(|(prefixes, folder)| (folder, prefixes))
}

/// The prefixes of the names of the four files in a folder.
fn prefixes(folder: &Path) -> BTreeSet<String> {
    let names = || TRAIN.iter().chain(&TEST).flat_map(|source| source.names);
    let prefix = |file: &str| {
        let file = file.strip_suffix(".gz").unwrap_or(file);
        let prefix = names().find_map(|name| file.strip_suffix(name))?;
        (prefix.is_empty() || prefix.ends_with('-')).then(|| prefix.to_string())
    };
    let paths = files::list(folder).unwrap_or_default();
    paths.iter().filter_map(|path| prefix(path.file_name()?.to_str()?)).collect()
}

/// The built-in digits.
///
/// # Errors
/// Those of [`read`].
pub(super) fn built_in() -> Result<Splits> {
    read_files(None)
}

/// Reads the four files of a folder.
///
/// # Errors
/// A file is missing, damaged, swapped with another, empty, or does not match another; or there are several sets.
pub(super) fn read(folder: &Path) -> Result<Splits> {
    let (folder, prefixes) = within(folder).unwrap_or_else(|| (folder.into(), [String::new()].into()));
    let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let [prefix] = prefixes[..] else {
        bail!(
            Data,
            "{} holds the IDX files of several data sets ({}); use one folder for each",
            folder.display(),
            prefixes.join(", ")
        )
    };
    let mut splits = read_files(Some((&folder, prefix)))?;
    if prefix.starts_with(EMNIST) {
        for sized in [Some(&mut splits.train), splits.test.as_mut()].into_iter().flatten() {
            turn(sized);
        }
        name_classes(&mut splits.classes, &folder.join(format!("{prefix}{MAPPING}")))?;
    }
    Ok(splits)
}

fn read_files(place: Option<(&Path, &str)>) -> Result<Splits> {
    let train = read_split(place, &TRAIN)?;
    let test = read_split(place, &TEST)?;
    let classes = numbered([&train, &test].into_iter());
    Ok(Splits { train, test: Some(test), classes })
}

/// Swaps rows and columns of every image.
fn turn(SizedSplit { split, size }: &mut SizedSplit) {
    let [height, width, _] = *size;
    for image in split.images.to_mut().chunks_exact_mut(height * width) {
        let lying = image.to_vec();
        image.iter_mut().enumerate().for_each(|(at, pixel)| *pixel = lying[at % height * width + at / height]);
    }
    *size = [width, height, 1];
}

/// Names the classes by their characters, if their file is there.
fn name_classes(classes: &mut [String], path: &Path) -> Result<()> {
    if !files::exists(path)? {
        return Ok(());
    }
    let text = files::read_text(path)?;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let numbers: Vec<u32> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
        let named = match numbers[..] {
            [label, character, ..] => char::from_u32(character).map(|character| (label as usize, character)),
            _ => None,
        };
        let malformed =
            || error!(Data, "{} has the line {line:?}; expected a label and a character code", path.display());
        let (label, character) = named.ok_or_else(malformed)?;
        if let Some(class) = classes.get_mut(label) {
            *class = character.to_string();
        }
    }
    Ok(())
}

/// The images and labels of one split.
fn read_split(place: Option<(&Path, &str)>, [images, labels]: &[Source; 2]) -> Result<SizedSplit> {
    let (images_name, images) = read_file(place, images)?;
    let [count, height, width] = images.dims[..] else {
        bail!(Data, "{images_name} holds labels, not images; check that the two files are not swapped");
    };
    let (labels_name, labels) = read_file(place, labels)?;
    if labels.dims.len() != 1 {
        bail!(Data, "{labels_name} holds images, not labels; check that the two files are not swapped");
    }
    if images.bytes.is_empty() {
        bail!(Data, "{images_name} holds no images ({count} of {height}×{width}); use another file");
    }
    let label_count = labels.bytes.len();
    if label_count != count {
        bail!(
            Data,
            "{images_name} holds {count} images and {labels_name} {label_count} labels; take both from one set"
        );
    }
    Ok(SizedSplit {
        split: Split { images: images.bytes, labels: labels.bytes.into_vec(), count },
        size: [height, width, 1],
    })
}

/// One file and what it is called in errors.
fn read_file(place: Option<(&Path, &str)>, source: &Source) -> Result<(String, Idx)> {
    let Some((folder, prefix)) = place else {
        let name = format!("the built-in {}", source.names[0]);
        let idx = idx::parse(source.built_in, &name)?;
        return Ok((name, idx));
    };
    let spellings = source.names.iter().map(|name| format!("{prefix}{name}"));
    let paths = spellings.flat_map(|name| [folder.join(&name), folder.join(format!("{name}.gz"))]);
    let Some(path) = paths.into_iter().find(|path| files::exists(path).unwrap_or(false)) else {
        let (name, folder) = (format!("{prefix}{}", source.names[0]), folder.display());
        bail!(Data, "{folder} has no file {name} or {name}.gz; MNIST has four IDX files");
    };
    let idx = idx::read(&path)?;
    Ok((path.display().to_string(), idx))
}

#[cfg(test)]
mod tests {
    use crate::config::data::DataOptions;
    use crate::data::idx::encode;
    use crate::data::{DataSet, from};
    use std::fs;
    use tempfile::TempDir;

    /// A folder with three training and two test images of 2×2.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
        put("train-images-idx3-ubyte", encode(&[3, 2, 2], &(0..12).collect::<Vec<u8>>()));
        put("train-labels.idx1-ubyte", encode(&[3], &[0, 1, 2]));
        put("t10k-images.idx3-ubyte", encode(&[2, 2, 2], &[7; 8]));
        put("t10k-labels-idx1-ubyte", encode(&[2], &[1, 0]));
        folder
    }

    fn sentence(folder: &TempDir) -> String {
        DataSet::load(&from(folder.path())).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_digits_are_balanced() {
        let digits = DataSet::load(&DataOptions::default()).unwrap();
        assert_eq!((digits.height, digits.width, digits.channels, digits.pixels()), (28, 28, 1, 784));
        assert_eq!((digits.name.as_str(), digits.fingerprint().as_str()), ("digits", "10000x28x28x1-cf9e0150"));
        for (split, each) in [(&digits.train, 1000), (&digits.test, 200)] {
            assert_eq!((split.count, split.images.len()), (10 * each, 10 * each * 784));
            for class in 0..10 {
                assert_eq!(split.labels.iter().filter(|&&label| label == class).count(), each);
            }
        }
        assert_eq!(digits.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }

    #[test]
    fn reads_a_folder_in_either_spelling() {
        let data = DataSet::load(&from(folder().path())).unwrap();
        assert_eq!((data.train.count, data.test.count, data.pixels()), (3, 2, 4));
        assert_eq!((data.train.images[4], data.train.labels[2], data.test.labels[0]), (4, 2, 1));
        assert_eq!(data.classes, ["0", "1", "2"]);
    }

    #[test]
    fn a_swapped_file_has_its_own_sentence() {
        let dir = folder();
        fs::copy(dir.path().join("train-labels.idx1-ubyte"), dir.path().join("train-images-idx3-ubyte")).unwrap();
        assert!(sentence(&dir).contains("train-images-idx3-ubyte holds labels, not images"));
        let dir = folder();
        fs::copy(dir.path().join("t10k-images.idx3-ubyte"), dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
        assert!(sentence(&dir).contains("t10k-labels-idx1-ubyte holds images, not labels"));
    }

    #[test]
    fn says_what_is_missing_or_does_not_agree() {
        let dir = folder();
        let put = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
        put("t10k-images.idx3-ubyte", encode(&[2, 2, 3], &[7; 12]));
        assert!(sentence(&dir).contains("are 2×2×1, but its test images are 2×3×1"));
        let square = DataOptions { size: 2, ..from(dir.path()) };
        assert_eq!(DataSet::load(&square).unwrap().pixels(), 4, "a size reconciles them");
        put("t10k-images.idx3-ubyte", encode(&[1, 2, 2], &[7; 4]));
        assert!(sentence(&dir).contains("holds 1 images"));
        put("t10k-images.idx3-ubyte", encode(&[0, 2, 2], &[]));
        assert!(sentence(&dir).contains("holds no images"));
        fs::remove_file(dir.path().join("t10k-images.idx3-ubyte")).unwrap();
        assert!(sentence(&dir).contains("has no file t10k-images-idx3-ubyte"));
    }

    #[test]
    fn files_may_be_where_torchvision_puts_them() {
        let dir = folder();
        for inner in ["raw", "MNIST/raw"] {
            let parent = tempfile::tempdir().unwrap();
            fs::create_dir_all(parent.path().join(inner)).unwrap();
            for entry in fs::read_dir(dir.path()).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), parent.path().join(inner).join(entry.file_name())).unwrap();
            }
            assert_eq!(DataSet::load(&from(parent.path())).unwrap().train.count, 3, "{inner}");
        }
    }

    #[test]
    fn emnist_is_upright_with_its_characters_for_classes() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
        for (part, count) in [("train", 2), ("test", 1)] {
            let images: Vec<u8> = (0..6 * count).collect();
            put(&format!("emnist-letters-{part}-images-idx3-ubyte"), encode(&[count.into(), 2, 3], &images));
            let labels: Vec<u8> = (1..=count).collect();
            put(&format!("emnist-letters-{part}-labels-idx1-ubyte"), encode(&[count.into()], &labels));
        }
        let data = DataSet::load(&from(dir.path())).unwrap();
        assert_eq!((data.height, data.width, &data.train.images[..6]), (3, 2, &[0, 3, 1, 4, 2, 5][..]));
        assert_eq!(data.classes, ["1", "2"]);
        put("emnist-letters-mapping.txt", b"1 65 97\n2 66 98\n3 67 99\n".to_vec());
        let data = DataSet::load(&from(dir.path())).unwrap();
        assert_eq!((data.classes, data.train.labels), (vec!["A".into(), "B".into()], vec![0, 1]));
        put("emnist-letters-mapping.txt", b"one A\n".to_vec());
        assert!(sentence(&dir).contains("has the line \"one A\"; expected a label"));
        put("emnist-digits-train-images-idx3-ubyte.gz", Vec::new());
        assert!(sentence(&dir).contains("several data sets (emnist-digits-, emnist-letters-)"));
    }
}
