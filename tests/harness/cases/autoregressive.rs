//! Layers of both kinds in both orders, of one number and of many; a composition, and a folded grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::autoregressive::{Layer, Order, backward, weights};
use gpu_core::ops::elementwise;

/// Numbers of a row, hidden units, and outputs for each number.
const SIZES: [[usize; 3]; 5] = [[1, 3, 2], [2, 1, 1], [3, 5, 2], [7, 13, 2], [5, 64, 1]];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for [d, hidden, outputs] in SIZES {
        for reversed in [false, true] {
            let order = Order { d, reversed };
            cases.push(differentiated(Layer::Input, order, [hidden, d]));
            cases.push(differentiated(Layer::Output, order, [outputs * d, hidden]));
        }
    }
    cases.push(composed());
    cases.push(folded());
    cases
}

fn differentiated(layer: Layer, order: Order, shape: [usize; 2]) -> Case {
    let backwards = if order.reversed { ", reversed" } else { "" };
    let mut case = Case::new(format!("{layer:?} of {}, {}×{}{backwards}", order.d, shape[0], shape[1]));
    let w = case.input(shape, Fill::OffZero);
    let dy = case.input(shape, Fill::OffZero);
    let s = &mut case.schedule;
    let y = weights(s, "y", w, layer, order);
    let dw = elementwise::scale(s, "dw", w, 0.0);
    backward(s, "add", dy, layer, order, dw);
    case.claim(y, dy, &[(w, dw)]);
    case
}

/// Between two scalings, so that neither w nor the upstream gradient is an input.
fn composed() -> Case {
    let mut case = Case::new("between two scalings");
    case.sums_of(3);
    let (order, layer) = (Order { d: 4, reversed: false }, Layer::Output);
    let w = case.input([8, 6], Fill::OffZero);
    let dz = case.input([8, 6], Fill::OffZero);
    let s = &mut case.schedule;
    let scaled = elementwise::scale(s, "scaled", w, 1.7);
    let y = weights(s, "y", scaled, layer, order);
    let z = elementwise::scale(s, "z", y, -0.6);
    let dy = elementwise::scale(s, "dy", dz, -0.6);
    let dscaled = elementwise::scale(s, "zero", w, 0.0);
    backward(s, "add", dy, layer, order, dscaled);
    let dw = elementwise::scale(s, "dw", dscaled, 1.7);
    case.claim(z, dz, &[(w, dw)]);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 16 + 77;
    let mut case = Case::new(format!("folded grid, {rows} rows"));
    let w = case.input([rows, 4], Fill::OffZero);
    let s = &mut case.schedule;
    let order = Order { d: 4, reversed: true };
    let y = weights(s, "y", w, Layer::Input, order);
    let dw = elementwise::scale(s, "dw", w, 0.5);
    backward(s, "add", y, Layer::Input, order, dw);
    case
}
