//! Sequences of codes: text, sound, and a process. A code is a byte. Sequences are divided into pieces of `data.length`
//! codes, which are the images of the data set, of height 1.
//!
//! The texts of a class are joined in the order of their paths, and the last tenth is tested on. Each sound is divided
//! by itself and filled up with silence; of several sounds, some are tested on by a hash of their content, and of one
//! the last tenth.

use super::dataset::{DataSet, MAX_CLASSES, Split};
use super::held_out::{Part, by_content};
use super::picture;
use super::process;
use super::sequence::Sequence;
use crate::config::data::DataOptions;
use crate::io::error::{Result, bail, ensure};
use crate::io::files;
use crate::io::sound::{SILENCE, encode, read_wav};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Folders below the source, at most.
const DEPTH: usize = 8;
/// Codes of a source, at most.
const MAX_CODES: usize = i32::MAX as usize;

/// Endings of files that are data of other kinds, beside which `.txt` files describe them.
const OTHERS: [&str; 14] =
    ["npy", "npz", "bin", "gz", "zip", "tar", "wav", "heic", "heif", "avif", "jxl", "svg", "psd", "dng"];

/// True for a folder of text: `.txt` files that are not all empty, and no images or other data beside them.
pub(super) fn is_text(folder: &Path) -> bool {
    let is_other =
        |path: &PathBuf| OTHERS.iter().any(|ending| ends(path, ending)) || path.to_string_lossy().ends_with("-ubyte");
    has(folder, "txt") && files_in(folder, DEPTH).is_ok_and(|files| !files.iter().any(is_other))
}

/// True for a folder of sound: `.wav` files.
pub(super) fn is_sound(folder: &Path) -> bool {
    has(folder, "wav")
}

fn has(folder: &Path, ending: &str) -> bool {
    let Ok(files) = files_in(folder, DEPTH) else { return false };
    let is_full = |path: &PathBuf| files::size(path).is_ok_and(|size| size > 0);
    let has_images = files.iter().any(|path| picture::is_named_so(path));
    files.iter().any(|path| ends(path, ending) && is_full(path)) && !has_images
}

/// True for a file of that ending, in any case.
pub(super) fn ends(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The files in a folder and below, in the order of their paths, without hidden ones.
fn files_in(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in files::list(folder)? {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        match (hidden, path.is_dir()) {
            (true, _) => {}
            (false, true) if depth > 0 => found.extend(files_in(&path, depth - 1)?),
            (false, true) => {}
            (false, false) => found.push(path),
        }
    }
    Ok(found)
}

/// The data set of a source of sequences.
///
/// # Errors
/// A setting is for images; files cannot be read; there are too few codes, or more than a device can index.
pub(super) fn sequences(kind: Sequence, options: &DataOptions) -> Result<DataSet> {
    let name = &options.source;
    let of_images = [
        ("size", options.size),
        ("channels", options.channels),
        ("stacked", options.stacked),
        ("crop", options.crop),
        ("mirror", options.mirror.into()),
    ];
    if let Some((key, _)) = of_images.into_iter().find(|(_, value)| *value > 0) {
        bail!(Setting, "data.{key} is for images, and {name} has sequences; leave it out");
    }
    let mut data = match kind {
        Sequence::Text => of_text(options)?,
        Sequence::Sound { rate } => of_sound(options, rate)?,
        Sequence::Process => {
            let split = |part: u32| pieces(process::draw(part), options.length, 0);
            set(name, [split(0), split(1)], options, vec!["codes".into()])?
        }
    };
    data.sequence = Some(kind);
    Ok(data)
}

/// Whole pieces of a sequence, all of one class; what is left of it is left out.
fn pieces(mut codes: Vec<u8>, length: usize, label: u8) -> Split {
    let count = codes.len() / length;
    codes.truncate(count * length);
    Split { images: codes.into(), labels: vec![label; count], count }
}

fn set(name: &str, [train, test]: [Split; 2], options: &DataOptions, classes: Vec<String>) -> Result<DataSet> {
    for (split, which) in [(&train, "training"), (&test, "test")] {
        ensure!(
            split.count > 0,
            Data,
            "{name} has no {which} piece of {} codes; use more data, or a smaller data.length",
            options.length
        );
        ensure!(
            split.images.len() <= MAX_CODES,
            Data,
            "{name} has {} {which} codes (at most {MAX_CODES}); use fewer files",
            split.images.len()
        );
    }
    Ok(DataSet::new(name.into(), train, test, [1, options.length, 1], classes))
}

fn joined(splits: impl IntoIterator<Item = Split>) -> Split {
    splits.into_iter().fold(Split::default(), |mut all, split| {
        all.images.to_mut().extend_from_slice(&split.images);
        all.labels.extend(split.labels);
        Split { count: all.count + split.count, ..all }
    })
}

/// A sequence in two parts: the last share of its pieces is tested on, at least one.
fn in_two(codes: Vec<u8>, options: &DataOptions, label: u8) -> [Split; 2] {
    let all = pieces(codes, options.length, label);
    let test = ((all.count as f64 * options.test).round() as usize)
        .clamp(1, all.count.saturating_sub(1).max(1))
        .min(all.count);
    let train = all.count - test;
    let part = |from: usize, to: usize| Split {
        images: all.images[from * options.length..to * options.length].to_vec().into(),
        labels: vec![label; to - from],
        count: to - from,
    };
    [part(0, train), part(train, all.count)]
}

/// Files of an ending by class: those of each folder in the source, or all in one class if there are some beside the
/// folders.
fn by_class(source: &Path, ending: &str, only: &str) -> Result<Vec<(String, Vec<PathBuf>)>> {
    if !source.is_dir() {
        return Ok(vec![(only.into(), vec![source.into()])]);
    }
    let files: Vec<PathBuf> = files_in(source, DEPTH)?.into_iter().filter(|path| ends(path, ending)).collect();
    let class = |path: &PathBuf| {
        let below = path.strip_prefix(source).unwrap_or(path);
        let first = below.components().next()?.as_os_str().to_string_lossy().into_owned();
        (below.components().count() > 1).then_some(first)
    };
    let named: Option<Vec<String>> = files.iter().map(class).collect();
    let Some(named) = named else { return Ok(vec![(only.into(), files)]) };
    let mut classes: Vec<(String, Vec<PathBuf>)> = Vec::new();
    for (name, path) in named.into_iter().zip(files) {
        match classes.last_mut().filter(|(last, _)| *last == name) {
            Some((_, paths)) => paths.push(path),
            None => classes.push((name, vec![path])),
        }
    }
    let count = classes.len();
    ensure!(count <= MAX_CLASSES, Data, "{} has {count} classes (at most {MAX_CLASSES})", source.display());
    Ok(classes)
}

fn of_text(options: &DataOptions) -> Result<DataSet> {
    let classes = by_class(Path::new(&options.source), "txt", "text")?;
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (label, (name, paths)) in classes.iter().enumerate() {
        let mut codes = Vec::new();
        for path in paths {
            codes.extend(files::read(path, files::TEXT)?);
        }
        let bytes = codes.len();
        ensure!(
            bytes >= 2 * options.length,
            Data,
            "the class {name} of {} has {bytes} bytes, fewer than two pieces of {}; use more text, or a smaller \
             data.length",
            options.source,
            options.length
        );
        let [of_train, of_test] = in_two(codes, options, label as u8);
        train.push(of_train);
        test.push(of_test);
    }
    let names = classes.into_iter().map(|(name, _)| name).collect();
    set(&options.source, [joined(train), joined(test)], options, names)
}

fn of_sound(options: &DataOptions, rate: u32) -> Result<DataSet> {
    let classes = by_class(Path::new(&options.source), "wav", "sound")?;
    let files: Vec<(u8, &PathBuf)> = (0..=u8::MAX)
        .zip(&classes)
        .flat_map(|(label, (_, paths))| paths.iter().map(move |path| (label, path)))
        .collect();
    let read = |&(label, path): &(u8, &PathBuf)| -> Result<Split> {
        let mut codes: Vec<u8> = read_wav(path, rate)?.into_iter().map(encode).collect();
        ensure!(!codes.is_empty(), Data, "the sound {} is empty; remove it", path.display());
        // A whole sound is divided later, and what is left of its last piece is left out.
        if files.len() > 1 {
            codes.resize(codes.len().next_multiple_of(options.length), SILENCE);
        }
        Ok(pieces(codes, options.length, label))
    };
    let splits: Vec<Split> = files.par_iter().map(read).collect::<Result<_>>()?;
    let names = classes.iter().map(|(name, _)| name.clone()).collect();
    if splits.len() == 1 {
        let [train, test] = in_two(joined(splits).images.into_vec(), options, 0);
        return set(&options.source, [train, test], options, names);
    }
    let ids: Vec<u64> = splits.iter().map(|split| xxh3_64(&split.images)).collect();
    let labels: Vec<u8> = files.iter().map(|(label, _)| *label).collect();
    let parts = by_content(&labels, &ids, options.test);
    let (test, train): (Vec<_>, Vec<_>) = splits.into_iter().zip(parts).partition(|(_, part)| *part == Part::Test);
    let [train, test] = [train, test].map(|part| joined(part.into_iter().map(|(split, _)| split)));
    set(&options.source, [train, test], options, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sound::write_wav;
    use std::fs;

    fn put(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn options(path: &Path, length: usize) -> DataOptions {
        DataOptions { source: path.display().to_string(), length, ..DataOptions::default() }
    }

    #[test]
    fn the_last_tenth_of_a_text_is_tested_on() {
        let root = tempfile::tempdir().unwrap();
        let text: Vec<u8> = (0..1005).map(|i| (i / 10) as u8).collect();
        put(root.path(), "a.txt", &text);
        let data = DataSet::load(&options(&root.path().join("a.txt"), 20)).unwrap();
        assert_eq!((data.train.count, data.test.count, data.sequence), (45, 5, Some(Sequence::Text)));
        assert_eq!([&data.train.images[..], &data.test.images].concat(), text[..1000]);
        assert_eq!((data.height, data.width, data.channels, &data.classes[..]), (1, 20, 1, &["text".to_string()][..]));
        let message = DataSet::load(&options(&root.path().join("a.txt"), 600)).unwrap_err().to_string();
        assert!(message.contains("has 1005 bytes, fewer than two pieces of 600"), "{message}");
        let image = DataOptions { crop: 2, ..options(&root.path().join("a.txt"), 20) };
        assert!(DataSet::load(&image).unwrap_err().to_string().contains("data.crop is for images"));
    }

    #[test]
    fn folders_of_texts_are_classes() {
        let root = tempfile::tempdir().unwrap();
        for (name, byte) in [("b/2.txt", b'x'), ("b/10.txt", b'y'), ("a/deep/1.TXT", b'z')] {
            put(root.path(), name, &[byte; 40]);
        }
        put(root.path(), "b/notes.md", b"no text");
        let data = DataSet::load(&options(root.path(), 10)).unwrap();
        assert_eq!((&data.classes[..], data.train.count), (&["a".to_string(), "b".into()][..], 3 + 7));
        assert_eq!(data.test.labels, [0, 1]);
        // In the order of paths: 10 before 2.
        assert_eq!((data.train.images[30], *data.test.images.last().unwrap()), (b'y', b'x'));
        put(root.path(), "top.txt", &[b't'; 40]);
        assert_eq!(DataSet::load(&options(root.path(), 10)).unwrap().classes, ["text"]);
    }

    #[test]
    fn sounds_are_held_out_whole() {
        let root = tempfile::tempdir().unwrap();
        for number in 0..20u8 {
            let codes: Vec<u8> = (0..130u32).map(|i| 100 + number + (i % 20) as u8).collect();
            let path = root.path().join(format!("{}/{number}.wav", number % 2));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_wav(&path, &codes, 8000).unwrap();
        }
        let data = DataSet::load(&options(root.path(), 50)).unwrap();
        assert_eq!(data.train.count + data.test.count, 20 * 3, "of 130 codes, three pieces each");
        assert!(data.test.count >= 3 && data.test.count.is_multiple_of(3) && data.train.count >= 30);
        assert_eq!(
            (data.sequence, &data.classes[..]),
            (Some(Sequence::Sound { rate: 8000 }), &["0", "1"].map(String::from)[..])
        );
        let last = &data.train.images[100..150];
        assert!(last[..30].iter().all(|&code| code != SILENCE) || last[30..].iter().all(|&code| code == SILENCE));
        assert!(last[30..].iter().all(|&code| code == SILENCE), "filled up with silence");
        let slow = DataOptions { rate: 4000, ..options(root.path(), 50) };
        assert_eq!(DataSet::load(&slow).unwrap().sequence, Some(Sequence::Sound { rate: 4000 }));
        let one = DataSet::load(&options(&root.path().join("0/0.wav"), 10)).unwrap();
        assert_eq!((one.train.count, one.test.count), (12, 1));
    }

    #[test]
    fn the_process_is_built_in() {
        let data = DataSet::load(&DataOptions { source: process::AR2.into(), ..DataOptions::default() }).unwrap();
        assert_eq!((data.train.count, data.test.count, data.sequence), (1024, 128, Some(Sequence::Process)));
        assert_eq!(
            data.fingerprint(),
            DataSet::load(&DataOptions { source: "ar2".into(), ..DataOptions::default() }).unwrap().fingerprint()
        );
    }
}
