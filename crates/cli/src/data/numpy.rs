//! NumPy's files as data sets: an `.npy` of images, or an `.npz` of arrays with the names that Keras and others use.

use super::channels::interleave;
use super::dataset::{ONLY_CLASS, SizedSplit, Split, Splits, numbered};
use super::npy::Array;
use crate::io::error::{Context, Error, ErrorKind, Result, bail, error};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// First bytes of an archive.
pub(super) const ARCHIVE_MAGIC: &[u8] = b"PK\x03\x04";

/// Names of arrays; the first that exists is taken.
const TRAIN_IMAGES: [&str; 3] = ["x_train", "train_images", "images"];
const TRAIN_LABELS: [&str; 3] = ["y_train", "train_labels", "labels"];
const TEST_IMAGES: [&str; 2] = ["x_test", "test_images"];
const TEST_LABELS: [&str; 2] = ["y_test", "test_labels"];

/// Reads a file of images without labels: one class.
///
/// # Errors
/// Those of [`Array::read`] and [`Array::into_pixels`]; or the shape is not one of images.
pub(super) fn read_array(path: &Path) -> Result<Splits> {
    let array = Array::read(BufReader::new(open(path)?), path.display().to_string())?;
    Ok(Splits { train: split(array, None)?, test: None, classes: vec![ONLY_CLASS.into()] })
}

/// Reads an archive: training images and, if present, test images and the labels of both.
///
/// # Errors
/// Those of [`read_array`]; or no array has a known name, or labels do not match images.
pub(super) fn read_archive(path: &Path) -> Result<Splits> {
    let damaged = |error| error!(Data, "{} is damaged ({error}); copy it again", path.display());
    let mut archive = ZipArchive::new(BufReader::new(open(path)?)).map_err(damaged)?;
    let mut take = |names: &[&str]| -> Result<Option<Array>> {
        for name in names {
            match archive.by_name(&format!("{name}.npy")) {
                Ok(file) => return Array::read(file, format!("{name} in {}", path.display())).map(Some),
                Err(ZipError::FileNotFound) => {}
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(None)
    };
    let images = take(&TRAIN_IMAGES)?.with_context(ErrorKind::Data, || {
        format!(
            "{} has no training images; name them {}, their labels {}, test images {} and their labels {}",
            path.display(),
            TRAIN_IMAGES.join(" or "),
            TRAIN_LABELS.join(" or "),
            TEST_IMAGES.join(" or "),
            TEST_LABELS.join(" or ")
        )
    })?;
    let labels = take(&TRAIN_LABELS)?;
    let test = take(&TEST_IMAGES)?;
    let test_labels = if test.is_some() { take(&TEST_LABELS)? } else { None };
    let labelled = labels.is_some();
    if test.is_some() && labelled != test_labels.is_some() {
        let [with, without] = if labelled { ["training", "test"] } else { ["test", "training"] };
        bail!(
            Data,
            "{} has labels for {with} images, and none for {without} images; save both, or neither",
            path.display()
        );
    }
    let train = split(images, labels)?;
    let test = test.map(|images| split(images, test_labels)).transpose()?;
    let classes = match labelled {
        true => numbered([Some(&train), test.as_ref()].into_iter().flatten()),
        false => vec![ONLY_CLASS.into()],
    };
    Ok(Splits { train, test, classes })
}

/// Images with their labels, or all of class 0.
fn split(images: Array, labels: Option<Array>) -> Result<SizedSplit> {
    let (count, size, planes) = picture_shape(&images)?;
    let name = images.name.clone();
    let labels = match labels {
        None => vec![0; count],
        Some(labels) if matches!(labels.shape[..], [rows] | [rows, 1] if rows == count) => labels.into_labels()?,
        Some(labels) => {
            bail!(
                Data,
                "{} has the shape {:?}, expected {count} labels; save one number for each image",
                labels.name,
                labels.shape
            )
        }
    };
    let pixels: usize = size.iter().product();
    if count * pixels == 0 {
        bail!(Data, "{name} holds no pictures");
    }
    let mut images = images.into_pixels()?;
    if planes && size[2] > 1 {
        let planar = std::mem::take(&mut images);
        planar.chunks_exact(pixels).for_each(|picture| interleave(picture, size[2], &mut images));
    }
    Ok(SizedSplit { split: Split { images, labels, count }, size })
}

/// Number of images in an array, their height, width and channels, and true if these are stored plane by plane.
fn picture_shape(Array { name, shape, .. }: &Array) -> Result<(usize, [usize; 3], bool)> {
    let channels = |dim: usize| matches!(dim, 1 | 3);
    match shape[..] {
        [count, height, width] => Ok((count, [height, width, 1], false)),
        [_, first, _, last] if channels(first) && channels(last) => bail!(
            Data,
            "{name} has the shape {shape:?}, in which the channels may be the second or the last dimension; save it as \
             n×h×w×c with another size, or as n×h×w"
        ),
        [count, height, width, last] if channels(last) => Ok((count, [height, width, last], false)),
        [count, first, height, width] if channels(first) => Ok((count, [height, width, first], true)),
        _ => bail!(
            Data,
            "{name} has the shape {shape:?}, and images have n×h×w, n×h×w×c or n×c×h×w with 1 or 3 channels; \
             reshape it"
        ),
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    error!(Data, "{} could not be read ({error}); check its permissions and the disk", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::DataOptions;
    use crate::data::npy::encode;
    use crate::data::{DataSet, from};
    use std::io::Write;
    use tempfile::NamedTempFile;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn file(bytes: &[u8]) -> NamedTempFile {
        let mut file = tempfile::Builder::new().suffix(".np").tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// An archive of arrays, deflated.
    fn archive(arrays: &[(&str, Vec<u8>)]) -> NamedTempFile {
        let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, array) in arrays {
            writer.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            writer.write_all(array).unwrap();
        }
        file(writer.finish().unwrap().get_ref())
    }

    fn load(file: &NamedTempFile) -> Result<DataSet> {
        DataSet::load(&DataOptions { test: 0.5, ..from(file.path()) })
    }

    fn sentence(file: &NamedTempFile) -> String {
        load(file).unwrap_err().to_string()
    }

    #[test]
    fn an_array_of_any_layout_is_one_class_of_pictures() {
        let bytes: Vec<u8> = (0..24).collect();
        // Two pictures of 2×2, the second of which is held out or the first.
        let grey = load(&file(&encode("|u1", &[2, 2, 2], &bytes[..8]))).unwrap();
        assert_eq!((grey.height, grey.width, grey.channels, grey.train.count, grey.test.count), (2, 2, 1, 1, 1));
        assert_eq!((grey.classes.as_slice(), grey.test.labels.as_slice()), (&["pictures".to_string()][..], &[0][..]));
        let last = load(&file(&encode("|u1", &[2, 2, 2, 3], &bytes))).unwrap();
        assert_eq!((last.channels, last.train.images.as_slice()), (3, &bytes[..12]));
        let first = load(&file(&encode("|u1", &[2, 3, 2, 2], &bytes))).unwrap();
        assert_eq!(first.train.images, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        let floats = [0.2f32; 8].map(f32::to_le_bytes).concat();
        assert_eq!(load(&file(&encode("<f4", &[2, 1, 2, 2], &floats))).unwrap().train.images, [51; 4]);
    }

    #[test]
    fn an_archive_is_read_under_any_of_its_names() {
        let images = |count: usize, byte: u8| encode("|u1", &[count, 2, 2], &vec![byte; 4 * count]);
        let labels = |labels: &[i64]| {
            encode("<i8", &[labels.len(), 1], &labels.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<u8>>())
        };
        for [x, y, test_x, test_y] in
            [["x_train", "y_train", "x_test", "y_test"], ["train_images", "train_labels", "test_images", "test_labels"]]
        {
            let whole = [(x, images(3, 1)), (y, labels(&[0, 4, 1])), (test_x, images(2, 9)), (test_y, labels(&[5, 0]))];
            let data = load(&archive(&whole)).unwrap();
            assert_eq!((data.train.labels.as_slice(), data.test.labels.as_slice()), (&[0, 4, 1][..], &[5, 0][..]));
            assert_eq!((data.test.images.as_slice(), data.classes.len()), (&[9; 8][..], 6));
            let alone = load(&archive(&whole[..2])).unwrap();
            // Three images alike: one is held out.
            assert_eq!((alone.train.count, alone.test.count, alone.classes.len()), (2, 1, 5));
            assert!(sentence(&archive(&whole[..3])).contains("labels for training images, and none for test images"));
        }
        let data = load(&archive(&[("images", images(4, 3)), ("other", vec![1])])).unwrap();
        assert_eq!((data.train.count, data.classes), (3, vec!["pictures".into()]));
        assert!(sentence(&archive(&[("x", images(4, 3))])).contains("name them x_train or train_images or images"));
        let few = archive(&[("x_train", images(3, 1)), ("y_train", labels(&[0, 1]))]);
        assert!(sentence(&few).contains("y_train in") && sentence(&few).contains("expected 3 labels"));
    }

    #[test]
    fn shapes_that_may_be_two_things_or_none_are_refused() {
        for shape in [[1, 3, 5, 3], [1, 1, 5, 1], [2, 3, 1, 1]] {
            let bytes = vec![0; shape.iter().product()];
            assert!(sentence(&file(&encode("|u1", &shape, &bytes))).contains("may be the second or the last"));
        }
        for shape in [&[4, 4][..], &[1, 2, 2, 4], &[1, 4, 2, 2], &[1, 1, 2, 2, 3]] {
            let bytes = vec![0; shape.iter().product()];
            assert!(sentence(&file(&encode("|u1", shape, &bytes))).contains("images have n×h×w"));
        }
        assert!(sentence(&file(&encode("|u1", &[0, 2, 2], &[]))).contains("holds no pictures"));
        assert!(sentence(&file(&encode("|u1", &[1, 2, 2], &[0; 4]))).contains("holds one picture"));
    }

    #[test]
    fn a_damaged_archive_is_noticed() {
        let whole = archive(&[("x_train", encode("|u1", &[2, 2, 2], &[5; 8]))]);
        let bytes = std::fs::read(whole.path()).unwrap();
        assert!(load(&whole).is_ok());
        assert!(sentence(&file(&bytes[..bytes.len() - 30])).contains("is damaged"));
        // The elements, where they are stored as they are, are not what the checksum says.
        let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        writer.start_file("x_train.npy", stored).unwrap();
        writer.write_all(&encode("|u1", &[2, 2, 2], &[5; 8])).unwrap();
        let mut bytes = writer.finish().unwrap().into_inner();
        let at = bytes.windows(8).position(|eight| eight == [5; 8]).unwrap();
        bytes[at] = 6;
        assert!(sentence(&file(&bytes)).contains("x_train in"), "{}", sentence(&file(&bytes)));
    }
}
