//! The run folder: the files of one training.
//!
//! ```text
//! config.toml  env.json  images.json  metrics.jsonl  reals.png  samples/NNNNNN.png  reconstructions.png
//! evaluation.json  evaluation-other.json  report.html  tensorboard/
//! checkpoints/{latest,best,step-NNNNNNNN}.safetensors
//! ```

use crate::config::Config;
use crate::data::ImageList;
use crate::io::error::{ErrorKind, Hint, Result, bail, error};
use crate::io::files::{self, Lock};
use crate::run::metrics::{Clock, without_time};
use crate::run::recognise::{CONFIG, is_run, require_run};
use crate::run::version;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const ENVIRONMENT: &str = "env.json";
const IMAGES: &str = "images.json";
const METRICS: &str = "metrics.jsonl";
const REALS: &str = "reals.png";
const RECONSTRUCTIONS: &str = "reconstructions.png";
const SAMPLES: &str = "samples";
pub(super) const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = ".lock";
/// Files and folders of a training that ended before [`CONFIG`] was written.
const EARLY: [&str; 7] = [ENVIRONMENT, IMAGES, METRICS, REALS, RECONSTRUCTIONS, SAMPLES, CHECKPOINTS];

/// A run folder, locked against other processes if it is open for writing.
///
/// ```
/// use frit::config::Config;
/// use frit::run::folder::Run;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("vae-001");
/// let config = Config::load("vae")?;
/// Run::create(&path)?.write_config(&config.to_toml()?)?;
///
/// let run = Run::open_to_read(&path)?;
/// assert_eq!(run.config()?, config);
/// assert_eq!(run.latest(), path.join("checkpoints/latest.safetensors"));
/// # Ok::<(), frit::Error>(())
/// ```
#[derive(Debug)]
pub struct Run {
    /// The folder.
    pub path: PathBuf,
    /// The time of the lines of metrics.
    clock: Clock,
    _lock: Option<Lock>,
}

impl Run {
    /// Creates and locks the first of `RECIPE-001`, `RECIPE-002` … in `runs` that does not exist. Of processes that
    /// start together, each gets its own.
    ///
    /// # Errors
    /// The folder cannot be created or written to.
    pub fn create_numbered(runs: &Path, recipe: &str) -> Result<Self> {
        let mut number = 1;
        loop {
            let path = runs.join(format!("{recipe}-{number:03}"));
            if files::create_new_folder(&path)? {
                return Self::create(&path);
            }
            number += 1;
        }
    }

    /// Creates the folder and locks it.
    ///
    /// # Errors
    /// The folder holds a run already, is in use, or cannot be written to.
    pub fn create(path: &Path) -> Result<Self> {
        let run = Self::hold(path).map_err(|error| match error.kind() {
            ErrorKind::File => error.with_hint(Hint::Out),
            _ => error,
        })?;
        Self::refuse_existing(path)?;
        Ok(run)
    }

    /// Checks that a folder holds no run and no files of others.
    ///
    /// # Errors
    /// The folder holds a run, or other files.
    pub fn refuse_existing(path: &Path) -> Result<()> {
        if is_run(path) {
            bail!(Run, hint: Hint::Resume(path.display().to_string()), "{} already holds a run", path.display());
        }
        let names = files::list(path)?.into_iter().filter_map(|entry| entry.file_name().map(OsString::from));
        let mut others = names.filter(|name| {
            let name = name.to_string_lossy();
            !name.starts_with('.') && !EARLY.contains(&&*name)
        });
        if let Some(other) = others.next() {
            let (path, other) = (path.display(), other.display());
            bail!(Run, hint: Hint::Out, "{path} is not empty: it holds {other}");
        }
        Ok(())
    }

    /// Opens and locks a run to resume it. Temporary files of a killed process are removed.
    ///
    /// # Errors
    /// The folder holds no run, is in use, or cannot be written to.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_to_read(path)?;
        Self::hold(path)
    }

    /// True if the folder holds a run.
    pub fn is_at(path: &Path) -> bool {
        is_run(path)
    }

    /// Opens a run without locking it. It may be training: each file changes as a whole.
    ///
    /// # Errors
    /// The folder holds no run.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        require_run(path)?;
        Ok(Self { path: path.into(), clock: Clock::after(""), _lock: None })
    }

    fn hold(path: &Path) -> Result<Self> {
        for folder in [path.to_path_buf(), path.join(SAMPLES), path.join(CHECKPOINTS)] {
            files::create_folder(&folder)?;
        }
        let Some(lock) = files::lock(&path.join(LOCK))? else {
            bail!(Run, "another process is using {}; wait until it ends", path.display())
        };
        for folder in [path.to_path_buf(), path.join(SAMPLES), path.join(CHECKPOINTS)] {
            files::sweep(&folder)?;
        }
        let run = Self { path: path.into(), clock: Clock::after(""), _lock: Some(lock) };
        // A file that cannot be read is an error where it is written.
        let clock = Clock::after(&run.read_if_exists(METRICS).ok().flatten().unwrap_or_default());
        Ok(Self { clock, ..run })
    }

    /// Saves the resolved configuration, as TOML.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, toml: &str) -> Result<()> {
        files::write(&self.file(CONFIG), toml.as_bytes())
    }

    /// The configuration that the run was started with, as TOML.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_config(&self) -> Result<String> {
        self.read(CONFIG)
    }

    /// The configuration of the run.
    ///
    /// # Errors
    /// The file cannot be read, or is not a configuration; or a newer frit trained the run.
    pub fn config(&self) -> Result<Config> {
        let environment = self.read_environment()?;
        if let Some(written) = environment.as_ref().and_then(|environment| environment["frit"].as_str()) {
            version::check(&self.path.display().to_string(), written)?;
        }
        Config::parse_run(&self.read_config()?, &self.config_path().display().to_string())
    }

    /// The path of the configuration, for errors.
    pub fn config_path(&self) -> PathBuf {
        self.file(CONFIG)
    }

    /// Saves the environment of the run: adapter, driver, versions. The command that started the run stays.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_environment(&self, environment: &Value) -> Result<()> {
        let mut environment = environment.clone();
        if let Some(command) = self.read_environment().ok().flatten().and_then(|before| before.get("command").cloned())
        {
            environment["command"] = command;
        }
        files::write(&self.file(ENVIRONMENT), format!("{environment:#}\n").as_bytes())
    }

    /// The environment of the run; `None` without the file.
    ///
    /// # Errors
    /// The file cannot be read, or is not JSON.
    pub fn read_environment(&self) -> Result<Option<Value>> {
        let path = self.file(ENVIRONMENT);
        let parse = |text: String| {
            serde_json::from_str(&text)
                .map_err(|error| error!(Run, "{} is not valid JSON ({error}): remove it", path.display()))
        };
        self.read_if_exists(ENVIRONMENT)?.map(parse).transpose()
    }

    /// Saves the list of the run's images. Built-in data has none.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_images(&self, list: &ImageList) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        files::write(&self.file(IMAGES), format!("{}\n", list.to_json()).as_bytes())
    }

    /// The list of the run's images; `None` for built-in data, and for a run of version 0.1.0.
    ///
    /// # Errors
    /// The file cannot be read, or is not a list.
    pub fn read_images(&self) -> Result<Option<ImageList>> {
        let name = self.file(IMAGES).display().to_string();
        self.read_if_exists(IMAGES)?.map(|text| ImageList::parse(&text, &name)).transpose()
    }

    /// Appends one object as a line to the metrics, with the time. A killed process does not lose it. Returns the line.
    ///
    /// # Errors
    /// The file cannot be written; no part of the line stays.
    pub fn append_metrics(&mut self, line: &Value) -> Result<Map<String, Value>> {
        let line = self.clock.stamped(line);
        let text = serde_json::to_string(&line).expect("an object of JSON is written");
        files::append(&self.file(METRICS), (text + "\n").as_bytes())?;
        Ok(line)
    }

    /// Brings the metrics to the disk, before a checkpoint that counts on them.
    ///
    /// # Errors
    /// The file cannot be synced.
    pub fn sync_metrics(&self) -> Result<()> {
        files::sync(&self.file(METRICS))
    }

    /// Removes the metrics after `step`, and a line that was cut off.
    ///
    /// # Errors
    /// The metrics cannot be read or written.
    pub fn truncate_metrics(&mut self, step: u64) -> Result<()> {
        let Some(text) = self.read_if_exists(METRICS)? else { return Ok(()) };
        let known = |line: &&str| {
            let line: Option<Value> = serde_json::from_str(line).ok();
            line.and_then(|line| line.get("step")?.as_u64()).is_some_and(|at| at <= step)
        };
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let kept: String = whole.lines().filter(known).flat_map(|line| [line, "\n"]).collect();
        if kept == text {
            return Ok(());
        }
        files::write(&self.file(METRICS), kept.as_bytes())
    }

    /// Returns the folder to its state at a step: later metrics are removed, and each line of `rollbacks` is kept.
    ///
    /// # Errors
    /// The metrics cannot be read or written.
    pub fn go_back(&mut self, step: u64, rollbacks: &[Value]) -> Result<()> {
        self.truncate_metrics(step)?;
        if rollbacks.is_empty() {
            return Ok(());
        }
        let text = self.read_if_exists(METRICS)?.unwrap_or_default();
        for line in rollbacks {
            // Checkpoint and metrics are two files; a process may have ended between them.
            if !text.lines().any(|found| without_time(found).as_ref() == Some(line)) {
                self.append_metrics(line)?;
            }
        }
        Ok(())
    }

    /// Path of a grid of training images.
    pub fn reals(&self) -> PathBuf {
        self.file(REALS)
    }

    /// Path of a grid of test images over their reconstructions, after the last epoch.
    pub fn reconstructions(&self) -> PathBuf {
        self.file(RECONSTRUCTIONS)
    }

    /// Path of the samples at `number`, a step or an epoch: `samples/000007.png`.
    pub fn sample(&self, number: u64) -> PathBuf {
        self.file(SAMPLES).join(format!("{number:06}.png"))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn read(&self, name: &str) -> Result<String> {
        files::read_text(&self.file(name))
    }

    fn read_if_exists(&self, name: &str) -> Result<Option<String>> {
        let bytes = files::read_if_exists(&self.file(name), files::TEXT)?;
        // A torn line of metrics may end inside a character.
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;
    use tempfile::TempDir;

    fn place() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/vae-001");
        (folder, path)
    }

    fn metrics(run: &Run) -> String {
        fs::read_to_string(run.path.join(METRICS)).unwrap()
    }

    /// The lines of metrics without their times.
    fn timeless(run: &Run) -> Vec<Value> {
        metrics(run).lines().map(|line| without_time(line).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let (_folder, path) = place();
        let run = Run::create(&path).unwrap();
        run.write_config("family = \"vae\"\n").unwrap();
        run.write_environment(&json!({ "device": "cpu" })).unwrap();
        let reader = Run::open_to_read(&path).unwrap();
        assert_eq!(reader.read_config().unwrap(), "family = \"vae\"\n");
        assert_eq!(reader.read_environment().unwrap(), Some(json!({ "device": "cpu" })));
        assert_eq!(run.sample(7), path.join("samples/000007.png"));
        assert_eq!(run.best(), path.join("checkpoints/best.safetensors"));
        assert!(run.latest().parent().unwrap().is_dir() && run.sample(0).parent().unwrap().is_dir());
        assert_eq!((run.reals(), run.config_path()), (path.join("reals.png"), path.join("config.toml")));
    }

    #[test]
    fn a_run_is_not_started_twice() {
        let (_folder, path) = place();
        Run::create(&path).unwrap().write_config("family = \"vae\"").unwrap();
        let error = Run::create(&path).unwrap_err();
        let path = path.display().to_string();
        assert_eq!(error.to_string(), format!("{path} already holds a run"));
        assert_eq!(error.hint(), Some(&Hint::Resume(path)));
    }

    #[test]
    fn one_process_at_a_time() {
        let (_folder, path) = place();
        let run = Run::create(&path).unwrap();
        run.write_config("family = \"vae\"").unwrap();
        for second in [Run::open(&path), Run::create(&path)] {
            let message = second.unwrap_err().to_string();
            assert!(message.starts_with(&format!("another process is using {}", path.display())), "{message}");
        }
        Run::open_to_read(&path).unwrap();
        drop(run);
        Run::open(&path).unwrap();
    }

    #[test]
    fn a_folder_without_a_run_is_refused_and_left_alone() {
        let (folder, path) = place();
        for path in [&path, &folder.path().to_path_buf()] {
            let message = Run::open(path).unwrap_err().to_string();
            assert!(message.ends_with("is not a run folder: it has no config.toml"), "{message}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("file"), "").unwrap();
        let message = Run::create(&folder.path().join("file")).unwrap_err().to_string();
        assert!(message.ends_with("file is a file, not a folder"), "{message}");
    }

    #[test]
    fn opening_clears_away_what_was_half_made() {
        let (_folder, path) = place();
        Run::create(&path).unwrap().write_config("family = \"vae\"").unwrap();
        let left = path.join("checkpoints/.frit-x.tmp");
        fs::write(&left, "").unwrap();
        Run::open_to_read(&path).unwrap();
        assert!(left.exists());
        Run::open(&path).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn metrics_go_back_to_a_step_and_on_from_there() {
        let (_folder, path) = place();
        let mut run = Run::create(&path).unwrap();
        run.truncate_metrics(0).unwrap();
        for step in [10, 20, 30] {
            run.append_metrics(&json!({ "step": step, "loss": 0.5 })).unwrap();
        }
        let before = metrics(&run);
        run.truncate_metrics(30).unwrap();
        assert_eq!(metrics(&run), before);
        run.append_metrics(&json!({ "step": 40 })).unwrap();
        // A torn line, cut inside a character, and one that was cut but still reads as an object.
        for torn in [&b"{\"step\":5,\"\xc3"[..], b"{\"step\":5}"] {
            fs::write(path.join(METRICS), [metrics(&run).as_bytes(), torn].concat()).unwrap();
            run.truncate_metrics(20).unwrap();
            assert_eq!(timeless(&run), [10, 20].map(|step| json!({ "step": step, "loss": 0.5 })));
        }
        run.append_metrics(&json!({ "step": 21 })).unwrap();
        assert_eq!(timeless(&run)[2], json!({ "step": 21 }));
        run.go_back(20, &[json!({ "step": 20, "monitor": "a" })]).unwrap();
        run.go_back(20, &[json!({ "step": 20, "monitor": "a" })]).unwrap();
        assert_eq!(timeless(&run).len(), 3, "a rollback is noted once");
    }

    #[test]
    fn the_first_free_number_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        fs::create_dir_all(runs.join("vae-001")).unwrap();
        fs::write(runs.join("vae-002"), "").unwrap();
        assert_eq!(Run::create_numbered(&runs, "vae").unwrap().path, runs.join("vae-003"));
        assert_eq!(Run::create_numbered(&runs, "ae").unwrap().path, runs.join("ae-001"));
        fs::write(folder.path().join("file"), "").unwrap();
        Run::create_numbered(&folder.path().join("file"), "vae").unwrap_err();
    }

    #[test]
    fn runs_that_start_together_get_a_folder_each() {
        let folder = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(8);
        let create = || {
            start.wait();
            Run::create_numbered(folder.path(), "vae").unwrap()
        };
        let runs: Vec<Run> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let paths: std::collections::BTreeSet<_> = runs.iter().map(|run| &run.path).collect();
        assert_eq!(paths.len(), 8);
    }
}
