//! The executors on the CPU: single precision, and the reference in double precision.

pub(crate) mod precision;
pub(crate) mod rounding;

use crate::schedule::kernel::Slot;
use crate::{
    Access, Arena, Args, Array, Buf, BufferId, Call, Clock, Counters, Dtype, Error, Executor, Memory, Pool, Program,
    Schedule, Sharing, Ticket, Timing, plan,
};
use precision::Precision;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Runs schedules on the CPU in f32.
pub type Cpu = CpuExecutor<f32>;

/// Runs schedules on the CPU in f64: the results that every other executor must agree with.
pub type Reference = CpuExecutor<f64>;

/// Runs schedules by the reference functions of their kernels, with elements E. Submitted work is queued, and runs when
/// its result, or a buffer that it may change, is requested.
#[derive(Debug)]
pub struct CpuExecutor<E> {
    memory: Memory,
    sharing: Sharing,
    stores: Vec<Store<E>>,
    index: HashMap<BufferId, usize>,
    /// The scratch slots of all programs; `slots` holds the store of each.
    pool: Pool,
    slots: Vec<usize>,
    programs: Vec<Vec<Call>>,
    queue: VecDeque<Submission>,
    done: HashMap<u64, Vec<Array>>,
    tickets: u64,
    counters: Counters,
}

/// Submitted work in the queue.
#[derive(Debug)]
struct Submission {
    ticket: u64,
    programs: Vec<Program>,
    times: u32,
    watch: Vec<Buf>,
}

/// The contents of one buffer.
#[derive(Debug)]
enum Store<E> {
    Numbers(Vec<E>),
    Words(Vec<u32>),
}

impl<E: Precision> Store<E> {
    fn zeros(len: usize, dtype: Dtype) -> Result<Self, Error> {
        Ok(match dtype {
            Dtype::F32 => Self::Numbers(zeros(len)?),
            Dtype::U32 => Self::Words(zeros(len)?),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Words(words) => words.len(),
        }
    }

    fn view(&self, buf: Buf) -> Slot<'_, E> {
        match self {
            Self::Numbers(values) => Slot::Read(&values[buf.range()]),
            Self::Words(words) => Slot::ReadU32(&words[buf.range()]),
        }
    }

    fn view_mut(&mut self, buf: Buf) -> Slot<'_, E> {
        match self {
            Self::Numbers(values) => Slot::Write(&mut values[buf.range()]),
            Self::Words(words) => Slot::WriteU32(&mut words[buf.range()]),
        }
    }
}

/// Bytes of an element of a buffer in the executor with elements E.
pub(crate) fn element_bytes<E>(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::F32 => size_of::<E>() as u64,
        Dtype::U32 => size_of::<u32>() as u64,
    }
}

/// Runs work on a thread of rayon's pool, which then starts parallel loops itself. Any other thread hands each loop to
/// the pool and sleeps until it is done.
fn on_a_worker<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Allocates zeros, or returns an error if memory is short.
fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let failed = |_| Error::OutOfMemory { what: "a buffer".into(), mib: (len * size_of::<T>()) as u64 >> 20 };
    values.try_reserve_exact(len).map_err(failed)?;
    values.resize(len, T::default());
    Ok(values)
}

impl<E: Precision> CpuExecutor<E> {
    /// Creates an executor over the buffers of `memory`.
    pub fn new(memory: Memory, sharing: Sharing) -> Self {
        Self {
            memory,
            sharing,
            stores: Vec::new(),
            index: HashMap::new(),
            pool: Pool::default(),
            slots: Vec::new(),
            programs: Vec::new(),
            queue: VecDeque::new(),
            done: HashMap::new(),
            tickets: 0,
            counters: Counters::default(),
        }
    }

    /// The store of the buffer with this id. Persistent buffers are allocated at first use.
    fn store(&mut self, id: BufferId) -> Result<usize, Error> {
        if let Some(&index) = self.index.get(&id) {
            return Ok(index);
        }
        let whole = self.memory.whole(id);
        let index = self.make(whole.len(), whole.dtype)?;
        self.index.insert(id, index);
        Ok(index)
    }

    /// Allocates a store of zeros.
    fn make(&mut self, len: usize, dtype: Dtype) -> Result<usize, Error> {
        self.stores.push(Store::zeros(len, dtype)?);
        self.counters.take(len as u64 * element_bytes::<E>(dtype));
        Ok(self.stores.len() - 1)
    }

    /// Assigns the schedule's scratch to slots; shared slots may grow.
    fn place_scratch(&mut self, schedule: &Schedule) -> Result<(), Error> {
        // Queued work uses the slots as they are, so it must run first.
        self.finish(u64::MAX)?;
        let plan = plan(schedule, self.sharing);
        let slots = self.pool.add(&plan, self.sharing);
        for (slot, &store) in self.slots.iter().enumerate() {
            let (old, new) = (self.stores[store].len(), self.pool.slots[slot]);
            if old < new.len {
                // Release the old store first, so that both need not fit in memory at once.
                self.stores[store] = Store::Words(Vec::new());
                self.counters.give(old as u64 * element_bytes::<E>(new.dtype));
                self.stores[store] = Store::zeros(new.len, new.dtype)?;
                self.counters.take(new.len as u64 * element_bytes::<E>(new.dtype));
            }
        }
        for slot in self.slots.len()..self.pool.slots.len() {
            let store = self.make(self.pool.slots[slot].len, self.pool.slots[slot].dtype)?;
            self.slots.push(store);
        }
        for buf in schedule.scratch_bufs() {
            if let Some(slot) = plan.slot(buf.id) {
                self.index.insert(buf.id, self.slots[slots[slot]]);
            }
        }
        Ok(())
    }

    /// Runs the queued work up to a ticket.
    fn finish(&mut self, ticket: u64) -> Result<(), Error> {
        while self.queue.front().is_some_and(|next| next.ticket <= ticket) {
            let next = self.queue.pop_front().expect("the queue is not empty");
            for _ in 0..next.times {
                for program in &next.programs {
                    let calls = std::mem::take(&mut self.programs[program.0]);
                    on_a_worker(|| calls.iter().for_each(|call| self.run(call)));
                    self.programs[program.0] = calls;
                }
            }
            let seen = next.watch.iter().map(|&buf| self.look(buf)).collect::<Result<_, _>>()?;
            self.done.insert(next.ticket, seen);
        }
        Ok(())
    }

    /// Copies the contents of a buffer.
    fn look(&mut self, buf: Buf) -> Result<Array, Error> {
        let index = self.store(buf.id)?;
        Ok(match self.stores[index].view(buf) {
            Slot::Read(values) => E::array(values),
            Slot::ReadU32(words) => Array::U32(words.to_vec()),
            _ => unreachable!("Store::view returns readable slots"),
        })
    }

    fn run(&mut self, call: &Call) {
        // Written stores are taken out of the list, so that the others can be borrowed at the same time.
        // `Schedule::push` has checked that a written buffer is bound only once in a call.
        let indices: Vec<usize> = call.bufs.iter().map(|buf| self.index[&buf.id]).collect();
        let mut lifted: Vec<Option<Store<E>>> = Vec::with_capacity(indices.len());
        for (binding, &index) in call.kernel.bindings.iter().zip(&indices) {
            let written = binding.access != Access::Read;
            lifted.push(written.then(|| std::mem::replace(&mut self.stores[index], Store::Words(Vec::new()))));
        }
        let views = call.bufs.iter().zip(&indices).zip(&mut lifted);
        let slots = views.map(|((&buf, &index), lifted)| match lifted {
            Some(store) => store.view_mut(buf),
            None => self.stores[index].view(buf),
        });
        let mut args = Args { kernel: call.kernel, params: &call.params, slots: slots.collect() };
        E::function(&call.kernel.reference)(&mut args);
        drop(args);
        for (index, store) in indices.into_iter().zip(lifted) {
            if let Some(store) = store {
                self.stores[index] = store;
            }
        }
    }
}

impl<E: Precision> Executor for CpuExecutor<E> {
    fn describe(&self) -> String {
        format!("{}, {} threads", E::EXECUTOR, rayon::current_num_threads())
    }

    fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error> {
        self.place_scratch(schedule)?;
        for buf in schedule.calls().iter().flat_map(|call| &call.bufs) {
            if buf.id.arena != Arena::Scratch {
                self.store(buf.id)?;
            }
        }
        self.programs.push(schedule.calls().to_vec());
        Ok(Program(self.programs.len() - 1))
    }

    fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error> {
        self.tickets += 1;
        self.counters.submits += 1;
        let (programs, watch) = (programs.to_vec(), watch.to_vec());
        self.queue.push_back(Submission { ticket: self.tickets, programs, times, watch });
        Ok(Ticket(self.tickets))
    }

    fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error> {
        self.counters.waits += 1;
        self.finish(ticket.0)?;
        Ok(self.done.remove(&ticket.0).expect("each ticket is waited for once"))
    }

    fn run_call(&mut self, program: Program, call: usize) -> Result<(), Error> {
        self.finish(u64::MAX)?;
        let call = self.programs[program.0][call].clone();
        self.run(&call);
        Ok(())
    }

    fn read(&mut self, buf: Buf) -> Result<Array, Error> {
        self.finish(u64::MAX)?;
        self.look(buf)
    }

    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error> {
        assert_eq!(values.len(), buf.len(), "{} values for a buffer of {}", values.len(), buf.shape);
        self.finish(u64::MAX)?;
        let index = self.store(buf.id)?;
        match (self.stores[index].view_mut(buf), values) {
            (Slot::Write(store), Array::F64(values)) => {
                store.iter_mut().zip(values).for_each(|(store, &value)| *store = E::of(value));
            }
            (Slot::Write(store), Array::F32(values)) => {
                store.iter_mut().zip(values).for_each(|(store, &value)| *store = E::of(value));
            }
            (Slot::WriteU32(store), Array::U32(words)) => store.copy_from_slice(words),
            _ => panic!("wrong element type for {buf:?}"),
        }
        Ok(())
    }

    fn time_calls(&mut self, program: Program) -> Result<Timing, Error> {
        self.finish(u64::MAX)?;
        let calls = std::mem::take(&mut self.programs[program.0]);
        let timed = |call| {
            let start = Instant::now();
            self.run(call);
            start.elapsed()
        };
        let times = on_a_worker(|| calls.iter().map(timed).collect());
        self.programs[program.0] = calls;
        Ok(Timing { clock: Clock::Host { why: "the CPU executor runs one call at a time" }, calls: times })
    }

    fn counters(&self) -> Counters {
        self.counters
    }
}
