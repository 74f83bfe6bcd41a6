//! Comparison of two sets of images.

use crate::config::data::DataOptions;
use crate::data::{DataSet, Given, read_given};
use crate::eval::classifier::TrainedClassifier;
use crate::eval::features::{FeatureSpace, RandomNetwork};
use crate::eval::measures::{Evaluation, compare, warn_of_errors};
use crate::io::error::{Hint, Result, ensure, error};
use crate::run::device::{self, DeviceOptions};
use crate::terminal::Terminal;
use serde_json::json;
use std::sync::Arc;

/// Options of [`compare_sources`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CompareOptions {
    /// Labelled data to train a classifier on, in whose features the images are compared. `None` compares them in the
    /// features of a random network.
    pub labelled: Option<String>,
    /// Reading of the images and of the labelled data; the source is ignored.
    pub data: DataOptions,
    /// Seed of the subsets of the kernel distance.
    pub seed: u64,
    /// Device.
    pub device: DeviceOptions,
}

/// Compares the images of source `b` with those of `a`: folders, files or built-in sets.
///
/// Without labelled data, the images of `b` are fitted to the size of those of `a`, and all are in colour if some are.
/// With it, all are fitted to its images. A line on the terminal reports resized images.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) if a source cannot be read or the labelled data has no classes;
/// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
pub fn compare_sources(a: &str, b: &str, options: &CompareOptions, terminal: &Terminal) -> Result<Evaluation> {
    let labelled = options
        .labelled
        .as_ref()
        .map(|source| DataSet::load(&DataOptions { source: source.clone(), ..options.data.clone() }).map(Arc::new));
    let labelled = labelled.transpose()?;
    let [a, b] = match &labelled {
        Some(labelled) => like(labelled, [a, b], &options.data)?,
        None => alike([a, b], &options.data)?,
    };
    for set in [&a, &b] {
        set.skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        if let Some(([height, width], count)) = set.resized() {
            let (all, name) = (set.images.count, &set.name);
            let [to_height, to_width, _] = set.size;
            let like = labelled.as_ref().map_or(&a.name, |data| &data.name);
            terminal.say(&format!(
                "resized {count} of {all} images of {name} (e.g. {height}×{width}) to {to_height}×{to_width}, the size \
                 of {like}"
            ));
        }
    }
    let (backend, reason) = device::open(&options.device)?;
    terminal.say(&format!("running on {reason}"));
    let mut space = match &labelled {
        None => FeatureSpace::Random(RandomNetwork::open(a.size, &backend)?),
        Some(labelled) => {
            let classifier = TrainedClassifier::load_or_train(labelled, &backend, "for its features", terminal)?;
            let no_classes =
                || error!(Data, "{} has no labels to train a classifier on; use labelled data", labelled.name);
            let classifier = classifier.ok_or_else(no_classes)?;
            warn_of_errors(&classifier, terminal);
            FeatureSpace::Classifier(classifier)
        }
    };
    let values = |set: &Given| set.images.values(&(0..set.images.count).collect::<Vec<_>>());
    let mut evaluation = compare(&mut space, &values(&a), &values(&b), options.seed)?;
    evaluation.insert("compared".into(), json!([a.images.count, b.images.count]));
    evaluation.insert("resized".into(), json!([&a, &b].map(|set| set.resized().map_or(0, |(_, count)| count))));
    if let Some(labelled) = &labelled {
        evaluation.insert("features_of".into(), json!(labelled.name));
    }
    Ok(evaluation)
}

/// Both sources, fitted to the images of labelled data.
fn like(labelled: &DataSet, sources: [&str; 2], options: &DataOptions) -> Result<[Given; 2]> {
    let DataSet { name, height, width, channels, .. } = labelled;
    ensure!(
        height == width,
        Data,
        hint: Hint::Set("data.size".into()),
        "the images of {name} are {height}×{width}; the classifier needs square images"
    );
    let options = DataOptions { size: *height, channels: *channels, ..options.clone() };
    let [a, b] = sources.map(|source| read_given(source, &options));
    Ok([a?, b?])
}

/// Both sources, of the size of the first, in colour if one of them is.
fn alike([a, b]: [&str; 2], options: &DataOptions) -> Result<[Given; 2]> {
    let a = read_given(a, options)?;
    let [height, width, _] = a.size;
    let size = if height == width { height } else { options.size };
    let b = read_given(b, &DataOptions { size, ..options.clone() })?;
    ensure!(
        a.size[..2] == b.size[..2],
        Data,
        hint: Hint::Set("data.size".into()),
        "the images of {} are {height}×{width} and those of {} are {}×{}",
        a.name,
        b.name,
        b.size[0],
        b.size[1]
    );
    let coloured = [&a, &b].iter().any(|set| set.size[2] == 3);
    Ok([a, b].map(|set| if coloured { set.in_colour() } else { set }))
}
