//! The weights of an autoregressive network: those of a layer that only sees earlier numbers, and zeros.
//!
//! Source: Germain, Gregor, Murray and Larochelle, *MADE: masked autoencoder for distribution estimation*, 2015, §3.1.
//! Input i has degree i, hidden unit j has degree j mod (d − 1), and output i sees hidden units of degrees below i, so
//! that it depends on inputs before i alone.

use crate::schedule::kernel::{Gradient, Kernel, read, update, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of both kernels.
    pub struct AutoregressiveParams {
        /// Weights.
        len: u32,
        /// Columns of the weights.
        cols: u32,
        /// A row has its index modulo this as its degree.
        row_period: u32,
        /// A column has its index modulo this.
        col_period: u32,
        /// Degrees counted from the end: of rows, 1; of columns, 2.
        reversed: u32,
        /// 1 if a row sees only columns of lower degrees.
        strict: u32,
    }
}

const INVOCATIONS: usize = 64;

/// y = the weights w that a row sees, and 0 for others.
pub static AUTOREGRESSIVE: Kernel = Kernel {
    name: "autoregressive",
    op: "autoregressive",
    source: shader!("autoregressive", "grid"),
    bindings: &[read("w"), write("y")],
    params: AutoregressiveParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::autoregressive::autoregressive),
    gradient: Gradient::Forward,
};

/// dw += dy where a row sees the column.
pub static AUTOREGRESSIVE_BACKWARD: Kernel = Kernel {
    name: "autoregressive_backward",
    bindings: &[read("dy"), update("dw")],
    reference: functions!(reference::autoregressive::autoregressive_backward),
    gradient: Gradient::Backward,
    ..AUTOREGRESSIVE
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&AUTOREGRESSIVE, &AUTOREGRESSIVE_BACKWARD];

/// A layer of an autoregressive network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
    /// From d numbers to hidden units.
    Input,
    /// From hidden units to outputs, d or several times d.
    Output,
}

/// The order and number of what a network sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// Numbers of a row.
    pub d: usize,
    /// The last number comes first.
    pub reversed: bool,
}

/// The weights w [outputs, inputs] of a layer that it may have, and 0 for others.
///
/// # Panics
/// If the columns of an input layer, or the rows of an output layer, are not those of d numbers.
pub fn weights(s: &mut Schedule, label: &str, w: Buf, layer: Layer, order: Order) -> Buf {
    let y = s.scratch(w.shape);
    s.push(&AUTOREGRESSIVE, label, &[w, y], &parameters(label, w, layer, order), grid(w), 0);
    y
}

/// dw += the gradient dy of [`weights`].
///
/// # Panics
/// As [`weights`]; or if dw differs from dy in size.
pub fn backward(s: &mut Schedule, label: &str, dy: Buf, layer: Layer, order: Order, dw: Buf) {
    assert_eq!(dy.len(), dw.len(), "{label}: dw of {} for dy of {}", dw.shape, dy.shape);
    s.push(&AUTOREGRESSIVE_BACKWARD, label, &[dy, dw], &parameters(label, dw, layer, order), grid(dw), 0);
}

fn parameters(label: &str, w: Buf, layer: Layer, order: Order) -> AutoregressiveParams {
    let Order { d, reversed } = order;
    let [rows, cols] = [w.shape.rows(), w.shape.cols()];
    let fits = match layer {
        Layer::Input => cols == d,
        Layer::Output => rows.is_multiple_of(d),
    };
    assert!(fits, "{label}: weights of {} for rows of {d}", w.shape);
    // One number has no earlier one: hidden units of degree 0, which no output sees.
    let (hidden, numbers, reversed) = (d.saturating_sub(1).max(1) as u32, d as u32, u32::from(reversed));
    let (len, cols) = (w.len() as u32, cols as u32);
    match layer {
        Layer::Input => AutoregressiveParams {
            len,
            cols,
            row_period: hidden,
            col_period: numbers,
            reversed: 2 * reversed,
            strict: 0,
        },
        Layer::Output => {
            AutoregressiveParams { len, cols, row_period: numbers, col_period: hidden, reversed, strict: 1 }
        }
    }
}

fn grid(w: Buf) -> Grid {
    Grid::Linear(w.len().div_ceil(INVOCATIONS))
}
