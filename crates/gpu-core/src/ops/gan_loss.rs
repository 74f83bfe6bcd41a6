//! The losses of generative adversarial networks on a discriminator's scores, and their gradients in the same pass.
//!
//! A row is one score; its loss depends on the network being trained. A mean over the batch is taken by the gradient's
//! weight and by the sum of the rows.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};
use serde::{Deserialize, Serialize};

/// One row per loss: its code, its name in settings and, in capitals, in shaders/gan_loss.wgsl.
macro_rules! gan_losses {
    ($($(#[$doc:meta])* $loss:ident = $code:literal, $name:literal;)+) => {
        /// A GAN's loss on scores d.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub enum GanLoss {
            $($(#[$doc])* #[serde(rename = $name)] $loss,)+
        }

        impl GanLoss {
            /// All losses.
            pub const ALL: &[Self] = &[$(Self::$loss),+];

            /// The number that identifies it in the shader.
            pub fn code(self) -> u32 {
                match self { $(Self::$loss => $code),+ }
            }

            /// The name in settings.
            pub fn name(self) -> &'static str {
                match self { $(Self::$loss => $name),+ }
            }
        }
    };
}

gan_losses! {
    /// d is the logit of being real. The discriminator's loss is the cross-entropy, in nats; the generator's −log σ(d)
    /// (Goodfellow et al., *Generative adversarial nets*, 2014, §3).
    NonSaturating = 0, "non_saturating";
    /// ½ (d − 1)² for a score that should be real, ½ d² for one that should be fake (Mao et al., *Least squares
    /// generative adversarial networks*, 2017, eq. 9, with their factor ½).
    LeastSquares = 1, "least_squares";
    /// max(0, 1 − d) on real scores, max(0, 1 + d) on fake ones, −d for the generator (Lim, Ye, *Geometric GAN*, 2017).
    Hinge = 2, "hinge";
    /// −d on real scores, d on fake ones, −d for the generator (Arjovsky, Chintala, Bottou, *Wasserstein GAN*, 2017).
    Wasserstein = 3, "wasserstein";
}

impl GanLoss {
    /// True if real scores have labels that can be smoothed.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::NonSaturating | Self::LeastSquares)
    }
}

/// A loss and its label smoothing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loss {
    /// The loss.
    pub kind: GanLoss,
    /// The label of real scores is 1 − smoothing, in the discriminator's step only (Salimans et al., *Improved
    /// techniques for training GANs*, 2016, §3.4). Zero for a loss without labels ([`GanLoss::has_labels`]).
    pub label_smoothing: f32,
}

/// The network being trained, and the scored samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The discriminator's, on real samples.
    Real,
    /// The discriminator's, on generated samples.
    Fake,
    /// The discriminator's, on this many scores of real samples followed by scores of generated ones.
    RealThenFake(usize),
    /// The generator's, on generated samples.
    Generator,
}

params! {
    /// The uniform of both kernels.
    pub struct GanLossParams {
        /// Scores.
        m: u32,
        /// Leading scores, of real samples.
        real: u32,
        /// [`GanLoss::code`].
        kind: u32,
        /// Zero for the discriminator's step, one for the generator's.
        role: u32,
        /// [`Loss::label_smoothing`].
        smoothing: f32,
        /// Multiplies the derivative in dd.
        weight: f32,
    }
}

const INVOCATIONS: usize = 64;

/// rows `[m]` from d `[m]`.
pub static GAN_LOSS: Kernel = Kernel {
    name: "gan_loss",
    op: "gan_loss",
    source: shader!("gan_loss", "grid", "nan", "elementary", "activation"),
    bindings: &[read("d"), write("rows")],
    params: GanLossParams::FIELDS,
    overrides: &["kind", "role"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::gan_loss::gan_loss),
    gradient: Gradient::Forward,
};

/// The same, dd `[m]` = weight · ∂rows/∂d, and the score `[m]` to report.
pub static GAN_LOSS_WITH_GRADIENT: Kernel = Kernel {
    name: "gan_loss_with_gradient",
    bindings: &[read("d"), write("rows"), write("dd"), write("score")],
    reference: functions!(reference::gan_loss::gan_loss_with_gradient),
    gradient: Gradient::Backward,
    ..GAN_LOSS
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&GAN_LOSS, &GAN_LOSS_WITH_GRADIENT];

/// The loss of each score of `d`, which may have any shape: `[m]`, m being d's size.
///
/// # Panics
/// If there are fewer scores than real ones, the smoothing is not in [0, 1), or the loss has no labels to smooth.
pub fn forward(s: &mut Schedule, label: &str, d: Buf, role: Role, loss: Loss) -> Buf {
    let params = parameters(label, d, role, loss, 0.0);
    let rows = s.scratch([d.len()]);
    s.push(&GAN_LOSS, label, &[d, rows], &params, grid(d), 8 * d.len() as u64);
    rows
}

/// The loss of each score, `[m]`; the derivative of Σ weight · rows, of d's shape; and the score to report as D(x),
/// `[m]`: σ(d) for [`GanLoss::NonSaturating`] and [`GanLoss::Hinge`], d itself for the others.
///
/// # Panics
/// As [`forward`].
pub fn with_gradient(s: &mut Schedule, label: &str, d: Buf, role: Role, loss: Loss, weight: f32) -> (Buf, Buf, Buf) {
    let params = parameters(label, d, role, loss, weight);
    let (rows, dd, score) = (s.scratch([d.len()]), s.scratch(d.shape), s.scratch([d.len()]));
    s.push(&GAN_LOSS_WITH_GRADIENT, label, &[d, rows, dd, score], &params, grid(d), 14 * d.len() as u64);
    (rows, dd, score)
}

fn parameters(label: &str, d: Buf, role: Role, loss: Loss, weight: f32) -> GanLossParams {
    let Loss { kind, label_smoothing: smoothing } = loss;
    assert!((0.0..1.0).contains(&smoothing), "{label}: label smoothing {smoothing} is not in [0, 1)");
    assert!(smoothing == 0.0 || kind.has_labels(), "{label}: {kind:?} has no labels to smooth");
    let real = match role {
        Role::Real => d.len(),
        Role::Fake | Role::Generator => 0,
        Role::RealThenFake(real) => real,
    };
    assert!(real <= d.len(), "{label}: {real} real scores among {}", d.len());
    GanLossParams {
        m: d.len() as u32,
        real: real as u32,
        kind: kind.code(),
        role: (role == Role::Generator).into(),
        smoothing,
        weight,
    }
}

fn grid(d: Buf) -> Grid {
    Grid::Linear(d.len().div_ceil(INVOCATIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shader_has_the_codes() {
        let source = include_str!("../../../../shaders/gan_loss.wgsl");
        for (number, loss) in (0..).zip(GanLoss::ALL) {
            assert_eq!(loss.code(), number);
            let constant = format!("const {} = {number}u;\n", loss.name().to_uppercase());
            assert!(source.contains(&constant), "{constant}");
        }
    }
}
