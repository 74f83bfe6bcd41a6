//! Layers with explicit forward and backward passes, and stacks of them.
//!
//! A gradient handed between layers is taken *before* the activation that made the value: what computes it multiplies
//! by the slope as it stores, so no pass over memory is spent on activations.

mod conv;
mod image;
mod linear;
mod norm;
mod sequence;
mod stack;

pub use conv::{Conv, ConvSpec};
pub use image::{MaxPool, Upsample};
pub use linear::{Linear, LinearSpec};
pub use norm::Norm;
pub use sequence::Sequence;
pub(crate) use sequence::{halved, halving, halvings};
pub use stack::{Layer, Stack};

use crate::network::Network;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::spectral_norm::{self, SpectralNorm};
use gpu_core::ops::{batch_norm, channels, fill};
use gpu_core::{Buf, Init, Memory, Schedule, Shape};

/// What a layer hands on: numbers, and the slope of the activation that made them.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// The numbers.
    pub buf: Buf,
    /// How the gradient passes the activation that made them.
    pub slope: Slope,
}

/// How a gradient passes an activation.
#[derive(Clone, Copy, Debug)]
pub enum Slope {
    /// There is none: data, or a plain sum.
    One,
    /// The slope follows from the activation's output, and is fused where the gradient is computed.
    Output(Activation),
    /// The slope needs the activation's input, which is kept.
    Input(Activation, Buf),
}

impl Value {
    /// Numbers that no activation made.
    pub fn plain(buf: Buf) -> Self {
        Self { buf, slope: Slope::One }
    }

    /// Rows [n, p] beside data of which no gradient is wanted, [n, q]: [n, p + q]. Of a gradient of these, taken before
    /// the activation as always, the first p columns are that of the rows.
    pub fn beside(self, s: &mut Schedule, label: &str, data: Buf) -> Self {
        let rows = data.shape.rows();
        let mut widened =
            |label: &str, buf: Buf| channels::concat(s, label, buf.reshape([rows, buf.len() / rows]), data);
        let slope = match self.slope {
            // A gradient of both has this width too; the columns of the data are dropped later.
            Slope::Input(act, sum) => Slope::Input(act, widened(&format!("{label}.sum"), sum)),
            slope => slope,
        };
        Self { buf: widened(label, self.buf), slope }
    }

    /// The same numbers under another shape of equal size.
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        Self { buf: self.buf.reshape(shape), ..self }
    }

    /// What a product gave whose epilogue applied `act` where [`fused`] allows; the rest of it is applied here.
    fn activated(s: &mut Schedule, sum: Buf, act: Activation) -> Self {
        match act {
            Activation::Identity => Self::plain(sum),
            act if act.slope_from_output() => Self { buf: sum, slope: Slope::Output(act) },
            act => Self { buf: activation::forward(s, "activation", sum, act), slope: Slope::Input(act, sum) },
        }
    }

    /// What a gradient of these numbers is multiplied by as it is stored.
    fn gate(&self) -> Option<(Activation, Buf)> {
        match self.slope {
            Slope::Output(act) => Some((act, self.buf)),
            Slope::One | Slope::Input(..) => None,
        }
    }

    /// The gradient before the activation, of one that has passed the gate.
    fn pass(&self, s: &mut Schedule, label: &str, dx: Buf) -> Buf {
        match self.slope {
            Slope::Input(act, sum) => activation::backward(s, label, sum, dx, act),
            Slope::One | Slope::Output(_) => dx,
        }
    }
}

/// The part of an activation that an epilogue can apply: all of it, or none.
fn fused(act: Activation) -> Activation {
    if act.slope_from_output() { act } else { Activation::Identity }
}

/// What of a layer to differentiate by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrt {
    /// Its parameters; their gradients accumulate.
    Params,
    /// Its input.
    Input,
    /// Both.
    Both,
}

/// What layers that keep statistics do with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Normalise by the batch's, and move what is kept: the network at hand is in training.
    Train,
    /// The same, but singular vectors stay: a gradient passes through a network that is not being trained.
    Through,
    /// Normalise by the batch's, and move nothing.
    Batch,
    /// Normalise by what is kept.
    Use,
}

/// What the backward pass of one call needs.
#[derive(Clone, Debug)]
pub struct Saved {
    x: Value,
    y: Value,
    of: Of,
}

impl Saved {
    /// What the layer was given.
    pub(crate) fn input(&self) -> Buf {
        self.x.buf
    }
}

/// What some kinds of layer save besides.
#[derive(Clone, Debug)]
enum Of {
    Nothing,
    Weight(spectral_norm::Saved),
    Statistics(batch_norm::Saved),
    Index(Buf),
    Inner(Vec<Saved>),
}

/// A weight, which spectral normalisation may stand before.
#[derive(Clone, Copy, Debug)]
struct Weight {
    w: Buf,
    spectral: Option<SpectralNorm>,
}

impl Weight {
    /// The weight that a call computes with.
    fn forward(&self, s: &mut Schedule, mode: Mode) -> (Buf, Of) {
        let Some(norm) = &self.spectral else { return (self.w, Of::Nothing) };
        let (w, saved) = spectral_norm::forward(s, "spectral_norm", self.w, norm, mode == Mode::Train);
        (w.reshape(self.w.shape), Of::Weight(saved))
    }

    /// The weight that a saved call computed with.
    fn of_call(&self, saved: &Saved) -> Buf {
        match &saved.of {
            Of::Weight(spectral) => spectral.y.reshape(self.w.shape),
            _ => self.w,
        }
    }

    /// Adds to the gradient what `add` adds to the gradient of the weight that the call computed with.
    fn backward(&self, s: &mut Schedule, saved: &Saved, add: impl FnOnce(&mut Schedule, Buf)) {
        let Of::Weight(spectral) = &saved.of else { return add(s, self.w.grad()) };
        let dw = s.scratch(self.w.shape);
        fill::fill(s, "zero_weight", dw, 0.0);
        add(s, dw);
        spectral_norm::backward(s, "backward_spectral_norm", spectral, dw, self.w.grad());
    }

    /// State for spectral normalisation of a weight whose rows have `columns` numbers, under PyTorch's names.
    fn spectral(
        memory: &mut Memory,
        network: &mut Network,
        name: &str,
        w: Buf,
        layout: gpu_core::Layout,
    ) -> SpectralNorm {
        let (rows, columns) = (w.shape.dims()[0] as usize, w.len() / w.shape.dims()[0] as usize);
        let start = Init::Normal(0.0, 1.0);
        SpectralNorm {
            u: network.state(memory, &format!("{name}.weight_u"), [rows], start),
            v: network.state_laid(memory, &format!("{name}.weight_v"), [columns], layout, start),
        }
    }
}
