//! Recognises a run folder by its configuration: other programs have a `config.toml` too.

use crate::io::error::{Hint, Result, bail};
use crate::io::files;
use std::path::Path;

/// The file of the configuration.
pub(super) const CONFIG: &str = "config.toml";

/// True if a folder holds a run: a configuration of frit, or one that cannot be read to tell.
pub(super) fn is_run(path: &Path) -> bool {
    files::exists(&path.join(CONFIG)).unwrap_or(false) && names_family(path).unwrap_or(true)
}

/// Refuses a folder that holds no run.
///
/// # Errors
/// There is no configuration, it is not one of frit, or it cannot be read.
pub(super) fn require_run(path: &Path) -> Result<()> {
    let why = match files::exists(&path.join(CONFIG))? {
        true if names_family(path)? => return Ok(()),
        true => format!("its {CONFIG} names no family of models"),
        false => format!("it has no {CONFIG}"),
    };
    bail!(Run, hint: Hint::Train, "{} is not a run folder: {why}", path.display())
}

/// True if a configuration, which may be damaged, has the key `family` before its first section.
fn names_family(path: &Path) -> Result<bool> {
    let Some(bytes) = files::read_if_exists(&path.join(CONFIG), files::TEXT)? else { return Ok(false) };
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::trim_start).take_while(|line| !line.starts_with('['));
    Ok(lines.any(|line| line.split_once('=').is_some_and(|(key, _)| key.trim() == "family")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_a_configuration_of_frit_makes_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let reason = || require_run(folder.path()).unwrap_err().to_string();
        assert!(!is_run(folder.path()) && reason().ends_with("it has no config.toml"));
        for other in ["", "title = \"family\"\n", "[site]\nfamily = \"vae\"\n"] {
            fs::write(folder.path().join(CONFIG), other).unwrap();
            assert!(!is_run(folder.path()), "{other}");
            assert!(reason().ends_with("its config.toml names no family of models"), "{}", reason());
        }
        for own in ["family = \"vae\"\n[vae]\n", "# A run.\n family=3\nseed = ?"] {
            fs::write(folder.path().join(CONFIG), own).unwrap();
            assert!(is_run(folder.path()) && require_run(folder.path()).is_ok(), "{own}");
        }
        fs::remove_file(folder.path().join(CONFIG)).unwrap();
        fs::create_dir(folder.path().join(CONFIG)).unwrap();
        assert!(is_run(folder.path()) && reason().contains("it is a folder"), "{}", reason());
    }
}
