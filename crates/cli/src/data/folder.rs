//! Folders of images, decoded and fitted on all cores.

use super::arrangement::{Arrangement, File, arrange, arrange_all};
use super::bytes::{Bytes, Writer};
use super::channels::convert;
use super::dataset::{SizedSplit, Split, Splits};
use super::fit::fitted_size;
use super::picture::{self, Picture};
use super::sizes::{counted, suggested};
use crate::config::data::DataOptions;
use crate::io::error::{Error, Hint, Result, bail, error};
use rayon::prelude::*;
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};
use std::mem::take;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Most bytes of the images of a folder, in colour.
const MAX_LOADED: u64 = 32 << 30;

/// Files that are decoded before their pixels are put together.
const AT_ONCE: usize = 256;

/// A skipped file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// Its path.
    pub path: String,
    /// The reason, to follow the path in a sentence.
    pub reason: String,
}

impl Display for Skipped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.reason)
    }
}

/// The result of reading a source.
pub(super) struct Decoded {
    pub(super) splits: Splits,
    /// A hash of each image of the training set and of the test set, which is empty without one: of the file's bytes,
    /// or of the image's pixels before they are fitted. It is the same in every version and on every machine.
    pub(super) ids: [Vec<u64>; 2],
    /// The path of each image below the folder; none of images in arrays.
    pub(super) paths: [Vec<String>; 2],
    /// Height and width of each image in the files.
    pub(super) sizes: Vec<[usize; 2]>,
    /// Files that could not be read.
    pub(super) skipped: Vec<Skipped>,
    /// Sentences on what was left out or could be meant otherwise.
    pub(super) notes: Vec<String>,
}

impl Decoded {
    /// Splits whose images were read whole and unfitted.
    pub(super) fn whole(splits: Splits) -> Self {
        let sizes = |sized: &SizedSplit| vec![[sized.size[0], sized.size[1]]; sized.split.count];
        let sizes = [Some(&splits.train), splits.test.as_ref()].into_iter().flatten().flat_map(sizes).collect();
        let ids = |sized: Option<&SizedSplit>| {
            let Some(SizedSplit { split, size }) = sized else { return Vec::new() };
            // An image of no pixels has no chunk.
            let pixels = size.iter().product::<usize>().max(1);
            split.images.par_chunks_exact(pixels).map(xxh3_64).collect()
        };
        let ids = [ids(Some(&splits.train)), ids(splits.test.as_ref())];
        let (skipped, notes) = (Vec::new(), Vec::new());
        Self { splits, ids, paths: Default::default(), sizes, skipped, notes }
    }
}

/// Reads every image below a folder, fitted as `options` ask; as a side of two, without classes.
///
/// # Errors
/// Those of [`arrange`] and [`read_arranged`].
pub(super) fn read(folder: &Path, options: &DataOptions) -> Result<Decoded> {
    let arrangement = if options.has_two_sides() { arrange_all(folder)? } else { arrange(folder)? };
    read_arranged(folder, arrangement, options)
}

/// Reads the images of an arrangement of a folder, fitted as `options` ask.
///
/// # Errors
/// More files are unreadable than the options allow, or images have several sizes and the options ask for none.
pub(super) fn read_arranged(folder: &Path, arrangement: Arrangement, options: &DataOptions) -> Result<Decoded> {
    let Arrangement { parts, classes, notes } = arrangement;
    let mut skipped = Vec::new();
    let mut read = Vec::new();
    let mut total = 0;
    let files: Vec<&File> = parts.iter().flatten().collect();
    if options.size == 0 {
        // Before anything is decoded: photographs of several sizes can be more than memory holds.
        let size = announced_size(&files)?;
        refuse_too_large(folder, files.len(), size.unwrap_or_default())?;
    } else {
        let [height, width, _] = fitted_size([0; 3], options);
        refuse_too_large(folder, files.len(), [height, width])?;
    }
    let mut paths: [Vec<String>; 2] = Default::default();
    for (part, paths) in parts.into_iter().zip(&mut paths) {
        total += part.len();
        let files: Vec<PathBuf> = part.iter().map(|file| file.path.clone()).collect();
        let before = skipped.len();
        read.push(decode(part, options, &mut skipped)?);
        let unread: HashSet<&str> = skipped[before..].iter().map(|skipped| skipped.path.as_str()).collect();
        let below = |path: PathBuf| path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        paths.extend(files.into_iter().filter(|path| !unread.contains(path.display().to_string().as_str())).map(below));
    }
    refuse_too_many(folder, &skipped, total, options)?;
    let pictures = || read.iter().flat_map(|part| &part.pictures);
    refuse_mixed_sizes(pictures())?;
    let grey = options.channels == 0 && !pictures().any(|picture| picture.coloured);
    let sizes = pictures().map(|picture| picture.found).collect();
    let mut ids = read.iter().map(|part| part.pictures.iter().map(|picture| picture.id).collect());
    let ids = [ids.next(), ids.next()].map(Option::unwrap_or_default);
    let mut parts = read.into_iter().map(|part| part.into_split(grey));
    let train = parts.next().expect("there is a training set")?;
    let test = parts.next().transpose()?;
    Ok(Decoded { splits: Splits { train, test, classes }, ids, paths, sizes, skipped, notes })
}

/// The height and width that the headers of all files announce; `None` if none can be read.
///
/// # Errors
/// They announce several.
pub(super) fn announced_size(files: &[&File]) -> Result<Option<[usize; 2]>> {
    let sizes: Vec<_> = files.par_iter().filter_map(|file| picture::announced_size(&file.path)).collect();
    // Held sideways, an image is as wide as it is high in the file.
    let upright = |[h, w]: [usize; 2]| [h.min(w), h.max(w)];
    match sizes.iter().any(|size| upright(*size) != upright(sizes[0])) {
        true => Err(mixed_sizes(&sizes)),
        false => Ok(sizes.first().copied()),
    }
}

/// The images of one part, as they were decoded.
#[derive(Default)]
struct Part {
    /// The pixels of all images, one after another.
    images: Bytes,
    labels: Vec<u8>,
    /// Each image, without its pixels.
    pictures: Vec<Picture>,
}

impl Part {
    /// The images as a split; in grey, if they are grey.
    fn into_split(self, grey: bool) -> Result<SizedSplit> {
        let Self { images, labels, pictures } = self;
        let Some([height, width, channels]) = pictures.first().map(|first| first.size) else {
            return Ok(SizedSplit { split: Split::default(), size: [0; 3] });
        };
        let to = if grey { 1 } else { channels };
        let images = match to == channels {
            true => images,
            false => images.map_each(height * width * channels, |image| convert(image.to_vec(), channels, to))?,
        };
        let count = labels.len();
        Ok(SizedSplit { split: Split { images, labels, count }, size: [height, width, to] })
    }
}

/// Decodes files on all cores; the result is in their order. Unreadable ones go to `skipped`.
fn decode(files: Vec<File>, options: &DataOptions, skipped: &mut Vec<Skipped>) -> Result<Part> {
    let (mut images, mut labels, mut pictures) = (Writer::default(), Vec::new(), Vec::new());
    // A few at a time, since all may be more than memory holds.
    for files in files.chunks(AT_ONCE) {
        let read: Vec<_> = files.par_iter().map(|file| picture::read(&file.path, options)).collect();
        for (file, read) in files.iter().zip(read) {
            match read {
                Ok(mut picture) => {
                    images.append(&take(&mut picture.pixels))?;
                    labels.push(file.label);
                    pictures.push(picture);
                }
                Err(reason) => skipped.push(Skipped { path: file.path.display().to_string(), reason }),
            }
        }
    }
    Ok(Part { images: images.finish()?, labels, pictures })
}

fn refuse_too_many(folder: &Path, skipped: &[Skipped], total: usize, options: &DataOptions) -> Result<()> {
    if let Some(first) = skipped.first()
        && skipped.len() > options.unreadable
    {
        bail!(
            Data,
            hint: Hint::Set("data.unreadable".into()),
            "{} of {total} images in {} cannot be read (data.unreadable allows {}): {first}; repair or remove them, \
             or set data.unreadable={}",
            skipped.len(),
            folder.display(),
            options.unreadable,
            skipped.len()
        );
    }
    Ok(())
}

fn refuse_mixed_sizes<'a>(pictures: impl Iterator<Item = &'a Picture>) -> Result<()> {
    let sizes: Vec<_> = pictures.map(|picture| [picture.size[0], picture.size[1]]).collect();
    match sizes.iter().any(|size| *size != sizes[0]) {
        true => Err(mixed_sizes(&sizes)),
        false => Ok(()),
    }
}

/// The error for images of these sizes, which are several, without one to fit them to.
pub(super) fn mixed_sizes(sizes: &[[usize; 2]]) -> Error {
    let counts = counted(sizes);
    let [(h, w), (other_h, other_w)] = [0, 1].map(|most| (counts[most].0[0], counts[most].0[1]));
    let size = suggested(sizes);
    error!(
        Data,
        hint: Hint::Size(size),
        "the images have {} sizes, such as {h}×{w} and {other_h}×{other_w}; resize them with data.size={size}",
        counts.len()
    )
}

/// Refuses `count` images of a size that take more memory than [`MAX_LOADED`].
fn refuse_too_large(folder: &Path, count: usize, [height, width]: [usize; 2]) -> Result<()> {
    let bytes = [count, height, width, 3].iter().fold(1u64, |bytes, &factor| bytes.saturating_mul(factor as u64));
    if bytes > MAX_LOADED {
        bail!(
            Data,
            hint: Hint::Size(64),
            "the {count} images of {} take {} GiB at {height}×{width} (at most {}); use a smaller data.size, such as \
             data.size=64",
            folder.display(),
            bytes >> 30,
            MAX_LOADED >> 30
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::{Colour, Fit};
    use crate::data::{DataSet, from};
    use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
    use std::fs;
    use tempfile::TempDir;

    fn put(root: &TempDir, name: &str, image: impl Into<DynamicImage>) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.into().save_with_format(path, ImageFormat::Png).unwrap();
    }

    fn colour(side: u32, value: u8) -> RgbImage {
        RgbImage::from_pixel(side, side, Rgb([value, 0, 0]))
    }

    fn grey(value: u8) -> GrayImage {
        GrayImage::from_pixel(2, 2, Luma([value]))
    }

    fn load(root: &TempDir) -> Result<DataSet> {
        DataSet::load(&DataOptions { test: 0.5, ..from(root.path()) })
    }

    fn sentence(root: &TempDir) -> String {
        load(root).unwrap_err().to_string()
    }

    /// The first byte of each image.
    fn firsts(split: &Split) -> Vec<u8> {
        split.images.chunks(split.images.len() / split.count).map(|picture| picture[0]).collect()
    }

    #[test]
    fn sub_folders_are_classes_in_the_order_of_names() {
        let root = tempfile::tempdir().unwrap();
        for (name, value) in [
            ("dog/2.png", 21),
            ("dog/1.png", 20),
            ("cat/b/9.png", 12),
            ("cat/a.PNG", 11),
            ("cat/c.png", 13),
            ("cat/d.png", 14),
        ] {
            put(&root, name, colour(2, value));
        }
        put(&root, ".hidden/x.png", colour(9, 1));
        put(&root, "dog/.x.png", colour(9, 1));
        fs::write(root.path().join("dog/notes.txt"), "no picture").unwrap();
        fs::create_dir(root.path().join("empty")).unwrap();
        let data = load(&root).unwrap();
        assert_eq!(data.classes, ["cat", "dog"]);
        // Within cat: a.PNG, c.png, d.png, then what is in the folder b.
        let Decoded { splits, paths, .. } = read(root.path(), &DataOptions::default()).unwrap();
        let all = splits.train.split;
        let firsts_of_all = firsts(&all);
        assert_eq!((&firsts_of_all[..], &all.labels[..]), (&[11, 13, 14, 12, 20, 21][..], &[0, 0, 0, 0, 1, 1][..]));
        assert_eq!(paths[0], ["cat/a.PNG", "cat/c.png", "cat/d.png", "cat/b/9.png", "dog/1.png", "dog/2.png"]);
        let path_of = |&first: &u8| paths[0][firsts_of_all.iter().position(|&found| found == first).unwrap()].clone();
        let listed = data.list.train.iter().map(|entry| entry.path.clone().unwrap());
        assert!(listed.eq(firsts(&data.train).iter().map(path_of)));
        assert_eq!(load(&root).unwrap().fingerprint(), data.fingerprint());
    }

    #[test]
    fn loose_pictures_are_one_class_and_grey_stays_grey() {
        let root = tempfile::tempdir().unwrap();
        (1..=4).for_each(|value| put(&root, &format!("{value}.png"), grey(value)));
        let data = load(&root).unwrap();
        assert_eq!((data.classes.as_slice(), data.channels), (&["images".to_string()][..], 1));
        assert_eq!(firsts(&read(root.path(), &DataOptions::default()).unwrap().splits.train.split), [1, 2, 3, 4]);
        put(&root, "5.png", colour(2, 5));
        let data = load(&root).unwrap();
        let all = [&data.train.images[..], &data.test.images].concat();
        assert_eq!((data.channels, all.len()), (3, 5 * 4 * 3));
        assert!(all.chunks(3).filter(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]).count() == 4 * 4);
        let asked = DataSet::load(&DataOptions { channels: 1, ..from(root.path()) }).unwrap();
        assert_eq!((asked.channels, asked.train.images.len() + asked.test.images.len()), (1, 5 * 4));
    }

    #[test]
    fn pictures_of_several_sizes_need_one() {
        let root = tempfile::tempdir().unwrap();
        put(&root, "a.png", colour(4, 9));
        put(&root, "b.png", RgbImage::from_pixel(8, 4, Rgb([9, 0, 0])));
        assert!(sentence(&root).contains("have 2 sizes, such as 4×4 and 4×8; resize them with data.size=8"));
        let fitted = |fit: Fit| {
            let options = DataOptions { size: 4, fit, background: Colour([7; 3]), ..from(root.path()) };
            firsts(&read(root.path(), &options).unwrap().splits.train.split)
        };
        assert_eq!([fitted(Fit::Crop), fitted(Fit::Stretch), fitted(Fit::Pad)], [[9, 9], [9, 9], [9, 7]]);
    }

    #[test]
    fn some_files_may_be_unreadable() {
        let root = tempfile::tempdir().unwrap();
        (1..=4).for_each(|value| put(&root, &format!("{value}.png"), grey(value)));
        fs::write(root.path().join("0.png"), "words").unwrap();
        fs::write(root.path().join("3a.jpg"), "").unwrap();
        let read = |unreadable: usize| read(root.path(), &DataOptions { unreadable, ..DataOptions::default() });
        let found = read(2).unwrap();
        let skipped: Vec<String> = found.skipped.iter().map(Skipped::to_string).collect();
        assert!(skipped[0].contains("0.png has an unknown format") && skipped[1].ends_with("3a.jpg is empty"));
        assert_eq!((skipped.len(), firsts(&found.splits.train.split)), (2, vec![1, 2, 3, 4]));
        assert_eq!(found.sizes, [[2, 2]; 4]);
        let hashed = fs::read(root.path().join("2.png")).unwrap();
        assert_eq!((found.ids[0].len(), found.ids[0][1], found.ids[1].len()), (4, xxh3_64(&hashed), 0));
        let message = read(1).err().unwrap().to_string();
        assert!(message.starts_with("2 of 6 images in"), "{message}");
        assert!(message.contains("0.png has an unknown") && message.ends_with("set data.unreadable=2"), "{message}");
        (1..=3).for_each(|value| fs::write(root.path().join(format!("{value}.png")), "").unwrap());
        assert!(sentence(&root).contains("holds one image"));
        let parts = tempfile::tempdir().unwrap();
        put(&parts, "test/a.png", grey(1));
        fs::create_dir(parts.path().join("train")).unwrap();
        fs::write(parts.path().join("train/a.png"), "").unwrap();
        let message = DataSet::load(&DataOptions { size: 8, ..from(parts.path()) }).unwrap_err().to_string();
        assert!(message.contains("has no readable training images"), "{message}");
    }
}
