//! Data sets: the built-in digits, and folders of IDX files laid out as MNIST is.

use crate::idx::{self, Idx};
use anyhow::{Result, bail};
use flate2::Crc;
use std::path::{Path, PathBuf};

/// The name of the data set that is compiled in.
pub(crate) const BUILT_IN: &str = "digits";

/// One of the four files: the two ways MNIST's mirrors spell its name, and its built-in contents.
struct Source {
    names: [&'static str; 2],
    built_in: &'static [u8],
}

macro_rules! source {
    ($stem:literal, $kind:literal) => {
        Source {
            names: [concat!($stem, "-", $kind), concat!($stem, ".", $kind)],
            built_in: include_bytes!(concat!("../../../data/", $stem, "-", $kind, ".gz")),
        }
    };
}

static TRAIN: [Source; 2] = [source!("train-images", "idx3-ubyte"), source!("train-labels", "idx1-ubyte")];
static TEST: [Source; 2] = [source!("t10k-images", "idx3-ubyte"), source!("t10k-labels", "idx1-ubyte")];

/// Images and their labels, one byte each.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    /// The pictures, `count` × height × width × channels.
    pub(crate) images: Vec<u8>,
    /// One class for each picture.
    pub(crate) labels: Vec<u8>,
    /// How many pictures.
    pub(crate) count: usize,
}

/// What a model trains on and what it is tested on, pictures of one size.
#[derive(Clone, Debug)]
pub(crate) struct DataSet {
    /// `digits`, or the folder it was read from.
    pub(crate) name: String,
    /// What a model trains on.
    pub(crate) train: Split,
    /// What it is tested on.
    pub(crate) test: Split,
    /// Rows of a picture.
    pub(crate) height: usize,
    /// Columns of a picture.
    pub(crate) width: usize,
    /// Bytes of a pixel.
    pub(crate) channels: usize,
}

impl DataSet {
    /// Reads a data set: the built-in digits for nothing or for `digits`, else a folder. A folder that is itself
    /// called `digits` is reached as `./digits`.
    ///
    /// # Errors
    /// One sentence that names the file or folder: something is missing, damaged, swapped, empty, or does not agree.
    pub(crate) fn load(source: Option<&Path>) -> Result<Self> {
        let folder = source.filter(|path| *path != Path::new(BUILT_IN));
        let name = folder.map_or_else(|| BUILT_IN.to_string(), |path| path.display().to_string());
        if let Some(folder) = folder
            && !folder.is_dir()
        {
            bail!("there is no folder {name}; give --data a folder with MNIST's four IDX files, or leave it out");
        }
        let (train, train_size) = read_split(folder, &TRAIN)?;
        let (test, test_size) = read_split(folder, &TEST)?;
        if train_size != test_size {
            let [[h, w], [test_h, test_w]] = [train_size, test_size];
            bail!(
                "the training images of {name} are {h}×{w} and its test images {test_h}×{test_w}; take both from one \
                 set"
            );
        }
        let [height, width] = train_size;
        Ok(Self { name, train, test, height, width, channels: 1 })
    }

    /// Numbers in one picture.
    pub(crate) fn pixels(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// A picture's height, width and channels, as checkpoints note them.
    pub(crate) fn picture_size(&self) -> String {
        format!("{}x{}x{}", self.height, self.width, self.channels)
    }

    /// A set of one black picture of a size that [`Self::picture_size`] gave: for models that only draw. `None`
    /// where the text is no such size.
    pub(crate) fn black(picture_size: &str) -> Option<Self> {
        let sizes: Option<Vec<usize>> = picture_size.split('x').map(|size| size.parse().ok()).collect();
        let &[height, width, channels] = sizes?.as_slice() else { return None };
        let pixels = height.checked_mul(width)?.checked_mul(channels).filter(|pixels| *pixels > 0)?;
        let split = || Split { images: vec![0; pixels], labels: vec![0], count: 1 };
        Some(Self { name: "nothing".into(), train: split(), test: split(), height, width, channels })
    }

    /// A short mark of the set: sizes and a CRC-32 of images and labels. Equal sets have equal marks.
    pub(crate) fn fingerprint(&self) -> String {
        let mut crc = Crc::new();
        for split in [&self.train, &self.test] {
            crc.update(&split.images);
            crc.update(&split.labels);
        }
        let Self { train, height, width, channels, .. } = self;
        format!("{}x{height}x{width}x{channels}-{:08x}", train.count, crc.sum())
    }
}

/// The images and labels of one part, and the height and width of its pictures.
fn read_split(folder: Option<&Path>, [images, labels]: &[Source; 2]) -> Result<(Split, [usize; 2])> {
    let (images_name, images) = read_file(folder, images)?;
    let [count, height, width] = images.dims[..] else {
        bail!("{images_name} holds labels, where images are expected; check that the two files were not swapped");
    };
    let (labels_name, labels) = read_file(folder, labels)?;
    if labels.dims.len() != 1 {
        bail!("{labels_name} holds images, where labels are expected; check that the two files were not swapped");
    }
    if images.bytes.is_empty() {
        bail!("{images_name} holds no pictures ({count} of {height}×{width}); give a file that does");
    }
    let label_count = labels.bytes.len();
    if label_count != count {
        bail!("{images_name} holds {count} images and {labels_name} {label_count} labels; take both from one set");
    }
    Ok((Split { images: images.bytes, labels: labels.bytes, count }, [height, width]))
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
        bail!("{} has no file {name} or {name}.gz; give --data a folder with MNIST's four IDX files", folder.display());
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
    use super::*;
    use crate::idx::encode;
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
        DataSet::load(Some(folder.path())).unwrap_err().to_string()
    }

    #[test]
    fn the_built_in_digits_are_balanced() {
        let digits = DataSet::load(None).unwrap();
        assert_eq!((digits.height, digits.width, digits.channels, digits.pixels()), (28, 28, 1, 784));
        for (split, each) in [(&digits.train, 1000), (&digits.test, 200)] {
            assert_eq!((split.count, split.images.len()), (10 * each, 10 * each * 784));
            for class in 0..10 {
                assert_eq!(split.labels.iter().filter(|&&label| label == class).count(), each);
            }
        }
        let named = DataSet::load(Some(Path::new("digits"))).unwrap();
        assert_eq!((named.name.as_str(), named.fingerprint()), ("digits", digits.fingerprint()));
    }

    #[test]
    fn reads_a_folder_in_either_spelling() {
        let data = DataSet::load(Some(folder().path())).unwrap();
        assert_eq!((data.train.count, data.test.count, data.pixels()), (3, 2, 4));
        assert_eq!((data.train.images[4], data.train.labels[2], data.test.labels[0]), (4, 2, 1));
    }

    #[test]
    fn the_fingerprint_is_of_what_is_trained_on() {
        let data = DataSet::load(Some(folder().path())).unwrap();
        let mut other = data.clone();
        other.name = "elsewhere".into();
        assert_eq!(other.fingerprint(), data.fingerprint());
        other.train.images[5] ^= 1;
        assert_ne!(other.fingerprint(), data.fingerprint());
        let flat = DataSet { height: 1, width: 4, ..data.clone() };
        assert_ne!(flat.fingerprint(), data.fingerprint());
    }

    #[test]
    fn a_swapped_file_has_its_own_sentence() {
        let dir = folder();
        fs::copy(dir.path().join("train-labels.idx1-ubyte"), dir.path().join("train-images-idx3-ubyte")).unwrap();
        assert!(sentence(&dir).contains("train-images-idx3-ubyte holds labels, where images are expected"));
        let dir = folder();
        fs::copy(dir.path().join("t10k-images.idx3-ubyte"), dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
        assert!(sentence(&dir).contains("t10k-labels-idx1-ubyte holds images, where labels are expected"));
    }

    #[test]
    fn says_what_is_missing_or_does_not_agree() {
        let dir = folder();
        let put = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).unwrap();
        put("t10k-images.idx3-ubyte", encode(&[2, 2, 3], &[7; 12]));
        assert!(sentence(&dir).contains("are 2×2 and its test images 2×3"));
        put("t10k-images.idx3-ubyte", encode(&[1, 2, 2], &[7; 4]));
        assert!(sentence(&dir).contains("holds 1 images"));
        put("t10k-images.idx3-ubyte", encode(&[0, 2, 2], &[]));
        assert!(sentence(&dir).contains("holds no pictures"));
        fs::remove_file(dir.path().join("t10k-images.idx3-ubyte")).unwrap();
        assert!(sentence(&dir).contains("has no file t10k-images-idx3-ubyte"));
        let absent = DataSet::load(Some(Path::new("no-such-folder"))).unwrap_err().to_string();
        assert!(absent.starts_with("there is no folder no-such-folder"));
    }
}
