//! The version of frit that wrote a file.

use crate::io::error::{Result, ensure};

/// This version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Refuses a file that a newer frit wrote: its settings and tensors may mean something else there.
///
/// # Errors
/// `written` is a newer version.
pub(crate) fn check(name: &str, written: &str) -> Result<()> {
    ensure!(
        numbers(written) <= numbers(VERSION),
        Run,
        "{name} was written by frit {written}, newer than this frit {VERSION}; use frit {written} or newer"
    );
    Ok(())
}

/// Major, minor and patch version; zeros for what is not a version.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_versions_are_refused() {
        let [major, minor, patch] = numbers(VERSION);
        for old in [VERSION.to_string(), format!("{major}.{minor}.{patch}-dev"), "0.0.9".into(), "none".into()] {
            check("file", &old).unwrap();
        }
        for new in [[major, minor, patch + 1], [major, minor + 10, 0], [major + 1, 0, 0]] {
            let new = new.map(|number| number.to_string()).join(".");
            let message = check("file", &new).unwrap_err().to_string();
            assert!(message.starts_with(&format!("file was written by frit {new}")), "{message}");
            assert!(message.contains(&format!("this frit {VERSION}")), "{message}");
        }
    }
}
