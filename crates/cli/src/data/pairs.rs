//! Pairs of images of two sides: by the names of their files, or as the halves of one image.

use super::channels::convert;
use super::dataset::{SizedSplit, Split, Splits};
use super::folder::Decoded;
use super::place::{Place, channels_of, id_of, with_images};
use super::two_sided::interleaved;
use crate::config::data::DataOptions;
use crate::io::error::{Hint, Result, bail};
use std::collections::BTreeMap;

/// Pairs of images of one name in the same part, with the channels of both sides and a note on those without a partner.
pub(super) fn by_name(mut sides: [Decoded; 2], places: &[Place; 2]) -> Result<(Decoded, [usize; 2], Option<String>)> {
    let has_names = |side: &Decoded| side.paths.iter().any(|paths| !paths.is_empty());
    if !sides.iter().any(has_names) {
        sides.iter_mut().for_each(number);
    }
    for (side, place) in sides.iter().zip(places) {
        let (name, images) = (place.name(), with_images(&side.splits).map(|sized| sized.split.count).sum::<usize>());
        if images == 0 {
            bail!(Data, "{name} holds no readable images; repair them, or use others");
        }
        if !has_names(side) {
            bail!(Data, "data.pairs = name needs two folders of images, or two sources without; {name} is none");
        }
    }
    let mut alone = Vec::new();
    let matches = [0, 1].map(|part| matches([0, 1].map(|side| &sides[side].paths[part][..]), places, &mut alone));
    if matches.iter().all(Vec::is_empty) {
        let example = |side: usize| places[side].key(sides[side].paths.iter().flatten().next().expect("it has images"));
        let ([a, b], [of_a, of_b]) = (places.each_ref().map(Place::name), [0, 1].map(example));
        bail!(
            Data,
            hint: Hint::Set("data.pairs".into()),
            "no image of {a} has the name of one of {b}: A has '{of_a}' and B has '{of_b}', for example; rename them, \
             or train without pairs"
        );
    }
    let channels = [0, 1].map(|side| channels_of(&sides[side].splits));
    let note = alone.first().map(|first| match alone.len() {
        1 => format!("1 image has no partner of the same name and is left out: {first}"),
        count => format!("{count} images have no partner of the same name and are left out, such as {first}"),
    });
    Ok((joined(sides, &matches, channels), channels, note))
}

/// Names the images of arrays and of built-in sets by their places.
fn number(side: &mut Decoded) {
    let counts = [side.splits.train.split.count, side.splits.test.as_ref().map_or(0, |test| test.split.count)];
    side.paths = counts.map(|count| (0..count).map(|place| place.to_string()).collect());
}

/// The rows of A and B whose paths have one name; adds those without a partner to `alone`.
fn matches(paths: [&[String]; 2], places: &[Place; 2], alone: &mut Vec<String>) -> Vec<[usize; 2]> {
    let mut of_b: BTreeMap<String, usize> = BTreeMap::new();
    for (row, path) in paths[1].iter().enumerate() {
        of_b.entry(places[1].key(path)).or_insert(row);
    }
    let mut pairs = Vec::new();
    for (row, path) in paths[0].iter().enumerate() {
        match of_b.remove(&places[0].key(path)) {
            Some(partner) => pairs.push([row, partner]),
            None => alone.push(path.clone()),
        }
    }
    let mut is_paired = vec![false; paths[1].len()];
    pairs.iter().for_each(|pair| is_paired[pair[1]] = true);
    alone.extend(paths[1].iter().zip(is_paired).filter(|(_, paired)| !paired).map(|(path, _)| path.clone()));
    pairs
}

/// The pairs of each part as images with the channels of both sides.
fn joined([a, b]: [Decoded; 2], matches: &[Vec<[usize; 2]>; 2], channels: [usize; 2]) -> Decoded {
    let part = |of: &[[usize; 2]], a: &SizedSplit, b: &SizedSplit| {
        let image = |[of_a, of_b]: &[usize; 2]| interleaved([a.split.image(*of_a), b.split.image(*of_b)], channels);
        let split = Split { images: of.iter().flat_map(image).collect(), labels: vec![0; of.len()], count: of.len() };
        let [height, width, _] = if a.split.count > 0 { a.size } else { b.size };
        SizedSplit { split, size: [height, width, channels[0] + channels[1]] }
    };
    let train = part(&matches[0], &a.splits.train, &b.splits.train);
    let test = a.splits.test.as_ref().zip(b.splits.test.as_ref()).map(|(a, b)| part(&matches[1], a, b));
    let ids = [0, 1].map(|part| {
        let id = |pair: &[usize; 2]| id_of([a.ids[part][pair[0]], b.ids[part][pair[1]]]);
        matches[part].iter().map(id).collect()
    });
    let paths = [0, 1].map(|part| matches[part].iter().map(|pair| a.paths[part][pair[0]].clone()).collect());
    Decoded {
        splits: Splits { train, test: test.filter(|test| test.split.count > 0), classes: a.splits.classes },
        ids,
        paths,
        sizes: [a.sizes, b.sizes].concat(),
        skipped: [a.skipped, b.skipped].concat(),
        notes: [a.notes, b.notes].concat(),
    }
}

/// The halves of each image as pairs, with the channels of both sides: a side is grey if all of its pixels are.
pub(super) fn halves(options: &DataOptions) -> Result<(Decoded, [usize; 2])> {
    let decoded = Place::Source(options.source.clone()).read(options)?;
    let is_other = |[height, width]: &[usize; 2]| *width != 2 * height;
    if let Some(first) = decoded.sizes.iter().position(is_other) {
        let path = decoded.paths.iter().flatten().nth(first).map(|path| format!("{path} of ")).unwrap_or_default();
        let ([height, width], others) = (decoded.sizes[first], decoded.sizes.iter().filter(|size| is_other(size)));
        bail!(
            Data,
            "data.pairs = split needs images twice as wide as high, a square for each side, but {} of {} images of {} \
             are not, such as {path}{height}×{width}",
            others.count(),
            decoded.sizes.len(),
            options.source
        );
    }
    let sides = [0, 1].map(|side| side_is_grey(&decoded.splits, side) && options.channels == 0);
    let from = channels_of(&decoded.splits);
    let channels = sides.map(|is_grey| if is_grey { 1 } else { from });
    let cut = |sized: SizedSplit| {
        let SizedSplit { split, size: [height, width, _] } = sized;
        let half = |side: usize| {
            let rows = split.images.chunks_exact((width / 2 * from).max(1)).skip(side).step_by(2);
            let bytes: Vec<u8> = rows.flatten().copied().collect();
            if sides[side] && from == 3 { convert(bytes, 3, 1) } else { bytes }
        };
        let [a, b] = [0, 1].map(half);
        let images = interleaved([&a, &b], channels);
        SizedSplit {
            split: Split { images: images.into(), ..split },
            size: [height, width / 2, channels[0] + channels[1]],
        }
    };
    let Splits { train, test, classes } = decoded.splits;
    let splits = Splits { train: cut(train), test: test.map(cut), classes };
    Ok((Decoded { splits, ..decoded }, channels))
}

/// True if no pixel of the left (0) or the right (1) half of any image has a colour.
fn side_is_grey(splits: &Splits, side: usize) -> bool {
    with_images(splits).all(|sized| {
        let [_, width, channels] = sized.size;
        let mut rows = sized.split.images.chunks_exact(width / 2 * channels).skip(side).step_by(2);
        channels == 1 || rows.all(|row| row.as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b))
    })
}
