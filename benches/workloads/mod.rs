//! The workloads timed here and on other engines (benches/peers): training steps of four models, and single kernels.

mod kernels;
mod training;

use gpu_core::{Backend, Buf, Error, Executor, Program, SubmitLoop};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// The names of the training steps.
pub(crate) const TRAINING: [&str; 5] = ["mlp-vae", "conv-vae", "dcgan", "vqvae", "flow-matching"];

/// Programs on an executor, with their data.
pub(crate) struct Workload {
    executor: Box<dyn Executor>,
    programs: Vec<Program>,
    /// The ring of losses; empty for kernels.
    ring: Buf,
    submit_loop: SubmitLoop,
    done: u64,
    /// The number of trainable parameters.
    pub(crate) parameters: Option<usize>,
    /// Floating-point operations of a step, for kernels.
    pub(crate) flops: Option<f64>,
    /// Images per step.
    pub(crate) images: usize,
}

/// The result of running several steps.
pub(crate) struct Block {
    /// The number of steps.
    pub(crate) steps: u64,
    /// Their duration, from the first submit to the last wait.
    pub(crate) took: Duration,
    /// The losses of the last step.
    pub(crate) losses: Vec<f64>,
}

impl Workload {
    /// Builds the workload called `name` on a device.
    pub(crate) fn new(name: &str, backend: &Backend) -> Result<Self, String> {
        match name {
            _ if TRAINING.contains(&name) => training::build(name, backend).map_err(|error| error.to_string()),
            _ => kernels::build(name, backend),
        }
    }

    /// Runs steps until `enough`, called with the number of steps so far, returns true.
    fn until(&mut self, enough: &mut dyn FnMut(u64) -> bool) -> Result<Block, Error> {
        let (mut steps, mut losses) = (0, Vec::new());
        let start = Instant::now();
        let done = self.submit_loop.drive(
            self.executor.as_mut(),
            &self.programs,
            self.done + 1,
            u64::MAX >> 1,
            self.ring,
            &mut |record| {
                steps += 1;
                losses = record.values;
                if enough(steps) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )?;
        self.done += done;
        Ok(Block { steps: done, took: start.elapsed(), losses })
    }

    /// Runs steps for about `time`, at least one.
    pub(crate) fn run_for(&mut self, time: Duration) -> Result<Block, Error> {
        let start = Instant::now();
        self.until(&mut |_| start.elapsed() >= time)
    }

    /// Runs `steps` steps in one submit.
    pub(crate) fn run(&mut self, steps: u32) -> Result<Block, Error> {
        let start = Instant::now();
        let ticket = self.executor.submit(&self.programs, steps, &[self.ring])?;
        let ring = self.executor.wait(ticket)?.remove(0).to_f64();
        let took = start.elapsed();
        self.done += u64::from(steps);
        let (rows, columns) = (self.ring.shape.rows() as u64, self.ring.shape.cols());
        let row = ((self.done - 1) % rows) as usize;
        Ok(Block { steps: u64::from(steps), took, losses: ring[row * columns..][..columns].to_vec() })
    }
}
