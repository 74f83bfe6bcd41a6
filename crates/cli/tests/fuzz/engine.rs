//! Runs a reader on its corpus, its seeds, and mutations of both.

use crate::{memory, mutate};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// Seconds for each reader; 0.8 without it.
const SECONDS: &str = "FRIT_FUZZ_SECONDS";
/// Time after which an input is a hang.
const SLOW: Duration = Duration::from_secs(1);
/// Time after which a process that hangs is ended.
const HANGS: Duration = Duration::from_secs(30);
/// One reader at a time: the memory of all threads is counted together.
static TURN: Mutex<()> = Mutex::new(());

/// Reads an input. True if it is valid.
type Read = dyn FnMut(&[u8]) -> bool;

/// A reader of the library, and files for it.
pub(crate) struct Reader {
    /// Valid files.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Files that may be invalid.
    pub(crate) others: Vec<Vec<u8>>,
    /// Makes the file of mutated contents: sets a checksum right, or packs them. Every other input goes through it.
    pub(crate) wrap: fn(Vec<u8>) -> Vec<u8>,
    /// Most bytes that one input may take, without 100 times its own length.
    pub(crate) memory: usize,
    /// Reads an input.
    pub(crate) read: Box<Read>,
}

impl Reader {
    pub(crate) fn new(seeds: Vec<Vec<u8>>, read: impl FnMut(&[u8]) -> bool + 'static) -> Self {
        Self { seeds, others: Vec::new(), wrap: |bytes| bytes, memory: 64 << 20, read: Box::new(read) }
    }
}

/// A temporary folder, in memory where that is possible: writing a file to a disk takes longer than reading it.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The names of the folders of the corpus.
pub(crate) fn corpus_folders() -> Vec<String> {
    let entries = fs::read_dir(corpus()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The files kept for a reader, in the order of their names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(corpus().join(name)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Fails with a message and the path to which the input is saved.
fn fail(why: &str, input: &[u8], current: &Path) -> ! {
    let saved = Path::new(env!("CARGO_TARGET_TMPDIR")).join(current.file_name().unwrap());
    fs::write(&saved, input).unwrap();
    panic!("{why} on {}", saved.display());
}

/// Runs a reader for its time.
///
/// # Panics
/// An input makes it panic, takes more than a second twice, or more memory than its bound.
pub(crate) fn fuzz(name: &str, reader: fn() -> Reader) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reader = reader();
    let seconds: Option<f64> = std::env::var(SECONDS).ok().map(|text| text.parse().expect("seconds are a number"));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut rng = StdRng::seed_from_u64(if seconds.is_some() { now } else { 7 });
    watch();
    let place = folder();
    let current = place.path().join(name);
    let inputs = [kept(name), reader.seeds.clone(), reader.others.clone()].concat();
    let mut count = 0u64;
    let start = Instant::now();
    for input in &inputs {
        let valid = run(&mut reader, input, &current);
        assert!(valid || !reader.seeds.contains(input), "{name} refuses a valid file");
        count += 1;
    }
    while start.elapsed() < Duration::from_secs_f64(seconds.unwrap_or(0.8)) {
        let seed = &inputs[rng.random_range(0..inputs.len())];
        let mutated = mutate::mutate(seed, &inputs, &mut rng);
        let input = if rng.random() { (reader.wrap)(mutated) } else { mutated };
        run(&mut reader, &input, &current);
        count += 1;
    }
    println!("{name}: {count} executions, {:.0} a second", count as f64 / start.elapsed().as_secs_f64());
}

/// Reads an input, and fails if that takes too much. True if the input is valid.
fn run(reader: &mut Reader, input: &[u8], current: &Path) -> bool {
    // Kept on the disk, for a crash that ends the process.
    fs::write(current, input).unwrap();
    let mut took = SLOW;
    // Another process may have slowed the first attempt.
    for _ in 0..2 {
        let before = memory::start();
        let start = Instant::now();
        *READING.lock().unwrap() = Some((start, current.into()));
        let outcome = catch_unwind(AssertUnwindSafe(|| (reader.read)(input)));
        *READING.lock().unwrap() = None;
        took = start.elapsed();
        let used = memory::peak().saturating_sub(before);
        let bound = reader.memory + 100 * input.len();
        let Ok(valid) = outcome else { fail("the reader panics", input, current) };
        if used > bound {
            fail(&format!("{used} bytes are allocated, more than {bound},"), input, current);
        }
        if took < SLOW {
            return valid;
        }
    }
    fail(&format!("the reader takes {took:.1?}"), input, current);
}

/// The input that is being read, and since when.
static READING: Mutex<Option<(Instant, PathBuf)>> = Mutex::new(None);

/// Ends the process if an input takes too long.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                if let Some((start, path)) = &*READING.lock().unwrap()
                    && start.elapsed() > HANGS
                {
                    eprintln!("the reader hangs on {}", path.display());
                    std::process::abort();
                }
            }
        });
    });
}
