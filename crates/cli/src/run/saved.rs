//! The checkpoints of a run folder.

use crate::io::error::Result;
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::{CHECKPOINTS, Run};
use std::path::{Path, PathBuf};

const NUMBERED: &str = "step-";
const END: &str = ".safetensors";

impl Run {
    /// Path of the checkpoint to resume from.
    pub fn latest(&self) -> PathBuf {
        self.path.join(CHECKPOINTS).join("latest.safetensors")
    }

    /// Path of the checkpoint with the best metric.
    pub fn best(&self) -> PathBuf {
        self.path.join(CHECKPOINTS).join("best.safetensors")
    }

    /// Path of the numbered checkpoint of a step: `checkpoints/step-00000469.safetensors`.
    pub fn numbered(&self, step: u64) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{NUMBERED}{step:08}{END}"))
    }

    /// The steps of the numbered checkpoints, in order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn kept(&self) -> Result<Vec<u64>> {
        let number = |name: &str| name.strip_prefix(NUMBERED)?.strip_suffix(END)?.parse().ok();
        let paths = files::list(&self.path.join(CHECKPOINTS))?.into_iter();
        let mut found: Vec<u64> = paths.filter_map(|path| number(path.file_name()?.to_str()?)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Removes numbered checkpoints after `step`, and all but the last `keep` up to it.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn prune(&self, step: u64, keep: usize) -> Result<()> {
        let found = self.kept()?;
        let (known, later) = found.split_at(found.partition_point(|&found| found <= step));
        let old = &known[..known.len().saturating_sub(keep)];
        old.iter().chain(later).try_for_each(|&step| files::remove(&self.numbered(step)))
    }

    /// Reads a checkpoint of the run.
    ///
    /// # Errors
    /// The file is missing or damaged; the message names the run's other checkpoints that can take its place.
    pub fn load(&self, path: &Path) -> Result<Checkpoint> {
        Checkpoint::load(path).map_err(|error| {
            let usable = self.usable(path);
            if usable.is_empty() {
                return error;
            }
            let message = format!("{error}; to use another checkpoint of the run, copy {usable} over it");
            error.with_message(message)
        })
    }

    /// The names of the checkpoints other than `path` that are whole: `best.safetensors or step-00000012.safetensors`.
    fn usable(&self, path: &Path) -> String {
        let paths = files::list(&self.path.join(CHECKPOINTS)).unwrap_or_default().into_iter();
        let others = paths.filter(|other| other != path && other.extension().is_some_and(|end| end == "safetensors"));
        let whole = others.filter(|other| Checkpoint::load(other).is_ok());
        let names = whole.filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
        names.collect::<Vec<_>>().join(" or ")
    }
}
