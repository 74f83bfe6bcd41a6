//! Recovery of a run: after errors of a device it resumes with the same result, and a file that is missing, damaged or
//! too new is named with what helps.

mod place;

use frit::config::Config;
use frit::data::DataSet;
use frit::run::checkpoint::Checkpoint;
use frit::run::device::DeviceOptions;
use frit::run::folder::Run;
use frit::run::session::Session;
use frit::train::progress::Progress;
use frit::train::{Outcome, TrainOptions, Trainer};
use frit::{DeviceChoice, Hint, Terminal};
use gpu_core::{Adapter, Array, Backend, Buf, Counters, Device, Error, Executor, Program, Schedule, Ticket, Timing};
use place::{Place, refusal, stderr};
use serde_json::{Value, json};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The failure of a device.
enum Failure {
    Lost(Box<Device>),
    OutOfMemory,
}

/// An executor whose device fails after a number of program runs.
struct Failing {
    inner: Box<dyn Executor>,
    runs_left: u32,
    failure: Failure,
}

impl Executor for Failing {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error> {
        self.inner.prepare(schedule)
    }

    fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error> {
        self.runs_left = self.runs_left.saturating_sub(times);
        match &self.failure {
            Failure::Lost(device) if self.runs_left == 0 => device.destroy(),
            Failure::OutOfMemory if self.runs_left == 0 => {
                return Err(Error::OutOfMemory { what: "staging".into(), mib: 1 });
            }
            _ => {}
        }
        self.inner.submit(programs, times, watch)
    }

    fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error> {
        self.inner.wait(ticket)
    }

    fn run_call(&mut self, program: Program, step: usize) -> Result<(), Error> {
        self.inner.run_call(program, step)
    }

    fn read(&mut self, buf: Buf) -> Result<Array, Error> {
        self.inner.read(buf)
    }

    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error> {
        self.inner.write(buf, values)
    }

    fn time_calls(&mut self, program: Program) -> Result<Timing, Error> {
        self.inner.time_calls(program)
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }
}

fn device() -> Device {
    Adapter::best().and_then(|adapter| adapter.open(false)).expect("a Vulkan driver")
}

/// A small run with checkpoints within its epochs.
fn session(backend: &Backend) -> Session {
    let settings = ["vae.hidden=[8]", "vae.latent=2", "train.epochs=2", "train.save_every=7"];
    let config = settings.iter().fold(Config::load("vae").unwrap(), |config, set| config.with(set).unwrap());
    let data = Arc::new(DataSet::load(&config.data).unwrap());
    let mut session = Session::open(config, data, backend).unwrap();
    session.initialise().unwrap();
    session
}

fn train(session: &mut Session, run: &Path, from: Option<&Path>) -> frit::Result<Outcome> {
    let progress = match from {
        None => Progress::default(),
        Some(latest) => {
            let checkpoint = Checkpoint::load(latest)?;
            session.restore(&mut checkpoint.clone())?;
            Progress::of(&checkpoint, session)?
        }
    };
    let open = |_: &Session| Ok(if from.is_some() { Run::open(run)? } else { Run::create(run)? });
    Trainer::new(session, &Backend::Cpu, &Terminal::new(true), progress, open)?.train(&AtomicBool::new(false))
}

/// Training ends with a hint to resume, and the resumed run has the result of an uninterrupted one.
#[test]
fn a_run_resumes_after_an_error_of_the_device() {
    let place = tempfile::tempdir().unwrap();
    let whole = place.path().join("whole");
    assert!(matches!(train(&mut session(&Backend::Gpu(Box::new(device()))), &whole, None), Ok(Outcome::Done(_))));
    let done = Run::open(&whole).unwrap().latest();
    for (name, words) in [("lost", "the device was lost: "), ("full", "the device ran out of memory for staging; ")] {
        let path = place.path().join(name);
        let lost = device();
        let backend = Backend::Gpu(Box::new(lost.clone()));
        let mut failing = session(&backend);
        let failure = if name == "lost" { Failure::Lost(Box::new(lost)) } else { Failure::OutOfMemory };
        let idle = backend.executor(Default::default(), gpu_core::Sharing::On);
        let inner = std::mem::replace(&mut failing.executor, idle);
        // After the end of the first epoch, with its preview and its test.
        failing.executor = Box::new(Failing { inner, runs_left: 120, failure });
        let Err(error) = train(&mut failing, &path, None) else { panic!("{name}: training did not end") };
        let saved = Progress::of(&Checkpoint::load(&latest(&path)).unwrap(), &failing).unwrap();
        let (step, per_epoch) = (saved.step, failing.data.train.count.div_ceil(128) as u64);
        let checkpoint = format!("the checkpoint of step {step} is saved in {}", path.display());
        let message = error.to_string();
        assert!(step >= per_epoch && message.contains(words) && message.contains(&checkpoint), "{message}");
        assert_eq!(error.hint(), Some(&Hint::Resume(path.display().to_string())));
        drop(failing);
        let mut again = session(&Backend::Gpu(Box::new(device())));
        assert!(matches!(train(&mut again, &path, Some(&latest(&path))), Ok(Outcome::Done(_))));
        assert!(fs::read(latest(&path)).unwrap() == fs::read(&done).unwrap(), "{name}: another result");
    }
}

fn latest(run: &Path) -> PathBuf {
    run.join("checkpoints/latest.safetensors")
}

/// A model that trains in a moment: ten steps an epoch.
const TINY: &str = "train vae --data data --hidden 16 --latent-dim 3 --batch-size 32 --device cpu --set train.keep=2";

#[test]
fn files_of_a_newer_frit_are_refused() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 1 --out run"));
    let lines = ["resume run --epochs 2", "eval run --device cpu", "sample run --device cpu"];
    let (newer, path) = (["was written by frit 99.1.0", "this frit"], place.path("run/env.json"));
    let environment = fs::read_to_string(&path).unwrap();
    let mut changed: Value = serde_json::from_str(&environment).unwrap();
    changed["frit"] = json!("99.1.0");
    fs::write(&path, changed.to_string()).unwrap();
    lines.iter().for_each(|line| place.refused(line, &newer));
    fs::write(&path, environment).unwrap();
    let path = latest(&place.path("run"));
    let mut checkpoint = Checkpoint::load(&path).unwrap();
    checkpoint.metadata.insert("frit".into(), "99.1.0".into());
    checkpoint.save(&path).unwrap();
    lines.iter().for_each(|line| place.refused(line, &["latest.safetensors", newer[0], newer[1]]));
}

#[test]
fn a_lost_checkpoint_is_replaced_by_one_that_is_named() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 3 --out whole"));
    place.done(&format!("{TINY} --epochs 2 --out run"));
    let checkpoints = place.path("run/checkpoints");
    let [best, kept, damaged] =
        ["best", "step-00000010", "step-00000020"].map(|name| checkpoints.join(format!("{name}.safetensors")));
    let latest = latest(&place.path("run"));
    fs::write(&damaged, &fs::read(&latest).unwrap()[..900]).unwrap();
    for (bytes, why) in [(Some(&b"cut"[..]), "is damaged"), (None, "no such file")] {
        bytes.map_or_else(|| fs::remove_file(&latest), |bytes| fs::write(&latest, bytes)).unwrap();
        for line in ["resume run --epochs 3", "eval run --device cpu"] {
            let usable = "copy best.safetensors or step-00000010.safetensors over it";
            place.refused(line, &["run/checkpoints/latest.safetensors", why, usable]);
        }
    }
    fs::remove_file(best).unwrap();
    fs::copy(kept, &latest).unwrap();
    place.done("resume run --epochs 3");
    assert!(fs::read(latest).unwrap() == fs::read(place.path("whole/checkpoints/latest.safetensors")).unwrap());
}

#[test]
fn a_run_resumes_without_its_environment() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 2 --out whole"));
    place.done(&format!("{TINY} --epochs 1 --out run"));
    fs::remove_file(place.path("run/env.json")).unwrap();
    let output = place.frit("resume run --epochs 2 --device cpu");
    assert!(output.status.success() && stderr(&output).contains("run has no env.json"), "{}", stderr(&output));
    let [run, whole] = ["run", "whole"].map(|name| fs::read(latest(&place.path(name))).unwrap());
    assert!(run == whole && place.path("run/env.json").exists());
}

#[test]
fn data_that_has_moved_is_asked_for() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 1 --out run"));
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    for line in ["resume run --epochs 2", "eval run --device cpu"] {
        place.refused(line, &["no file or folder", "data", "with --data"]);
    }
    place.done("resume run --epochs 2 --data moved");
}

#[test]
fn a_damaged_classifier_is_named_and_trained_again() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 1 --out run"));
    let eval = || place.frit("eval run --generative --device cpu --json");
    let first = eval();
    let cached = || {
        let names = fs::read_dir(place.path("cache")).unwrap().map(|entry| entry.unwrap().path());
        let of_data = |path: &PathBuf| path.to_string_lossy().contains("classifier-");
        names.into_iter().find(of_data).unwrap()
    };
    let (path, sound) = (cached(), fs::read(cached()).unwrap());
    for damaged in [&sound[..sound.len() / 2], b"text"] {
        fs::write(&path, damaged).unwrap();
        let again = eval();
        let printed = stderr(&again);
        assert!(printed.contains(&path.display().to_string()) && printed.contains("is damaged"), "{printed}");
        assert!(again.stdout == first.stdout && fs::read(&path).unwrap() == sound);
    }
    assert!(!stderr(&eval()).contains("is damaged"));
}

#[test]
fn an_interrupted_run_is_evaluated_at_its_step() {
    let place = Place::new();
    let settings = ["vae.hidden=[8]", "vae.latent=2", "train.batch_size=32", "train.best=kl"];
    let source = format!("data.source={}", place.path("data").display());
    let settings = settings.into_iter().chain([source.as_str()]);
    let config = settings.fold(Config::load("vae").unwrap(), |config, setting| config.with(setting).unwrap());
    let cpu = DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
    let options = TrainOptions::new(config).device(cpu).out(place.path("run"));
    let stopped = frit::train::train(options.observe(|event| match event {
        frit::train::Event::Step { step: 17.., .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }));
    assert!(stopped.unwrap().metrics.is_none());
    let steps = |weights: &str| {
        let figures = place.done(&format!("eval run {weights} --device cpu --json"));
        let figures: Value = serde_json::from_str(&figures).unwrap();
        ["step", "run_step"].map(|key| figures[key].as_u64().unwrap())
    };
    // Steps that were on their way are finished.
    let [step, reached] = steps("");
    assert!((17..20).contains(&step) && reached == step);
    assert_eq!(steps("--best"), [10, reached]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to_is_refused() {
    let place = Place::new();
    // Not even root writes there.
    refusal(&place.frit(&format!("{TINY} --out /proc/run")), &["cannot write /proc/run"]);
}

#[cfg(target_os = "linux")]
#[test]
fn closed_output_streams_do_not_stop_training() {
    let place = Place::new();
    let full = || std::process::Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
    let train = "train vae --data data --hidden 16 --latent-dim 3 --epochs 1 --device cpu --out run";
    let mute = place.command(train).stderr(full()).output().unwrap();
    assert_eq!(mute.status.code(), Some(0), "training continues when standard error is closed");
    let output = place.command("eval run --json --device cpu").stdout(full()).output().unwrap();
    refusal(&output, &["standard output"]);
}
