//! Waves of coordinates, by which a network tells near points apart (Tancik et al., *Fourier features let networks
//! learn high frequency functions in low dimensional domains*, 2020), each as strong as the noise of a point leaves it.
//!
//! A point x = (1 − t) z + t x₁ of a path from noise to data says little about x₁ at scales below σ = 1 − t. Of normal
//! numbers around x with deviation σ, the expected cosine is e^(−½ ω² σ²) cos ωx (Barron et al., *Mip-NeRF*, 2021).
//! Short waves thus appear as t nears 1, and do not disturb the network before. Frequencies are π times powers of two,
//! so that angles are exact in integers and the same on every device.

use super::time_features::MAX_WAVES;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct BlurredWavesParams {
        /// Pairs of a cosine and a sine.
        len: u32,
        /// Columns of x.
        n: u32,
        /// Pairs of a number.
        waves: u32,
        /// The exponent p of 1 − t = (1 − u)ᵖ.
        spacing: f32,
    }
}

const INVOCATIONS: usize = 64;

/// y [m, 2 n waves] = e^(−½ ω² σ²) times cos and sin of ω x, with ω = π 2ᵏ, σ = (1 − u)ᵖ, x [m, n] and u `[m]`.
pub static BLURRED_WAVES: Kernel = Kernel {
    name: "blurred_waves",
    op: "blurred_waves",
    source: shader!("blurred_waves", "grid", "nan", "elementary"),
    bindings: &[read("x"), read("u"), write("y")],
    params: BlurredWavesParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::blurred_waves::blurred_waves),
    gradient: Gradient::Forward,
};

/// dy [m, 2 n waves] = the derivatives of these along a direction v [m, n] of x.
pub static BLURRED_WAVES_TANGENT: Kernel = Kernel {
    name: "blurred_waves_tangent",
    bindings: &[read("x"), read("u"), read("v"), write("dy")],
    reference: functions!(reference::blurred_waves::blurred_waves_tangent),
    ..BLURRED_WAVES
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&BLURRED_WAVES, &BLURRED_WAVES_TANGENT];

/// The waves of points x [m, n], whose size is below 2²³, at places u `[m]` of paths with such spacing, from 0 to 1:
/// [m, 2 n waves].
///
/// # Panics
/// If u does not have one number for each row, or there are no waves or more than [`MAX_WAVES`].
pub fn forward(s: &mut Schedule, label: &str, x: Buf, u: Buf, waves: usize, spacing: f32) -> Buf {
    let y = output(s, label, x, u, waves);
    push(s, &BLURRED_WAVES, label, &[x, u, y], spacing);
    y
}

/// The derivative of [`forward`] along the direction v of x, both [m, n]: [m, 2 n waves].
///
/// # Panics
/// As [`forward`]; or if v has another size than x.
pub fn tangent(s: &mut Schedule, label: &str, x: Buf, u: Buf, v: Buf, waves: usize, spacing: f32) -> Buf {
    assert_eq!(v.len(), x.len(), "{label}: {} for {}", v.shape, x.shape);
    let dy = output(s, label, x, u, waves);
    push(s, &BLURRED_WAVES_TANGENT, label, &[x, u, v, dy], spacing);
    dy
}

fn output(s: &mut Schedule, label: &str, x: Buf, u: Buf, waves: usize) -> Buf {
    assert_eq!(u.len(), x.shape.rows(), "{label}: places of shape {} for {}", u.shape, x.shape);
    assert!((1..=MAX_WAVES).contains(&waves), "{label}: {waves} waves, not 1 to {MAX_WAVES}");
    s.scratch([x.shape.rows(), 2 * x.shape.cols() * waves])
}

fn push(s: &mut Schedule, kernel: &'static Kernel, label: &str, bufs: &[Buf], spacing: f32) {
    let (x, y) = (bufs[0], bufs[bufs.len() - 1]);
    let len = y.len() / 2;
    let waves = (len / x.len()) as u32;
    let params = BlurredWavesParams { len: len as u32, n: x.shape.cols() as u32, waves, spacing };
    s.push(kernel, label, bufs, &params, Grid::Linear(len.div_ceil(INVOCATIONS)), 60 * len as u64);
}
