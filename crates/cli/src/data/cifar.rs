//! CIFAR-10's binary files: records of a label and 32 × 32 pixels, plane by plane.
//!
//! Source: A. Krizhevsky, *Learning multiple layers of features from tiny images*, 2009; the format is described on
//! the page of the data set.

use super::channels::interleave;
use super::dataset::{SizedSplit, Split, Splits};
use crate::io::error::{Result, bail, error};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: [&str; 1] = ["test_batch.bin"];
/// The names of the classes, one on a line.
const NAMES: &str = "batches.meta.txt";
const CLASSES: usize = 10;

const SIZE: [usize; 3] = [32, 32, 3];
const PIXELS: usize = 32 * 32 * 3;
const RECORD: usize = 1 + PIXELS;

/// True for a folder that holds any of the files with pictures.
pub(super) fn is_in(folder: &Path) -> bool {
    TRAIN.iter().chain(&TEST).any(|name| folder.join(name).exists())
}

/// Reads the six files, and the classes' names if their file is there.
///
/// # Errors
/// A file is missing, has another length, or holds a label beyond 9.
pub(super) fn read(folder: &Path) -> Result<Splits> {
    let train = read_split(folder, &TRAIN)?;
    let test = read_split(folder, &TEST)?;
    Ok(Splits { train, test: Some(test), classes: classes(folder)? })
}

fn read_split(folder: &Path, names: &[&str]) -> Result<SizedSplit> {
    let mut split = Split::default();
    for path in names.iter().map(|name| folder.join(name)) {
        let name = path.display();
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error!(Data, "no file {name}; CIFAR-10 has six binary files"),
            _ => error!(Data, "{name} could not be read ({error}); check its permissions and the disk"),
        })?;
        if bytes.is_empty() || bytes.len() % RECORD != 0 {
            bail!(
                Data,
                "{name} is {} bytes long, not a multiple of {RECORD}, the bytes of a picture; copy it again",
                bytes.len()
            );
        }
        for (number, record) in bytes.chunks_exact(RECORD).enumerate() {
            let label = record[0];
            if usize::from(label) >= CLASSES {
                bail!(Data, "picture {number} of {name} has the label {label}, beyond 9; give CIFAR-10's binary files");
            }
            split.labels.push(label);
            interleave(&record[1..], 3, &mut split.images);
        }
        split.count = split.labels.len();
    }
    Ok(SizedSplit { split, size: SIZE })
}

/// The names from the file, or numbers without one.
fn classes(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join(NAMES);
    if !path.exists() {
        return Ok((0..CLASSES).map(|class| class.to_string()).collect());
    }
    let name = path.display();
    let text = fs::read_to_string(&path);
    let text = text.map_err(|error| error!(Data, "{name} could not be read ({error}); copy it again"))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != CLASSES {
        bail!(Data, "{name} names {} classes, expected {CLASSES}; correct or remove it", names.len());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSet, from};
    use tempfile::TempDir;

    /// A picture whose planes are constant.
    fn record(label: u8, colour: [u8; 3]) -> Vec<u8> {
        [vec![label], colour.iter().flat_map(|&byte| [byte; 32 * 32]).collect()].concat()
    }

    /// Six files, the training ones of `number + 1` pictures each.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in TRAIN.iter().enumerate() {
            let number = number as u8;
            fs::write(folder.path().join(name), record(number, [number, 50, 90]).repeat(1 + number as usize)).unwrap();
        }
        fs::write(folder.path().join("test_batch.bin"), record(9, [1, 2, 3])).unwrap();
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
        assert_eq!((data.train.count, data.test.labels.as_slice()), (15, &[9][..]));
        assert_eq!(data.train.images[14 * PIXELS..], [4, 50, 90].repeat(32 * 32));
        assert_eq!((data.classes.len(), data.classes[9].as_str()), (10, "9"));
        let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
        fs::write(dir.path().join(NAMES), names).unwrap();
        assert_eq!(DataSet::load(&from(dir.path())).unwrap().classes[9], "truck");
    }

    #[test]
    fn says_what_is_wrong() {
        let dir = folder();
        fs::write(dir.path().join("data_batch_2.bin"), &record(1, [0; 3])[1..]).unwrap();
        assert!(sentence(&dir).contains("data_batch_2.bin is 3072 bytes long"));
        fs::write(dir.path().join("data_batch_2.bin"), record(10, [0; 3])).unwrap();
        assert!(sentence(&dir).contains("picture 0 of") && sentence(&dir).contains("the label 10"));
        fs::remove_file(dir.path().join("data_batch_2.bin")).unwrap();
        assert!(sentence(&dir).contains("no file") && sentence(&dir).contains("data_batch_2.bin"));
        let dir = folder();
        fs::write(dir.path().join(NAMES), "cat\ndog\n").unwrap();
        assert!(sentence(&dir).contains("batches.meta.txt names 2 classes"));
    }
}
