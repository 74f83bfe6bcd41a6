//! Penalties on the slope of the discriminator: R1 (Mescheder et al., 2018), and the gradient penalty of WGAN-GP
//! (Gulrajani et al., 2017).
//!
//! With g = ∇ₓ D(x) for each image, a penalty P(g) is differentiated by D's weights without a second backward pass: u =
//! ∂P/∂g is held fixed, and the derivative of D along u is differentiated ([`Stack::tangent_backward`]).

use super::score::score;
use crate::layers::{Mode, Saved, Stack, Value};
use crate::micro_batch::MicroBatch;
use gpu_core::ops::gradient_penalty::{Kind, with_gradient};
use gpu_core::ops::{channels, fill, mix, philox};
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};
use serde::{Deserialize, Serialize};

/// A penalty on the gradient of the score with respect to the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Penalty {
    /// None.
    #[default]
    None,
    /// ½ weight ‖g‖² at real images.
    R1,
    /// weight (‖g‖ − 1)² at random points between real and generated images.
    Gp,
}

impl Penalty {
    /// All of them.
    pub const ALL: &[Self] = &[Self::None, Self::R1, Self::Gp];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::R1 => "r1",
            Self::Gp => "gp",
        }
    }
}

/// The images at which a penalty is taken.
pub(super) struct At {
    /// Real images.
    pub(super) real: Buf,
    /// As many generated ones.
    pub(super) fake: Buf,
    /// Their classes, for a class-conditional model.
    pub(super) y: Option<Buf>,
    /// The clock of the random points.
    pub(super) clock: Buf,
    /// Seed.
    pub(super) seed: u64,
}

/// A penalty on a discriminator.
pub(super) struct SlopePenalty<'a> {
    pub(super) penalty: Penalty,
    pub(super) weight: f32,
    pub(super) discriminator: &'a Stack,
    /// Numbers of an image.
    pub(super) width: usize,
}

impl SlopePenalty<'_> {
    /// The penalty of each image, `[rows]`; the discriminator's gradient is left alone. `None` without a penalty.
    pub(super) fn rows(&self, s: &mut Schedule, rows: MicroBatch, at: At) -> Option<Buf> {
        self.penalised(s, rows, at, |_, _, _, _, _| {})
    }

    /// The same, and adds the gradient of the batch's mean to the discriminator's weights.
    pub(super) fn penalise(&self, s: &mut Schedule, rows: MicroBatch, at: At) -> Option<Buf> {
        self.penalised(s, rows, at, Stack::tangent_backward)
    }

    fn penalised(
        &self,
        s: &mut Schedule,
        rows: MicroBatch,
        at: At,
        differentiate: impl FnOnce(&Stack, &mut Schedule, &[Saved], &[Buf], Buf),
    ) -> Option<Buf> {
        let kind = match self.penalty {
            Penalty::None => return None,
            Penalty::R1 => Kind::R1,
            Penalty::Gp => Kind::UnitNorm,
        };
        let penalty = s.scope("penalty", |s| {
            let images = at.images(s, kind, rows);
            let (scores, saved) = score(self.discriminator, s, Value::plain(images), at.y, Mode::through(rows));
            let ones = s.scratch(scores.shape);
            fill::fill(s, "ones", ones, 1.0);
            let (adjoints, g) = self.discriminator.adjoints(s, &saved, ones);
            // Classes have no part in the penalty.
            let g = g.reshape([rows.rows, g.len() / rows.rows]);
            let g = if at.y.is_some() { channels::slice(s, "of_image", g, 0..self.width) } else { g };
            let (penalty, u) = with_gradient(s, "norm", g, kind, self.weight, rows.share());
            let u = at.y.map_or(u, |y| {
                let zeros = s.scratch(y.shape);
                fill::fill(s, "of_class", zeros, 0.0);
                channels::concat(s, "direction", u, zeros)
            });
            differentiate(self.discriminator, s, &saved, &adjoints, u);
            penalty
        });
        Some(penalty)
    }
}

impl At {
    /// The images at which the penalty is taken.
    fn images(&self, s: &mut Schedule, kind: Kind, rows: MicroBatch) -> Buf {
        if kind == Kind::R1 {
            return self.real;
        }
        let (size, interval) = ([rows.rows], [0.0, 1.0]);
        let share = philox::uniform_from(s, "share", size, rows.first, self.clock, self.seed, Stream::Mix, interval);
        mix::mix_rows(s, "between", self.real, self.fake, share)
    }
}
