//! Data sets: pictures of one size with their classes, from what is built in and from files.

mod arrangement;
mod channels;
mod cifar;
mod fit;
mod folder;
mod held_out;
mod idx;
mod mnist;
mod npy;
mod numpy;
mod picture;
mod pixels;
mod shapes;
mod source;

pub use fit::shrink;
pub use npy::{classes_of_npy, is_npy, numbers_of_npy, write_classes, write_npy};
pub use pixels::Pixels;
pub use source::{Found, is_built_in, read};

use crate::config::data::{DIGITS, DataOptions};
use anyhow::Result;
use flate2::Crc;
use source::{KINDS, Skipped};

/// The most classes: a label is a byte.
const MAX_CLASSES: usize = 256;
/// What the class of pictures without labels is called.
const ONLY_CLASS: &str = "pictures";

/// Images and their labels, one byte each.
#[derive(Clone, Debug)]
pub struct Split {
    /// The pictures, `count` × height × width × channels.
    pub images: Vec<u8>,
    /// One class for each picture.
    pub labels: Vec<u8>,
    /// How many pictures.
    pub count: usize,
}

/// What a model trains on and what it is tested on, pictures of one size.
#[derive(Clone, Debug)]
pub struct DataSet {
    /// The built-in set's name, or the path it was read from.
    pub name: String,
    /// What a model trains on.
    pub train: Split,
    /// What it is tested on.
    pub test: Split,
    /// Rows of a picture.
    pub height: usize,
    /// Columns of a picture.
    pub width: usize,
    /// Bytes of a pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// The classes' names, which labels count from 0; at most 256.
    pub classes: Vec<String>,
}

/// What a reader makes of a source; the test part is held out later where it has none.
#[derive(Debug)]
struct Parts {
    train: Part,
    test: Option<Part>,
    classes: Vec<String>,
}

/// Pictures of one size.
#[derive(Debug)]
struct Part {
    split: Split,
    /// Height, width and channels.
    size: [usize; 3],
}

impl DataSet {
    /// Reads a data set, and warns of every file that was left out.
    ///
    /// # Errors
    /// One sentence that names the file, folder or setting: something is missing, damaged, swapped, empty, does not
    /// agree, or is more than a device can hold.
    pub fn load(options: &DataOptions) -> Result<Self> {
        let Found { data, skipped, .. } = read(options)?;
        skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        Ok(data)
    }

    /// Numbers in one picture.
    pub fn pixels(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// A picture's height, width and channels, as checkpoints note them.
    pub fn picture_size(&self) -> String {
        format!("{}x{}x{}", self.height, self.width, self.channels)
    }

    /// A set of one black picture of a size that [`Self::picture_size`] gave, and of such classes: for models that only
    /// draw. `None` where the text is no such size.
    pub fn black(picture_size: &str, classes: Vec<String>) -> Option<Self> {
        let sizes: Option<Vec<usize>> = picture_size.split('x').map(|size| size.parse().ok()).collect();
        let &[height, width, channels] = sizes?.as_slice() else { return None };
        let pixels = height.checked_mul(width)?.checked_mul(channels).filter(|pixels| *pixels > 0)?;
        let split = || Split { images: vec![0; pixels], labels: vec![0], count: 1 };
        let name = "nothing".into();
        Some(Self { name, train: split(), test: split(), height, width, channels, classes })
    }

    /// A short mark of the set: sizes and a CRC-32 of images and labels. Equal sets have equal marks.
    pub fn fingerprint(&self) -> String {
        let mut crc = Crc::new();
        for split in [&self.train, &self.test] {
            crc.update(&split.images);
            crc.update(&split.labels);
        }
        let Self { train, height, width, channels, .. } = self;
        format!("{}x{height}x{width}x{channels}-{:08x}", train.count, crc.sum())
    }
}

/// The names of classes that are only numbered: as many as the parts' labels need.
fn numbered<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<String> {
    let highest = parts.flat_map(|part| &part.split.labels).max().copied().unwrap_or_default();
    (0..=highest).map(|class| class.to_string()).collect()
}

/// What is at a path, as it is, for tests.
#[cfg(test)]
fn from(path: &std::path::Path) -> DataOptions {
    DataOptions { source: path.to_str().unwrap().into(), ..DataOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> DataSet {
        let split = |count: usize, first: u8| Split {
            images: (0..12 * count).map(|at| at as u8 + first).collect(),
            labels: (0..count as u8).collect(),
            count,
        };
        let classes = vec!["a".into(), "b".into(), "c".into()];
        DataSet {
            name: "here".into(),
            train: split(3, 0),
            test: split(2, 100),
            height: 2,
            width: 2,
            channels: 3,
            classes,
        }
    }

    #[test]
    fn the_fingerprint_is_of_what_is_trained_on() {
        let of = |change: fn(&mut DataSet)| {
            let mut data = data();
            change(&mut data);
            data.fingerprint()
        };
        let mark = of(|_| {});
        assert!(mark.starts_with("3x2x2x3-"), "{mark}");
        assert_eq!(of(|data| data.name = "elsewhere".into()), mark);
        let changes: [fn(&mut DataSet); 6] = [
            |data| data.train.images[5] ^= 1,
            |data| data.train.labels[2] ^= 1,
            |data| data.test.images[23] ^= 1,
            |data| data.test.labels[0] ^= 1,
            |data| (data.height, data.width) = (1, 4),
            |data| (data.width, data.channels) = (6, 1),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert_ne!(of(change), mark, "change {number}");
        }
    }

    #[test]
    fn a_picture_size_is_a_set_of_black_pictures() {
        let black = DataSet::black(&data().picture_size(), data().classes).unwrap();
        assert_eq!((black.height, black.width, black.channels, black.train.images), (2, 2, 3, vec![0; 12]));
        for wrong in ["", "2x2", "2x2x0", "2x2x3x1", "axbxc", "99999999999x99999999999x3"] {
            assert!(DataSet::black(wrong, vec!["0".into()]).is_none(), "{wrong}");
        }
    }
}
