//! `frit compare`: the distance between two sets of images.

use crate::Ending;
use crate::args;
use crate::commands::eval::print_table;
use crate::output::put_json;
use anyhow::Result;
use frit::config::Config;
use frit::eval::{CompareOptions, FeatureChoice, compare_sources};
use frit::terminal::Terminal;
use gpu_core::DeviceChoice;
use serde_json::Value;

pub(crate) fn compare(args: &args::Compare, terminal: &Terminal) -> Result<Ending> {
    // Any recipe has a [data] section.
    let mut config = Config::load("classifier")?;
    for setting in &args.set {
        config = config.with(setting)?;
    }
    config.data.size = args.size.unwrap_or(config.data.size);
    let options = CompareOptions {
        trained_on: args.data.clone(),
        features: args.features.as_deref().map_or(Ok(FeatureChoice::Auto), str::parse)?,
        data: config.data,
        seed: args.seed,
        device: args.device.options(DeviceChoice::Auto),
    };
    let metrics = compare_sources(&args.a, &args.b, &options, terminal)?;
    match args.json {
        true => put_json("compare", Value::Object(metrics))?,
        false => print_table(&metrics, str::to_string, |key, unit| unit_of(key, unit, args))?,
    }
    Ok(Ending::Done)
}

/// The unit of a metric, with the set that it is a share of.
fn unit_of(key: &str, unit: &str, args: &args::Compare) -> String {
    match (key, &args.data) {
        ("precision", _) => format!("of the images of {}", args.b),
        ("recall" | "coverage", _) => format!("of the images of {}", args.a),
        ("classifier_errors", Some(data)) => format!("{unit} of {data}"),
        _ => unit.into(),
    }
}
