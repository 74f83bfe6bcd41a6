//! The table of data formats.

use super::dataset::Splits;
use super::folder::{self, Decoded};
use super::picture;
use super::sequence::Sequence;
use super::sequences;
use super::{cifar, mnist, npy, numpy, process, shapes};
use crate::config::data::{DIGITS, DataOptions};
use crate::io::error::{Result, bail, error};
use crate::io::files;
use gpu_core::ops::density::Density;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The names of the built-in shapes and of their outlines.
const SHAPES: &str = "shapes";
const OUTLINES: &str = "outlines";

/// Most bytes at the start of a file that tell its format.
const MAX_MAGIC: u64 = 8;

/// Folders below one that is not a source in which sources are looked for.
const DEPTH: usize = 2;

/// A format of data sets.
#[derive(Debug)]
pub(super) struct Format {
    /// Name of the format.
    pub(super) name: &'static str,
    /// Sources in this format, for messages.
    sources: &'static str,
    detect: Detect,
    read: Reader,
}

/// The condition for a source to be in a format.
#[derive(Debug)]
enum Detect {
    /// The source is this name; a folder of that name is reached as `./digits`.
    Name(&'static str),
    /// The source is a folder that passes a test.
    Folder(fn(&Path) -> bool),
    /// The source is a file with this ending.
    Ending(&'static str),
    /// The source is a file that starts with these bytes.
    File(&'static [u8]),
}

/// The reader of a format.
#[derive(Debug)]
enum Reader {
    /// Draws or unpacks a built-in set.
    BuiltIn(fn() -> Result<Splits>),
    /// Draws points.
    Points(Density),
    /// Reads sequences; sounds at the rate that the options ask for.
    Sequences(Kind),
    /// Reads images of one size.
    Whole(fn(&Path) -> Result<Splits>),
    /// Reads images of any size, and fits them as the options ask.
    Fitted(fn(&Path, &DataOptions) -> Result<Decoded>),
}

/// A kind of sequences.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Sound,
    Process,
}

/// A format of sequences.
const fn sequences(name: &'static str, sources: &'static str, detect: Detect, kind: Kind) -> Format {
    Format { name, sources, detect, read: Reader::Sequences(kind) }
}

/// The format of a density, whose name is its source.
const fn points(density: Density) -> Format {
    Format {
        name: "density of points",
        sources: density.name(),
        detect: Detect::Name(density.name()),
        read: Reader::Points(density),
    }
}

/// All formats. The first that detects a source reads it.
static FORMATS: &[Format] = &[
    Format {
        name: "built-in digits",
        sources: "digits",
        detect: Detect::Name(DIGITS),
        read: Reader::BuiltIn(mnist::built_in),
    },
    Format {
        name: "built-in shapes",
        sources: "shapes",
        detect: Detect::Name(SHAPES),
        read: Reader::BuiltIn(|| Ok(shapes::draw())),
    },
    Format {
        name: "built-in outlines",
        sources: "outlines",
        detect: Detect::Name(OUTLINES),
        read: Reader::BuiltIn(|| Ok(shapes::draw_outlines())),
    },
    Format {
        name: "MNIST's IDX files",
        sources: "a folder of MNIST's IDX files",
        detect: Detect::Folder(mnist::is_in),
        read: Reader::Whole(mnist::read),
    },
    Format {
        name: "CIFAR's binary files",
        sources: "a folder of CIFAR's binary files",
        detect: Detect::Folder(cifar::is_in),
        read: Reader::Whole(cifar::read),
    },
    sequences("folder of text", "a folder of .txt files", Detect::Folder(sequences::is_text), Kind::Text),
    sequences("folder of sound", "a folder of .wav files", Detect::Folder(sequences::is_sound), Kind::Sound),
    Format {
        name: "folder of images",
        sources: "a folder of images",
        detect: Detect::Folder(|_| true),
        read: Reader::Fitted(folder::read),
    },
    Format {
        name: "NumPy array",
        sources: "an .npy file",
        detect: Detect::File(npy::MAGIC),
        read: Reader::Whole(numpy::read_array),
    },
    Format {
        name: "NumPy archive",
        sources: "an .npz file",
        detect: Detect::File(numpy::ARCHIVE_MAGIC),
        read: Reader::Whole(numpy::read_archive),
    },
    sequences("text", "a .txt file", Detect::Ending("txt"), Kind::Text),
    sequences("sound", "a .wav file", Detect::Ending("wav"), Kind::Sound),
    sequences("autoregressive process", process::AR2, Detect::Name(process::AR2), Kind::Process),
    points(Density::EightGaussians),
    points(Density::TwentyFiveGaussians),
    points(Density::Moons),
    points(Density::SwissRoll),
    points(Density::Checkerboard),
];

/// Endings of images that are not read.
const OTHER_IMAGES: [&str; 7] = ["heic", "heif", "avif", "jxl", "svg", "psd", "dng"];

/// All possible sources, for messages: `digits, shapes, … or an .npz file`.
pub(super) fn sources() -> String {
    let sources: Vec<&str> = FORMATS.iter().map(|format| format.sources).collect();
    let (last, others) = sources.split_last().expect("there are formats");
    format!("{} or {last}", others.join(", "))
}

/// True if a source is the name of a built-in set. A folder of that name is reached as `./digits`.
pub fn is_built_in(source: &str) -> bool {
    FORMATS.iter().any(|format| matches!(format.detect, Detect::Name(name) if name == source))
}

impl Format {
    /// The format of a source.
    ///
    /// # Errors
    /// There is no such name, file or folder, or a file has another format.
    pub(super) fn of(source: &str) -> Result<&'static Self> {
        let path = Path::new(source);
        let is_name = is_built_in(source);
        if !is_name && !path.exists() {
            bail!(Data, "no file or folder '{source}'; use {}", sources());
        }
        let is_folder = path.is_dir();
        let start = if is_name || is_folder { Vec::new() } else { start_of(path)? };
        let detects = |format: &&Self| match format.detect {
            Detect::Name(name) => name == source,
            Detect::Folder(test) => !is_name && is_folder && test(path),
            Detect::Ending(ending) => !is_name && !is_folder && sequences::ends(path, ending),
            Detect::File(magic) => start.starts_with(magic),
        };
        let found = FORMATS.iter().find(detects);
        let images = picture::formats();
        found.ok_or_else(|| match path.extension().and_then(|ending| ending.to_str()) {
            _ if picture::is_named_so(path) => error!(Data, "'{source}' is one image; use the folder that holds it"),
            Some(ending) if OTHER_IMAGES.iter().any(|other| ending.eq_ignore_ascii_case(other)) => {
                error!(Data, "'{source}' has an image format that frit does not read; convert it to one of {images}")
            }
            _ => error!(Data, "'{source}' has an unknown file format; use {}", sources()),
        })
    }

    /// The density of a format of points.
    pub(super) fn points(&self) -> Option<Density> {
        match self.read {
            Reader::Points(density) => Some(density),
            _ => None,
        }
    }

    /// The kind of sequences of a format of them.
    pub(super) fn sequence(&self, options: &DataOptions) -> Option<Sequence> {
        match self.read {
            Reader::Sequences(Kind::Text) => Some(Sequence::Text),
            Reader::Sequences(Kind::Sound) => Some(Sequence::Sound { rate: options.rate as u32 }),
            Reader::Sequences(Kind::Process) => Some(Sequence::Process),
            _ => None,
        }
    }

    /// True for a folder of images, which may have several sizes.
    pub(super) fn any_size(&self) -> bool {
        matches!(self.read, Reader::Fitted(_))
    }

    /// Reads a source in this format.
    ///
    /// # Errors
    /// Those of the reader.
    pub(super) fn read(&self, options: &DataOptions) -> Result<Decoded> {
        let path = Path::new(&options.source);
        match self.read {
            Reader::BuiltIn(read) => read().map(Decoded::whole),
            Reader::Points(density) => bail!(Data, "{} are points, not images; use a set of images", density.name()),
            Reader::Sequences(_) => {
                bail!(Data, "{} has sequences, not images; use a set of images", options.source)
            }
            Reader::Whole(read) => read(path).map(Decoded::whole),
            Reader::Fitted(read) => read(path, options).map_err(|error| match elsewhere(path, DEPTH) {
                Some(found) => error!(Data, "{} is not a data set; {found}", path.display()),
                None => error,
            }),
        }
    }
}

/// Sources and archives in a folder or at most `depth` folders below it, with advice: for a folder that is none.
fn elsewhere(folder: &Path, depth: usize) -> Option<String> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let is_known = |folder: &Path| {
        FORMATS
            .iter()
            .find(|format| matches!(format.detect, Detect::Folder(test) if test(folder) && !format.any_size()))
    };
    let known = folders.iter().find_map(|below| Some(format!("{} is {}", below.display(), is_known(below)?.sources)));
    let ends = |path: &&PathBuf, endings: &[&str]| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        endings.iter().any(|ending| name.ends_with(ending))
    };
    let array = || files.iter().find(|path| ends(path, &[".npy", ".npz"]));
    let archive = || files.iter().find(|path| ends(path, &[".zip", ".tar", ".tar.gz", ".tgz"]));
    known
        .map(|known| format!("{known}: use that path"))
        .or_else(|| array().map(|path| format!("{} is an array: use that path", path.display())))
        .or_else(|| archive().map(|path| format!("{} is an archive: unpack it first", path.display())))
        .or_else(|| folders.iter().filter(|_| depth > 0).find_map(|below| elsewhere(below, depth - 1)))
}

/// The first bytes of a file.
fn start_of(path: &Path) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    let read = files::open(path)?.take(MAX_MAGIC).read_to_end(&mut start);
    read.map_err(|error| files::could_not_read(path, &error))?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_source_has_the_format_of_its_contents() {
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
        let format = |name: &str| Format::of(root.path().join(name).to_str().unwrap());
        for (source, name) in [
            ("idx", "MNIST's IDX files"),
            ("cifar", "CIFAR's binary files"),
            ("other", "folder of images"),
            ("array", "NumPy array"),
            ("archive", "NumPy archive"),
        ] {
            assert_eq!(format(source).unwrap().name, name);
        }
        assert_eq!(
            ["digits", "shapes"].map(|name| Format::of(name).unwrap().name),
            ["built-in digits", "built-in shapes"]
        );
        let message = |name: &str| format(name).unwrap_err().to_string();
        assert!(message("text.npy").contains("text.npy' has an unknown file format; use digits, shapes"));
        assert!(message("absent").starts_with("no file or folder '"));
        put("down/sets/raw/train-images-idx3-ubyte", b"");
        put("sets/cifar-10/cifar-10-batches-bin/test_batch.bin", b"");
        put("download/cifar.tar.gz", b"");
        let read = |name: &str| {
            let source = root.path().join(name).display().to_string();
            let options = DataOptions { source: source.clone(), ..DataOptions::default() };
            Format::of(&source).unwrap().read(&options).err().unwrap().to_string()
        };
        assert!(read("down").ends_with("down/sets is a folder of MNIST's IDX files: use that path"));
        assert!(read("sets").contains("sets/cifar-10 is a folder of CIFAR's binary files"));
        assert!(read("download").ends_with("cifar.tar.gz is an archive: unpack it first"));
        assert!(read("other").contains("holds no images"));
        assert!(is_built_in("shapes") && !is_built_in("./shapes"));
        assert!(Density::ALL.iter().all(|density| Format::of(density.name()).unwrap().points() == Some(*density)));
        let moons = DataOptions { source: "moons".into(), ..DataOptions::default() };
        let message = Format::of("moons").unwrap().read(&moons).err().unwrap().to_string();
        assert!(message.contains("moons are points, not images"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_source_that_is_a_pipe_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let message = Format::of(pipe.to_str().unwrap()).unwrap_err().to_string();
        assert!(message.ends_with("it is a pipe, a device or a socket, not a file"), "{message}");
    }
}
