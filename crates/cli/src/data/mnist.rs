//! The built-in digits, and folders of MNIST's four IDX files.

use super::dataset::{SizedSplit, Split, Splits, numbered};
use super::idx::{self, Idx};
use crate::io::error::{Result, bail};
use std::path::{Path, PathBuf};

/// One of the four files: its name in two spellings, as mirrors of MNIST have it, and its built-in contents.
struct Source {
    names: [&'static str; 2],
    built_in: &'static [u8],
}

macro_rules! source {
    ($stem:literal, $kind:literal) => {
        Source {
            names: [concat!($stem, "-", $kind), concat!($stem, ".", $kind)],
            built_in: include_bytes!(concat!("../../../../data/", $stem, "-", $kind, ".gz")),
        }
    };
}

static TRAIN: [Source; 2] = [source!("train-images", "idx3-ubyte"), source!("train-labels", "idx1-ubyte")];
static TEST: [Source; 2] = [source!("t10k-images", "idx3-ubyte"), source!("t10k-labels", "idx1-ubyte")];

/// True for a folder that holds any of MNIST's four files.
pub(super) fn is_in(folder: &Path) -> bool {
    TRAIN.iter().chain(&TEST).any(|source| locate(folder, source).is_some())
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
/// A file is missing, damaged, swapped with another, empty, or does not match another.
pub(super) fn read(folder: &Path) -> Result<Splits> {
    read_files(Some(folder))
}

fn read_files(folder: Option<&Path>) -> Result<Splits> {
    let train = read_split(folder, &TRAIN)?;
    let test = read_split(folder, &TEST)?;
    let classes = numbered([&train, &test].into_iter());
    Ok(Splits { train, test: Some(test), classes })
}

/// The images and labels of one split.
fn read_split(folder: Option<&Path>, [images, labels]: &[Source; 2]) -> Result<SizedSplit> {
    let (images_name, images) = read_file(folder, images)?;
    let [count, height, width] = images.dims[..] else {
        bail!(Data, "{images_name} holds labels, not images; check that the two files are not swapped");
    };
    let (labels_name, labels) = read_file(folder, labels)?;
    if labels.dims.len() != 1 {
        bail!(Data, "{labels_name} holds images, not labels; check that the two files are not swapped");
    }
    if images.bytes.is_empty() {
        bail!(Data, "{images_name} holds no pictures ({count} of {height}×{width}); give a file that does");
    }
    let label_count = labels.bytes.len();
    if label_count != count {
        bail!(
            Data,
            "{images_name} holds {count} images and {labels_name} {label_count} labels; take both from one set"
        );
    }
    Ok(SizedSplit { split: Split { images: images.bytes, labels: labels.bytes, count }, size: [height, width, 1] })
}

/// One file and what it is called in errors.
fn read_file(folder: Option<&Path>, source: &Source) -> Result<(String, Idx)> {
    let Some(folder) = folder else {
        let name = format!("the built-in {}", source.names[0]);
        let idx = idx::parse(source.built_in, &name)?;
        return Ok((name, idx));
    };
    let Some(path) = locate(folder, source) else {
        let [name, _] = source.names;
        let folder = folder.display();
        bail!(Data, "{folder} has no file {name} or {name}.gz; MNIST has four IDX files");
    };
    let idx = idx::read(&path)?;
    Ok((path.display().to_string(), idx))
}

fn locate(folder: &Path, source: &Source) -> Option<PathBuf> {
    let spellings = source.names.iter().flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))]);
    spellings.into_iter().find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use crate::config::data::DataOptions;
    use crate::data::idx::encode;
    use crate::data::{DataSet, from};
    use std::fs;
    use tempfile::TempDir;

    /// A folder with three training and two test pictures of 2×2.
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
        assert!(sentence(&dir).contains("are 2×2×1 and its test images 2×3×1"));
        let square = DataOptions { size: 2, ..from(dir.path()) };
        assert_eq!(DataSet::load(&square).unwrap().pixels(), 4, "a size reconciles them");
        put("t10k-images.idx3-ubyte", encode(&[1, 2, 2], &[7; 4]));
        assert!(sentence(&dir).contains("holds 1 images"));
        put("t10k-images.idx3-ubyte", encode(&[0, 2, 2], &[]));
        assert!(sentence(&dir).contains("holds no pictures"));
        fs::remove_file(dir.path().join("t10k-images.idx3-ubyte")).unwrap();
        assert!(sentence(&dir).contains("has no file t10k-images-idx3-ubyte"));
    }
}
