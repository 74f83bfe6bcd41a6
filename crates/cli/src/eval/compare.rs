//! Comparison of two sets of images.

use crate::config::data::DataOptions;
use crate::data::{DataSet, Given, Split, read_given};
use crate::eval::features::{FeatureChoice, FeatureSpace};
use crate::eval::measures::{Evaluation, compare, warn_of_errors};
use crate::io::error::{Hint, Result, bail, ensure};
use crate::run::device::{self, DeviceOptions};
use crate::terminal::Terminal;
use serde_json::json;
use std::sync::Arc;

/// Options of [`compare_sources`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CompareOptions {
    /// Data to train a classifier or an autoencoder on, in whose features the images are compared.
    pub trained_on: Option<String>,
    /// The features. By default those of a classifier or an autoencoder of that data; without it, of a random network.
    /// The autoencoder is one of the reference images if no data is given.
    pub features: FeatureChoice,
    /// Reading of the images and of that data; the source is ignored.
    pub data: DataOptions,
    /// Seed of the subsets of the kernel distance.
    pub seed: u64,
    /// Device.
    pub device: DeviceOptions,
}

/// Compares the images of source `b` with those of `a`: folders, files or built-in sets.
///
/// Without data to train on, the images of `b` are fitted to the size of those of `a`, and all are in colour if some
/// are. With it, all are fitted to its images. A line on the terminal reports resized images.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) if a source cannot be read, and those of [`FeatureSpace::open`].
pub fn compare_sources(a: &str, b: &str, options: &CompareOptions, terminal: &Terminal) -> Result<Evaluation> {
    let load = |source: &String| DataSet::load(&DataOptions { source: source.clone(), ..options.data.clone() });
    let given = options.trained_on.as_ref().map(load).transpose()?.map(Arc::new);
    if let Some(points) = given.as_ref().filter(|data| data.points.is_some()) {
        bail!(Data, "{} are points, not images; pass labelled images with --data", points.name);
    }
    ensure!(
        given.is_some() || options.features != FeatureChoice::Classifier,
        Data,
        "a classifier needs labelled images to learn from; pass them with --data"
    );
    let [a, b] = match &given {
        Some(data) => like(data, [a, b], &options.data)?,
        None => alike([a, b], &options.data)?,
    };
    for set in [&a, &b] {
        set.skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        if let Some(([height, width], count)) = set.resized() {
            let (all, name) = (set.images.count, &set.name);
            let [to_height, to_width, _] = set.size;
            let like = given.as_ref().map_or(&a.name, |data| &data.name);
            terminal.say(&format!(
                "resized {count} of {all} images of {name} (e.g. {height}×{width}) to {to_height}×{to_width}, the size \
                 of {like}"
            ));
        }
    }
    let (backend, reason) = device::open(&options.device)?;
    terminal.say(&format!("running on {reason}"));
    let choice = match options.features {
        FeatureChoice::Auto if given.is_none() => &FeatureChoice::Random,
        ref choice => choice,
    };
    let data = given.clone().unwrap_or_else(|| Arc::new(reference(&a)));
    let mut space = FeatureSpace::open(choice, &data, &backend, "for its features", terminal)?;
    if let FeatureSpace::Classifier(classifier) = &space {
        warn_of_errors(classifier, terminal);
    }
    let values = |set: &Given| set.images.values(&(0..set.images.count).collect::<Vec<_>>());
    let mut evaluation = compare(&mut space, &values(&a), &values(&b), options.seed)?;
    evaluation.insert("compared".into(), json!([a.images.count, b.images.count]));
    evaluation.insert("resized".into(), json!([&a, &b].map(|set| set.resized().map_or(0, |(_, count)| count))));
    if let FeatureSpace::Classifier(_) | FeatureSpace::Autoencoder(_) = space {
        evaluation.insert("features_of".into(), json!(data.name));
    }
    Ok(evaluation)
}

/// The reference images as a data set without labels, all of which an autoencoder is trained on.
fn reference(set: &Given) -> DataSet {
    let split = || Split { labels: vec![0; set.images.count], ..set.images.clone() };
    DataSet::new(set.name.clone(), split(), split(), set.size, vec!["images".into()])
}

/// Both sources, fitted to the images of data that a network is trained on.
fn like(data: &DataSet, sources: [&str; 2], options: &DataOptions) -> Result<[Given; 2]> {
    let DataSet { name, height, width, channels, .. } = data;
    ensure!(
        height == width,
        Data,
        hint: Hint::Set("data.size".into()),
        "the images of {name} are {height}×{width}; its network needs square images"
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
