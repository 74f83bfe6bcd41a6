//! The summary of a finished run: its length, its best epoch and its files.

use crate::io::error::Result;
use crate::io::files;
use crate::report::REPORT;
use crate::run::folder::Run;
use crate::run::metrics;
use crate::train::best_metric::BestMetric;
use crate::train::start::Trained;
use std::path::PathBuf;

/// Endings of samples: of images, text and sound.
const SAMPLES: [&str; 3] = ["png", "txt", "wav"];

/// The summary of a finished run.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Epochs, the last of which may be a part.
    pub epochs: u64,
    /// Steps.
    pub steps: u64,
    /// Seconds of training over all processes; `None` in a run of version 0.1.0.
    pub elapsed: Option<f64>,
    /// Key, value and epoch of the best metric by `train.best`; `None` for a model without one.
    pub best: Option<(String, f64, u64)>,
    /// The last sample grid.
    pub samples: Option<PathBuf>,
    /// The report.
    pub report: Option<PathBuf>,
}

impl Trained {
    /// The summary of the run.
    ///
    /// # Errors
    /// A file of the run cannot be read.
    pub fn summary(&self) -> Result<Summary> {
        let metrics = metrics::read(&self.path)?;
        let metric = BestMetric::of(&self.session.config.train.best, self.session.model.as_ref())?;
        let best = metric.and_then(|metric| {
            let column = metrics.columns.iter().find(|column| column.name == metric.key)?;
            let values = column.test.iter().filter_map(|point| Some((point.value?, point.epoch?)));
            let (value, epoch) =
                values.reduce(|best, next| if metric.is_better(next.0, best.0) { next } else { best })?;
            Some((metric.key, value, epoch))
        });
        let run = Run::open_to_read(&self.path)?;
        let samples = run.sample(0).parent().map(files::list).transpose()?.unwrap_or_default();
        let report = self.path.join(REPORT);
        Ok(Summary {
            epochs: metrics.epochs.last().map_or(0, |(epoch, _)| *epoch),
            steps: metrics.steps,
            elapsed: metrics.elapsed,
            best,
            samples: samples
                .into_iter()
                .filter(|path| path.extension().is_some_and(|end| SAMPLES.iter().any(|known| end == *known)))
                .max(),
            report: files::exists(&report)?.then_some(report),
        })
    }
}
