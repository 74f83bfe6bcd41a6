//! The runs of a folder, one line each.

use crate::config::Config;
use crate::eval::metrics::{Better, headline, metric};
use crate::io::error::Result;
use crate::io::files;
use crate::run::find::{all, changed};
use crate::run::folder::Run;
use crate::run::metrics::{Metrics, read};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The progress of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A process trains it.
    Running,
    /// All of its steps are done.
    Finished,
    /// It can be resumed.
    Interrupted,
    /// Its configuration or its metrics cannot be read.
    Unreadable,
}

/// One run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RunSummary {
    /// Folder.
    pub path: PathBuf,
    /// Model family.
    pub model: String,
    /// Data set.
    pub data: String,
    /// Epochs done.
    pub epochs: u64,
    /// Epochs in the configuration.
    pub of_epochs: u64,
    /// Key of the first metric with a direction.
    pub metric: Option<String>,
    /// Its best value on the test set.
    pub best: Option<f64>,
    /// Seconds since the last change.
    pub age_s: Option<u64>,
    /// Progress.
    pub state: State,
}

/// The runs of a folder, the latest first.
///
/// # Errors
/// The folder cannot be read.
pub fn runs(folder: &Path) -> Result<Vec<RunSummary>> {
    let mut found = all(folder)?;
    found.sort_by_key(|path| std::cmp::Reverse(changed(path)));
    Ok(found.iter().map(|path| summary(path)).collect())
}

fn summary(path: &Path) -> RunSummary {
    let age = changed(path).and_then(|changed| SystemTime::now().duration_since(changed).ok());
    let age_s = age.map(|age| age.as_secs());
    let read = Run::open_to_read(path).and_then(|run| Ok((run.config()?, read(path)?, run)));
    let Ok((config, metrics, run)) = read else {
        let (model, data) = (String::new(), String::new());
        let state = State::Unreadable;
        return RunSummary {
            path: path.into(),
            model,
            data,
            epochs: 0,
            of_epochs: 0,
            metric: None,
            best: None,
            age_s,
            state,
        };
    };
    let epochs = metrics.epochs.iter().map(|(epoch, _)| *epoch).max().unwrap_or(0);
    let best = best(&metrics);
    let state = match () {
        () if files::is_locked(&path.join(".lock")) => State::Running,
        () if is_finished(&config, &metrics, epochs) => State::Finished,
        () if is_out_of_patience(&run, config.train.patience, epochs) => State::Finished,
        () => State::Interrupted,
    };
    RunSummary {
        path: path.into(),
        model: config.name().into(),
        data: config.data.source.clone(),
        epochs,
        of_epochs: config.train.epochs,
        metric: best.map(|(key, _)| key.into()),
        best: best.map(|(_, value)| value),
        age_s,
        state,
    }
}

/// True if the run has its epochs or its steps.
fn is_finished(config: &Config, metrics: &Metrics, epochs: u64) -> bool {
    epochs >= config.train.epochs || (config.train.steps > 0 && metrics.steps >= config.train.steps)
}

/// True if `train.patience` has ended the run: by its latest checkpoint, no epoch since was better than the best one.
fn is_out_of_patience(run: &Run, patience: u64, epochs: u64) -> bool {
    let best = || -> Option<u64> {
        let checkpoint = run.load(&run.latest()).ok()?;
        let progress: Value = serde_json::from_str(checkpoint.metadata.get("progress")?).ok()?;
        progress["best"][0].as_u64()
    };
    patience > 0 && best().is_some_and(|best| epochs >= best + patience)
}

/// The first metric of the table that the run has a test value of, and the best one.
fn best(metrics: &Metrics) -> Option<(&'static str, f64)> {
    let last = |column: &crate::run::metrics::Column| Some((column.name.clone(), column.test.last()?.value?.into()));
    let last: Map<String, Value> = metrics.columns.iter().filter_map(last).collect();
    let (key, _) = headline(&last).map(|(metric, value)| (metric.key, value))?;
    let column = metrics.columns.iter().find(|column| column.name == key)?;
    let values = column.test.iter().filter_map(|point| point.value);
    let higher = metric(key).is_some_and(|metric| metric.better == Better::Higher);
    let value = values.reduce(if higher { f64::max } else { f64::min })?;
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_is_summed_up() {
        let folder = tempfile::tempdir().unwrap();
        let state = |name: &str| runs(folder.path()).unwrap().into_iter().find(|run| run.path.ends_with(name)).unwrap();
        let mut run = Run::create(&folder.path().join("vae-001")).unwrap();
        let config = Config::load("vae").unwrap().with("train.epochs=3").unwrap();
        run.write_config(&config.to_toml().unwrap()).unwrap();
        assert_eq!((state("vae-001").epochs, state("vae-001").best), (0, None));
        for (epoch, test) in [(1, 9.0), (2, 7.0), (3, 8.0)] {
            run.append_metrics(&json!({ "epoch": epoch, "step": 10 * epoch, "test_neg_elbo": test })).unwrap();
        }
        assert_eq!(state("vae-001").state, State::Running);
        drop(run);
        let summary = state("vae-001");
        assert_eq!((summary.state, summary.epochs, summary.of_epochs), (State::Finished, 3, 3));
        assert_eq!((summary.metric.as_deref(), summary.best), (Some("neg_elbo"), Some(7.0)));
        assert_eq!((&*summary.model, &*summary.data), ("vae", "digits"));
        Run::create(&folder.path().join("gan-001")).unwrap().write_config("family = 1").unwrap();
        assert_eq!(state("gan-001").state, State::Unreadable);
        let longer = config.with("train.epochs=5").unwrap();
        Run::open(&folder.path().join("vae-001")).unwrap().write_config(&longer.to_toml().unwrap()).unwrap();
        assert_eq!(state("vae-001").state, State::Interrupted);
        assert_eq!(runs(&folder.path().join("none")).unwrap(), []);
    }
}
