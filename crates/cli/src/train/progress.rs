//! Where training stands, besides weights and clock: the notes of a checkpoint.

use crate::config::Config;
use crate::config::data::DataOptions;
use crate::run::checkpoint::Checkpoint;
use crate::run::session::Session;
use crate::train::monitors::AllWarned;
use anyhow::{Context, Result, ensure};
use gpu_core::Record;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where training stands.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Sums over the images of the epoch so far, by column.
    sums: Vec<f64>,
    /// Images of the epoch so far.
    images: u64,
    /// Sums over the steps since the last line of metrics, by column.
    window: Vec<f64>,
    /// Steps since then.
    pub window_steps: u64,
    /// The epoch of the best checkpoint, and what was to become small there.
    pub best: Option<(u64, f64)>,
    /// How often training went back, each time to half the learning rate; the lines that metrics have of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollbacks: Vec<Value>,
    /// How often each guard has warned.
    #[serde(default, rename = "warnings", skip_serializing_if = "BTreeMap::is_empty")]
    pub warned: AllWarned,
}

impl Progress {
    /// Reads it from a checkpoint of this run.
    ///
    /// # Errors
    /// One sentence: the file is no checkpoint, or of other data.
    pub fn of(checkpoint: &Checkpoint, session: &Session) -> Result<Self> {
        let note = |key: &str| {
            let found = checkpoint.metadata.get(key);
            found.with_context(|| format!("{} is not a checkpoint of frit's; give a run's folder", checkpoint.name))
        };
        let (made_with, here) = (note("data")?, session.data.fingerprint());
        ensure!(
            *made_with == here,
            "{} was trained on other data ({made_with}, and this is {here}); pass --data with the folder it was \
             trained on",
            checkpoint.name
        );
        serde_json::from_str(note("progress")?)
            .with_context(|| format!("the progress in {} cannot be read; take another checkpoint", checkpoint.name))
    }

    /// What a checkpoint says of itself. Nothing in it depends on the time or the machine.
    pub fn notes(&self, session: &Session) -> Result<BTreeMap<String, String>> {
        let data = DataOptions { source: DataOptions::default().source, ..session.config.data.clone() };
        let notes = [
            ("frit", env!("CARGO_PKG_VERSION").to_string()),
            // Where the data lies is the machine's; what it is, the fingerprint says.
            ("config", Config { data, ..session.config.clone() }.to_toml()?),
            ("data", session.data.fingerprint()),
            ("picture", session.data.picture_size()),
            ("classes", serde_json::to_string(&session.data.classes)?),
            ("progress", serde_json::to_string(self)?),
        ];
        Ok(notes.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
    }

    /// Takes in a step of `batch` images.
    pub fn add(&mut self, record: &Record, batch: u64) {
        self.step = record.step;
        self.images += batch;
        self.window_steps += 1;
        for sums in [&mut self.sums, &mut self.window] {
            sums.resize(record.values.len(), 0.0);
        }
        for (i, value) in record.values.iter().enumerate() {
            self.sums[i] += value * batch as f64;
            self.window[i] += value;
        }
    }

    /// Means over the epoch so far, by column.
    pub fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.images as f64).collect()
    }

    /// Starts the sums of a new epoch.
    pub fn begin_epoch(&mut self) {
        self.sums.clear();
        self.images = 0;
    }

    /// A line of metrics for the steps since the last, which it forgets.
    pub fn window_line(&mut self, columns: &[&str]) -> Value {
        let steps = std::mem::take(&mut self.window_steps) as f64;
        let means = std::mem::take(&mut self.window).into_iter().map(|sum| sum / steps);
        let mut line = Map::from_iter([("step".into(), json!(self.step))]);
        line.extend(columns.iter().zip(means).map(|(column, mean)| (column.to_string(), json!(mean))));
        line.into()
    }
}
