//! The dispatches and barriers of every recipe's training step equal those of tests/counts.txt.

use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rewrites the table if set.
const ACCEPT: &str = "FRIT_ACCEPT_COUNTS";
const HEAD: &str = "recipe         dispatches    barriers  in the first     buffers\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of the built-in recipes.
fn recipes() -> Vec<String> {
    let files = std::fs::read_dir(root().join("crates/cli/recipes")).expect("the recipes are there");
    let paths = files.map(|file| file.expect("a file is readable").path());
    let mut names: Vec<String> = paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_string())).collect();
    names.sort();
    names
}

/// A row of the table: the counts of `frit show` on the built-in digits.
fn row(recipe: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_frit")).args(["show", recipe, "--json"]).output().expect("it runs");
    assert!(output.status.success(), "frit show {recipe}: {}", String::from_utf8_lossy(&output.stderr));
    let shown: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let count = |key: &str| shown[key].as_u64().unwrap_or_else(|| panic!("{key} of {recipe}"));
    let [dispatches, barriers, first, buffers] =
        ["dispatches", "barriers", "first_barriers", "barrier_buffers"].map(count);
    format!("{recipe:14} {dispatches:10}  {barriers:10}    {first:10}  {buffers:10}\n")
}

#[test]
fn the_steps_of_all_recipes_keep_their_length() {
    let path = root().join("crates/cli/tests/counts.txt");
    let mut now = HEAD.to_string();
    recipes().iter().for_each(|recipe| now.write_str(&row(recipe)).expect("a string takes all"));
    if std::env::var_os(ACCEPT).is_some() {
        std::fs::write(&path, &now).expect("the table can be written");
    }
    let table = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        now == table,
        "the dispatches or barriers of a training step differ from crates/cli/tests/counts.txt:\n{table}\nnow:\n{now}\n\
         If the difference is intended, run `{ACCEPT}=1 cargo test --test counts` and commit the table."
    );
}
