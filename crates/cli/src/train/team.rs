//! The ranks of a training on several devices.
//!
//! Rank 0 decides, writes and speaks: it has the run folder, evaluates, and draws. The other ranks run steps, and get
//! every state that is not that of the step before from rank 0.

use crate::config::Config;
use crate::io::error::{Error, Result, ensure};
use crate::run::device::DeviceOptions;
use crate::run::epoch_plan::EpochPlan;
use crate::run::programs::Part;
use crate::run::ranks::{Rank, panic_message};
use crate::run::session::Session;
use crate::train::follow::{Follower, Order, STATE, agree};
use crate::train::kept_images::gather;
use crate::train::start_message::Start;
use gpu_core::{Alone, Array, Backend, Exchange, Record, Threads};
use std::any::Any;
use std::ops::ControlFlow;
use std::thread::{JoinHandle, spawn};

/// Rank 0, and the threads of the other ranks, if they are not processes.
pub(super) struct Team {
    rank: Rank,
    threads: Vec<JoinHandle<Result<()>>>,
    /// True if the ranks exchange the images of shards.
    in_parts: bool,
    /// The epoch and number of the shard that they have exchanged.
    shard: Option<(u64, u64)>,
}

impl Team {
    /// Connects the other processes, which [`follow`](crate::train::follow()), or starts a thread for each further
    /// device of the options; `None` if there is neither.
    ///
    /// # Errors
    /// Those of the device, and those of other ranks.
    pub(super) fn start(
        exchange: Option<Box<dyn Exchange>>,
        start: impl FnOnce() -> Result<Start>,
        options: &DeviceOptions,
        session: &mut Session,
        backend: &Backend,
    ) -> Result<Option<Self>> {
        if let Some(exchange) = exchange {
            let mut team = Self::new(exchange, Vec::new(), session)?;
            team.in_parts = EpochPlan::new(&session.config, session.data.epoch_images()).sharded();
            let sent = start()?.send(team.rank.exchange.as_mut());
            sent.map_err(|error| team.cause(error.into()))?;
            return Ok(Some(team));
        }
        if options.others.is_empty() {
            return Ok(None);
        }
        let mut all = Threads::all(options.others.len() + 1);
        let others = all.split_off(1).into_iter().zip(&options.others);
        let policy = match backend {
            Backend::Gpu(device) => Some(device.policy().clone()),
            Backend::Cpu | Backend::Reference => None,
        };
        let threads = others.map(|(exchange, choice)| {
            let options = DeviceOptions { choice: choice.clone(), others: Vec::new(), ..options.clone() };
            let (config, data, policy) = (session.config.clone(), session.data.clone(), policy.clone());
            spawn(move || Follower::prepare(config, data, &options, policy)?.run(Box::new(exchange), false))
        });
        let threads = threads.collect();
        Self::new(Box::new(all.remove(0)), threads, session).map(Some)
    }

    fn new(exchange: Box<dyn Exchange>, threads: Vec<JoinHandle<Result<()>>>, session: &mut Session) -> Result<Self> {
        let rank = Rank::new(exchange, session.executor.as_mut(), session.model.buffers().ring)?;
        Ok(Self { rank, threads, in_parts: false, shard: None })
    }

    /// Checks that all ranks train alike, before anything is written.
    ///
    /// # Errors
    /// A rank has no device, another kind of it, another program, other settings or other data.
    pub(super) fn agree(&mut self, session: &Session, backend: &Backend) -> Result<()> {
        let agreed = agree(self.rank.exchange.as_mut(), session, backend);
        agreed.map_err(|error| self.cause(error))
    }

    /// Sends the state of rank 0 to all ranks.
    ///
    /// # Errors
    /// Those of the device, and those of other ranks.
    pub(super) fn send_state(&mut self, session: &mut Session, lowered: u32) -> Result<()> {
        let state = session.checkpoint()?.to_bytes(STATE)?;
        self.order(&Order::State(lowered, state))
    }

    /// Sends the images of a step's shard to processes that have another one.
    ///
    /// # Errors
    /// Those of other ranks.
    pub(super) fn put_shard(&mut self, session: &Session, steps: &EpochPlan, step: u64) -> Result<()> {
        let position = steps.at(step);
        let wanted = Some((position.epoch, position.shard));
        if !self.in_parts || self.shard == wanted {
            return Ok(());
        }
        self.order(&Order::Shard(step))?;
        let rows = session.rows(steps.shard(position.shard), position.epoch);
        let train = &session.data.train;
        let gathered = gather(train, train.count, &rows, self.rank.exchange.as_mut());
        self.shard = wanted;
        gathered.map(drop).map_err(|error| self.cause(error.into()))
    }

    /// Runs `runs` steps of one size after step `step`, as [`SubmitLoop::drive`](gpu_core::SubmitLoop::drive) does on
    /// one device.
    ///
    /// # Errors
    /// Those of the device, and those of other ranks.
    pub(super) fn drive(
        &mut self,
        session: &mut Session,
        parts: &[Part],
        step: u64,
        runs: u64,
        seen: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<()> {
        let ring = session.model.buffers().ring;
        for step in step..step + runs {
            self.order(&Order::Step(step))?;
            let record = self.rank.step(session.executor.as_mut(), parts, ring, step + 1);
            let record = record.map_err(|error| self.cause(error.into()))?;
            if seen(record).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Ends all ranks.
    ///
    /// # Errors
    /// Those of other ranks.
    pub(super) fn end(mut self) -> Result<()> {
        self.order(&Order::End)?;
        log::info!("{} ranks: {}", self.rank.exchange.ranks(), self.rank.spent);
        match self.join() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn order(&mut self, order: &Order) -> Result<()> {
        let sent = self.rank.exchange.broadcast(order.to_bytes());
        sent.map(drop).map_err(|error| self.cause(error.into()))
    }

    /// The error behind one that says only that another rank has ended.
    fn cause(&mut self, error: Error) -> Error {
        match error.device_error() {
            Some(gpu_core::Error::Rank { why: Some(why), .. }) => {
                let why = why.clone();
                return error.with_message(why);
            }
            Some(gpu_core::Error::Rank { why: None, .. }) => {}
            _ => return error,
        }
        self.rank.exchange = Box::new(Alone);
        self.join().unwrap_or(error)
    }

    /// Waits for the threads. Returns the error with which the first of them ended by itself.
    fn join(&mut self) -> Option<Error> {
        let ended = self.threads.drain(..).zip(1..).map(|(thread, rank)| (rank, thread.join()));
        let of = |(rank, ended): (usize, Result<Result<()>, Box<dyn Any + Send>>)| match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) if is_end_of_a_rank(&error) => None,
            Ok(Err(error)) => Some(of_rank(rank, &format!("device {}: {error}", rank + 1))),
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                Some(of_rank(rank, &format!("device {} panicked: {message}", rank + 1)))
            }
        };
        ended.map(of).collect::<Vec<_>>().into_iter().flatten().next()
    }
}

/// The error of another rank.
fn of_rank(rank: usize, message: &str) -> Error {
    Error::from(gpu_core::Error::Rank { rank, why: None }).with_message(message)
}

fn is_end_of_a_rank(error: &Error) -> bool {
    matches!(error.device_error(), Some(gpu_core::Error::Rank { .. }))
}

/// Divides batches into as many micro-batches as there are ranks, if they are whole. Returns their number if it did.
///
/// # Errors
/// There are fewer micro-batches than ranks.
pub(super) fn divide(config: &mut Config, ranks: usize) -> Result<Option<usize>> {
    if ranks == 1 {
        return Ok(None);
    }
    let divides = config.train.micro_batch == 0;
    if divides {
        config.train.micro_batch = config.train.batch_size.div_ceil(ranks);
    }
    check_divided(config, ranks)?;
    Ok(divides.then(|| config.micro_batches().len()))
}

/// Refuses a configuration whose batches cannot be trained on several ranks.
///
/// # Errors
/// Those of [`divide`].
pub(super) fn check_divided(config: &Config, ranks: usize) -> Result<()> {
    let micro_batches = config.micro_batches().len();
    ensure!(
        micro_batches >= ranks,
        Setting,
        "train.micro_batch = {} makes {micro_batches} of a batch, fewer than the {ranks} devices",
        config.train.micro_batch
    );
    Ok(())
}

impl Session {
    /// Clears the use of codes in an epoch.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) fn clear_usage(&mut self) -> Result<()> {
        if let Some(usage) = self.model.quantiser().map(|quantiser| quantiser.usage()) {
            self.executor.write(usage.train, &Array::F32(vec![0.0; usage.train.len()]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataSet;
    use crate::io::error::ErrorKind;

    /// A team whose other rank is a thread that does this.
    fn team(session: &mut Session, other: impl FnOnce(Threads) -> Result<()> + Send + 'static) -> Team {
        let mut all = Threads::all(2);
        let exchange = all.remove(1);
        let ring = session.model.buffers().ring;
        let rank = Rank::new(Box::new(all.remove(0)), session.executor.as_mut(), ring).unwrap();
        Team { rank, threads: vec![spawn(move || other(exchange))], in_parts: false, shard: None }
    }

    #[test]
    fn a_rank_that_fails_is_named() {
        let config = Config::load("vae").unwrap().with("vae.hidden=[2]").unwrap();
        let data = DataSet::black([4, 4, 1], vec!["0".into()]);
        let mut session = Session::open(config, data.into(), &Backend::Cpu).unwrap();
        let panics = |_: Threads| panic!("no luck");
        let error = team(&mut session, panics).end().unwrap_err();
        assert_eq!(error.to_string(), "device 2 panicked: no luck");
        let fails = |_: Threads| Err(Error::new(ErrorKind::Device, "no memory"));
        let error = team(&mut session, fails).agree(&session, &Backend::Cpu).unwrap_err();
        assert_eq!(error.to_string(), "device 2: no memory");
        let follows = |mut exchange: Threads| match Order::of(&exchange.broadcast(Vec::new())?) {
            Order::End => Ok(()),
            _ => Err(Error::new(ErrorKind::Training, "another order")),
        };
        team(&mut session, follows).end().unwrap();
    }
}
