//! Both kinds of pooling, with and without counting the padding, their gradients, and the derivative of a maximum along
//! a direction, over windows that overlap, touch, leave gaps and extend past the edge; ties, infinities and NaN; gates;
//! one case folds its grids.

use crate::{Case, Fill};
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::pool::{Window, average_pool, average_pool_backward, max_pool, max_pool_backward, max_pool_tangent};

/// Shapes of x [n, h, w, c] with windows on them: kernel, stride, pad.
fn problems() -> Vec<([usize; 4], Window)> {
    let uneven = |kernel, stride, pad| Window { kernel, stride, pad };
    vec![
        ([1, 1, 1, 1], Window::square(1, 1, 0)),
        ([1, 2, 2, 1], Window::square(2, 2, 0)),
        ([1, 1, 63, 1], Window::square(1, 1, 0)),
        ([1, 8, 8, 64], Window::square(2, 2, 0)),
        ([2, 7, 5, 3], Window::square(3, 2, 1)),
        ([1, 13, 5, 1], Window::square(3, 1, 1)), // 65 windows
        ([3, 7, 8, 5], Window::square(2, 3, 0)),  // gaps between the windows, and a column left over
        ([1, 5, 9, 5], uneven([3, 2], [1, 3], [2, 1])),
        ([2, 3, 4, 3], uneven([5, 1], [2, 1], [3, 0])),
        ([1, 1, 2, 64], Window::square(7, 3, 3)), // every window larger than the image
        ([2, 6, 7, 3], uneven([4, 7], [3, 2], [0, 3])),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = problems().into_iter().map(|(x, window)| differentiated(x, window)).collect();
    let gates = [
        Activation::Relu,
        Activation::LeakyRelu(0.2),
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Elu(0.7),
    ];
    cases.extend(gates.map(gated));
    cases.push(extremes());
    cases.push(folded());
    cases
}

/// x is below −1, so that padding would show in a maximum.
fn differentiated(shape: [usize; 4], window: Window) -> Case {
    let mut case = Case::new(format!("{shape:?}, {window:?}"));
    case.sums_of(window.kernel[0] * window.kernel[1]);
    let x = case.input(shape, Fill::Uniform(-2.0, -1.0));
    let (y, index) = max_pool(&mut case.schedule, "max", x, window);
    let dy = case.input(y.shape, Fill::OffZero);
    let dx = max_pool_backward(&mut case.schedule, "max.backward", dy, index, x.shape, window, None);
    case.claim(y, dy, &[(x, dx)]);
    // The derivative is linear in its direction, so its gradient is that of the pooling.
    let u = case.input(shape, Fill::OffZero);
    let along = max_pool_tangent(&mut case.schedule, "max.tangent", u, index, window);
    case.claim(along, dy, &[(u, dx)]);
    for count_pad in [true, false] {
        let label = format!("average, count_pad {count_pad}");
        let y = average_pool(&mut case.schedule, &label, x, window, count_pad);
        let label = format!("{label}.backward");
        let dx = average_pool_backward(&mut case.schedule, &label, dy, x.shape, window, count_pad, None);
        case.claim(y, dy, &[(x, dx)]);
    }
    case
}

/// An activation before the pooling, whose slope is fused into the gradient.
fn gated(act: Activation) -> Case {
    let mut case = Case::new(format!("behind {act:?}"));
    case.sums_of(9);
    let window = Window::square(3, 2, 1);
    let sum = case.input([2, 5, 6, 3], Fill::OffZero);
    let x = activation::forward(&mut case.schedule, "x", sum, act);
    let (y, index) = max_pool(&mut case.schedule, "max", x, window);
    let dy = case.input(y.shape, Fill::OffZero);
    let gate = Some((act, x));
    let dsum = max_pool_backward(&mut case.schedule, "max.backward", dy, index, x.shape, window, gate);
    case.claim(y, dy, &[(sum, dsum)]);
    let y = average_pool(&mut case.schedule, "average", x, window, false);
    let dsum = average_pool_backward(&mut case.schedule, "average.backward", dy, x.shape, window, false, gate);
    case.claim(y, dy, &[(sum, dsum)]);
    case
}

/// Equal elements, windows of −∞ only, and NaN. No derivative can be checked there.
fn extremes() -> Case {
    let mut case = Case::new("ties, infinities and NaN");
    let x: Vec<f64> = [
        [1.0, 1.0, 0.0, 2.0, 2.0, 2.0],
        [1.0, 1.0, 2.0, 2.0, 2.0, 0.0],
        [f64::NEG_INFINITY, f64::NEG_INFINITY, -3e38, -3e38, 0.0, -0.0],
        [f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY, -3e38, -0.0, 0.0],
        [f64::NAN, 1.0, 5.0, 6.0, f64::NAN, f64::NAN],
        [2.0, 3.0, 7.0, f64::NAN, 8.0, f64::NAN],
    ]
    .concat();
    let x = case.input([1, 6, 6, 1], Fill::Numbers(x));
    for (name, window) in [("apart", Window::square(2, 2, 0)), ("overlapping", Window::square(3, 1, 1))] {
        let (y, index) = max_pool(&mut case.schedule, name, x, window);
        let dy = case.input(y.shape, Fill::OffZero);
        max_pool_backward(&mut case.schedule, &format!("{name}.backward"), dy, index, x.shape, window, None);
    }
    case
}

/// Both y and dx need more than 65,535 workgroups of 64.
fn folded() -> Case {
    let mut case = Case::new("folded grids");
    let (window, shape) = (Window::square(2, 1, 0), [4, 459, 459, 5]);
    let x = case.input(shape, Fill::Uniform(-2.0, -1.0));
    let (y, index) = max_pool(&mut case.schedule, "max", x, window);
    let average = average_pool(&mut case.schedule, "average", x, window, true);
    max_pool_backward(&mut case.schedule, "max.backward", average, index, x.shape, window, None);
    average_pool_backward(&mut case.schedule, "average.backward", y, x.shape, window, true, None);
    case
}
