//! CIFAR's binary files: records of labels and 32 × 32 pixels, plane by plane.
//!
//! Source: A. Krizhevsky, *Learning multiple layers of features from tiny images*, 2009; the format is described on
//! the page of the data sets.

use super::channels::interleave;
use super::dataset::{SizedSplit, Split, Splits};
use crate::io::error::{Result, bail};
use crate::io::files;
use std::path::{Path, PathBuf};

const SIZE: [usize; 3] = [32, 32, 3];
const PIXELS: usize = 32 * 32 * 3;

/// One of the two data sets.
struct Set {
    name: &'static str,
    /// Sub-folders in which its archive has the files.
    inner: [&'static str; 2],
    train: &'static [&'static str],
    test: &'static str,
    /// The names of the classes, one on a line.
    names: &'static str,
    classes: usize,
    /// Bytes of labels before the pixels; the last is the class.
    labels: usize,
    /// A file of its other version, for Python, which is not read.
    python: [&'static str; 2],
}

static SETS: [Set; 2] = [
    Set {
        name: "CIFAR-10",
        inner: ["", "cifar-10-batches-bin"],
        train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        test: "test_batch.bin",
        names: "batches.meta.txt",
        classes: 10,
        labels: 1,
        python: ["batches.meta", "cifar-10-batches-py/batches.meta"],
    },
    Set {
        name: "CIFAR-100",
        inner: ["", "cifar-100-binary"],
        train: &["train.bin"],
        test: "test.bin",
        names: "fine_label_names.txt",
        classes: 100,
        // The coarse one of 20 comes first.
        labels: 2,
        python: ["file.txt~", "cifar-100-python/meta"],
    },
];

/// The set that is in a folder, and the folder of its files.
fn within(folder: &Path) -> Option<(&'static Set, PathBuf)> {
    let mut places = SETS.iter().flat_map(|set| set.inner.iter().map(move |inner| (set, folder.join(inner))));
    places.find(|(set, folder)| set.train.iter().chain([&set.test]).any(|name| has(folder, name)))
}

/// The set whose version for Python is in a folder.
fn for_python(folder: &Path) -> Option<&'static Set> {
    SETS.iter().find(|set| set.python.iter().any(|name| has(folder, name)))
}

fn has(folder: &Path, name: &str) -> bool {
    files::exists(&folder.join(name)).unwrap_or(false)
}

/// True for a folder that holds any of the files with images, or the version for Python.
pub(super) fn is_in(folder: &Path) -> bool {
    within(folder).is_some() || for_python(folder).is_some()
}

/// Reads the files of a set, and the classes' names if their file is there.
///
/// # Errors
/// A file is missing, has another length, or holds a label beyond the classes; or the folder holds the version for
/// Python.
pub(super) fn read(folder: &Path) -> Result<Splits> {
    if let Some((set, folder)) = within(folder) {
        let train = set.read_split(&folder, set.train)?;
        let test = set.read_split(&folder, &[set.test])?;
        return Ok(Splits { train, test: Some(test), classes: set.class_names(&folder)? });
    }
    let name = for_python(folder).map_or("CIFAR-10", |set| set.name);
    bail!(Data, "{} holds {name} for Python; download its binary version", folder.display())
}

impl Set {
    fn read_split(&self, folder: &Path, names: &[&str]) -> Result<SizedSplit> {
        let Self { name: set, labels, classes, .. } = *self;
        let record = labels + PIXELS;
        let mut split = Split::default();
        for path in names.iter().map(|name| folder.join(name)) {
            let name = path.display();
            if !files::exists(&path)? {
                bail!(Data, "no file {name}; {set} has {} binary files", self.train.len() + 1);
            }
            let bytes = files::read(&path, files::BINARY)?;
            if bytes.is_empty() || bytes.len() % record != 0 {
                bail!(
                    Data,
                    "{name} has {} bytes; expected a multiple of {record}, the size of an image; copy it again",
                    bytes.len()
                );
            }
            for (number, record) in bytes.chunks_exact(record).enumerate() {
                let label = record[labels - 1];
                if usize::from(label) >= classes {
                    bail!(
                        Data,
                        "image {number} of {name} has the label {label}; expected 0 to {}; use {set}'s binary files",
                        classes - 1
                    );
                }
                split.labels.push(label);
                interleave(&record[labels..], 3, split.images.to_mut());
            }
            split.count = split.labels.len();
        }
        Ok(SizedSplit { split, size: SIZE })
    }

    /// The names from the file, or numbers without one.
    fn class_names(&self, folder: &Path) -> Result<Vec<String>> {
        let path = folder.join(self.names);
        if !files::exists(&path)? {
            return Ok((0..self.classes).map(|class| class.to_string()).collect());
        }
        let text = files::read_text(&path)?;
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
        if names.len() != self.classes {
            bail!(
                Data,
                "{} names {} classes, expected {}; correct or remove it",
                path.display(),
                names.len(),
                self.classes
            );
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSet, from};
    use std::fs;
    use tempfile::TempDir;

    /// An image whose planes are constant.
    fn record(label: u8, colour: [u8; 3]) -> Vec<u8> {
        [vec![label], colour.iter().flat_map(|&byte| [byte; 32 * 32]).collect()].concat()
    }

    /// Six files, the training ones of `number + 1` images each.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in SETS[0].train.iter().enumerate() {
            let number = number as u8;
            fs::write(folder.path().join(name), record(number, [number, 50, 90]).repeat(1 + number as usize)).unwrap();
        }
        fs::write(folder.path().join("test_batch.bin"), record(4, [1, 2, 3])).unwrap();
        folder
    }

    fn sentence(folder: &TempDir) -> String {
        DataSet::load(&from(folder.path())).unwrap_err().to_string()
    }

    #[test]
    fn reads_the_files_in_order_pixel_by_pixel() {
        let dir = folder();
        let data = DataSet::load(&from(dir.path())).unwrap();
        assert_eq!((data.height, data.width, data.channels), (32, 32, 3));
        assert_eq!(data.train.labels, [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
        assert_eq!((data.train.count, data.test.labels.as_slice()), (15, &[4][..]));
        assert_eq!(data.train.images[14 * PIXELS..], [4, 50, 90].repeat(32 * 32));
        // The others have no training images.
        assert_eq!(data.classes, ["0", "1", "2", "3", "4"]);
        let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
        fs::write(dir.path().join(SETS[0].names), names).unwrap();
        assert_eq!(DataSet::load(&from(dir.path())).unwrap().classes[4], "deer");
    }

    #[test]
    fn the_fine_label_of_cifar_100_is_the_class() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("cifar-100-binary");
        fs::create_dir(&dir).unwrap();
        let record = |coarse: u8, fine: u8| [vec![coarse], record(fine, [coarse, fine, 7])].concat();
        fs::write(dir.join("train.bin"), [record(3, 99), record(4, 1)].concat()).unwrap();
        fs::write(dir.join("test.bin"), record(3, 99)).unwrap();
        for folder in [root.path(), &dir] {
            let data = DataSet::load(&from(folder)).unwrap();
            assert_eq!(
                (data.train.labels, data.test.labels, data.classes),
                (vec![1, 0], vec![1], vec!["1".into(), "99".into()])
            );
            assert_eq!(data.train.images[PIXELS..PIXELS + 3], [4, 1, 7]);
        }
        fs::write(dir.join("test.bin"), &record(3, 99)[1..]).unwrap();
        let message = DataSet::load(&from(&dir)).unwrap_err().to_string();
        assert!(message.contains("has 3073 bytes; expected a multiple of 3074"), "{message}");
    }

    #[test]
    fn the_version_for_python_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cifar-10-batches-py")).unwrap();
        fs::write(dir.path().join("cifar-10-batches-py/batches.meta"), "").unwrap();
        assert!(sentence(&dir).contains("holds CIFAR-10 for Python; download its binary version"));
    }

    #[test]
    fn says_what_is_wrong() {
        let dir = folder();
        fs::write(dir.path().join("data_batch_2.bin"), &record(1, [0; 3])[1..]).unwrap();
        assert!(sentence(&dir).contains("data_batch_2.bin has 3072 bytes"));
        fs::write(dir.path().join("data_batch_2.bin"), record(10, [0; 3])).unwrap();
        assert!(sentence(&dir).contains("image 0 of") && sentence(&dir).contains("the label 10"));
        fs::remove_file(dir.path().join("data_batch_2.bin")).unwrap();
        assert!(sentence(&dir).contains("no file") && sentence(&dir).contains("data_batch_2.bin"));
        let dir = folder();
        fs::write(dir.path().join(SETS[0].names), "cat\ndog\n").unwrap();
        assert!(sentence(&dir).contains("batches.meta.txt names 2 classes"));
    }
}
