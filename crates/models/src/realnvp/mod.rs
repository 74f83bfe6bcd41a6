//! Normalising flows: an invertible function from data to normal numbers, whose slopes give the exact density.
//!
//! Dinh, Sohl-Dickstein and Bengio, *Density estimation using Real NVP*, 2017: every coupling changes one half of the
//! numbers by a monotone function that a network of the other half chooses, so that its inverse needs no inverse of the
//! network. The loss is −log p(x) = ½ |z|² + ½ width · log 2π − Σ log slopes, in nats. Rows are points, or the latents
//! of a frozen autoencoder, whose prior the flow becomes.

mod config;
mod coupling;
mod planes;
mod source;

pub use config::{Coupling, RealNvpConfig};

use crate::capabilities::{CodeSpec, Decoder, Decoding, LogDensity, Sampler};
use crate::data::{DataSpec, Range};
use crate::layers::Mode;
use crate::micro_batch::MicroBatch;
use crate::model::{Base, Model, Objective};
use crate::network::Network;
use crate::pass::Pass;
use crate::phase::{Phase, Round};
use crate::settings::Settings;
use crate::shared_buffers::SharedBuffers;
use crate::training::Training;
use crate::validate::InvalidSetting;
use coupling::{Couplings, Passed, constant};
use gpu_core::ops::loss::{self, Kind, Loss};
use gpu_core::ops::permute::permute;
use gpu_core::ops::{affine_coupling, channels, elementwise, philox, record, reduce};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};
use source::Frozen;
use std::f32::consts::TAU;

const COLUMNS: &[&str] = &["nll"];
const COLUMNS_OF_LATENTS: &[&str] = &["latent_nll"];
/// Training images whose latents the normalisation begins with, at most.
const FIRST_IMAGES: usize = 1024;
/// Numbers of images that the frozen network encodes at once for that; its layers have several times as many.
const AT_ONCE: usize = 1 << 18;

/// A normalising flow.
#[derive(Clone, Debug)]
pub struct RealNvp {
    base: Base,
    network: Network,
    couplings: Couplings,
    frozen: Option<Frozen>,
    /// Numbers of a row.
    width: usize,
}

impl RealNvp {
    /// The model for the first set of such data: of its points, or of the latents of its images. PyTorch's names:
    /// `normalise` [2, width], the logarithms of scales and the shifts; `couplings.i` is an `nn.Sequential` from one
    /// half of the numbers, and its waves, to the numbers that change the other; `planes` are the numbers of planar
    /// functions.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails.
    pub fn new(config: RealNvpConfig, spec: &DataSpec) -> Self {
        assert_eq!(config.validate(spec, 1), Ok(()));
        let coder = config.coder(spec);
        let columns = if coder.is_some() { COLUMNS_OF_LATENTS } else { COLUMNS };
        let mut base = Base::new(spec, columns);
        let width = coder.as_ref().map_or(spec.first().width(), |coder| coder.latent());
        let mut network = Network::new(&mut base.memory, "realnvp");
        let couplings = Couplings::new(&mut base.memory, &mut network, &config, width);
        let frozen = coder.map(|coder| Frozen::within(coder, base.clone()));
        let base = frozen.as_ref().map_or(base, |frozen| frozen.base().clone());
        Self { base, network, couplings, frozen, width }
    }

    /// The rows of images or points x [n, …]: points themselves, or latents, which those of a VAE are drawn for.
    fn rows(&self, s: &mut Schedule, x: Buf, noise: impl FnOnce(&mut Schedule) -> Buf) -> Buf {
        match &self.frozen {
            Some(frozen) => frozen.latents(s, x, noise),
            None => x,
        }
    }

    /// Points or images of rows [n, width].
    fn images(&self, s: &mut Schedule, rows: Buf) -> Buf {
        match &self.frozen {
            Some(frozen) => frozen.images(s, rows),
            None => rows,
        }
    }

    /// ½ |z|² + ½ width · log 2π.
    fn normal(&self) -> Loss {
        Loss { kind: Kind::Squared, scale: 0.5, offset: 0.5 * self.width as f32 * TAU.ln() }
    }

    /// −log p of each row: that of its z less the logarithms of all slopes.
    fn neg_log_density_of(&self, s: &mut Schedule, of_z: Buf, log_slopes: &[Buf]) -> Buf {
        log_slopes.iter().fold(of_z, |nll, &log_slope| {
            let sum = reduce::rows(s, "log_slope", log_slope, reduce::Kind::Sum);
            elementwise::combine(s, "nll", nll, 1.0, sum, -1.0)
        })
    }

    /// A micro-batch forward and backward.
    fn backward(&self, s: &mut Schedule, micro_batch: MicroBatch, training: &Training) {
        let SharedBuffers { clock, ring, .. } = self.base.buffers;
        let x = self.base.buffers.next_train(s, micro_batch, training, Range::UNIT);
        let MicroBatch { first, rows, .. } = micro_batch;
        let x = self.rows(s, x, |s| {
            let (size, before) = ([rows, self.width], first * self.width);
            philox::normal_from(s, "noise", size, before, clock, training.seed, Stream::Train)
        });

        let passed = self.couplings.forward(s, x, Mode::Train);
        let origin = constant(s, [1, self.width], 0.0);
        let (of_z, dz) = loss::with_gradient(s, "normal", passed.z, origin, self.normal(), micro_batch.share());
        let nll = self.neg_log_density_of(s, of_z, &passed.log_slopes);

        self.couplings.backward(s, &passed, dz, -micro_batch.share());

        micro_batch.record(s, self.columns()[0], nll, clock, ring, 0);
    }

    /// −log p of the rows of the next `batch` test images or points: `[batch]`.
    fn test_nll(&self, s: &mut Schedule, batch: usize, seed: u64) -> Buf {
        let x = self.base.buffers.next_test(s, batch, Range::UNIT);
        let clock = self.base.buffers.side_clock;
        let x = self.rows(s, x, |s| philox::normal(s, "noise", [batch, self.width], clock, seed, Stream::Evaluate));
        let Passed { z, log_slopes, .. } = self.couplings.forward(s, x, Mode::Use);
        let origin = constant(s, [1, self.width], 0.0);
        let of_z = loss::forward(s, "normal", z, origin, self.normal());
        self.neg_log_density_of(s, of_z, &log_slopes)
    }
}

impl Settings for RealNvpConfig {
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting> {
        let Some(coder) = self.coder(spec) else { return self.check(spec.first().width(), batch) };
        coder.check(spec, batch)?;
        self.check(coder.latent(), batch)
    }

    fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        Box::new(RealNvp::new(self.clone(), spec))
    }

    fn noise_per_image(&self, spec: &DataSpec) -> usize {
        self.coder(spec).filter(|coder| coder.is_drawn()).map_or(0, |coder| coder.latent())
    }

    fn samples_with_average(&self) -> bool {
        true
    }
}

impl Model for RealNvp {
    fn base(&self) -> &Base {
        &self.base
    }

    fn networks(&self) -> Vec<&Network> {
        vec![&self.network]
    }

    fn frozen(&self) -> Option<&Network> {
        self.frozen.as_ref().map(Frozen::network)
    }

    fn objective(&self) -> Objective {
        Objective::First
    }

    /// Begins the normalisation of latents with the means and deviations of the first images.
    fn start(&self, training: &Training) -> Option<Schedule> {
        let (frozen, learnt) = (self.frozen.as_ref()?, self.couplings.normalise()?);
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let (buffers, count) = (&self.base.buffers, training.resident.min(FIRST_IMAGES));
        let at_once = (AT_ONCE / self.base.buffers.first().spec.width()).clamp(1, count);
        let latents = (0..count).step_by(at_once).map(|first| {
            let range = first..count.min(first + at_once);
            let (rows, start) = (range.len(), range.start);
            let order = permute(s, "order", range, buffers.side_clock, training.resident, training.seed, false);
            let x = buffers.train_images(s, order, Range::UNIT);
            frozen.latents(s, x, |s| {
                let (clock, seed) = (buffers.side_clock, training.seed);
                philox::normal_from(s, "noise", [rows, self.width], start * self.width, clock, seed, Stream::Train)
            })
        });
        let latents: Vec<Buf> = latents.collect();
        let row = |latents: Buf| latents.reshape([1, latents.len()]);
        let latents = latents.into_iter().reduce(|all, next| channels::concat(s, "latents", row(all), row(next)));
        let latents = latents.expect("there are images").reshape([count, self.width]);
        affine_coupling::standardise(s, "normalise", latents, learnt);
        Some(schedule)
    }

    fn train(&self, batch: usize, training: &Training) -> Vec<Phase> {
        let SharedBuffers { clock, rates, .. } = self.base.buffers;
        let round = Round { name: "realnvp", times: 1, network: &self.network, clock, rates };
        round.phases(&self.base.memory, batch, training, |s, micro_batch| self.backward(s, micro_batch, training))
    }

    fn evaluate(&self, batch: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let nll = self.test_nll(&mut schedule, batch, seed);
        let label = format!("record.{}", self.columns()[0]);
        record::record(&mut schedule, &label, nll, side_clock, side_ring, 0, 1.0);
        schedule
    }

    fn sampler(&self) -> Option<&dyn Sampler> {
        Some(self)
    }

    fn decoder(&self) -> Option<&dyn Decoder> {
        Some(self)
    }

    fn log_density(&self) -> Option<&dyn LogDensity> {
        if self.frozen.is_some() { None } else { Some(self) }
    }
}

impl Sampler for RealNvp {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let clock = self.base.buffers.side_clock;
        let z = philox::normal(&mut s, "noise", [count, self.width], clock, seed, Stream::Sample);
        let rows = self.couplings.inverse(&mut s, z);
        let images = self.images(&mut s, rows);
        Pass::new(s, &[images])
    }

    fn latent(&self) -> Option<usize> {
        Some(self.width)
    }
}

/// A code is the normal numbers of a row.
impl Decoder for RealNvp {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let z = s.scratch([count, self.width]);
        s.feed(z);
        let rows = self.couplings.inverse(&mut s, z);
        let images = self.images(&mut s, rows);
        Decoding { given: z, pass: Pass::new(s, &[images]) }
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.width, dtype: Dtype::F32 }
    }
}

impl LogDensity for RealNvp {
    fn neg_log_density(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let nll = self.test_nll(&mut s, batch, 0);
        Pass::new(s, &[nll])
    }
}

#[cfg(test)]
mod tests;
