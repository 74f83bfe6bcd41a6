//! Ranks that are processes, connected by MPI.
//!
//! MPI moves bytes from one process to another, and adds nothing. A rank that fails sends its message to all others;
//! rank 0 prints it and ends them all. A process waits without taking a processor's time from those that compute.

use crate::io::error::{Context, ErrorKind, Result, ensure};
use crate::io::format::clean;
use crate::run::launch::Launched;
use crate::run::ranks::panic_message;
use gpu_core::{Error, Exchange};
use mpi::Threading;
use mpi::environment::{Universe, initialize_with_threading, processor_name};
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::request::{Request, StaticScope};
use mpi::topology::{Communicator, SimpleCommunicator};
use std::hint::spin_loop;
use std::io::Write;
use std::mem::forget;
use std::panic::{PanicHookInfo, set_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

/// The kinds of messages: a part of an exchange, and the reason for which a rank ends.
const PART: i32 = 0;
const FAILED: i32 = 1;

/// Most bytes of a message; a part of more bytes is several. MPI counts to 2³¹.
const MESSAGE: usize = 1 << 30;

/// Most bytes of a reason, so that MPI sends it without waiting for its receiver.
const REASON: usize = 1000;

/// Time in which rank 0 ends a rank that has failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time in which a rank that panics waits for each rank before it, up to a most: all may panic, and one is to say it.
const TURN: Duration = Duration::from_millis(200);
const LAST_TURN: Duration = Duration::from_secs(3);

/// The exit code of ranks that end by themselves.
const FAILURE: i32 = 3;

/// This process among the others, from the start of MPI to its end.
pub struct Processes {
    // Ends MPI when it is dropped.
    _universe: Universe,
    /// The number of this process, from zero.
    pub rank: usize,
    /// The number of processes.
    pub ranks: usize,
    /// The number of this process among those on its computer, from zero.
    pub local: usize,
}

impl Processes {
    /// Starts MPI. From now on a panic of any thread ends all processes.
    ///
    /// # Errors
    /// MPI does not start, or connects another number of processes than were started.
    pub fn connect(launched: Launched) -> Result<Self> {
        let started = initialize_with_threading(Threading::Serialized);
        let (universe, _) = started.context(ErrorKind::Device, "MPI was started before")?;
        let world = universe.world();
        let (rank, ranks) = (world.rank() as usize, world.size() as usize);
        ensure!(
            ranks == launched.ranks,
            Device,
            "{} processes were started, but MPI connects {ranks}; start frit with the mpirun of the MPI library \
             that it was built with (Slurm: srun --mpi=pmix), or start one process to train alone ({})",
            launched.ranks,
            Launched::ALONE
        );
        let local = world.split_shared(world.rank()).rank() as usize;
        set_hook(Box::new(move |panic| end_by(panic, rank)));
        Ok(Self { _universe: universe, rank, ranks, local })
    }

    /// The exchange with the others.
    pub fn exchange(&self) -> Mpi {
        Mpi::new(MESSAGE)
    }

    /// Ends all processes with an exit code.
    pub fn abort(&self, code: i32) -> ! {
        SimpleCommunicator::world().abort(code)
    }

    /// Ends a rank other than 0, for a reason: rank 0 prints it, and ends all processes.
    pub fn fail(&self, reason: &str) -> ! {
        let_end();
        let sentence = format!("{}: {reason}", name(self.rank));
        let bytes: Vec<u8> = sentence.bytes().take(REASON).collect();
        let exchange = self.exchange();
        let others: Vec<usize> = (0..exchange.ranks()).filter(|&rank| rank != self.rank).collect();
        let mut sending = exchange.start(&others, bytes, FAILED);
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            sending.advance();
            sleep(Duration::from_millis(1));
        }
        // Rank 0 has been at something else all the time.
        print(&format!("error: {sentence}"));
        self.abort(FAILURE)
    }

    /// Waits until rank 0 has ended this process, because another one has failed.
    pub fn wait_for_end(&self) -> ! {
        let_end();
        sleep(2 * PATIENCE);
        self.abort(FAILURE)
    }
}

/// A rank in messages, with the number that `mpirun` prints, and its computer.
fn name(rank: usize) -> String {
    match processor_name() {
        Ok(computer) => format!("rank {rank} on {computer}"),
        Err(_) => format!("rank {rank}"),
    }
}

fn print(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", clean(line));
}

/// Lets the launcher end this process at once, which asks with a signal that otherwise ends a step.
fn let_end() {
    // SAFETY: no code is called on the signal.
    #[cfg(unix)]
    unsafe {
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
    }
}

/// Prints a panic, and ends all processes: the others would wait for this one for ever.
fn end_by(panic: &PanicHookInfo<'_>, rank: usize) {
    static ENDS: AtomicBool = AtomicBool::new(false);
    let_end();
    // Another thread of this process ends it.
    while ENDS.swap(true, Ordering::Relaxed) {
        sleep(PATIENCE);
    }
    sleep((TURN * rank as u32).min(LAST_TURN));
    let name = name(rank);
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let message = panic_message(panic.payload());
    print(&format!("error: {name} panicked{place}: {message}"));
    SimpleCommunicator::world().abort(FAILURE)
}

/// The exchange of bytes between processes.
pub struct Mpi {
    world: SimpleCommunicator,
    message: usize,
}

impl Mpi {
    /// The exchange, in messages of at most as many bytes, which must be the same on all ranks. MPI has been started.
    pub fn new(message: usize) -> Self {
        Self { world: SimpleCommunicator::world(), message }
    }

    /// Starts to send bytes to some ranks.
    fn start(&self, ranks: &[usize], bytes: Vec<u8>, tag: i32) -> Sending {
        let bytes = Box::into_raw(bytes.into_boxed_slice());
        // SAFETY: the bytes are released after every request has ended, or never.
        let all: &'static [u8] = unsafe { &*bytes };
        let mut messages: Vec<&'static [u8]> = all.chunks(self.message).collect();
        // A message of fewer bytes is the last.
        if all.len().is_multiple_of(self.message) {
            messages.push(&[]);
        }
        let mut requests = Vec::new();
        for &rank in ranks {
            let process = self.world.process_at_rank(rank as i32);
            let start = |&message| process.immediate_send_with_tag(StaticScope, message, tag);
            requests.extend(messages.iter().map(start));
        }
        Sending { requests, bytes }
    }

    /// Waits for the bytes of a rank, while others are sent.
    fn receive(&self, rank: usize, sending: &mut [Sending]) -> Result<Vec<u8>, Error> {
        let process = self.world.process_at_rank(rank as i32);
        let mut bytes = Vec::new();
        loop {
            let found = self.wait(sending, |_| process.immediate_matched_probe_with_tag(PART))?;
            let (message, _) = found.matched_receive_vec::<u8>();
            let is_last = message.len() < self.message;
            match bytes.is_empty() {
                true => bytes = message,
                false => bytes.extend(message),
            }
            if is_last {
                return Ok(bytes);
            }
        }
    }

    /// Waits until everything is sent.
    fn finish(&self, sending: &mut [Sending]) -> Result<(), Error> {
        self.wait(sending, |is_sent| is_sent.then_some(()))
    }

    /// Waits until `done` returns something, or another rank has failed. `done` is called with true once everything is
    /// sent.
    fn wait<T>(&self, sending: &mut [Sending], mut done: impl FnMut(bool) -> Option<T>) -> Result<T, Error> {
        let since = Instant::now();
        loop {
            let is_sent = sending.iter_mut().all(Sending::advance);
            if let Some(found) = done(is_sent) {
                return Ok(found);
            }
            if let Some(failed) = self.world.any_process().immediate_matched_probe_with_tag(FAILED) {
                let (reason, status) = failed.matched_receive_vec::<u8>();
                let why = Some(String::from_utf8_lossy(&reason).into_owned());
                return Err(Error::Rank { rank: status.source_rank() as usize, why });
            }
            match since.elapsed() {
                // Another process would keep the processor for longer than a message takes.
                short if short < Duration::from_micros(200) => spin_loop(),
                short if short < Duration::from_millis(2) => yield_now(),
                // MPI sends a part of a message in each call.
                _ if !is_sent => yield_now(),
                long => sleep((long / 50).min(Duration::from_millis(1))),
            }
        }
    }

    /// Receives from every rank while bytes are sent; `own` is the part of this rank.
    fn gather(&self, own: Vec<u8>, mut sending: Vec<Sending>) -> Result<Vec<Vec<u8>>, Error> {
        let (rank, mut own) = (self.rank(), Some(own));
        let mut part = |from| match from == rank {
            true => Ok(own.take().expect("a rank has one part")),
            false => self.receive(from, &mut sending),
        };
        let received = (0..self.ranks()).map(&mut part).collect::<Result<_, _>>()?;
        self.finish(&mut sending)?;
        Ok(received)
    }
}

impl Exchange for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn ranks(&self) -> usize {
        self.world.size() as usize
    }

    fn name(&self, rank: usize) -> String {
        format!("rank {rank}")
    }

    fn all_to_all(&mut self, mut parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let rank = self.rank();
        assert_eq!(parts.len(), self.ranks(), "a part for each rank");
        let own = std::mem::take(&mut parts[rank]);
        let others = parts.into_iter().enumerate().filter(|(to, _)| *to != rank);
        let sending = others.map(|(to, part)| self.start(&[to], part, PART)).collect();
        self.gather(own, sending)
    }

    fn all_gather(&mut self, part: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let others: Vec<usize> = (0..self.ranks()).filter(|&other| other != self.rank()).collect();
        let sending = vec![self.start(&others, part.clone(), PART)];
        self.gather(part, sending)
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.rank() > 0 {
            return self.receive(0, &mut []);
        }
        let others: Vec<usize> = (1..self.ranks()).collect();
        let sending = self.start(&others, bytes.clone(), PART);
        self.finish(&mut [sending])?;
        Ok(bytes)
    }
}

/// Messages under way, and their bytes.
struct Sending {
    requests: Vec<Request<'static, [u8], StaticScope>>,
    bytes: *mut [u8],
}

impl Sending {
    /// True once all messages are sent.
    fn advance(&mut self) -> bool {
        while let Some(request) = self.requests.pop() {
            if let Err(request) = request.test() {
                self.requests.push(request);
                return false;
            }
        }
        true
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.requests.is_empty() {
            // SAFETY: the bytes were a box, and no request reads them any more.
            drop(unsafe { Box::from_raw(self.bytes) });
        } else {
            // After an error: the process ends, and MPI may still read the bytes.
            self.requests.drain(..).for_each(forget);
        }
    }
}
