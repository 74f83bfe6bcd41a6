//! A training step on several ranks.
//!
//! Rank r of P runs the micro-batches r, r + P, r + 2P, … of a batch. The results of each are cut into P slices, and
//! slice s of all micro-batches is added on rank s, in the order of the micro-batches. Every rank then has all slices,
//! and updates its weights alike. The sums are those of one device, which adds in the same order.
//!
//! The results of a micro-batch are read and sent while the device runs the next one.

use crate::run::programs::{MicroBatchProgram, Part};
use bytemuck::{Pod, bytes_of, cast_slice, pod_collect_to_vec, pod_read_unaligned};
use gpu_core::{Array, Buf, Dtype, Error, Exchange, Executor, Program, Record, Ticket};
use std::any::Any;
use std::fmt;
use std::ops::{Add, Range};
use std::time::{Duration, Instant};

/// A rank of a training on several devices.
pub struct Rank {
    /// The connection to the others.
    pub exchange: Box<dyn Exchange>,
    /// True if the executor has numbers in double precision.
    wide: bool,
    /// Work that a later wait has waited for.
    done: Vec<Ticket>,
    /// The cost of the steps so far.
    pub spent: Spent,
}

/// The time of steps on several ranks, and of the exchange in them.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Spent {
    /// Steps.
    pub steps: u64,
    /// Their time.
    pub time: Duration,
    /// The part of it in which the rank sent, waited for other ranks, added, and wrote sums.
    pub exchange: Duration,
    /// Bytes sent to other ranks.
    pub bytes: u64,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, time, exchange, bytes } = *self;
        let [time, exchange] = [time, exchange].map(|time| 1e3 * time.as_secs_f64() / steps.max(1) as f64);
        let kib = bytes as f64 / 1024.0 / steps.max(1) as f64;
        write!(f, "{steps} steps of {time:.2} ms, of which the exchange takes {exchange:.2} ms for {kib:.0} KiB")
    }
}

impl Rank {
    /// A rank whose model is on an executor, with such a buffer of numbers.
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(exchange: Box<dyn Exchange>, executor: &mut dyn Executor, numbers: Buf) -> Result<Self, Error> {
        let first = Buf { shape: [1].into(), ..numbers };
        let wide = matches!(executor.read(first)?, Array::F64(_));
        Ok(Self { exchange, wide, done: Vec::new(), spent: Spent::default() })
    }

    /// Runs a step, whose row of the ring of losses is returned. All ranks must call it for the same step.
    ///
    /// # Errors
    /// Those of the device, and [`Error::Rank`] if another rank has ended.
    pub fn step(&mut self, executor: &mut dyn Executor, parts: &[Part], ring: Buf, step: u64) -> Result<Record, Error> {
        let since = Instant::now();
        for part in parts {
            match part {
                Part::Everywhere(program) => self.done.push(executor.submit(&[*program], 1, &[])?),
                Part::Batch(batch) => match &batch[..] {
                    [whole] => self.whole(executor, whole)?,
                    batch => self.batch(executor, batch)?,
                },
            }
        }
        let record = Record::of(&executor.read(ring)?, ring, step);
        for ticket in self.done.drain(..) {
            executor.wait(ticket)?;
        }
        self.spent.steps += 1;
        self.spent.time += since.elapsed();
        Ok(record)
    }

    /// Runs a batch that is one micro-batch on rank 0, and sends its results.
    fn whole(&mut self, executor: &mut dyn Executor, whole: &MicroBatchProgram) -> Result<(), Error> {
        let mut results = Vec::new();
        if self.exchange.rank() == 0 {
            let ticket = executor.submit(&[whole.program], 1, &whole.left.own)?;
            executor.wait(ticket)?.iter().for_each(|array| results.extend_from_slice(bytes(array)));
        }
        let since = Instant::now();
        self.spent.bytes += results.len() as u64 * (self.exchange.ranks() as u64 - 1);
        let results = self.exchange.broadcast(results)?;
        if self.exchange.rank() > 0 {
            write(executor, &whole.left.sums, &results, self.wide)?;
        }
        self.spent.exchange += since.elapsed();
        Ok(())
    }

    /// Runs the rank's share of a batch of several micro-batches, and leaves their sums in the batch's buffers.
    fn batch(&mut self, executor: &mut dyn Executor, batch: &[MicroBatchProgram]) -> Result<(), Error> {
        let (rank, ranks) = (self.exchange.rank(), self.exchange.ranks());
        let own: Vec<usize> = (rank..batch.len()).step_by(ranks).collect();
        let length = |of: &MicroBatchProgram| of.left.own.iter().map(Buf::len).sum::<usize>();
        let slices = Slices { count: ranks, length: length(&batch[0]), wide: self.wide };
        let mut sum: Vec<u8> = Vec::new();
        let mut next = own.first().map(|&first| start(executor, batch, None, first)).transpose()?;
        for round in 0..batch.len().div_ceil(ranks) {
            let ticket = next.take();
            next = match own.get(round + 1) {
                Some(&following) => Some(start(executor, batch, Some(own[round]), following)?),
                None => None,
            };
            let mut results = Vec::new();
            if let Some(ticket) = ticket {
                executor.wait(ticket)?.iter().for_each(|array| results.extend_from_slice(bytes(array)));
            }
            let since = Instant::now();
            let within = |slice| slices.within(slice, results.len());
            self.spent.bytes += (results.len() - within(rank).len()) as u64;
            let parts = (0..ranks).map(|slice| results[within(slice)].to_vec()).collect();
            for part in self.exchange.all_to_all(parts)? {
                match sum.is_empty() {
                    true => sum = part,
                    false => slices.add(&mut sum, &part),
                }
            }
            self.spent.exchange += since.elapsed();
        }
        // The first clears the micro-batch's buffers for the next batch; the batch's are written below.
        let last = between(batch, own.last().copied(), batch.len());
        if !last.is_empty() {
            self.done.push(executor.submit(&last, 1, &[])?);
        }
        let since = Instant::now();
        self.spent.bytes += sum.len() as u64 * (ranks as u64 - 1);
        let sums = self.exchange.all_gather(sum)?.concat();
        write(executor, &batch[0].left.sums, &sums, self.wide)?;
        self.spent.exchange += since.elapsed();
        Ok(())
    }
}

/// Starts a micro-batch after the rank's one before it, by their places in the batch.
fn start(
    executor: &mut dyn Executor,
    batch: &[MicroBatchProgram],
    before: Option<usize>,
    this: usize,
) -> Result<Ticket, Error> {
    let mut programs = between(batch, before, this);
    programs.push(batch[this].program);
    executor.submit(&programs, 1, &batch[this].left.own)
}

/// The programs after a micro-batch and before the rank's next one, or the end: it is added, and others run elsewhere.
fn between(batch: &[MicroBatchProgram], before: Option<usize>, next: usize) -> Vec<Program> {
    let first = before.map_or(0, |before| before + 1);
    let adding = before.and_then(|before| batch[before].adding);
    adding.into_iter().chain(batch[first..next].iter().filter_map(|other| other.carry)).collect()
}

/// The slices of the results of a batch.
#[derive(Clone, Copy, Debug)]
struct Slices {
    count: usize,
    /// Numbers in all.
    length: usize,
    /// True for numbers in double precision.
    wide: bool,
}

impl Slices {
    /// The bytes of a slice, of the results of a micro-batch that has `len` bytes.
    fn within(self, slice: usize, len: usize) -> Range<usize> {
        let size = if self.wide { size_of::<f64>() } else { size_of::<f32>() };
        let at = |slice: usize| (self.length * slice / self.count * size).min(len);
        at(slice)..at(slice + 1)
    }

    /// Adds a slice of a later micro-batch, which may be shorter.
    fn add(self, sum: &mut [u8], term: &[u8]) {
        match self.wide {
            true => add::<f64>(sum, term),
            false => add::<f32>(sum, term),
        }
    }
}

fn add<T: Pod + Add<Output = T>>(sum: &mut [u8], term: &[u8]) {
    for (sum, term) in sum.chunks_exact_mut(size_of::<T>()).zip(term.chunks_exact(size_of::<T>())) {
        let total: T = pod_read_unaligned::<T>(sum) + pod_read_unaligned::<T>(term);
        sum.copy_from_slice(bytes_of(&total));
    }
}

/// The message of a panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn bytes(array: &Array) -> &[u8] {
    match array {
        Array::F32(values) => cast_slice(values),
        Array::F64(values) => cast_slice(values),
        Array::U32(words) => cast_slice(words),
    }
}

/// Writes the bytes of several buffers, one after another.
fn write(executor: &mut dyn Executor, bufs: &[Buf], bytes: &[u8], wide: bool) -> Result<(), Error> {
    let mut at = 0;
    for &buf in bufs {
        let size = if wide && buf.dtype == Dtype::F32 { size_of::<f64>() } else { size_of::<u32>() };
        let part = &bytes[at..at + size * buf.len()];
        at += part.len();
        let array = match buf.dtype {
            Dtype::U32 => Array::U32(pod_collect_to_vec(part)),
            Dtype::F32 if wide => Array::F64(pod_collect_to_vec(part)),
            Dtype::F32 => Array::F32(pod_collect_to_vec(part)),
        };
        executor.write(buf, &array)?;
    }
    Ok(())
}
