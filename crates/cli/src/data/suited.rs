//! The recipe that suits a data set, for a training that names none: one table, by what was measured.

use super::dataset::Sides;
use super::formats::{Format, is_built_in};
use super::read::{Found, read};
use super::sizes::suggested;
use crate::config::data::DataOptions;
use crate::io::error::Result;
use crate::io::files;
use std::ops::Range;
use std::path::Path;

/// Data of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Points,
    Sequences,
    Images,
}

/// A row of the table: the data, and the recipe with settings for it.
struct Row {
    kind: Kind,
    /// Numbers of training images.
    count: Range<usize>,
    recipe: &'static str,
    /// The largest batch; `None` for the recipe's.
    batch: Option<usize>,
    reason: &'static str,
}

/// The first row that fits decides.
const ROWS: [Row; 5] = [
    Row {
        kind: Kind::Points,
        count: 0..usize::MAX,
        recipe: "points-flow",
        batch: None,
        reason: "points in the plane need linear layers, and flow matching came nearer to them than a GAN",
    },
    Row {
        kind: Kind::Sequences,
        count: 0..usize::MAX,
        recipe: "wavenet",
        batch: Some(16),
        reason: "sequences of codes need causal convolutions",
    },
    Row {
        kind: Kind::Images,
        count: 0..64,
        recipe: "dcgan-small",
        batch: Some(16),
        reason: "fewer images than a batch of 64, and a discriminator would learn so few by heart",
    },
    Row {
        kind: Kind::Images,
        count: 64..5000,
        recipe: "dcgan-small",
        batch: None,
        reason: "a discriminator would learn fewer than 5,000 images by heart",
    },
    Row {
        kind: Kind::Images,
        count: 5000..usize::MAX,
        recipe: "flow-matching",
        batch: None,
        reason: "on 10,000 images flow matching came nearer to the data than a GAN",
    },
];

/// The largest side of images that keep their size.
const MAX_SIDE: usize = 64;
/// The size of others. A step of `dcgan` on a processor takes 0.2 s at 32 and 1.1 s at 64.
const SIZE: usize = 32;

/// A recipe and settings for a data set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suited {
    /// Name of the recipe.
    pub recipe: &'static str,
    /// Settings on top of the recipe, as `key=value`.
    pub settings: Vec<String>,
    /// The data, such as `546 training images, 72×72 in colour, 10 classes`.
    pub facts: String,
    /// The reason for the recipe, and for the size where it is changed.
    pub reason: String,
}

/// The recipe that suits the data that `options` describe.
///
/// ```
/// use frit::config::data::DataOptions;
/// let suited = frit::data::suited(&DataOptions::default())?;
/// assert_eq!(suited.recipe, "flow-matching");
/// assert_eq!(suited.facts, "10000 training images, 28×28 in grey, 10 classes");
/// # Ok::<(), frit::Error>(())
/// ```
///
/// # Errors
/// Those of [`read`].
pub fn suited(options: &DataOptions) -> Result<Suited> {
    let format = Format::of(&options.source)?;
    let are_images = format.points().is_none() && format.sequence(options).is_none();
    // Images of a small size are enough to count them, and fit in memory however large their files are.
    let size = if options.size == 0 && are_images { SIZE } else { options.size };
    let found = read(&DataOptions { size, ..options.clone() })?;
    Ok(match found.data.sides {
        Some(sides) => of_sides(&found, sides, options),
        None => of_found(&found, options),
    })
}

/// Endings of files that are data.
const KNOWN: [&str; 4] = ["npy", "npz", "txt", "wav"];

/// True if a training on `source` can do without the name of a recipe: a built-in set, a folder, an array, a text, or a
/// sound.
///
/// # Errors
/// The file system does not tell if there is such a file.
pub fn is_data(source: &str) -> Result<bool> {
    let path = Path::new(source);
    let is_known = path.extension().is_some_and(|ending| KNOWN.iter().any(|known| ending == *known));
    Ok(is_built_in(source) || path.is_dir() || (is_known && files::exists(path)?))
}

/// The recipe of image-to-image translation for two sets, or for pairs.
fn of_sides(found: &Found, sides: Sides, options: &DataOptions) -> Suited {
    let (recipe, reason) = match sides {
        Sides::Unpaired { .. } => ("cyclegan", "two sets of images without pairs are translated into each other"),
        Sides::Paired { .. } => ("paired", "pairs of images teach a translation directly"),
    };
    let settings = size(&found.sizes).filter(|_| options.size == 0).map(|size| format!("data.size={size}"));
    let facts = found.data.described(&found.data.train);
    Suited { recipe, settings: settings.into_iter().collect(), facts, reason: reason.into() }
}

fn of_found(found: &Found, options: &DataOptions) -> Suited {
    let (data, count) = (&found.data, found.data.train.count);
    let kind = match (data.points, data.sequence) {
        (Some(_), _) => Kind::Points,
        (None, Some(_)) => Kind::Sequences,
        (None, None) => Kind::Images,
    };
    let row = ROWS.iter().find(|row| row.kind == kind && row.count.contains(&count)).expect("a row for every count");
    let batch = row.batch.map(|largest| format!("train.batch_size={}", largest.min(count)));
    let mut settings = Vec::from_iter(batch);
    let mut reason = row.reason.to_string();
    if kind == Kind::Points {
        return Suited { recipe: row.recipe, settings, facts: "points in the plane, new in every step".into(), reason };
    }
    if kind == Kind::Sequences {
        let facts = data.described(&data.train);
        return Suited { recipe: row.recipe, settings, facts, reason };
    }
    let area = |size: &&[usize; 2]| size[0] * size[1];
    let smallest = found.sizes.iter().min_by_key(area).copied().unwrap_or_default();
    let largest = found.sizes.iter().max_by_key(area).copied().unwrap_or_default();
    if let Some(size) = size(&found.sizes).filter(|_| options.size == 0) {
        settings.push(format!("data.size={size}"));
        reason += if size == SIZE { "; larger images take several times as long" } else { "; images of several sizes" };
    }
    let size = |[height, width]: [usize; 2]| format!("{height}×{width}");
    let sizes = if smallest == largest { size(largest) } else { format!("{} to {}", size(smallest), size(largest)) };
    let colour = if data.channels == 1 { "grey" } else { "colour" };
    let classes = match data.classes.len() {
        1 => "no classes".into(),
        classes => format!("{classes} classes"),
    };
    let facts = format!("{count} training images, {sizes} in {colour}, {classes}");
    Suited { recipe: row.recipe, settings, facts, reason }
}

/// The size to train at; `None` for that of the images.
fn size(sizes: &[[usize; 2]]) -> Option<usize> {
    let first = sizes.first()?;
    let of_one_size = sizes.iter().all(|size| size == first);
    let is_small = first.iter().all(|&side| side <= MAX_SIDE);
    (!of_one_size || !is_small).then(|| suggested(sizes).min(SIZE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::from;
    use image::{GrayImage, RgbImage};

    /// Every recipe exists, takes its settings, and every count of images has a row.
    #[test]
    fn rows_name_recipes_and_cover_every_count() {
        for row in &ROWS {
            let batch = row.batch.unwrap_or(Config::load(row.recipe).unwrap().train.batch_size);
            assert!(row.kind != Kind::Images || batch <= row.count.start.max(16), "{}", row.reason);
        }
        for kind in [Kind::Points, Kind::Sequences, Kind::Images] {
            let mut end = 0;
            for row in ROWS.iter().filter(|row| row.kind == kind) {
                assert_eq!(row.count.start, end, "{}", row.reason);
                end = row.count.end;
            }
            assert_eq!(end, usize::MAX);
        }
    }

    #[test]
    fn count_and_size_decide() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, size: [u32; 2], shade: u8| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            RgbImage::from_pixel(size[1], size[0], image::Rgb([shade, 0, 255 - shade])).save(path).unwrap();
        };
        (0..80).for_each(|i| put(&format!("photos/{i}.png"), [70 + u32::from(i), 90], i));
        (0..30).for_each(|i| put(&format!("icons/{}/{i}.png", i % 3), [24, 24], i));
        let of = |name: &str| suited(&from(&root.path().join(name))).unwrap();
        let photos = of("photos");
        assert_eq!((photos.recipe, &photos.settings[..]), ("dcgan-small", &["data.size=32".to_string()][..]));
        assert!(photos.facts.ends_with("training images, 70×90 to 149×90 in colour, no classes"), "{}", photos.facts);
        assert!(photos.reason.contains("by heart; larger images"), "{}", photos.reason);
        let icons = of("icons");
        assert_eq!((icons.recipe, &icons.settings[..]), ("dcgan-small", &["train.batch_size=16".to_string()][..]));
        assert!(icons.facts.ends_with("24×24 in colour, 3 classes"), "{}", icons.facts);
        let asked = suited(&DataOptions { size: 64, ..from(&root.path().join("photos")) }).unwrap();
        assert!(asked.settings.is_empty(), "{:?}", asked.settings);
        let moons = suited(&DataOptions { source: "moons".into(), ..DataOptions::default() }).unwrap();
        assert_eq!(moons.recipe, "points-flow");
        std::fs::write(root.path().join("a.txt"), [b'a'; 5000]).unwrap();
        let text = of("a.txt");
        assert_eq!((text.recipe, &text.settings[..]), ("wavenet", &["train.batch_size=3".to_string()][..]));
    }

    #[test]
    fn folders_arrays_and_built_in_sets_are_data() {
        let root = tempfile::tempdir().unwrap();
        GrayImage::new(3, 3).save(root.path().join("one.png")).unwrap();
        std::fs::write(root.path().join("a.npy"), b"").unwrap();
        std::fs::write(root.path().join("a.toml"), b"").unwrap();
        let at = |name: &str| root.path().join(name).display().to_string();
        for data in ["digits", "moons", &at(""), &at("a.npy")] {
            assert!(is_data(data).unwrap(), "{data}");
        }
        for other in ["vae", &at("a.toml"), &at("one.png"), &at("none"), &at("none.npy")] {
            assert!(!is_data(other).unwrap(), "{other}");
        }
    }
}
