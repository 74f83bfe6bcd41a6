//! Layers that change the size of images and have no parameters.

use super::{Of, Saved, Value};
use gpu_core::ops::pool::{self, Window};
use gpu_core::ops::upsample::{self, Mode as Between};
use gpu_core::{Buf, Schedule};

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
