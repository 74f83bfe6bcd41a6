//! `frit compare`: the distance between two sets of images.

use crate::Ending;
use crate::args;
use crate::commands::eval::print_table;
use crate::output::put_json;
use anyhow::{Context, Result, ensure};
use frit::config::Config;
use frit::config::data::DataOptions;
use frit::data::{DataSet, Found, read};
use frit::eval::classifier::TrainedClassifier;
use frit::eval::draw::first_images;
use frit::eval::measures::{compare as compare_images, warn_of_errors};
use frit::run::device;
use frit::terminal::Terminal;
use gpu_core::DeviceChoice;
use serde_json::{Value, json};
use std::sync::Arc;

/// Compares the second set with the first in the features of a classifier trained on `--data`.
pub(crate) fn compare(args: &args::Compare, terminal: &Terminal) -> Result<Ending> {
    let mut config = Config::load("classifier")?;
    for setting in &args.set {
        config = config.with(setting)?;
    }
    if let Some(source) = &args.data {
        config.data.source.clone_from(source);
    }
    let known = Arc::new(DataSet::load(&config.data)?);
    ensure!(
        known.height == known.width,
        "the images of {} are {}×{}; the classifier needs squares: set data.size",
        known.name,
        known.height,
        known.width
    );
    let of = |folder: &str| pictures(folder, &config.data, &known);
    let [a, b] = [of(&args.a)?, of(&args.b)?];
    for (folder, pictures) in [(&args.a, &a), (&args.b, &b)] {
        if let Some(line) = pictures.resized_line(folder, &known) {
            terminal.say(&line);
        }
    }
    let (backend, why) = device::open(&args.device.options(DeviceChoice::Auto))?;
    terminal.say(&format!("running on {why}"));
    let classifier = TrainedClassifier::load_or_train(&known, &backend, "for its features", terminal)?;
    let mut classifier = classifier.with_context(|| {
        format!("{} has no classes to train a classifier on; pass labelled data with --data", known.name)
    })?;
    warn_of_errors(&classifier, terminal);
    let mut metrics = compare_images(&mut classifier, &a.numbers, &b.numbers, args.seed)?;
    metrics.insert("pictures".into(), json!([a.count, b.count]));
    metrics.insert("resized".into(), json!([a.resized, b.resized]));
    metrics.insert("features_of".into(), json!(known.name));
    match args.json {
        true => put_json("compare", Value::Object(metrics))?,
        false => print_table(&metrics, |key, unit| unit_of(key, unit, args, &known))?,
    }
    Ok(Ending::Done)
}

/// The unit of a metric, with the folder that it is a share of.
fn unit_of(key: &str, unit: &str, args: &args::Compare, known: &DataSet) -> String {
    match key {
        "precision" => format!("of the images of {}", args.b),
        "recall" | "coverage" => format!("of the images of {}", args.a),
        "classifier_errors" => format!("{unit} of {}", known.name),
        _ => unit.into(),
    }
}

/// The images of a folder or file, resized to the classifier's input.
struct Pictures {
    /// Pixels in [0, 1].
    numbers: Vec<f32>,
    /// The number of images.
    count: usize,
    /// The number of images that were resized.
    resized: usize,
    /// Height and width of the first resized image.
    size: Option<[usize; 2]>,
}

fn pictures(source: &str, like: &DataOptions, known: &DataSet) -> Result<Pictures> {
    let options = DataOptions { source: source.into(), size: known.height, channels: known.channels, ..like.clone() };
    let Found { data, sizes, skipped, .. } = read(&options)?;
    skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
    let of = |part| first_images(part, part.count, data.pixels());
    let others = || sizes.iter().filter(|size| **size != [known.height, known.width]);
    Ok(Pictures {
        numbers: [of(&data.train), of(&data.test)].concat(),
        count: sizes.len(),
        resized: others().count(),
        size: others().next().copied(),
    })
}

impl Pictures {
    /// A note on resized images, if there are any.
    fn resized_line(&self, folder: &str, known: &DataSet) -> Option<String> {
        let [height, width] = self.size?;
        let DataSet { name, height: to_height, width: to_width, .. } = known;
        let Self { count, resized, .. } = self;
        let seen = format!("{to_height}×{to_width} of {name}");
        Some(format!("resized {resized} of the {count} images of {folder} (e.g. {height}×{width}) to {seen}"))
    }
}
