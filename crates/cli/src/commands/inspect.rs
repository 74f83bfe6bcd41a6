//! `frit data inspect`: the counts, sizes and pixels of a data set.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::{Result, ensure};
use frit::config::Config;
use frit::data::{self, DataSet, Found, Pixels, Sequence, Sides, Split, counted, entropy_rate, shrink};
use frit::eval::draw::{training_images, usual_samples};
use frit::io::format::lasting;
use frit::io::images::{check_name, grid, write_png};
use gpu_core::ops::density::Density;
use image::DynamicImage;
use serde_json::{Value, json};

/// The largest number of images on the contact sheet, and its columns.
const PICTURES: usize = 64;
const COLUMNS: usize = 8;
/// The largest number of sizes to print.
const SIZES: usize = 10;
/// The largest side of an image on the sheet, in pixels; sheets are drawn at twice that size.
const MAX_SIDE: usize = 128;

pub(crate) fn inspect(args: &args::Inspect) -> Result<Ending> {
    check_name(&args.out)?;
    // Any recipe has a [data] section.
    let mut config = Config::load("vae")?;
    for setting in &args.set {
        ensure!(
            setting.starts_with("data."),
            "invalid value '{setting}' for --set: expected a setting of [data], such as data.size=64"
        );
        config = config.with(setting)?;
    }
    config = args.sides.apply(config)?;
    if let Some(size) = args.size {
        config.data.size = size;
    }
    config.data.source.clone_from(&args.source);
    let found = data::read_any_size(&config.data)?;
    if let Some(density) = found.data.points {
        return inspect_points(args, &found, density);
    }
    if let Some(kind) = found.data.sequence {
        return inspect_sequences(args, &found, kind);
    }
    let pixels = Pixels::of(&*found.data.train.images);
    let both = || training_images(&found.data, usual_samples(&found.data), 0).grid();
    write_png(&args.out, &if found.data.sides.is_some() { both() } else { contact_sheet(&found.data) })?;
    let sheet = args.out.display().to_string();
    match args.json {
        true => put_json("data", json_of(&found, &pixels, &sheet))?,
        false => print(&found, &pixels, &sheet, config.data.test)?,
    }
    Ok(Ending::Done)
}

/// The counts of a set of sequences, and the entropy of its process.
fn inspect_sequences(args: &args::Inspect, found: &Found, sequence: Sequence) -> Result<Ending> {
    let Found { data, kind, .. } = found;
    let rate = if let Sequence::Sound { rate } = sequence { Some(rate) } else { None };
    let entropy = (sequence == Sequence::Process).then(|| entropy_rate(&data.test.images));
    if args.json {
        let all = json!({
            "source": data.name,
            "kind": kind,
            "train": data.train.count,
            "test": data.test.count,
            "length": data.width,
            "rate": rate,
            "classes": data.classes,
            "entropy_rate": entropy,
            "checksum": data.fingerprint(),
        });
        put_json("data", all)?;
        return Ok(Ending::Done);
    }
    out!("{}: {kind}", data.name)?;
    out!(
        "{:10} {} training, {} test, of {} codes (data.length)",
        "pieces",
        data.train.count,
        data.test.count,
        data.width
    )?;
    if let Some(rate) = rate {
        let seconds = data.train.images.len() as f64 / f64::from(rate);
        out!("{:10} {} of training at {rate} samples a second (data.rate)", "sound", lasting(seconds))?;
    }
    if data.classes.len() > 1 {
        out!("{:10} {}", "classes", data.classes.join(", "))?;
    }
    if let Some(entropy) = entropy {
        out!("{:10} {entropy:.4} nats/sample", "entropy")?;
    }
    out!("{:10} {}", "checksum", data.fingerprint())?;
    Ok(Ending::Done)
}

/// The counts and the entropy of a set of points, with a scatter plot of its training points.
fn inspect_points(args: &args::Inspect, found: &Found, density: Density) -> Result<Ending> {
    let Found { data, kind, .. } = found;
    training_images(data, usual_samples(data), 0).save(&args.out)?;
    let (sheet, entropy, modes) = (args.out.display().to_string(), density.entropy(), density.modes().len());
    if args.json {
        let all = json!({
            "source": data.name,
            "kind": kind,
            "train": data.train.count,
            "test": data.test.count,
            "entropy": entropy,
            "modes": modes,
            "deviation": density.deviation(),
            "variance": data.variance(),
            "checksum": data.fingerprint(),
            "sheet": sheet,
        });
        put_json("data", all)?;
        return Ok(Ending::Done);
    }
    out!("{}: {kind}", data.name)?;
    out!(
        "{:10} {} in an epoch (data.points), new ones in each step; {} test",
        "points",
        data.train.count,
        data.test.count
    )?;
    out!("{:10} {entropy:.4} nats/point", "entropy")?;
    if let Some(deviation) = density.deviation() {
        out!("{:10} {modes}, each with a standard deviation of {deviation:.5}", "modes")?;
    }
    out!("{:10} {:.4} of a coordinate", "variance", data.variance())?;
    out!("{:10} {}", "checksum", data.fingerprint())?;
    out!("{:10} {sheet}", "sheet")?;
    Ok(Ending::Done)
}

fn print(found: &Found, pixels: &Pixels, sheet: &str, share: f64) -> Result<()> {
    let Found { data, kind, sizes, skipped, notes, held_out, resized, .. } = found;
    let DataSet { name, train, test, height, width, channels, classes, .. } = data;
    out!("{name}: {kind}")?;
    match data.sides {
        None => out!("{:10} {} training, {} test", "images", train.count, test.count)?,
        Some(Sides::Paired { .. }) => out!("{:10} {} training, {} test", "pairs", train.count, test.count)?,
        Some(Sides::Unpaired { .. }) => (0..2).zip(data.side_names()).try_for_each(|(side, name)| {
            let [train, test] = [train, test].map(|split| data.side_count(split, side));
            out!("{:10} {train} training, {test} test images of {name}", ["side A", "side B"][side])
        })?,
    }
    match held_out {
        true => out!("{:10} held out for testing: a share of {share} (data.test)", "split")?,
        false => out!("{:10} as in the data", "split")?,
    }
    match data.sides {
        Some(Sides::Paired { channels: [a, b] }) => {
            out!("{:10} {height}×{width}×{a} and {height}×{width}×{b}", "size")?
        }
        _ => out!("{:10} {height}×{width}×{channels}", "size")?,
    }
    if let Some(size) = resized {
        out!("{:10} several sizes: train with --size {size}, or another", "")?;
    }
    for (side, name) in ["height", "width"].into_iter().enumerate() {
        let [least, median, most] = spread(sizes, side);
        match least == most {
            true => out!("{:10} {name} {most} in every file", "files")?,
            false => out!("{:10} {name} {least} to {most}, median {median}", "files")?,
        }
    }
    let by_size = counted(sizes);
    if by_size.len() > 1 {
        out!("{:10} {}", "sizes", by_size.len())?;
        by_size.iter().take(SIZES).try_for_each(|([h, w], count)| out!("  {:24} {count:7}", format!("{h}×{w}")))?;
        let others: usize = by_size.iter().skip(SIZES).map(|(_, count)| count).sum();
        if others > 0 {
            out!("  {:24} {others:7}", format!("{} others", by_size.len() - SIZES))?;
        }
    }
    out!("{:10} {} to {} of 255", "pixels", pixels.least, pixels.most)?;
    out!("{:10} {:.4}, variance {:.4} (of pixels / 255)", "mean", pixels.mean, pixels.variance)?;
    out!("{:10} {}", "checksum", data.fingerprint())?;
    match classes.len() {
        _ if data.sides.is_some() => out!("{:10} none: a side has no classes", "classes")?,
        1 => out!("{:10} none: there are no labels, or no class folders", "classes")?,
        count => out!("{:10} {count}", "classes")?,
    }
    let counts = |split: &Split| counts(split, classes.len());
    let classes = if data.sides.is_some() { &[] } else { &classes[..] };
    for ((class, train), test) in classes.iter().zip(counts(train)).zip(counts(test)) {
        out!("  {class:24} {train:7} training {test:7} test")?;
    }
    if !skipped.is_empty() {
        out!("{:10} {}", "skipped", skipped.len())?;
        skipped.iter().try_for_each(|skipped| out!("  {skipped}"))?;
    }
    notes.iter().try_for_each(|note| out!("{:10} {note}", "note"))?;
    out!("{:10} {sheet}", "sheet")
}

fn json_of(found: &Found, pixels: &Pixels, sheet: &str) -> Value {
    let Found { data, kind, sizes, skipped, notes, held_out, resized, .. } = found;
    let counts = |split: &Split| counts(split, data.classes.len());
    let classes = data.classes.iter().zip(counts(&data.train)).zip(counts(&data.test));
    let side = |side: usize| {
        let [least, median, most] = spread(sizes, side);
        json!({ "min": least, "median": median, "max": most })
    };
    json!({
        "source": data.name,
        "kind": kind.to_string(),
        "train": data.train.count,
        "test": data.test.count,
        "height": data.height,
        "width": data.width,
        "channels": data.channels,
        "held_out": held_out,
        "sides": sides_of(data),
        "suggested_size": resized,
        "sizes": counted(sizes)
            .iter()
            .map(|([height, width], count)| json!({ "height": height, "width": width, "count": count }))
            .collect::<Vec<_>>(),
        "files": { "height": side(0), "width": side(1) },
        "pixels": { "min": pixels.least, "max": pixels.most, "mean": pixels.mean, "variance": pixels.variance },
        "checksum": data.fingerprint(),
        "classes": classes
            .map(|((name, train), test)| json!({ "name": name, "train": train, "test": test }))
            .collect::<Vec<_>>(),
        "skipped": skipped.iter().map(|s| json!({ "path": s.path, "reason": s.reason })).collect::<Vec<_>>(),
        "notes": notes,
        "sheet": sheet,
    })
}

/// Both sides of the data, if it has two: name, number of images, channels.
fn sides_of(data: &DataSet) -> Option<Value> {
    data.sides?;
    let side = |(side, name): (usize, &str)| {
        let [train, test] = [&data.train, &data.test].map(|split| data.side_count(split, side));
        json!({ "name": name, "train": train, "test": test, "channels": data.side_size(side)[2] })
    };
    Some((0..2).zip(data.side_names()).map(side).collect())
}

/// Minimum, median and maximum of all heights (0) or widths (1).
fn spread(sizes: &[[usize; 2]], side: usize) -> [usize; 3] {
    let mut sides: Vec<usize> = sizes.iter().map(|size| size[side]).collect();
    sides.sort_unstable();
    [0, sides.len() / 2, sides.len() - 1].map(|at| sides[at])
}

/// The number of images of each class.
fn counts(split: &Split, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    split.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

/// A grid of training images, class after class.
fn contact_sheet(data: &DataSet) -> DynamicImage {
    let size = [data.height, data.width, data.channels];
    let chosen = spread_over_classes(&data.train.labels, data.classes.len());
    let mut sheet = Vec::new();
    let mut cell = [0; 2];
    for number in &chosen {
        let picture = &data.train.images[number * data.pixels()..][..data.pixels()];
        let (picture, size) = shrink(picture, size, MAX_SIDE);
        sheet.extend(picture.into_iter().map(|byte| f32::from(byte) / 255.0));
        cell = size;
    }
    grid(&sheet, chosen.len(), cell[0], cell[1], data.channels, COLUMNS)
}

/// Up to 64 images in class order, balanced over the classes and spread evenly over each class.
fn spread_over_classes(labels: &[u8], classes: usize) -> Vec<usize> {
    let mut members = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(number, &label)| members[usize::from(label)].push(number));
    let mut shares = vec![0; classes];
    let mut left = PICTURES.min(labels.len());
    while left > 0 {
        // One more of each class that has more images, until the sheet is full.
        for (share, members) in shares.iter_mut().zip(&members) {
            if *share < members.len() && left > 0 {
                *share += 1;
                left -= 1;
            }
        }
    }
    let evenly = |(members, share): (&Vec<usize>, &usize)| -> Vec<usize> {
        (0..*share).map(|number| members[number * members.len() / share]).collect()
    };
    members.iter().zip(&shares).flat_map(evenly).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_measured() {
        let pixels = Pixels::of(&[0, 51, 102, 255]);
        assert_eq!((pixels.least, pixels.most), (0, 255));
        assert!((pixels.mean - 0.4).abs() < 1e-12, "{}", pixels.mean);
        // ((0.4)² + (0.2)² + 0 + (0.6)²) / 4
        assert!((pixels.variance - 0.14).abs() < 1e-12, "{}", pixels.variance);
        let sizes = [[1, 9], [5, 9], [3, 9]];
        assert_eq!((spread(&sizes, 0), spread(&sizes, 1)), ([1, 3, 5], [9, 9, 9]));
    }

    #[test]
    fn the_sheet_is_balanced_over_classes() {
        let labels: Vec<u8> = (0..1000).map(|number| (number % 10) as u8).collect();
        let chosen = spread_over_classes(&labels, 10);
        let shown: Vec<u8> = chosen.iter().map(|&number| labels[number]).collect();
        assert!(shown.is_sorted() && shown.len() == 64);
        assert!((0..10).all(|class| [6, 7].contains(&shown.iter().filter(|&&label| label == class).count())));
        // Small classes leave room for others.
        let labels: Vec<u8> = (0..200).map(|number| u8::from(number >= 3)).collect();
        let chosen = spread_over_classes(&labels, 3);
        assert_eq!((chosen.len(), &chosen[..3]), (64, &[0, 1, 2][..]));
        assert!(chosen.windows(2).all(|two| two[0] < two[1]) && chosen[63] > 190);
        assert_eq!(spread_over_classes(&[0, 1, 1], 2), [0, 1, 2]);
    }
}
