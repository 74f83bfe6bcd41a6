//! Images from latents: samples, decoding, and projection.

use super::Gan;
use crate::capabilities::{CodeSpec, Decoder, Decoding, Projector, Sampler};
use crate::layers::{Mode, Wrt};
use crate::model::Model;
use crate::pass::Pass;
use crate::projection::{Descent, Projection, Search};
use gpu_core::ops::channels;
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Schedule};

impl Gan {
    /// The requested classes of `count` images, of a class-conditional model.
    fn asked(&self, s: &mut Schedule, count: usize) -> Option<Buf> {
        let buffers = &self.base.buffers;
        buffers.first().labels.map(|labels| buffers.asked_classes(s, labels, count))
    }

    /// Generated images [count, width] of latents [count, 1, 1, latent], of the requested classes.
    fn generated(&self, s: &mut Schedule, z: Buf) -> Buf {
        let count = z.shape.dims()[0] as usize;
        let y = self.asked(s, count);
        let (fake, _) = self.generate(s, z, y, Mode::Use);
        fake.buf.reshape([count, self.spec().width()])
    }
}

impl Sampler for Gan {
    fn sample(&self, count: usize, seed: u64) -> Pass {
        let mut s = Schedule::new();
        let z = self.latents(&mut s, count, self.base.buffers.side_clock, seed, Stream::Sample);
        let images = self.generated(&mut s, z);
        Pass::new(s, &[images])
    }

    fn latent(&self) -> Option<usize> {
        Some(self.config.latent)
    }
}

impl Decoder for Gan {
    fn decode(&self, count: usize) -> Decoding {
        let mut s = Schedule::new();
        let z = s.scratch([count, 1, 1, self.config.latent]);
        s.feed(z);
        let images = self.generated(&mut s, z);
        Decoding { given: z.reshape([count, self.config.latent]), pass: Pass::new(s, &[images]) }
    }

    fn code(&self) -> CodeSpec {
        CodeSpec { width: self.config.latent, dtype: Dtype::F32 }
    }
}

impl Projector for Gan {
    fn project(&self, rows: usize, descent: Descent) -> Projection {
        let (mut s, latent) = (Schedule::new(), self.config.latent);
        let mut search = Search::begin(&mut s, &self.base.buffers, [rows, latent], descent);
        let y = self.asked(&mut s, rows);
        let (fake, saved) = self.generate(&mut s, search.z.reshape([rows, 1, 1, latent]), y, Mode::Use);
        let dfake = search.error(&mut s, fake.buf, self.range());
        let dsum = fake.before(&mut s, "dsum", dfake).reshape([rows, self.spec().width()]);
        let dz = self.generator.backward(&mut s, &saved, dsum, Wrt::Input).expect("z needs a gradient");
        let dz = match y {
            Some(_) => channels::slice(&mut s, "dz", dz, 0..latent),
            None => dz,
        };
        search.finish(s, dz)
    }
}
