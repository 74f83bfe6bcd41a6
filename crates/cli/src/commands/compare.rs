//! `frit compare`: how near the pictures of one folder are to those of another.

use crate::Ending;
use crate::args;
use crate::commands::eval::print_table;
use crate::config::Config;
use crate::data::{DataSet, Options};
use crate::device;
use crate::judge::Judge;
use crate::measures::{Figures, about, unit};
use crate::quality::quality;
use crate::terminal::{Terminal, out};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

/// The second folder's pictures are measured against the first's, in the features of a classifier of `--data`.
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
        "the pictures of {} are {} by {}, and only squares are compared; give --set data.size",
        known.name,
        known.height,
        known.width
    );
    let read = |folder: &str| pictures(folder, &config.data, &known);
    let [a, b] = [read(&args.a)?, read(&args.b)?];
    let (backend, why) = device::open(&args.device)?;
    terminal.say(&format!("running on {why}"));
    let judge = Judge::of(&known, &backend, terminal)?;
    let mut judge = judge.with_context(|| {
        format!("{} has no classes to train a classifier on; give labelled pictures with --data", known.name)
    })?;
    let [real, other] = [judge.features(&a)?, judge.features(&b)?];
    let mut figures: Figures = quality(&real, &other, args.seed, "");
    figures.insert("pictures".into(), json!(format!("{} and {}", real.rows(), other.rows())));
    figures.insert("seed".into(), json!(args.seed));
    figures.insert("features_of".into(), json!(known.name));
    figures.extend(about(&mut judge)?);
    match args.json {
        true => out!("{}", Value::Object(figures))?,
        false => print_table(&figures)?,
    }
    Ok(Ending::Done)
}

/// All pictures of a folder or file, as large as those that the classifier knows.
fn pictures(source: &str, like: &Options, known: &DataSet) -> Result<Vec<f32>> {
    let options = Options { source: source.into(), size: known.height, channels: known.channels, ..like.clone() };
    let found = DataSet::load(&options)?;
    let of = |part| unit(part, part.count, found.pixels());
    Ok([of(&found.train), of(&found.test)].concat())
}
