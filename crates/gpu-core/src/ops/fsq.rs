//! Finite scalar quantisation: every number of a code is bounded and rounded to one of a few levels, and the codes are
//! all combinations of levels (Mentzer et al., *Finite scalar quantization: VQ-VAE made simple*, 2023, §3.1).
//!
//! [`bound`] is smooth and has a gradient; [`quantise`] rounds. The straight-through gradient needs no kernel: the
//! gradient of the rounded numbers is passed on as that of the bounded ones, and [`bound_backward`] takes it to z.
//! There is no codebook to learn: [`lookup`] computes a code from its index.

use crate::schedule::kernel::{Binding, Gradient, Kernel, read, write};
use crate::{Buf, Dtype, Functions, Grid, Params, Schedule, Shape, functions, params, reference, shader};

params! {
    /// The uniform of all kernels.
    pub struct FsqParams {
        /// Elements; of [`FSQ_QUANTISE`], rows.
        len: u32,
        /// Numbers in a code.
        channels: u32,
        /// Levels of the first four, a byte each, the first one lowest.
        low: u32,
        /// Levels of the next four, likewise.
        high: u32,
    }
}

const INVOCATIONS: usize = 64;

const fn kernel(name: &'static str, bindings: &'static [Binding], reference: Functions, gradient: Gradient) -> Kernel {
    Kernel {
        name,
        op: "fsq",
        source: shader!("fsq", "grid", "nan", "elementary"),
        bindings,
        params: FsqParams::FIELDS,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// y [m, channels] from z, both of one shape.
pub static FSQ_BOUND: Kernel =
    kernel("fsq_bound", &[read("z"), write("y")], functions!(reference::fsq::fsq_bound), Gradient::Forward);

/// dz from z and dy, all of one shape.
pub static FSQ_BOUND_BACKWARD: Kernel = kernel(
    "fsq_bound_backward",
    &[read("z"), read("dy"), write("dz")],
    functions!(reference::fsq::fsq_bound_backward),
    Gradient::Backward,
);

/// q [m, channels] and index `u32 [m]` from latents [m, channels].
pub static FSQ_QUANTISE: Kernel = kernel(
    "fsq_quantise",
    &[read("latents"), write("q"), write("index").of_u32()],
    functions!(reference::fsq::fsq_quantise),
    Gradient::None("it rounds; gradients are straight-through"),
);

/// q [m, channels] from codes `u32 [m]`.
pub static FSQ_LOOKUP: Kernel = kernel(
    "fsq_lookup",
    &[read("codes").of_u32(), write("q")],
    functions!(reference::fsq::fsq_lookup),
    Gradient::None("its input is an index"),
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&FSQ_BOUND, &FSQ_BOUND_BACKWARD, &FSQ_QUANTISE, &FSQ_LOOKUP];

/// The number of levels of each number in a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Levels {
    bytes: [u8; Levels::MAX_CHANNELS],
    channels: usize,
}

impl Levels {
    /// Numbers in a code, at most.
    pub const MAX_CHANNELS: usize = 8;
    /// Levels of a number, at least and at most.
    pub const RANGE: [usize; 2] = [2, 255];

    /// Levels by channel; `None` if there are none or more than eight, one is outside 2 to 255, or the combinations are
    /// more than a u32 counts.
    pub fn new(levels: &[usize]) -> Option<Self> {
        let [least, most] = Self::RANGE;
        let counted = levels.iter().try_fold(1u32, |codes, &levels| codes.checked_mul(u32::try_from(levels).ok()?));
        let fits = levels.iter().all(|levels| (least..=most).contains(levels)) && counted.is_some();
        if !fits || levels.is_empty() || levels.len() > Self::MAX_CHANNELS {
            return None;
        }
        let mut bytes = [0; Self::MAX_CHANNELS];
        bytes.iter_mut().zip(levels).for_each(|(byte, &levels)| *byte = levels as u8);
        Some(Self { bytes, channels: levels.len() })
    }

    /// Numbers in a code.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Codes: the combinations of levels.
    pub fn codes(&self) -> usize {
        self.bytes[..self.channels].iter().map(|&levels| usize::from(levels)).product()
    }

    fn params(&self, len: usize) -> FsqParams {
        let [a, b, c, d, e, f, g, h] = self.bytes;
        FsqParams {
            len: len as u32,
            channels: self.channels as u32,
            low: u32::from_le_bytes([a, b, c, d]),
            high: u32::from_le_bytes([e, f, g, h]),
        }
    }

    fn check(&self, label: &str, buf: Buf) {
        assert_eq!(buf.shape.cols(), self.channels, "{label}: rows of shape {} for {self:?}", buf.shape);
    }
}

/// z bounded by tanh to the range of its levels, in [−1, 1], in z's shape [.., channels].
///
/// # Panics
/// If z does not have a channel for each number of levels.
pub fn bound(s: &mut Schedule, label: &str, z: Buf, levels: &Levels) -> Buf {
    levels.check(label, z);
    let y = s.scratch(z.shape);
    s.push(&FSQ_BOUND, label, &[z, y], &levels.params(z.len()), grid(z.len()), 40 * z.len() as u64);
    y
}

/// dz of [`bound`], in z's shape.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn bound_backward(s: &mut Schedule, label: &str, z: Buf, dy: Buf, levels: &Levels) -> Buf {
    levels.check(label, z);
    assert_eq!(dy.len(), z.len(), "{label}: dy of shape {} for z of {}", dy.shape, z.shape);
    let dz = s.scratch(z.shape);
    s.push(&FSQ_BOUND_BACKWARD, label, &[z, dy, dz], &levels.params(z.len()), grid(z.len()), 42 * z.len() as u64);
    dz
}

/// Rounds bounded latents [.., channels] of m rows to their levels, in [−1, 1]: q, and the index of each row's code,
/// `u32 [m]`. Numbers beyond the levels get the outermost one.
///
/// A number midway between two levels to within rounding may get the other one on another device.
///
/// # Panics
/// If the latents do not have a channel for each number of levels.
pub fn quantise(s: &mut Schedule, label: &str, latents: Buf, levels: &Levels) -> (Buf, Buf) {
    levels.check(label, latents);
    let m = latents.shape.rows();
    let (q, index) = (s.scratch(latents.shape), s.scratch_of([m], Dtype::U32));
    let cost = 8 * latents.len() as u64;
    s.push(&FSQ_QUANTISE, label, &[latents, q, index], &levels.params(m), grid(m), cost);
    (q, index)
}

/// The codes of indices `u32 [m]`, as a new buffer of `shape` [.., channels]. Every index is below
/// [`codes`](Levels::codes).
///
/// # Panics
/// If `shape` does not have m rows of a number for each channel.
pub fn lookup(s: &mut Schedule, label: &str, index: Buf, levels: &Levels, shape: impl Into<Shape>) -> Buf {
    let q = s.scratch(shape);
    levels.check(label, q);
    assert_eq!(q.shape.rows(), index.len(), "{label}: {} codes cannot have shape {}", index.len(), q.shape);
    s.push(&FSQ_LOOKUP, label, &[index, q], &levels.params(q.len()), grid(q.len()), 0);
    q
}

fn grid(len: usize) -> Grid {
    Grid::Linear(len.div_ceil(INVOCATIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_two_to_255_of_up_to_eight_channels() {
        let levels = Levels::new(&[8, 5, 5, 5]).unwrap();
        assert_eq!((levels.channels(), levels.codes()), (4, 1000));
        let params = Levels::new(&[2, 3, 4, 5, 6, 255]).unwrap().params(7);
        assert_eq!((params.low, params.high, params.channels, params.len), (0x0504_0302, 0xff06, 6, 7));
        let wrong: [&[usize]; 5] = [&[], &[1], &[256], &[2; 9], &[255, 255, 255, 255, 2]];
        wrong.into_iter().for_each(|levels| assert_eq!(Levels::new(levels), None, "{levels:?}"));
    }
}
