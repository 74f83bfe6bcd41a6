//! What is said when the device is in trouble while a run trains: what stands, and how to go on.

use anyhow::anyhow;
use gpu_core::Error;
use std::path::Path;

/// The error with the checkpoint that stands and the command that goes on from it, where the device is in trouble and
/// there is one.
pub fn with_the_way_on(error: anyhow::Error, run: &Path, saved: Option<u64>) -> anyhow::Error {
    let (Some(step), Some(trouble)) = (saved, error.downcast_ref()) else { return error };
    let (seen, first) = match trouble {
        Error::Lost { why } => (format!("the device was lost: {why}"), ""),
        Error::OutOfMemory { what, .. } => {
            (format!("the device has no room any more for {what}"), "free memory on the device, then ")
        }
        Error::Fault { why } => {
            (format!("the device reported a fault: {why}"), "report it, with the output of `frit devices`, and ")
        }
        _ => return error,
    };
    let run = run.display();
    anyhow!("{seen}; the checkpoint of step {step} stands in {run}: {first}go on with: frit resume {run}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::DataSet;
    use crate::run::checkpoint::Checkpoint;
    use crate::run::folder::Run;
    use crate::run::session::Session;
    use crate::terminal::Terminal;
    use crate::train::progress::Progress;
    use crate::train::training::{Outcome, Trainer};
    use gpu_core::{Adapter, Device};
    use gpu_core::{Array, Backend, Buf, Counters, Executor, Program, Schedule, Ticket, Timing};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    /// What comes over a device.
    enum Blow {
        Lost(Box<Device>),
        OutOfMemory,
    }

    /// An executor whose device is in trouble after so many runs of programs.
    struct Struck {
        inner: Box<dyn Executor>,
        runs_left: u32,
        blow: Blow,
    }

    impl Executor for Struck {
        fn describe(&self) -> String {
            self.inner.describe()
        }

        fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error> {
            self.inner.prepare(schedule)
        }

        fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error> {
            self.runs_left = self.runs_left.saturating_sub(times);
            match &self.blow {
                Blow::Lost(device) if self.runs_left == 0 => device.destroy(),
                Blow::OutOfMemory if self.runs_left == 0 => {
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
        Adapter::best().and_then(|adapter| adapter.open(false)).expect("a Vulkan driver is installed")
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

    fn train(session: &mut Session, run: &Path, from: Option<&Path>) -> anyhow::Result<Outcome> {
        let progress = match from {
            None => Progress::default(),
            Some(latest) => {
                let checkpoint = Checkpoint::load(latest)?;
                session.restore(&mut checkpoint.clone())?;
                Progress::of(&checkpoint, session)?
            }
        };
        let open = |_: &Session| if from.is_some() { Run::open(run) } else { Run::create(run) };
        Trainer::new(session, &Terminal::new(true), progress, open)?.train(&AtomicBool::new(false))
    }

    /// Training ends with what to do, and what is done then comes to the run that had no trouble.
    #[test]
    fn a_run_goes_on_from_what_stands_when_its_device_was_in_trouble() {
        let place = tempfile::tempdir().unwrap();
        let whole = place.path().join("whole");
        assert!(matches!(train(&mut session(&Backend::Gpu(Box::new(device()))), &whole, None), Ok(Outcome::Done(_))));
        let done = Run::open(&whole).unwrap().latest();
        for (name, words) in [("lost", "the device was lost: "), ("full", "no room any more for staging; ")] {
            let path = place.path().join(name);
            let lost = device();
            let backend = Backend::Gpu(Box::new(lost.clone()));
            let mut struck = session(&backend);
            let blow = if name == "lost" { Blow::Lost(Box::new(lost)) } else { Blow::OutOfMemory };
            let idle = backend.executor(Default::default(), gpu_core::Sharing::On);
            let inner = std::mem::replace(&mut struck.executor, idle);
            // Past the first epoch's end, where pictures are drawn and the test set is gone through.
            struck.executor = Box::new(Struck { inner, runs_left: 120, blow });
            let Err(said) = train(&mut struck, &path, None) else { panic!("{name}: training did not end") };
            let (said, stands) = (said.to_string(), Progress::of(&Checkpoint::load(&latest(&path)).unwrap(), &struck));
            let (step, per_epoch) = (stands.unwrap().step, struck.data.train.count.div_ceil(128) as u64);
            let way = format!("the checkpoint of step {step} stands in {0}", path.display());
            assert!(step >= per_epoch && said.contains(words) && said.contains(&way), "{said}");
            assert!(said.ends_with(&format!("go on with: frit resume {}", path.display())), "{said}");
            drop(struck);
            let mut again = session(&Backend::Gpu(Box::new(device())));
            assert!(matches!(train(&mut again, &path, Some(&latest(&path))), Ok(Outcome::Done(_))));
            assert!(std::fs::read(latest(&path)).unwrap() == std::fs::read(&done).unwrap(), "{name}: another end");
        }
    }

    fn latest(run: &Path) -> std::path::PathBuf {
        run.join("checkpoints/latest.safetensors")
    }
}
