//! Recovery from errors of a device: the run resumes from its checkpoint with the same result.

use frit::config::Config;
use frit::data::DataSet;
use frit::run::checkpoint::Checkpoint;
use frit::run::folder::Run;
use frit::run::session::Session;
use frit::train::progress::Progress;
use frit::train::{Outcome, Trainer};
use frit::{Hint, Terminal};
use gpu_core::{Adapter, Array, Backend, Buf, Counters, Device, Error, Executor, Program, Schedule, Ticket, Timing};
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
    Trainer::new(session, &Terminal::new(true), progress, open)?.train(&AtomicBool::new(false))
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
        assert!(std::fs::read(latest(&path)).unwrap() == std::fs::read(&done).unwrap(), "{name}: another result");
    }
}

fn latest(run: &Path) -> PathBuf {
    run.join("checkpoints/latest.safetensors")
}
