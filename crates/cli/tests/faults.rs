//! Failures of every operation on a file of a run: an error, a full disk, the end of the process. The run names the
//! file that failed, and resumes to the same files.

use frit::config::Config;
use frit::io::files::faults::{self, Fault};
use frit::run::device::DeviceOptions;
use frit::train::{ResumeOptions, TrainOptions, resume, train};
use frit::{DeviceChoice, ErrorKind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

/// In a process that a test starts: the operation at which it ends, and its run.
const AT: &str = "FRIT_TEST_AT";
const RUN: &str = "FRIT_TEST_RUN";

/// Processes that end.
const ENDS: usize = 8;

/// Operations that may fail: the old or the new file is there in any case, or the report cannot read what it shows.
const HARMLESS: &[&str] = &["sync folder", "open", "read", "list", "find"];

/// True for the report and the event file: training continues without them.
fn is_report(path: &Path) -> bool {
    path.ends_with("report.html") || path.iter().any(|part| part == "tensorboard")
}

/// Files of a folder by name.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A failure of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Failure {
    /// An operation fails.
    Error,
    /// An operation is cut short, and every later one fails: a full disk.
    FullDisk,
    /// The process ends.
    End,
}

/// A run folder under watch: its operations in order, and the one that fails.
#[derive(Default)]
struct Watch {
    failure: Option<(Failure, usize)>,
    operations: Mutex<Vec<(String, PathBuf)>>,
    /// The folder before each operation, if it is wanted.
    before: Option<Mutex<Vec<Files>>>,
}

fn watches() -> &'static Mutex<HashMap<PathBuf, Arc<Watch>>> {
    static WATCHES: OnceLock<Mutex<HashMap<PathBuf, Arc<Watch>>>> = OnceLock::new();
    WATCHES.get_or_init(|| {
        faults::install(Box::new(meet));
        Mutex::default()
    })
}

fn meet(operation: &str, path: &Path) -> Option<Fault> {
    let found = path.ancestors().find_map(|folder| Some((folder, watches().lock().unwrap().get(folder)?.clone())));
    let (run, watch) = found?;
    let number = {
        let mut operations = watch.operations.lock().unwrap();
        operations.push((operation.into(), path.into()));
        operations.len() - 1
    };
    if let Some(before) = &watch.before {
        before.lock().unwrap().push(files(run));
    }
    match watch.failure? {
        (Failure::Error, at) if number == at => Some(Fault::Error(IoKind::PermissionDenied)),
        (Failure::FullDisk, at) if number >= at => Some(Fault::Cut(IoKind::StorageFull)),
        (Failure::End, at) if number == at => std::process::abort(),
        _ => None,
    }
}

/// Runs `act` with the operations on `run` under watch.
fn watched<T>(run: &Path, watch: Watch, act: impl FnOnce() -> T) -> (T, Arc<Watch>) {
    let watch = Arc::new(watch);
    watches().lock().unwrap().insert(run.into(), watch.clone());
    let result = act();
    watches().lock().unwrap().remove(run);
    (result, watch)
}

fn files(folder: &Path) -> Files {
    fn walk(root: &Path, folder: &Path, found: &mut Files) {
        for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => walk(root, &path, found),
                false => drop(found.insert(path.strip_prefix(root).unwrap().into(), fs::read(&path).unwrap())),
            }
        }
    }
    let mut found = Files::new();
    walk(folder, folder, &mut found);
    found
}

fn put(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// The files that a run is for, without what depends on the time.
fn results(mut files: Files) -> Files {
    let times = ["time", "elapsed_s", "images_per_second"];
    files.retain(|name, bytes| {
        if name.ends_with("metrics.jsonl") {
            let whole =
                String::from_utf8_lossy(bytes).rsplit_once('\n').map_or(String::new(), |(whole, _)| whole.into());
            let without = |line: &str| {
                let mut line: Value = serde_json::from_str(line).unwrap();
                times.iter().for_each(|key| drop(line.as_object_mut().unwrap().remove(*key)));
                format!("{line}\n")
            };
            *bytes = whole.lines().map(without).collect::<String>().into_bytes();
        }
        let name = name.to_string_lossy();
        ["safetensors", "png", "metrics.jsonl", "config.toml", ".tmp"].iter().any(|end| name.ends_with(end))
    });
    files
}

/// Twenty-four images for training and six for testing, of 8 by 8.
fn data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    for (part, count) in [("train", 24usize), ("t10k", 6)] {
        let head = |dims: &[usize]| {
            let mut file = vec![0, 0, 8, dims.len() as u8];
            file.extend(dims.iter().flat_map(|&dim| (dim as u32).to_be_bytes()));
            file
        };
        let pixels = (0..count * 64).map(|i| if (i / 64 + i) % 7 < 3 { 230u8 } else { 10 });
        let images: Vec<u8> = head(&[count, 8, 8]).into_iter().chain(pixels).collect();
        let labels: Vec<u8> = head(&[count]).into_iter().chain((0..count).map(|i| (i % 2) as u8)).collect();
        fs::write(data.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        fs::write(data.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    data
}

fn config(recipe: &str, data: &Path) -> Config {
    let own: &[&str] = match recipe {
        "vae" => &["vae.hidden=[4]", "vae.latent=2", "train.save_every=4", "train.batch_size=4"],
        _ => &[
            "train.batch_size=4",
            "gan.width=1",
            "gan.latent=2",
            "train.sample_every=4",
            "train.best=d_loss",
            "optimiser.average=0.5",
        ],
    };
    let all = ["train.epochs=3", "train.keep=2"];
    let source = format!("data.source={}", data.display());
    let settings = own.iter().chain(&all).copied().chain([source.as_str()]);
    settings.fold(Config::load(recipe).unwrap(), |config, setting| config.with(setting).unwrap())
}

fn cpu() -> DeviceOptions {
    DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() }
}

fn start(config: &Config, run: &Path) -> frit::Result<()> {
    train(TrainOptions::new(config.clone()).device(cpu()).out(run)).map(drop)
}

/// Brings a run to its end, whatever state it is in: resumes it, or starts it if nothing is saved.
fn finish(config: &Config, run: &Path) -> frit::Result<()> {
    if !run.join("config.toml").exists() {
        let refused = resume(ResumeOptions { device: cpu(), ..ResumeOptions::new(run) });
        assert_eq!(refused.map(drop).unwrap_err().kind(), ErrorKind::Run);
        return start(config, run);
    }
    resume(ResumeOptions { device: cpu(), ..ResumeOptions::new(run) }).map(drop)
}

/// The state that a run resumes from: its results, and the names of its other files.
fn state(files: &Files) -> (Files, BTreeSet<PathBuf>) {
    let named = |name: &PathBuf| match name.extension().is_some_and(|end| end == "tmp") {
        true => name.with_file_name("temporary"),
        false => name.clone(),
    };
    let kept = results(files.clone());
    (kept.iter().map(|(name, bytes)| (named(name), bytes.clone())).collect(), files.keys().map(named).collect())
}

/// A run of a recipe, and what is known of its states.
struct Trial {
    place: TempDir,
    recipe: &'static str,
    config: Config,
    /// The results without failures.
    expected: Files,
    operations: Vec<(String, PathBuf)>,
    /// The folder before each operation.
    before: Vec<Files>,
    /// States that were resumed to the expected results.
    good: Mutex<BTreeSet<(Files, BTreeSet<PathBuf>)>>,
    folders: AtomicUsize,
}

impl Trial {
    fn new(recipe: &'static str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let config = config(recipe, &data(place.path()));
        let run = place.path().join("whole");
        let watch = Watch { before: Some(Mutex::default()), ..Watch::default() };
        let (done, watch) = watched(&run, watch, || start(&config, &run));
        done.unwrap();
        let operations = watch.operations.lock().unwrap().clone();
        let operations = operations.into_iter().map(|(name, path)| (name, path.strip_prefix(&run).unwrap().into()));
        let operations: Vec<_> = operations.collect();
        let before = std::mem::take(&mut *watch.before.as_ref().unwrap().lock().unwrap());
        assert!(operations.len() > 100 && before.len() == operations.len());
        let expected = results(files(&run));
        assert!(!expected.keys().any(|name| name.ends_with(".tmp")));
        Self { place, recipe, config, expected, operations, before, good: Mutex::default(), folders: 0.into() }
    }

    /// A path for a run that does not exist.
    fn folder(&self) -> PathBuf {
        self.place.path().join(format!("run-{}", self.folders.fetch_add(1, Ordering::Relaxed)))
    }

    /// Finishes the run in a folder, unless one in the same state was finished before. Removes the folder.
    fn resumes_to_the_same(&self, run: &Path, failure: &str) {
        let state = state(&files(run));
        if !self.good.lock().unwrap().contains(&state) {
            finish(&self.config, run).unwrap_or_else(|error| panic!("after {failure}: {error}"));
            let found = results(files(run));
            let differ = |name: &&PathBuf| found.get(*name) != self.expected.get(*name);
            let names: BTreeSet<&PathBuf> = found.keys().chain(self.expected.keys()).filter(differ).collect();
            assert!(names.is_empty(), "after {failure}: {names:?} differ");
            self.good.lock().unwrap().insert(state);
        }
        let _ = fs::remove_dir_all(run);
    }

    /// Does `act` on `run` with a failure of an operation: the error names a file, or the failure is harmless.
    fn meets(&self, run: &Path, failure: (Failure, usize), act: impl FnOnce() -> frit::Result<()>) {
        let (result, watch) = watched(run, Watch { failure: Some(failure), ..Watch::default() }, act);
        let operations = watch.operations.lock().unwrap();
        let (operation, path) = operations.get(failure.1).unwrap_or_else(|| panic!("{failure:?} did not come"));
        let failure = format!("{failure:?}, {operation} {}", path.display());
        let harmless = || HARMLESS.contains(&operation.as_str()) || is_report(path);
        match result {
            Ok(()) => assert!(harmless(), "{failure} is lost"),
            Err(error) => assert!(
                operations.iter().any(|(_, path)| error.to_string().contains(&path.display().to_string())),
                "{failure}: {error}"
            ),
        }
        self.resumes_to_the_same(run, &failure);
    }

    /// The end of the process at an operation leaves what the folder held before it.
    fn ends(&self, at: usize) {
        let run = self.folder();
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", self.recipe]).env(AT, at.to_string()).env(RUN, &run).output().unwrap();
        assert!(!output.status.success(), "the process did not end at {at}");
        assert!(state(&files(&run)) == state(&self.before[at]), "the end at {at} left something else");
        self.resumes_to_the_same(&run, &format!("the end at {at}"));
    }

    /// Every failure of every operation.
    fn all(&self) {
        let count = self.operations.len();
        each(count, |at| {
            let run = self.folder();
            put(&run, &self.before[at]);
            self.resumes_to_the_same(&run, &format!("the end at {at}"));
            for failure in [Failure::Error, Failure::FullDisk] {
                let run = self.folder();
                self.meets(&run, (failure, at), || start(&self.config, &run));
            }
        });
        each(ENDS, |number| self.ends(count * number / ENDS));
        // And at every operation of a resumed run.
        let half = &self.before[count / 2];
        let open = || {
            let run = self.folder();
            put(&run, half);
            run
        };
        let run = open();
        let (done, watch) = watched(&run, Watch::default(), || finish(&self.config, &run));
        done.unwrap();
        each(watch.operations.lock().unwrap().len(), |at| {
            for failure in [Failure::Error, Failure::FullDisk] {
                let run = open();
                self.meets(&run, (failure, at), || finish(&self.config, &run));
            }
        });
    }
}

/// Calls `act` with each number below `count`, on all cores.
fn each(count: usize, act: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
                numbers.take_while(|&number| number < count).for_each(&act);
            });
        }
    });
}

fn test(recipe: &'static str) {
    match (std::env::var(AT), std::env::var_os(RUN).map(PathBuf::from)) {
        (Ok(at), Some(run)) => {
            let config = config(recipe, &run.with_file_name("data"));
            let watch = Watch { failure: Some((Failure::End, at.parse().unwrap())), ..Watch::default() };
            let _ = watched(&run, watch, || start(&config, &run));
        }
        _ => Trial::new(recipe).all(),
    }
}

#[test]
fn vae() {
    test("vae");
}

#[test]
fn dcgan() {
    test("dcgan");
}
