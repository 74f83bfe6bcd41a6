//! A codebook, which follows the encoder by running averages or by its gradient.

use super::config::VqVaeConfig;
use crate::micro_batch::MicroBatch;
use crate::network::Network;
use gpu_core::ops::codebook::{self, Averages, Restart};
use gpu_core::ops::elementwise::accumulate;
use gpu_core::ops::{fill, vq};
use gpu_core::{Buf, Dtype, Init, Memory, Schedule};

/// Smooths the counts of codes, so that no division is by zero.
const EPSILON: f32 = 1e-5;

/// Latents among which the codes of a divided batch restart, at most.
const MAX_ROWS: usize = 4096;

/// The codebook, [codes, latent].
#[derive(Clone, Copy, Debug)]
pub(super) struct Codebook {
    pub(super) codes: Buf,
    /// The running averages that it follows, if any.
    averages: Option<Followed>,
}

/// Running averages, and what a divided batch adds to them at its end.
#[derive(Clone, Copy, Debug)]
struct Followed {
    averages: Averages,
    /// Counts and sums of the batch, and those of a micro-batch after the first.
    batch: vq::Assigned,
    micro_batch: vq::Assigned,
    /// Latents of the first micro-batch, [`MAX_ROWS`] at most.
    rows: Buf,
}

/// The rule by which codes follow their rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Decay of the running averages.
    pub(super) ema: f32,
    /// Codes that fewer rows use restart at random rows; 0 for none.
    pub(super) restart: f32,
    pub(super) clock: Buf,
    pub(super) seed: u64,
}

impl Codebook {
    pub(super) fn new(memory: &mut Memory, network: &mut Network, config: &VqVaeConfig) -> Self {
        let (k, dim) = (config.codes, config.latent);
        let start = Init::Uniform(1.0 / k as f32);
        if config.ema == 0.0 {
            return Self { codes: network.weights.add(memory, "codebook.weight", [k, dim], start), averages: None };
        }
        let none = Init::Constant(0.0);
        let codes = network.state(memory, "codebook.weight", [k, dim], start);
        let size = network.state(memory, "codebook.size", [k], none);
        let total = network.state(memory, "codebook.total", [k, dim], none);
        let [batch, micro_batch] = ["batch", "micro_batch"].map(|of| {
            let counts = memory.add(&format!("codebook.{of}_counts"), [k], Dtype::F32);
            let sums = memory.add(&format!("codebook.{of}_sums"), [k, dim], Dtype::F32);
            // Averages have no use for the codes of the rows one by one.
            vq::Assigned { one_hot: sums, counts, sums }
        });
        let rows = memory.add("codebook.rows", [MAX_ROWS, dim], Dtype::F32);
        Self { codes, averages: Some(Followed { averages: Averages { size, total }, batch, micro_batch, rows }) }
    }

    /// Chooses the codes among rows z [m, latent] by k-means++ (Arthur and Vassilvitskii, 2007).
    pub(super) fn start(&self, s: &mut Schedule, z: Buf, restart: f32, clock: Buf, seed: u64) {
        // A small count lets the codes follow an untrained encoder; it is above the threshold of restarts.
        let averages = self.averages.map(|followed| (followed.averages, f32::max(1.0, 2.0 * restart)));
        codebook::plus_plus(s, "codebook", z, self.codes, averages, clock, seed);
    }

    /// Moves the codes towards their rows z [.., latent]: by running averages, or by the gradient of `weight` ·
    /// Σ (q − z)². Averages of a divided batch move the codes in [`Self::finish`].
    pub(super) fn follow(
        &self,
        s: &mut Schedule,
        micro_batch: MicroBatch,
        assigned: vq::Assigned,
        z: Buf,
        weight: f32,
        rule: Rule,
    ) {
        match self.averages {
            None => vq::codebook_backward(s, "backward_codebook", assigned, self.codes, weight, self.codes.grad()),
            Some(followed) if micro_batch.is_part() => followed.collect(s, micro_batch, assigned, z, rule),
            Some(followed) => self.move_codes(s, followed.averages, assigned, z, rule),
        }
    }

    /// The sums over the micro-batches of a batch, each with that of one micro-batch.
    pub(super) fn sums(&self) -> Vec<(Buf, Buf)> {
        let of = |Followed { batch, micro_batch, .. }: Followed| {
            [(batch.counts, micro_batch.counts), (batch.sums, micro_batch.sums)]
        };
        self.averages.into_iter().flat_map(of).collect()
    }

    /// Moves the codes after all micro-batches of a divided batch, the first of which has `rows` latents.
    pub(super) fn finish(&self, s: &mut Schedule, rows: usize, rule: Rule) {
        let Some(followed) = self.averages else { return };
        let z = Buf { shape: [rows.min(MAX_ROWS), followed.rows.shape.cols()].into(), ..followed.rows };
        self.move_codes(s, followed.averages, followed.batch, z, rule);
    }

    /// Updates the averages and the codes by a batch. Codes that few rows use restart at random rows of z.
    fn move_codes(&self, s: &mut Schedule, averages: Averages, assigned: vq::Assigned, z: Buf, rule: Rule) {
        let Rule { ema, restart, clock, seed } = rule;
        codebook::ema(s, "codebook.averages", assigned, averages, ema, true);
        codebook::smooth(s, "codebook", averages, self.codes, EPSILON);
        if restart > 0.0 {
            // Twice the threshold, or they would restart again at once.
            let rule = Restart { threshold: restart, weight: 2.0 * restart };
            codebook::restart(s, "restart", z, averages.size, self.codes, Some(averages), rule, clock, seed);
        }
    }
}

impl Followed {
    /// Adds the counts and sums of a micro-batch to those of its batch, and keeps the rows of the first one.
    fn collect(self, s: &mut Schedule, micro_batch: MicroBatch, assigned: vq::Assigned, z: Buf, rule: Rule) {
        let dim = self.rows.shape.cols();
        let kept = [(z.len() / dim).min(MAX_ROWS), dim];
        let [rows, z] = [self.rows, z].map(|buf| Buf { shape: kept.into(), ..buf });
        let sums = [("counts", self.batch.counts, assigned.counts), ("sums", self.batch.sums, assigned.sums)];
        let keeps = micro_batch.is_first() && rule.restart > 0.0;
        for (label, sum, term) in sums.into_iter().chain(keeps.then_some(("rows", rows, z))) {
            s.scope(&format!("codebook.{label}"), |s| {
                if micro_batch.is_first() {
                    fill::fill(s, "zero", sum, 0.0);
                }
                accumulate(s, "add", sum, term);
            });
        }
    }
}
