//! NumPy's files as data sets: an `.npy` of images, or an `.npz` of arrays with the names that Keras and others use.

use super::channels::interleave;
use super::dataset::{ONLY_CLASS, SizedSplit, Split, Splits, numbered};
use super::elements::Array;
use crate::io::error::{Context, Error, ErrorKind, Result, bail, error};
use crate::io::files;
use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use zip::ZipArchive;
use zip::result::ZipError;

/// First bytes of an archive.
pub(super) const ARCHIVE_MAGIC: &[u8] = b"PK\x03\x04";

/// Most bytes that an array of an archive unpacks to; they can be a thousand times as many as those of the file.
const MAX_UNPACKED: u64 = 1 << 32;

/// Names of arrays, in small letters; the first that exists is taken.
const TRAIN_IMAGES: &[&str] = &["x_train", "train_images", "images", "x", "data"];
const TRAIN_LABELS: &[&str] = &["y_train", "train_labels", "labels", "y"];
const TEST_IMAGES: &[&str] = &["x_test", "test_images", "x_val", "x_valid", "val_images"];
const TEST_LABELS: &[&str] = &["y_test", "test_labels", "y_val", "y_valid", "val_labels"];

/// Reads a file of images without labels: one class.
///
/// # Errors
/// Those of [`Array::read`] and [`Array::into_pixels`]; or the shape is not one of images.
pub(super) fn read_array(path: &Path) -> Result<Splits> {
    let array = Array::read(BufReader::new(files::open(path)?), u64::MAX, path.display().to_string())?;
    Ok(Splits { train: split(array, None)?, test: None, classes: vec![ONLY_CLASS.into()] })
}

/// Reads an archive: training images and, if present, test images and the labels of both. A single array, whatever its
/// name, is of training images. Arrays that are not read are logged.
///
/// # Errors
/// Those of [`read_array`]; or no array has a known name, or labels do not match images.
pub(super) fn read_archive(path: &Path) -> Result<Splits> {
    let file = path.display();
    let mut archive = Archive::open(path)?;
    let single = if let [single] = &archive.names[..] { Some(single.clone()) } else { None };
    let images = match single {
        Some(single) => archive.take(&[&single])?,
        None => archive.take(TRAIN_IMAGES)?,
    };
    let images = images.with_context(ErrorKind::Data, || {
        let [images, labels, tests, test_labels] =
            [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS].map(|names| names.join(" or "));
        format!(
            "{file} has no array of training images (arrays: {}); name them {images}; name their labels {labels}; name \
             test images {tests}, and their labels {test_labels}",
            archive.names.join(", ")
        )
    })?;
    let labels = archive.take(TRAIN_LABELS)?;
    let test = archive.take(TEST_IMAGES)?;
    // Labels of the same part of the data as the images.
    let at = test.as_ref().map(|(place, _)| *place);
    let test_labels = at.map(|place| archive.take(&TEST_LABELS[place..=place])).transpose()?.flatten();
    if !archive.names.is_empty() {
        log::warn!("{file}: arrays not read: {}", archive.names.join(", "));
    }
    let labelled = labels.is_some();
    if test.is_some() && labelled != test_labels.is_some() {
        let [with, without] = if labelled { ["training", "test"] } else { ["test", "training"] };
        bail!(Data, "{file} has labels for {with} images, but not for {without} images; save both, or neither");
    }
    let train = split(images.1, labels.map(|(_, labels)| labels))?;
    let test = test.map(|(_, images)| split(images, test_labels.map(|(_, labels)| labels))).transpose()?;
    let classes = match labelled {
        true => numbered([Some(&train), test.as_ref()].into_iter().flatten()),
        false => vec![ONLY_CLASS.into()],
    };
    Ok(Splits { train, test, classes })
}

/// An archive of arrays, and the names of those that were not taken yet.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
    names: Vec<String>,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let zip = ZipArchive::new(BufReader::new(files::open(path)?)).map_err(|error| damaged(path, &error))?;
        let array = |name: Result<Cow<'_, str>, ZipError>| Some(name.ok()?.strip_suffix(".npy")?.to_string());
        let mut names: Vec<String> = zip.file_names().filter_map(array).collect();
        names.sort_unstable();
        Ok(Self { path, zip, names })
    }

    /// The first array with one of the names, in small or capital letters, and the place of its name.
    fn take(&mut self, wanted: &[&str]) -> Result<Option<(usize, Array)>> {
        let found = |wanted: &str| self.names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let Some((place, at)) = wanted.iter().enumerate().find_map(|(place, wanted)| Some((place, found(wanted)?)))
        else {
            return Ok(None);
        };
        let name = self.names.remove(at);
        let file = self.zip.by_name(&format!("{name}.npy")).map_err(|error| damaged(self.path, &error))?;
        let array = Array::read(file, MAX_UNPACKED, format!("{name} in {}", self.path.display()))?;
        Ok(Some((place, array)))
    }
}

fn damaged(path: &Path, error: &ZipError) -> Error {
    error!(Data, "{} is damaged ({error}); copy it again", path.display())
}

/// Images with their labels, or all of class 0.
fn split(images: Array, labels: Option<Array>) -> Result<SizedSplit> {
    let (count, size, planes) = picture_shape(&images, labels.as_ref().and_then(|labels| labels.shape.first()))?;
    // Before memory for labels is allocated: an empty array may have any number of rows.
    if images.shape.contains(&0) {
        bail!(Data, "{} holds no images", images.name);
    }
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
    let mut images = images.into_pixels()?;
    if planes && size[2] > 1 {
        images = images.map_each(pixels, |picture| {
            let mut pixels = Vec::with_capacity(picture.len());
            interleave(picture, size[2], &mut pixels);
            pixels
        })?;
    }
    Ok(SizedSplit { split: Split { images, labels, count }, size })
}

/// Number of images in an array, their height, width and channels, and true if these are stored plane by plane.
/// `labels` is the number of labels, if there are any.
fn picture_shape(Array { name, shape, .. }: &Array, labels: Option<&usize>) -> Result<(usize, [usize; 3], bool)> {
    let channels = |dim: usize| matches!(dim, 1 | 3);
    match shape[..] {
        [height, width, last] if channels(last) && labels != Some(&height) => bail!(
            Data,
            "{name} has the ambiguous shape {shape:?}; reshape it to [1, {height}, {width}, {last}] for one image, or \
             to [{height}, {width}, {last}, 1] for {height} grey images"
        ),
        [count, height, width] => Ok((count, [height, width, 1], false)),
        [_, first, _, last] if channels(first) && channels(last) => bail!(
            Data,
            "{name} has the ambiguous shape {shape:?}: the channels may be the second or the last dimension; save it \
             as n×h×w×c with another size, or as n×h×w"
        ),
        [count, height, width, last] if channels(last) => Ok((count, [height, width, last], false)),
        [count, first, height, width] if channels(first) => Ok((count, [height, width, first], true)),
        [_, _, _, 4] => {
            bail!(Data, "{name} has the shape {shape:?} with four channels; remove transparency with x[..., :3]")
        }
        _ => bail!(
            Data,
            "{name} has the shape {shape:?}; reshape it to n×h×w, or to n×h×w×c or n×c×h×w with 1 or 3 channels"
        ),
    }
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
        // Two images of 2×2, the second of which is held out or the first.
        let grey = load(&file(&encode("|u1", &[2, 2, 2], &bytes[..8]))).unwrap();
        assert_eq!((grey.height, grey.width, grey.channels, grey.train.count, grey.test.count), (2, 2, 1, 1, 1));
        assert_eq!((grey.classes.as_slice(), grey.test.labels.as_slice()), (&["images".to_string()][..], &[0][..]));
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
            let whole = [(x, images(3, 1)), (y, labels(&[0, 4, 4])), (test_x, images(2, 9)), (test_y, labels(&[4, 0]))];
            let data = load(&archive(&whole)).unwrap();
            assert_eq!((data.train.labels.as_slice(), data.test.labels.as_slice()), (&[0, 1, 1][..], &[1, 0][..]));
            assert_eq!(
                (data.test.images.into_vec(), data.classes),
                (vec![9; 8], vec!["0".to_string(), "4".to_string()])
            );
            // One of class 4 is held out.
            let three = encode("|u1", &[3, 2, 2], &[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
            let alone = load(&archive(&[(x, three), whole[1].clone()])).unwrap();
            assert_eq!((alone.train.count + alone.test.count, alone.classes.len()), (3, 2));
            assert!(sentence(&archive(&whole[..3])).contains("labels for training images, but not for test images"));
        }
        for name in ["images", "X_Train", "anything"] {
            let data = load(&archive(&[(name, images(4, 3))])).unwrap();
            assert_eq!((data.train.count, data.classes), (3, vec!["images".into()]), "{name}");
        }
        let others = sentence(&archive(&[("a", images(4, 3)), ("b", vec![1])]));
        assert!(others.contains("(arrays: a, b); name them x_train or train_images or images"), "{others}");
        let few = archive(&[("x_train", images(3, 1)), ("y_train", labels(&[0, 1]))]);
        assert!(sentence(&few).contains("y_train in") && sentence(&few).contains("expected 3 labels"));
    }

    #[test]
    fn a_validation_set_is_the_test_set_where_there_is_no_other() {
        let images = |byte: u8| encode("|u1", &[2, 2, 2], &[byte; 8]);
        let labels = encode("|u1", &[2], &[1, 0]);
        let of = |part: &str, byte: u8| [(format!("x_{part}"), images(byte)), (format!("y_{part}"), labels.clone())];
        let load = |parts: &[[(String, Vec<u8>); 2]]| {
            let arrays: Vec<(&str, Vec<u8>)> =
                parts.iter().flatten().map(|(name, array)| (name.as_str(), array.clone())).collect();
            load(&archive(&arrays)).unwrap().test.images
        };
        assert_eq!(load(&[of("train", 5), of("val", 7)]), [7; 8]);
        assert_eq!(load(&[of("val", 7), of("test", 9), of("train", 5)]), [9; 8]);
    }

    #[test]
    fn shapes_that_may_be_two_things_or_none_are_refused() {
        for shape in [[1, 3, 5, 3], [1, 1, 5, 1], [2, 3, 1, 1]] {
            let bytes = vec![0; shape.iter().product()];
            assert!(sentence(&file(&encode("|u1", &shape, &bytes))).contains("may be the second or the last"));
        }
        for shape in [[28, 28, 3], [28, 28, 1], [3, 3, 3]] {
            let bytes = vec![0; shape.iter().product()];
            let message = sentence(&file(&encode("|u1", &shape, &bytes)));
            assert!(message.contains("ambiguous shape") && message.contains("reshape it to [1, "), "{message}");
        }
        assert!(sentence(&file(&encode("|u1", &[1, 2, 2, 4], &[0; 16]))).contains("x[..., :3]"));
        for shape in [&[4, 4][..], &[1, 4, 2, 2], &[1, 1, 2, 2, 3]] {
            let bytes = vec![0; shape.iter().product()];
            assert!(sentence(&file(&encode("|u1", shape, &bytes))).contains("reshape it to n×h×w"));
        }
        assert!(sentence(&file(&encode("|u1", &[0, 2, 2], &[]))).contains("holds no images"));
        assert!(sentence(&file(&encode("|u1", &[1, 2, 2], &[0; 4]))).contains("holds one image"));
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
