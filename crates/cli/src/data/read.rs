//! Loading: finds the format of a source, reads it, and makes a data set of images of one size, or of two sides.

use super::classes;
use super::dataset::{DataSet, Sides, SizedSplit, Split, Splits};
use super::fit::fit_split;
use super::folder::{Decoded, Skipped};
use super::formats::{Format, is_built_in, sources};
use super::held_out::{Part, by_content, by_list, by_position, divide};
use super::image_list::{Changes, Entry, ImageList};
use super::points::points;
use super::sequences::sequences;
use super::sides::{self, TwoSided};
use super::stacked::stack;
use crate::config::data::DataOptions;
use crate::io::error::{Hint, Result, bail};
use std::collections::HashSet;

/// Most bytes that a device can index.
const MAX_BYTES: usize = i32::MAX as usize;

/// A data set and its origin.
#[derive(Debug)]
pub struct Found {
    /// The data set.
    pub data: DataSet,
    /// Name of its format.
    pub kind: &'static str,
    /// Height and width of each image before it was fitted.
    pub sizes: Vec<[usize; 2]>,
    /// Files that could not be read.
    pub skipped: Vec<Skipped>,
    /// The difference from the images of a list.
    pub changes: Changes,
    /// Sentences on what was left out or could be meant otherwise.
    pub notes: Vec<String>,
    /// True if the source has no test images, so that some are held out.
    pub held_out: bool,
    /// The size that [`read_any_size`] gave to images of several sizes.
    pub resized: Option<usize>,
}

/// The rule by which images are in the training set or in the test set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rule<'a> {
    /// As the source has them; of a source without a test set, a hash of each image's content decides.
    Content,
    /// As the source has them; of a source without a test set, every (1 / `data.test`)th image is held out, in the
    /// order of classes. Version 0.1.0 did so.
    Position,
    /// As they are in the list of a run; images that it does not have are in neither set. If the source has fewer than
    /// half of the images of the list, it is other data: as [`Rule::Content`], without the images that are trained on.
    List(&'a ImageList),
}

impl DataSet {
    /// Reads a data set, and logs a warning for each skipped file and each note.
    ///
    /// # Errors
    /// A setting is invalid; or something is missing, damaged, swapped, empty, inconsistent, or larger than a device
    /// can index. The message names the file, folder or setting.
    pub fn load(options: &DataOptions) -> Result<Self> {
        let Found { data, skipped, notes, .. } = read(options)?;
        notes.iter().for_each(|note| log::warn!("{}: {note}", options.source));
        skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        Ok(data)
    }
}

/// Reads a data set and reports its format, sizes and skipped files. Images are held out by [`Rule::Content`].
///
/// # Errors
/// Those of [`DataSet::load`].
pub fn read(options: &DataOptions) -> Result<Found> {
    read_by(options, Rule::Content)
}

/// Reads a data set as [`read`] does; images of several sizes, for which the options give none, get one that suits
/// most of them.
///
/// # Errors
/// Those of [`DataSet::load`], but for the several sizes.
pub fn read_any_size(options: &DataOptions) -> Result<Found> {
    match read(options) {
        Err(error) => match error.hint() {
            Some(&Hint::Size(size)) if size != options.size => {
                let found = read(&DataOptions { size, ..options.clone() })?;
                Ok(Found { resized: Some(size), ..found })
            }
            _ => Err(error),
        },
        found => found,
    }
}

/// Reads a data set and divides it by a rule.
///
/// # Errors
/// Those of [`DataSet::load`]; or the source has none of a list's training images, or none of its test images.
pub fn read_by(options: &DataOptions, rule: Rule<'_>) -> Result<Found> {
    options.check()?;
    if let Some(sides) = sides::read(options)? {
        return of_sides(sides, options, rule);
    }
    let format = Format::of(&options.source)?;
    let without_images = match (format.points(), format.sequence(options)) {
        (Some(density), _) => Some(points(density, options)?),
        (None, Some(kind)) => Some(sequences(kind, options)?),
        (None, None) => None,
    };
    if let Some(data) = without_images {
        return Ok(Found {
            held_out: data.sequence.is_some() && !is_built_in(&options.source),
            data,
            kind: format.name,
            sizes: Vec::new(),
            skipped: Vec::new(),
            changes: Changes::default(),
            notes: Vec::new(),
            resized: None,
        });
    }
    let Decoded { splits, ids, paths, sizes, skipped, notes } = format.read(options)?;
    let held_out = splits.test.is_none();
    let changes = match rule {
        Rule::List(list) => Changes::of(list, ids.iter().flatten().copied()),
        _ => Changes::default(),
    };
    let mut data = divided(splits, (&ids.concat(), &paths.concat()), options, rule, changes.other)?;
    if is_built_in(&options.source) {
        data.list = ImageList::default();
    }
    if options.stacked > 0 {
        refuse_too_large("stacked images", options.stacked, 3 * data.pixels(), "reduce data.stacked or data.size")?;
        data = stack(data, options.stacked)?;
    }
    let kind = format.name;
    Ok(Found { data, kind, sizes, skipped, changes, notes, held_out, resized: None })
}

/// Two sides as a data set: each divided separately, or their pairs.
fn of_sides(sides: TwoSided, options: &DataOptions, rule: Rule<'_>) -> Result<Found> {
    let TwoSided { images, channels, sources, names, notes } = sides;
    let ids = images.iter().enumerate().flat_map(|(side, part)| {
        let listed = move |id: &u64| if side == 0 { *id } else { !id };
        part.ids.iter().flatten().map(listed)
    });
    let changes = match rule {
        Rule::List(list) => Changes::of(list, ids),
        _ => Changes::default(),
    };
    let all_built_in = sources.iter().all(|source| is_built_in(source));
    let (mut sets, mut sizes, mut skipped, mut held_out) = (Vec::new(), Vec::new(), Vec::new(), false);
    let mut all_notes = Vec::new();
    for (side, (part, source)) in images.into_iter().zip(sources).enumerate() {
        // In a list, the same image has another id on the other side, and it is held out on both or on none.
        let complement = match rule {
            Rule::List(list) if side > 0 => Some(list.complement()),
            _ => None,
        };
        let rule = complement.as_ref().map_or(rule, Rule::List);
        held_out |= part.splits.test.is_none();
        // The images are fitted.
        let of_side = DataOptions { source, size: 0, channels: 0, ..options.of_one_side() };
        let ids = (&part.ids.concat()[..], &part.paths.concat()[..]);
        let mut set = divided(part.splits, ids, &of_side, rule, changes.other)?;
        if side > 0 {
            set.list = set.list.complement();
        }
        sets.push(set);
        sizes.extend(part.sizes);
        skipped.extend(part.skipped);
        all_notes.extend(part.notes);
    }
    all_notes.extend(notes);
    let b = sets.pop().expect("there is a set");
    let (mut data, kind) = match sets.pop() {
        Some(a) => (DataSet::unpaired(a, b, names), "two sets of images"),
        None => (b, "pairs of images"),
    };
    data.sides = data.sides.or(channels.map(|channels| Sides::Paired { channels }));
    data.name.clone_from(&options.source);
    if all_built_in {
        data.list = ImageList::default();
    }
    Ok(Found { data, kind, sizes, skipped, changes, notes: all_notes, held_out, resized: None })
}

/// Splits as a data set: fitted, of one size, divided by a rule, each with images.
fn divided(
    Splits { train, test, mut classes }: Splits,
    (ids, paths): (&[u64], &[String]),
    options: &DataOptions,
    rule: Rule<'_>,
    other: bool,
) -> Result<DataSet> {
    let name = options.source.clone();
    let train = fit_split(train, options)?;
    let test = test.map(|test| fit_split(test, options)).transpose()?;
    refuse_unusable(&name, &train, test.as_ref())?;
    let size @ [height, width, channels] = train.size;
    let (split, test) = (train.split, test.map(|test| test.split));
    let tests = test.as_ref().map_or(&[][..], |test| &test.labels);
    let labels = [&split.labels, tests].concat();
    let parts = parts(&labels, ids, test.as_ref().map(|_| split.count), options, rule, other);
    let entries = |part: Part| {
        let of_part = (0..ids.len()).filter(|&number| parts[number] == part);
        of_part.map(|number| Entry { id: ids[number], path: paths.get(number).cloned() }).collect()
    };
    let list = ImageList { train: entries(Part::Train), test: entries(Part::Test) };
    let (train, test) = match test {
        // A large training set stays where it is.
        Some(test) if is_unchanged(&parts, split.count) => (split, test),
        Some(test) => divide(joined(split, test)?, &parts)?,
        None => divide(split, &parts)?,
    };
    for (split, which) in [(&train, "training"), (&test, "test")] {
        if split.count == 0 {
            bail!(Data, "{name} has none of the run's {which} images; restore them, or use other data");
        }
    }
    let [mut train, mut test] = [train, test].map(|split| SizedSplit { split, size });
    classes::drop_empty(&name, &mut train, &mut test, &mut classes)?;
    let [train, test] = [train.split, test.split];
    if test.count == 0 {
        bail!(Data, "{name} has no test images of a class with training images; add some");
    }
    let pixels = height * width * channels;
    // Without a shard size, a device gets as many images as fit.
    let at_once = options.shard.min(train.count);
    let advice = "reduce data.shard or data.size";
    refuse_too_large(&format!("{at_once} training images of {name}"), at_once, pixels, advice)?;
    let tests = test.count;
    refuse_too_large(&format!("{tests} test images of {name}"), tests, pixels, "reduce data.size, or use fewer")?;
    let mut data = DataSet::new(name, train, test, size, classes);
    data.list = list;
    Ok(data)
}

/// Refuses splits without images, a single image to divide, and images of two sizes.
fn refuse_unusable(name: &str, train: &SizedSplit, test: Option<&SizedSplit>) -> Result<()> {
    let Some(test) = test else {
        match train.split.count {
            0 => bail!(Data, "{name} holds no readable images; repair them, or use other data: {}", sources()),
            1 => bail!(Data, "{name} holds one image; add at least one more"),
            _ => return Ok(()),
        }
    };
    for (sized, which) in [(train, "training"), (test, "test")] {
        if sized.split.count == 0 {
            bail!(Data, "{name} has no readable {which} images; repair them, or add others");
        }
    }
    if train.size != test.size {
        let [train, test] = [train.size, test.size].map(|[h, w, c]| format!("{h}×{w}×{c}"));
        bail!(
            Data,
            hint: Hint::Set("data.size".into()),
            "the training images of {name} are {train}, but its test images are {test}; set data.size and \
             data.channels"
        );
    }
    Ok(())
}

/// The part of each image by a rule. The first `trained` images are the training set of a source that has a test set.
fn parts(
    labels: &[u8],
    ids: &[u64],
    trained: Option<usize>,
    options: &DataOptions,
    rule: Rule<'_>,
    other: bool,
) -> Vec<Part> {
    let found = |trained: usize| -> Vec<Part> {
        (0..ids.len()).map(|number| if number < trained { Part::Train } else { Part::Test }).collect()
    };
    if let (Rule::List(list), false) = (rule, other) {
        return by_list(list, ids, &found(trained.unwrap_or(0)));
    }
    let mut parts = match (trained, rule) {
        (Some(trained), _) => found(trained),
        (None, Rule::Position) => by_position(labels, options.test),
        (None, _) => by_content(labels, ids, options.test),
    };
    if let Rule::List(list) = rule {
        let trained: HashSet<u64> = list.train.iter().map(|entry| entry.id).collect();
        let is_trained = |(part, id): &(&mut Part, &u64)| **part == Part::Test && trained.contains(id);
        parts.iter_mut().zip(ids).filter(is_trained).for_each(|(part, _)| *part = Part::Neither);
    }
    parts
}

/// True if the first `trained` images are those to train on, and the others those to test on.
fn is_unchanged(parts: &[Part], trained: usize) -> bool {
    parts[..trained].iter().all(|&part| part == Part::Train) && parts[trained..].iter().all(|&part| part == Part::Test)
}

fn joined(first: Split, second: Split) -> Result<Split> {
    let labels = [first.labels, second.labels].concat();
    Ok(Split { images: first.images.then(&second.images)?, labels, count: first.count + second.count })
}

/// Refuses `count` images of `pixels` bytes each that a device cannot index.
fn refuse_too_large(what: &str, count: usize, pixels: usize, advice: &str) -> Result<()> {
    let bytes = count * pixels;
    if bytes > MAX_BYTES {
        bail!(Data, "{what} have {bytes} bytes (at most {MAX_BYTES}); {advice}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_channels_apply_to_every_format() {
        let asked = DataOptions { size: 32, channels: 3, ..DataOptions::default() };
        let Found { data, sizes, kind, .. } = read(&asked).unwrap();
        assert_eq!((data.picture_size().as_str(), data.train.images.len()), ("32x32x3", 10_000 * 32 * 32 * 3));
        assert_eq!((sizes.len(), sizes[0], kind), (12_000, [28, 28], "built-in digits"));
        assert!(data.test.images.chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }

    #[test]
    fn more_bytes_than_a_device_can_index_are_refused() {
        let message =
            |count: usize| refuse_too_large("they", count, 1 << 30, "them").err().map(|error| error.to_string());
        assert_eq!(message(1), None);
        assert!(message(2).unwrap().starts_with("they have 2147483648 bytes (at most 2147483647)"));
    }
}
