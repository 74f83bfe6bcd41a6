//! A temporary folder with a small data set, in which tests run the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const TRAIN: usize = 300;
/// Images in the test set.
pub(crate) const TEST: usize = 40;
const SIDE: usize = 6;

/// Restores the signals that a shell makes its background jobs ignore.
#[cfg(unix)]
pub(crate) fn with_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let restore = || {
        for signal in [libc::SIGINT, libc::SIGHUP] {
            // SAFETY: no code is called on the signal; the call is allowed between fork and exec.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: the function only makes system calls that are allowed there.
    unsafe { command.pre_exec(restore) };
}

#[cfg(not(unix))]
pub(crate) fn with_signals(_: &mut Command) {}

/// A temporary folder with a small data set in `data`, where `frit` runs.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put_data("data", stripes);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Four IDX files of images with `pixel(number, index)`, of ten classes in turn.
    pub(crate) fn put_data(&self, name: &str, pixel: impl Fn(usize, usize) -> u8) {
        self.put_ordered(name, |number, _| number, pixel);
    }

    /// The same, with image `order(position, count)` at a position of a part of `count` images.
    pub(crate) fn put_ordered(
        &self,
        name: &str,
        order: impl Fn(usize, usize) -> usize,
        pixel: impl Fn(usize, usize) -> u8,
    ) {
        fs::create_dir_all(self.path(name)).unwrap();
        let put = |file: &str, bytes| fs::write(self.path(name).join(file), bytes).unwrap();
        for (part, count) in [("train", TRAIN), ("t10k", TEST)] {
            let numbers = || (0..count).map(|position| order(position, count));
            let images: Vec<u8> = numbers()
                .flat_map(|number| (0..SIDE * SIDE).map(move |i| (number, i)))
                .map(|(n, i)| pixel(n, i))
                .collect();
            let labels: Vec<u8> = numbers().map(|number| (number % 10) as u8).collect();
            put(&format!("{part}-images-idx3-ubyte"), idx(&[count, SIDE, SIDE], &images));
            put(&format!("{part}-labels-idx1-ubyte"), idx(&[count], &labels));
        }
    }

    /// `frit` with the words of `line`, not yet started.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frit"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_remove("RUST_LOG");
        command.env("FRIT_CACHE", self.path("cache"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        with_signals(&mut command);
        command
    }

    pub(crate) fn frit(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs what must succeed, and returns what it put out.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) -> String {
        let output = self.frit(line);
        assert_eq!(output.status.code(), Some(0), "frit {line}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must be refused with `words`, and must change nothing on the disk.
    #[track_caller]
    pub(crate) fn refused(&self, line: &str, words: &[&str]) {
        println!("frit {line}");
        let before = self.files();
        refusal(&self.frit(line), words);
        assert!(self.files() == before, "frit {line} left something behind: {:?}", self.files().keys());
    }

    /// Every file and folder below, with its contents.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                match path.is_dir() {
                    true => walk(&path, found),
                    false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
                }
                found.entry(path).or_default();
            }
        }
        let mut found = BTreeMap::new();
        walk(self.0.path(), &mut found);
        found
    }
}

/// Expects exit code 2 or 3, no output, and one error message with `words`, with a line of help at most.
#[track_caller]
pub(crate) fn refusal(output: &Output, words: &[&str]) {
    let printed = stderr(output);
    assert!(matches!(output.status.code(), Some(2 | 3)), "{:?}: {printed}", output.status);
    assert!(output.stdout.is_empty(), "it puts out {:?}", String::from_utf8_lossy(&output.stdout));
    assert!(!printed.contains("panicked") && !printed.contains("backtrace"), "{printed}");
    let sentence =
        printed.find("error: ").map(|start| &printed[start..]).unwrap_or_else(|| panic!("no error: {printed}"));
    assert!(words.iter().all(|word| sentence.contains(word)), "{words:?} are not in: {sentence}");
    // The TOML parser adds the line that it could not read.
    let own = sentence.split("TOML parse error").next().unwrap().split("\n  help: ").next().unwrap();
    assert!(own.lines().count() == 1 && sentence.len() < 600, "{sentence}");
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ten patterns of stripes, told apart by the label.
pub(crate) fn stripes(number: usize, index: usize) -> u8 {
    if (index + 3 * (number % 10)) % 7 < 3 { 230 } else { 10 }
}

fn idx(dims: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|&dim| (dim as u32).to_be_bytes()));
    file.extend(bytes);
    file
}
