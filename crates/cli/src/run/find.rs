//! Finds a run by its path, by its name in `runs`, or as the latest run there.

use super::folder::Run;
use super::recognise::CONFIG;
use crate::data::is_built_in;
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
    let why = if files::exists(&given.join(CONFIG))? { "is not one of frit" } else { "not found" };
    bail!(Run, hint: Hint::Train, "no run at '{}' ({CONFIG} {why}){guess}", given.display());
}

/// Refuses runs as training data: a run, a folder of runs, or one that holds the folder `runs`. Their images are
/// samples of models.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) for such a folder.
pub fn refuse_as_data(source: &str) -> Result<()> {
    let path = Path::new(source);
    if is_built_in(source) || !path.is_dir() {
        return Ok(());
    }
    let below = || files::list(path).unwrap_or_default().into_iter().chain(all(&path.join(RUNS)).unwrap_or_default());
    let what = match below().find(|path| Run::is_at(path)) {
        _ if Run::is_at(path) => "is a run".into(),
        Some(run) => format!("holds runs, such as {}", run.display()),
        None => return Ok(()),
    };
    bail!(Data, "'{source}' {what}, whose images are samples of a model; name a folder of images to train on")
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
    [CONFIG, "metrics.jsonl"].into_iter().filter_map(of).max()
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
            run.write_config("family = \"vae\"").unwrap();
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

    #[test]
    fn runs_are_not_data() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| place.path().join(name);
        Run::create(&folder("runs/vae-001")).unwrap().write_config("family = \"vae\"").unwrap();
        std::fs::create_dir_all(folder("photos/runs")).unwrap();
        std::fs::write(folder("photos/config.toml"), "title = \"mine\"").unwrap();
        let refused = |name: &str| refuse_as_data(&folder(name).display().to_string());
        for (name, words) in
            [("runs/vae-001", "is a run, whose"), ("runs", "holds runs, such as"), ("", "runs/vae-001,")]
        {
            let message = refused(name).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        for name in ["photos", "runs/vae-001/samples", "nowhere"] {
            refused(name).unwrap();
        }
        refuse_as_data("digits").unwrap();
        let message = Run::create(&folder("photos")).unwrap_err().to_string();
        assert!(message.contains("photos is not empty: it holds config.toml"), "{message}");
    }
}
