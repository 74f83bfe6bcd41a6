//! Finds a run by its path, by its name in `runs`, or as the latest run there.

use super::folder::Run;
use crate::io::error::{Hint, Result, bail};
use crate::io::files;
use crate::io::guess::did_you_mean;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folder that holds runs by default.
pub const RUNS: &str = "runs";

/// The path of a run. Without one it is the latest in `runs`; a bare name that is not a run here is looked up there.
///
/// # Errors
/// [`ErrorKind::Run`](crate::ErrorKind) if there is no such run.
pub fn find(given: Option<&Path>, runs: &Path) -> Result<PathBuf> {
    let Some(given) = given else {
        let latest = all(runs)?.into_iter().max_by_key(|path| changed(path));
        let Some(latest) = latest else {
            bail!(Run, hint: Hint::Train, "no runs in {}; name a run folder", runs.display());
        };
        return Ok(latest);
    };
    if Run::is_at(given) {
        return Ok(given.into());
    }
    let is_bare = given.components().count() == 1;
    let named = runs.join(given);
    if is_bare && Run::is_at(&named) {
        return Ok(named);
    }
    let known: Vec<String> =
        if is_bare { all(runs)?.iter().filter_map(|path| name(path)).collect() } else { Vec::new() };
    let guess = did_you_mean(&given.to_string_lossy(), known.iter().map(String::as_str));
    bail!(Run, hint: Hint::Train, "no run at '{}' (config.toml not found){guess}", given.display());
}

/// The paths of all runs in a folder, in order.
///
/// # Errors
/// The folder cannot be read.
pub fn all(runs: &Path) -> Result<Vec<PathBuf>> {
    Ok(files::list(runs)?.into_iter().filter(|path| Run::is_at(path)).collect())
}

/// The last change of a run's configuration or metrics.
pub fn changed(run: &Path) -> Option<SystemTime> {
    let of = |name: &str| run.join(name).metadata().ok()?.modified().ok();
    ["config.toml", "metrics.jsonl"].into_iter().filter_map(of).max()
}

/// The name of a run's folder.
fn name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_run_is_a_path_a_name_or_the_latest() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let message = |given: Option<&str>| find(given.map(Path::new), &runs).unwrap_err().to_string();
        assert!(message(None).starts_with("no runs in "), "{}", message(None));
        for (name, age) in [("vae-001", 20), ("vae-002", 10), ("gan-001", 30)] {
            let run = Run::create(&runs.join(name)).unwrap();
            run.write_config("").unwrap();
            let config = std::fs::File::options().write(true).open(run.config_path()).unwrap();
            config.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        assert_eq!(find(None, &runs).unwrap(), runs.join("vae-002"));
        assert_eq!(find(Some(Path::new("gan-001")), &runs).unwrap(), runs.join("gan-001"));
        let path = runs.join("vae-001");
        assert_eq!(find(Some(&path), Path::new("none")).unwrap(), path);
        let guess = message(Some("vae-01"));
        assert!(guess.contains("no run at 'vae-01' (config.toml not found); did you mean 'vae-001'?"), "{guess}");
    }
}
