//! A codebook, which follows the encoder by running averages or by its gradient.

use super::config::VqVaeConfig;
use crate::micro_batch::MicroBatch;
use crate::network::Network;
use gpu_core::ops::codebook::{self, Averages, Restart};
use gpu_core::ops::vq;
use gpu_core::{Buf, Init, Memory, Schedule};

/// Smooths the counts of codes, so that no division is by zero.
const EPSILON: f32 = 1e-5;

/// The codebook, [codes, latent].
#[derive(Clone, Copy, Debug)]
pub(super) struct Codebook {
    pub(super) codes: Buf,
    /// The running averages that it follows, if any.
    averages: Option<Averages>,
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
        Self { codes, averages: Some(Averages { size, total }) }
    }

    /// Chooses the codes among rows z [m, latent] by k-means++ (Arthur and Vassilvitskii, 2007).
    pub(super) fn start(&self, s: &mut Schedule, z: Buf, restart: f32, clock: Buf, seed: u64) {
        // A small count lets the codes follow an untrained encoder; it is above the threshold of restarts.
        let averages = self.averages.map(|averages| (averages, f32::max(1.0, 2.0 * restart)));
        codebook::plus_plus(s, "codebook", z, self.codes, averages, clock, seed);
    }

    /// Moves the codes towards their rows: by running averages, or by the gradient of `weight` · Σ (q − z)². Averages
    /// move the codes at the last micro-batch of a batch.
    pub(super) fn follow(
        &self,
        s: &mut Schedule,
        micro_batch: MicroBatch,
        assigned: vq::Assigned,
        ema: f32,
        weight: f32,
    ) {
        let codes = self.codes;
        match self.averages {
            None => vq::codebook_backward(s, "backward_codebook", assigned, codes, weight, codes.grad()),
            Some(averages) => {
                codebook::ema(s, "codebook.averages", assigned, averages, ema, micro_batch.is_first());
                if micro_batch.is_last() {
                    codebook::smooth(s, "codebook", averages, codes, EPSILON);
                }
            }
        }
    }

    /// Restarts codes that fewer than `threshold` rows use at random rows of z.
    pub(super) fn restart(&self, s: &mut Schedule, z: Buf, threshold: f32, clock: Buf, seed: u64) {
        let Some(averages) = self.averages.filter(|_| threshold > 0.0) else { return };
        // Twice the threshold, or they would restart again at once.
        let restart = Restart { threshold, weight: 2.0 * threshold };
        codebook::restart(s, "restart", z, averages.size, self.codes, Some(averages), restart, clock, seed);
    }
}
