//! Layers with explicit forward and backward passes, and stacks of them.
//!
//! A gradient between layers is taken *before* the activation of the value: its kernel multiplies by the slope as it
//! stores, so that activations cost no pass over memory.

mod conv;
mod group_norm;
mod image;
mod instance_norm;
mod linear;
mod norm;
mod sequence;
mod stack;

pub use conv::{Conv, ConvSpec};
pub use group_norm::GroupNorm;
pub use image::{AveragePool, MaxPool, MinibatchStd, Pad, Upsample};
pub use instance_norm::InstanceNorm;
pub use linear::{Linear, LinearSpec};
pub use norm::Norm;
pub use sequence::Sequence;
pub(crate) use sequence::{halved, halving, halvings};
pub use stack::{Layer, Stack};

use crate::micro_batch::MicroBatch;
use crate::network::Network;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::spectral_norm::{self, SpectralNorm};
use gpu_core::ops::{batch_norm, channels, fill};
use gpu_core::{Buf, Init, Memory, Schedule, Shape};

/// The input or output of a layer: numbers, and the slope of the activation that computed them.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// The numbers.
    pub buf: Buf,
    /// The slope of that activation.
    pub slope: Slope,
}

/// The derivative of an activation at a value.
#[derive(Clone, Copy, Debug)]
pub enum Slope {
    /// No activation: data, or a plain sum.
    One,
    /// The slope follows from the activation's output, and is fused into the gradient's kernel.
    Output(Activation),
    /// The slope needs the activation's input, which is this.
    Input(Activation, Buf),
}

impl Value {
    /// Numbers of no activation.
    pub fn plain(buf: Buf) -> Self {
        Self { buf, slope: Slope::One }
    }

    /// Rows [n, p] and data without a gradient, [n, q], side by side: [n, p + q]. The first p columns of a gradient of
    /// these, taken before the activation as always, are the gradient of the rows.
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

    /// A product whose epilogue applied [`fused`] of `act`; the rest of `act` is applied here.
    fn activated(s: &mut Schedule, sum: Buf, act: Activation) -> Self {
        match act {
            Activation::Identity => Self::plain(sum),
            act if act.slope_from_output() => Self { buf: sum, slope: Slope::Output(act) },
            act => Self { buf: activation::forward(s, "activation", sum, act), slope: Slope::Input(act, sum) },
        }
    }

    /// The slope that a kernel multiplies a gradient of these numbers by as it stores it.
    pub(crate) fn gate(&self) -> Option<(Activation, Buf)> {
        match self.slope {
            Slope::Output(act) => Some((act, self.buf)),
            Slope::One | Slope::Input(..) => None,
        }
    }

    /// The gradient before the activation, from one of these numbers.
    pub(crate) fn before(&self, s: &mut Schedule, label: &str, dy: Buf) -> Buf {
        match self.slope {
            Slope::One => dy,
            Slope::Output(act) => activation::gate(s, label, self.buf, dy, act),
            Slope::Input(act, sum) => activation::backward(s, label, sum, dy, act),
        }
    }

    /// The gradient before the activation, from one multiplied by the gate.
    fn pass(&self, s: &mut Schedule, label: &str, dx: Buf) -> Buf {
        match self.slope {
            Slope::Input(act, sum) => activation::backward(s, label, sum, dx, act),
            Slope::One | Slope::Output(_) => dx,
        }
    }
}

/// The part of an activation that an epilogue applies: all of it, or none.
fn fused(act: Activation) -> Activation {
    if act.slope_from_output() { act } else { Activation::Identity }
}

/// The variables to differentiate by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrt {
    /// The parameters, whose gradients accumulate.
    Params,
    /// The input.
    Input,
    /// Both.
    Both,
}

/// The use of statistics by layers that keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Normalise by the batch's, and update the running ones: the network is being trained.
    Train,
    /// The same without updating singular vectors: a gradient passes through a network that is not being trained.
    Through,
    /// Normalise by the batch's, and update nothing.
    Batch,
    /// Normalise by the running ones.
    Use,
}

impl Mode {
    /// The mode of the network that a micro-batch trains. Of the micro-batches of a divided batch, the first updates
    /// the running statistics. Singular vectors are updated before all of them.
    pub fn training(micro_batch: MicroBatch) -> Self {
        if micro_batch.is_part() { Self::through(micro_batch) } else { Self::Train }
    }

    /// The mode of a network that the gradient of a micro-batch passes.
    pub fn through(micro_batch: MicroBatch) -> Self {
        if micro_batch.is_first() { Self::Through } else { Self::Batch }
    }
}

/// The values of a forward pass that its backward pass needs.
#[derive(Clone, Debug)]
pub struct Saved {
    x: Value,
    y: Value,
    of: Of,
}

impl Saved {
    /// The layer's input.
    pub(crate) fn input(&self) -> Buf {
        self.x.buf
    }

    /// The layer's output.
    pub(crate) fn output(&self) -> Buf {
        self.y.buf
    }
}

/// The values that only some layers save.
#[derive(Clone, Debug)]
enum Of {
    Nothing,
    Weight(spectral_norm::Saved),
    Statistics(batch_norm::Saved),
    Groups(gpu_core::ops::group_norm::Saved),
    Index(Buf),
    Inner(Vec<Saved>),
}

/// A weight, spectrally normalised or not.
#[derive(Clone, Copy, Debug)]
struct Weight {
    w: Buf,
    spectral: Option<SpectralNorm>,
}

impl Weight {
    /// The weight, normalised if it is to be.
    fn forward(&self, s: &mut Schedule, mode: Mode) -> (Buf, Of) {
        let Some(norm) = &self.spectral else { return (self.w, Of::Nothing) };
        let (w, saved) = spectral_norm::forward(s, "spectral_norm", self.w, norm, mode == Mode::Train);
        (w.reshape(self.w.shape), Of::Weight(saved))
    }

    /// The weight of a saved call.
    fn of_call(&self, saved: &Saved) -> Buf {
        match &saved.of {
            Of::Weight(spectral) => spectral.y.reshape(self.w.shape),
            _ => self.w,
        }
    }

    /// Adds to the gradient; `add` does so for the weight of the saved call.
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
        let norm = SpectralNorm {
            u: network.state(memory, &format!("{name}.weight_u"), [rows], start),
            v: network.state_laid(memory, &format!("{name}.weight_v"), [columns], layout, start),
        };
        network.spectral.push((name.into(), w, norm));
        norm
    }
}
