//! Progress of training: everything a checkpoint records other than tensors.

use crate::config::Config;
use crate::config::data::DataOptions;
use crate::io::error::{Error, ErrorKind, Hint, Result, ensure};
use crate::run::checkpoint::Checkpoint;
use crate::run::session::Session;
use crate::train::monitors::WarningCounts;
use gpu_core::Record;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Largest count that a checkpoint may note. No run gets there, and counts are added up.
const MAX_COUNT: u64 = 1 << 53;

/// Progress of training.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Sums over the images of the epoch so far, by column.
    sums: Vec<f64>,
    /// Images in the epoch so far.
    images: u64,
    /// Sums over the steps since the last line of metrics, by column.
    window: Vec<f64>,
    /// Steps since then.
    pub window_steps: u64,
    /// Losses of the first step, by column; empty in a run of version 0.1.0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<f64>,
    /// Epoch of the best checkpoint, and its metric times its sign: the smaller, the better.
    pub best: Option<(u64, f64)>,
    /// Features in which the best metric compares generated images; empty if it compares none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub features: String,
    /// Lines of metrics.jsonl about rollbacks to a checkpoint, each at half the learning rate of the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollbacks: Vec<Value>,
    /// Warnings of the monitors.
    #[serde(default, rename = "warnings", skip_serializing_if = "BTreeMap::is_empty")]
    pub warned: WarningCounts,
}

impl Progress {
    /// Reads the progress from a checkpoint.
    ///
    /// # Errors
    /// [`ErrorKind::Checkpoint`] if the file is not a checkpoint of frit or notes counts that no run reaches;
    /// [`ErrorKind::Data`] if it was trained on data other than the session's.
    pub fn of(checkpoint: &Checkpoint, session: &Session) -> Result<Self> {
        let note = |key: &str| {
            let found = checkpoint.metadata.get(key);
            found.ok_or_else(|| invalid(format!("{} is not a checkpoint of frit", checkpoint.name)))
        };
        let (trained_on, here) = (note("data")?, session.data.fingerprint());
        if *trained_on != here {
            let message = format!("{} was trained on other data ({trained_on}, not {here})", checkpoint.name);
            return Err(Error::new(ErrorKind::Data, message).with_hint(Hint::Data));
        }
        let progress: Self = serde_json::from_str(note("progress")?)
            .map_err(|error| invalid(format!("cannot read the progress in {}: {error}", checkpoint.name)))?;
        let best_epoch = progress.best.map_or(0, |(epoch, _)| epoch);
        let most = [progress.step, progress.images, progress.window_steps, best_epoch].into_iter().max();
        ensure!(
            most <= Some(MAX_COUNT),
            Checkpoint,
            "{} notes more than {MAX_COUNT} steps, images or epochs; replace it by another checkpoint of the run",
            checkpoint.name
        );
        Ok(progress)
    }

    /// The metadata of a checkpoint. Nothing in it depends on the time or the machine.
    pub fn notes(&self, session: &Session) -> Result<BTreeMap<String, String>> {
        let (source, b) = (DataOptions::default().source, String::new());
        let data = DataOptions { source, b, ..session.config.data.clone() };
        let notes = [
            ("frit", env!("CARGO_PKG_VERSION").to_string()),
            // Without the paths of the data, which are the machine's.
            ("config", Config { data, ..session.config.clone() }.to_toml()?),
            ("data", session.data.fingerprint()),
            ("picture", session.data.picture_size()),
            ("classes", json_text(&session.data.classes)?),
            ("progress", json_text(self)?),
        ];
        let sides = session.data.sides.map(|sides| ("sides", Checkpoint::note_of(sides)));
        let sequence = session.data.sequence.map(|sequence| ("sequence", sequence.note()));
        Ok(notes.into_iter().chain(sides).chain(sequence).map(|(key, value)| (key.to_string(), value)).collect())
    }

    /// Adds the losses of a step of `batch` images.
    pub fn add(&mut self, record: &Record, batch: u64) {
        self.step = record.step;
        if record.step == 1 {
            self.first.clone_from(&record.values);
        }
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

    /// Mean losses over the epoch so far, by column.
    pub fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sum| sum / self.images as f64).collect()
    }

    /// Starts the sums of a new epoch.
    pub fn begin_epoch(&mut self) {
        self.sums.clear();
        self.images = 0;
    }

    /// The line of metrics.jsonl for the steps since the last line. Resets their sums.
    pub fn window_line(&mut self, columns: &[&str]) -> Value {
        let steps = std::mem::take(&mut self.window_steps) as f64;
        let means = std::mem::take(&mut self.window).into_iter().map(|sum| sum / steps);
        let mut line = Map::from_iter([("kind".into(), json!("step")), ("step".into(), json!(self.step))]);
        line.extend(columns.iter().zip(means).map(|(column, mean)| (column.to_string(), json!(mean))));
        line.into()
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Checkpoint, message)
}

fn json_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| invalid(format!("cannot write the progress: {error}")))
}
