//! The report and the event file of a run, written during training.

use crate::io::error::Result;
use crate::report;
use crate::report::tensorboard::EventFile;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time between pages, at least.
const BETWEEN_PAGES: Duration = Duration::from_secs(10);
/// Time between pages as a multiple of what a page takes.
const SHARE: u32 = 20;

/// The report and the event file of a run that trains. A failure to write one of them is a warning, and training
/// continues without it.
pub struct LiveReport {
    run: PathBuf,
    events: Option<EventFile>,
    /// Time of the next page; `None` after a failure.
    next: Option<Instant>,
    warnings: Vec<String>,
}

impl LiveReport {
    /// Writes the events of all that the run has so far.
    pub fn start(run: &Path) -> Self {
        let mut live = Self { run: run.into(), events: None, next: Some(Instant::now()), warnings: Vec::new() };
        live.restart();
        live
    }

    /// Writes all events anew, after a rollback.
    pub fn restart(&mut self) {
        let events = EventFile::rewrite(&self.run);
        self.events = self.kept(events);
    }

    /// Appends a line of metrics.
    pub fn line(&mut self, line: &Map<String, Value>) {
        self.append(|events| events.line(line));
    }

    /// Appends the samples of a step.
    pub fn samples(&mut self, step: u64, path: &Path) {
        self.append(|events| events.samples(step, path));
    }

    /// Writes the page, unless it was written a short time ago.
    pub fn refresh(&mut self) {
        if self.next.is_some_and(|next| Instant::now() >= next) {
            self.finish();
        }
    }

    /// Writes the page.
    pub fn finish(&mut self) {
        let start = Instant::now();
        if self.next.is_some() {
            let written = report::write(&self.run);
            let wait = BETWEEN_PAGES.max(SHARE * start.elapsed());
            self.next = self.kept(written).map(|_| Instant::now() + wait);
        }
    }

    /// The warnings since the last call.
    pub fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn append(&mut self, append: impl FnOnce(&mut EventFile) -> Result<()>) {
        if let Some(mut events) = self.events.take() {
            let appended = append(&mut events).map(|()| events);
            self.events = self.kept(appended);
        }
    }

    fn kept<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.warnings.push(format!("warning: {error}; training continues without it"))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_failure_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        fs::write(run.join("config.toml"), "family = 1").unwrap();
        for obstacle in ["tensorboard/events.out.tfevents.0.frit", "report.html"] {
            fs::create_dir_all(run.join(obstacle)).unwrap();
        }
        let mut live = LiveReport::start(run);
        live.line(&Map::new());
        live.finish();
        live.finish();
        let warnings = live.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].contains("report.html") && warnings[1].ends_with("training continues without it"));
    }

    #[test]
    fn pages_are_some_time_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), "family = 1").unwrap();
        let page = folder.path().join("report.html");
        let mut live = LiveReport::start(folder.path());
        live.refresh();
        assert!(page.exists());
        fs::remove_file(&page).unwrap();
        live.refresh();
        assert!(!page.exists(), "it was written a moment ago");
        live.finish();
        assert!(page.exists() && live.warnings().is_empty());
    }
}
