//! Layers of images without parameters: padding, pooling, upsampling, and the deviation within a minibatch.

use super::{Of, Saved, Value};
use gpu_core::ops::minibatch_std;
use gpu_core::ops::pad::{self, Border, Margins};
use gpu_core::ops::pool::{self, Window};
use gpu_core::ops::upsample::{self, Mode as Between};
use gpu_core::{Buf, Schedule};

/// Padding by reflection.
#[derive(Clone, Debug)]
pub struct Pad {
    /// The label of its calls.
    pub name: String,
    /// Rows and columns added on each side.
    pub width: usize,
}

impl Pad {
    /// y [n, h + 2 width, w + 2 width, c] of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let y = Value::plain(pad::forward(s, "forward", x.buf, Margins::all(self.width), Border::Reflection));
            (y, Saved { x, y, of: Of::Nothing })
        })
    }

    /// Takes dy, and returns dx before the activation of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let (dy, x) = (dy.reshape(saved.y.buf.shape), saved.x);
            let dx = pad::backward(s, "backward", dy, Margins::all(self.width), Border::Reflection, x.gate());
            x.pass(s, "backward_activation", dx)
        })
    }

    /// The derivative of y along the direction `u` of x.
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        let u = u.reshape(saved.x.buf.shape);
        s.scope(&self.name, |s| pad::forward(s, "tangent", u, Margins::all(self.width), Border::Reflection))
    }
}

/// Max pooling.
#[derive(Clone, Debug)]
pub struct MaxPool {
    /// The label of its calls.
    pub name: String,
    /// The window.
    pub window: Window,
}

impl MaxPool {
    /// y [n, h', w', c] of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let (y, index) = pool::max_pool(s, "forward", x.buf, self.window);
            let y = Value::plain(y);
            (y, Saved { x, y, of: Of::Index(index) })
        })
    }

    /// Takes dy, and returns dx before the activation of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        let Of::Index(index) = saved.of else { unreachable!("saved by this layer") };
        s.scope(&self.name, |s| {
            let (dy, x) = (dy.reshape(saved.y.buf.shape), saved.x);
            let dx = pool::max_pool_backward(s, "backward", dy, index, x.buf.shape, self.window, x.gate());
            x.pass(s, "backward_activation", dx)
        })
    }

    /// The derivative of y along the direction `u` of x.
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        let Of::Index(index) = saved.of else { unreachable!("saved by this layer") };
        let u = u.reshape(saved.x.buf.shape);
        s.scope(&self.name, |s| pool::max_pool_tangent(s, "tangent", u, index, self.window))
    }
}

/// Average pooling; padding counts as zeros.
#[derive(Clone, Debug)]
pub struct AveragePool {
    /// The label of its calls.
    pub name: String,
    /// The window.
    pub window: Window,
}

impl AveragePool {
    /// y [n, h', w', c] of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let y = Value::plain(pool::average_pool(s, "forward", x.buf, self.window, true));
            (y, Saved { x, y, of: Of::Nothing })
        })
    }

    /// Takes dy, and returns dx before the activation of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let (dy, x) = (dy.reshape(saved.y.buf.shape), saved.x);
            let dx = pool::average_pool_backward(s, "backward", dy, x.buf.shape, self.window, true, x.gate());
            x.pass(s, "backward_activation", dx)
        })
    }

    /// The derivative of y along the direction `u` of x.
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        let u = u.reshape(saved.x.buf.shape);
        s.scope(&self.name, |s| pool::average_pool(s, "tangent", u, self.window, true))
    }
}

/// The mean standard deviation within groups of images, as one more channel.
#[derive(Clone, Debug)]
pub struct MinibatchStd {
    /// The label of its calls.
    pub name: String,
    /// Images of a group.
    pub size: usize,
    /// The images [h, w, c] that it takes, as rows or not.
    pub image: [usize; 3],
}

impl MinibatchStd {
    /// y [n, h, w, c + 1] of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        let [h, w, c] = self.image;
        let x = x.reshape([x.buf.len() / (h * w * c), h, w, c]);
        s.scope(&self.name, |s| {
            let y = Value::plain(minibatch_std::forward(s, "forward", x.buf, self.size));
            (y, Saved { x, y, of: Of::Nothing })
        })
    }

    /// Takes dy, and returns dx before the activation of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        let x = saved.x;
        s.scope(&self.name, |s| {
            let dx = minibatch_std::backward(s, "backward", x.buf, dy, self.size, x.gate());
            x.pass(s, "backward_activation", dx)
        })
    }

    /// The derivative of y along the direction `u` of x.
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        s.scope(&self.name, |s| minibatch_std::tangent(s, "tangent", saved.x.buf, u, self.size))
    }

    /// The gradient of Σ dy ⊙ the derivative along `u`, with respect to x before its activation; `u` is fixed.
    pub fn tangent_backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf, u: Buf) -> Buf {
        let x = saved.x;
        s.scope(&self.name, |s| {
            let of = [x.buf, u];
            let dx = minibatch_std::tangent_backward(s, "tangent_backward", of, dy, self.size, x.gate());
            x.pass(s, "tangent_backward_activation", dx)
        })
    }
}

/// Upsampling.
#[derive(Clone, Debug)]
pub struct Upsample {
    /// The label of its calls.
    pub name: String,
    /// Factors of height and width.
    pub factor: [usize; 2],
    /// The interpolation.
    pub between: Between,
}

impl Upsample {
    /// y [n, factor h, factor w, c] of x [n, h, w, c].
    pub fn forward(&self, s: &mut Schedule, x: Value) -> (Value, Saved) {
        s.scope(&self.name, |s| {
            let y = Value::plain(upsample::forward(s, "forward", x.buf, self.factor, self.between));
            (y, Saved { x, y, of: Of::Nothing })
        })
    }

    /// Takes dy, and returns dx before the activation of x.
    pub fn backward(&self, s: &mut Schedule, saved: &Saved, dy: Buf) -> Buf {
        s.scope(&self.name, |s| {
            let (dy, x) = (dy.reshape(saved.y.buf.shape), saved.x);
            let dx = upsample::backward(s, "backward", dy, self.factor, self.between, x.gate());
            x.pass(s, "backward_activation", dx)
        })
    }

    /// The derivative of y along the direction `u` of x.
    pub fn tangent(&self, s: &mut Schedule, saved: &Saved, u: Buf) -> Buf {
        let u = u.reshape(saved.x.buf.shape);
        s.scope(&self.name, |s| upsample::forward(s, "tangent", u, self.factor, self.between))
    }
}
