//! The repository's text files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is(&self, extension: &str) -> bool {
        self.path.ends_with(&format!(".{extension}"))
    }

    /// Its lines with their numbers, counted from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The paths that git tracks or would track, so that build folders stay out. Without git: every file.
pub(crate) fn paths() -> Vec<String> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root()).output();
    let mut paths: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect()
        }
        _ => walk(root()),
    };
    paths.retain(|path| root().join(path).is_file());
    assert!(paths.len() > 50, "only {} files found under {}", paths.len(), root().display());
    paths
}

fn walk(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder of the repository is readable");
    let paths = entries.map(|entry| entry.expect("an entry is readable").path());
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name == "target" || name == ".git");
    let within = |path: PathBuf| match path.is_dir() {
        true => walk(&path),
        false => vec![path.strip_prefix(root()).expect("under the root").to_string_lossy().replace('\\', "/")],
    };
    paths.filter(|path| !hidden(path)).flat_map(within).collect()
}

/// Every text file that is written by hand: exported pages hold numbers as text.
pub(crate) fn files() -> Vec<File> {
    let read = |path: String| std::fs::read_to_string(root().join(&path)).ok().map(|text| File { path, text });
    let is_exported = |path: &String| path.starts_with("docs/pages/") && path.ends_with(".html");
    paths().into_iter().filter(|path| !is_exported(path)).filter_map(read).collect()
}

#[track_caller]
pub(crate) fn assert_none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
