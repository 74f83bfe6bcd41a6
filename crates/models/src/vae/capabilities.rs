//! Samples, reconstructions, codes, projections and bounds of a variational autoencoder.

use super::Vae;
use super::flow::repeated;
use crate::capabilities::{CodeSpec, Decoder, Decoding, Encoder, Posterior, Projector, Reconstructor, Sampler};
use crate::data::Range;
use crate::layers::{Mode, Wrt};
use crate::pass::Pass;
use crate::projection::{Descent, Projection, Search};
use crate::shared_buffers::SharedBuffers;
use gpu_core::ops::{elementwise, log_weight, loss, record, softmax};
use gpu_core::random::Stream;
use gpu_core::{Dtype, Schedule};

impl Sampler for Vae {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let z = self.noise(&mut s, count, self.base.buffers.side_clock, seed, Stream::Sample);
        let y = self.asked(&mut s, count);
        let (output, _) = self.decoded(&mut s, z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[picture])
    }

    fn latent(&self) -> Option<usize> {
        Some(self.config.latent)
    }
}

/// Reconstructions decode the posterior's mean, or the end of the flow from it.
impl Reconstructor for Vae {
    fn reconstruct(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let (x, y, z) = self.centres(&mut s, batch);
        let (output, _) = self.decoded(&mut s, z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Pass::new(s, &[x, picture])
    }
}

/// The code is the posterior, before a flow; the latents are after it.
impl Encoder for Vae {
    fn encode(&self, batch: usize) -> Pass {
        Posterior::posterior(self, batch)
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: 2 * self.config.latent, dtype: Dtype::F32 }
    }

    fn latents(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let (.., z) = self.centres(&mut s, batch);
        Pass::new(s, &[z])
    }
}

impl Decoder for Vae {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let z = s.scratch([count, self.config.latent]);
        s.feed(z);
        let y = self.asked(&mut s, count);
        let (output, _) = self.decoded(&mut s, z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        Decoding { given: z, pass: Pass::new(s, &[picture]) }
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.config.latent, dtype: Dtype::F32 }
    }
}

impl Projector for Vae {
    fn project(&self, rows: usize, descent: Descent) -> Projection {
        let mut s = Schedule::new();
        let mut search = Search::begin(&mut s, &self.base.buffers, [rows, self.config.latent], descent);
        let y = self.asked(&mut s, rows);
        let (output, saved) = self.decoded(&mut s, search.z, y, Mode::Use);
        let picture = self.config.likelihood.picture(&mut s, output);
        let dpicture = search.error(&mut s, picture, Range::UNIT);
        let doutput = self.config.likelihood.picture_backward(&mut s, output, dpicture);
        let dz = self.decoder.backward(&mut s, &saved, doutput, Wrt::Input).expect("z needs a gradient");
        let dz = self.without_classes(&mut s, "dz", dz);
        search.finish(s, dz)
    }
}

impl Posterior for Vae {
    fn posterior(&self, batch: usize) -> Pass {
        let mut s = Schedule::new();
        let (x, y) = self.next_test(&mut s, batch, None);
        let encoded = self.encoded(&mut s, x, y, Mode::Use);
        Pass::new(s, &[encoded.heads])
    }

    /// log p(x) ≥ E log (1/K Σ p(x, z_k) / q(z_k|x)).
    fn importance(&self, batch: usize, samples: usize, seed: u64) -> Schedule {
        let mut schedule = Schedule::new();
        let s = &mut schedule;
        let SharedBuffers { side_clock, side_ring, .. } = self.base.buffers;
        let (x, y) = self.next_test(s, batch, Some(seed));
        let encoded = self.encoded(s, x, y, Mode::Use);
        let eps = self.noise(s, batch * samples, side_clock, seed, Stream::Evaluate);
        let (z, passed) = self.drawn(s, &encoded, eps, Mode::Use);
        // All draws of an image have its class.
        let y = y.map(|y| repeated(s, y, samples));
        let (output, _) = self.decoded(s, z, y, Mode::Use);
        let recon = loss::forward(s, "recon", output, x, self.recon());
        // The slope of a flow divides q(z|x).
        let recon = passed.map_or(recon, |passed| elementwise::combine(s, "less", recon, 1.0, passed.log_slope, -1.0));
        let log_weights = log_weight::forward(s, "log_weights", recon, z, eps, encoded.heads);
        let log_weights = log_weights.reshape([batch, samples]);
        let bound = softmax::logsumexp(s, "bound", log_weights);
        record::record(s, "record.bound", bound, side_clock, side_ring, 0, 1.0);
        schedule
    }
}
