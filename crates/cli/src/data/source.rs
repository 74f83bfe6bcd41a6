//! What a data set is read from, found from what is there, and the way from there to pictures of one size.

use super::fit::fit_part;
use super::{DataSet, Part, Parts, cifar, folder, held_out, mnist, numpy, shapes};
use crate::config::data::{DIGITS, DataOptions};
use anyhow::{Result, bail};
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// The name of the built-in shapes.
const SHAPES: &str = "shapes";

/// Everything that can be given, for people.
pub const KINDS: &str = "digits, shapes, a folder of pictures (PNG, JPEG, WebP), of MNIST's IDX files or of \
                                CIFAR-10's binaries, or an .npy or .npz file";

/// Elements beyond this cannot be indexed on a device.
const MAX_BYTES: usize = i32::MAX as usize;

/// Whether a source is the name of a set that needs no files. A folder of that name is reached as `./digits`.
pub fn is_built_in(source: &str) -> bool {
    [DIGITS, SHAPES].contains(&source)
}

/// What there is to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    Digits,
    Shapes,
    Idx(PathBuf),
    Cifar(PathBuf),
    Array(PathBuf),
    Archive(PathBuf),
    Folder(PathBuf),
}

impl Kind {
    /// What `source` names or leads to.
    ///
    /// # Errors
    /// One sentence: there is nothing, or a file of another format.
    pub fn of(source: &str) -> Result<Self> {
        match source {
            DIGITS => return Ok(Self::Digits),
            SHAPES => return Ok(Self::Shapes),
            _ => {}
        }
        let path = PathBuf::from(source);
        if path.is_dir() {
            return Ok(match &path {
                folder if mnist::is_in(folder) => Self::Idx(path),
                folder if cifar::is_in(folder) => Self::Cifar(path),
                _ => Self::Folder(path),
            });
        }
        if !path.exists() {
            bail!("there is no file or folder {source}; give {KINDS}");
        }
        match numpy::format(&path)? {
            Some(numpy::Format::Array) => Ok(Self::Array(path)),
            Some(numpy::Format::Archive) => Ok(Self::Archive(path)),
            None => bail!("{source} is a file that NumPy did not write; give {KINDS}"),
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "built-in digits",
            Self::Shapes => "built-in shapes",
            Self::Idx(_) => "IDX files as MNIST has them",
            Self::Cifar(_) => "CIFAR-10's binary files",
            Self::Array(_) => "NumPy array",
            Self::Archive(_) => "NumPy archive",
            Self::Folder(_) => "folder of pictures",
        })
    }
}

/// A file that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    pub path: String,
    /// Why, to follow the path.
    pub reason: String,
}

impl Display for Skipped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.reason)
    }
}

/// A data set, and what it was made from.
#[derive(Debug)]
pub struct Found {
    pub data: DataSet,
    pub kind: Kind,
    /// Height and width of every picture as it was found.
    pub sizes: Vec<[usize; 2]>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
}

/// Reads what `options` name.
///
/// # Errors
/// One sentence that names the file or folder: something is missing, damaged, swapped, empty, does not agree, or is
/// more than a device can hold.
pub fn read(options: &DataOptions) -> Result<Found> {
    options.check()?;
    let kind = Kind::of(&options.source)?;
    let whole = |parts: Parts| {
        let sizes = |part: &Part| vec![[part.size[0], part.size[1]]; part.split.count];
        let sizes = [Some(&parts.train), parts.test.as_ref()].into_iter().flatten().flat_map(sizes).collect();
        folder::Found { parts, sizes, skipped: Vec::new() }
    };
    let folder::Found { parts, sizes, skipped } = match &kind {
        Kind::Digits => whole(mnist::read(None)?),
        Kind::Shapes => whole(shapes::draw()),
        Kind::Idx(folder) => whole(mnist::read(Some(folder))?),
        Kind::Cifar(folder) => whole(cifar::read(folder)?),
        Kind::Array(file) => whole(numpy::read_array(file)?),
        Kind::Archive(file) => whole(numpy::read_archive(file)?),
        Kind::Folder(folder) => folder::read(folder, options)?,
    };
    Ok(Found { data: finish(parts, options)?, kind, sizes, skipped })
}

/// Parts as a data set: fitted, of one size, both with pictures.
fn finish(Parts { train, test, classes }: Parts, options: &DataOptions) -> Result<DataSet> {
    let name = options.source.clone();
    let train = fit_part(train, options);
    let (train, test) = match test.map(|test| fit_part(test, options)) {
        Some(test) => (train, test),
        None => {
            let Part { split, size } = train;
            match split.count {
                0 => bail!("{name} holds no pictures that can be read; mend them, or give {KINDS}"),
                1 => bail!("{name} holds one picture, and at least two are needed, to train on and to test; add one"),
                _ => {}
            }
            let (train, test) = held_out::split(split, options.test);
            (Part { split: train, size }, Part { split: test, size })
        }
    };
    for (part, which) in [(&train, "training"), (&test, "test")] {
        if part.split.count == 0 {
            bail!("{name} has no {which} pictures that can be read; mend them, or give others");
        }
    }
    if train.size != test.size {
        let [train, test] = [train.size, test.size].map(|[h, w, c]| format!("{h}×{w}×{c}"));
        bail!(
            "the training images of {name} are {train} and its test images {test}; take both from one set, or give \
             them one size with --set data.size=32 and --set data.channels=3"
        );
    }
    let [height, width, channels] = train.size;
    let pixels = height * width * channels;
    // Without shards asked for, as many images are put on a device as it takes.
    let at_once = options.shard.min(train.split.count);
    let advice = "set data.shard or data.size to less";
    refuse_too_large(&format!("{at_once} training images of {name}"), at_once, pixels, advice)?;
    let tests = test.split.count;
    refuse_too_large(&format!("{tests} test images of {name}"), tests, pixels, "set data.size to less, or give fewer")?;
    Ok(DataSet { name, train: train.split, test: test.split, height, width, channels, classes })
}

/// Refuses `what`, so many images of so many numbers each, where they cannot lie on a device at once.
fn refuse_too_large(what: &str, count: usize, pixels: usize, advice: &str) -> Result<()> {
    let bytes = count * pixels;
    if bytes > MAX_BYTES {
        bail!("{what} are {bytes} bytes, and at most {MAX_BYTES} can lie on a device at once; {advice}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_there_says_what_it_is() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        put("idx/t10k-labels.idx1-ubyte.gz", b"");
        put("cifar/data_batch_3.bin", b"");
        put("other/readme.txt", b"");
        put("array", b"\x93NUMPY\x01\0");
        put("archive", b"PK\x03\x04\0\0\0\0");
        put("text.npy", b"1 2 3");
        let path = |name: &str| root.path().join(name);
        let kind = |name: &str| Kind::of(path(name).to_str().unwrap());
        assert_eq!(kind("idx").unwrap(), Kind::Idx(path("idx")));
        assert_eq!(kind("cifar").unwrap(), Kind::Cifar(path("cifar")));
        assert_eq!(kind("other").unwrap(), Kind::Folder(path("other")));
        assert_eq!(kind("array").unwrap(), Kind::Array(path("array")));
        assert_eq!(kind("archive").unwrap(), Kind::Archive(path("archive")));
        assert_eq!([Kind::of("digits").unwrap(), Kind::of("shapes").unwrap()], [Kind::Digits, Kind::Shapes]);
        let said = |name: &str| kind(name).unwrap_err().to_string();
        assert!(said("text.npy").contains("text.npy is a file that NumPy did not write; give digits, shapes"));
        assert!(said("absent").starts_with("there is no file or folder"));
    }

    #[test]
    fn arrays_too_are_given_a_size_and_channels() {
        let asked = DataOptions { size: 32, channels: 3, ..DataOptions::default() };
        let Found { data, sizes, kind, .. } = read(&asked).unwrap();
        assert_eq!((data.picture_size().as_str(), data.train.images.len()), ("32x32x3", 10_000 * 32 * 32 * 3));
        assert_eq!((sizes.len(), sizes[0], kind), (12_000, [28, 28], Kind::Digits));
        assert!(data.test.images.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }

    #[test]
    fn what_no_device_can_hold_is_refused() {
        let said = |count: usize| refuse_too_large("they", count, 1 << 30, "them").err().map(|error| error.to_string());
        assert_eq!(said(1), None);
        assert!(said(2).unwrap().starts_with("they are 2147483648 bytes, and at most 2147483647 can lie"));
    }
}
