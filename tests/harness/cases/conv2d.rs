//! Convolutions and their transposes: every kind of window, channels below, at and above a tile, odd images.

use crate::{Case, Fill};
use gpu_core::Buf;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::{
    Window, backward_input, backward_weight, forward, transposed_backward_input, transposed_backward_weight,
    transposed_forward,
};
use gpu_core::ops::matmul::{Epilogue, PLAIN};

/// Batch, h, w, input channels, output channels.
type Sizes = [usize; 5];

const OBLONG: Window = Window { kernel: [2, 3], stride: [1, 2], pad: [1, 0], dilation: [2, 1] };
/// Some classes of pixels have no tap, some rows no pixel.
const SPARSE: Window = Window { kernel: [3, 2], stride: [3, 5], pad: [1, 3], dilation: [3, 2] };
/// Stride and dilation share a divisor, and neither divides the other.
const MIXED: Window = Window { kernel: [5, 4], stride: [6, 4], pad: [3, 2], dilation: [4, 6] };

pub(crate) fn cases() -> Vec<Case> {
    let plain = [
        ([1, 1, 1, 1, 1], Window::square(1, 1, 0)),
        ([1, 1, 1, 1, 1], Window::square(3, 1, 1)),
        ([2, 7, 5, 3, 5], Window::square(1, 1, 0)),
        ([2, 7, 6, 5, 3], Window::square(1, 2, 0)),
        ([1, 5, 7, 5, 3], Window::square(1, 3, 2)),
        ([1, 5, 7, 1, 3], Window::square(3, 1, 1)),
        ([2, 9, 8, 3, 5], Window::square(3, 2, 1)),
        ([1, 11, 13, 5, 1], Window::square(3, 3, 0)),
        ([3, 7, 9, 1, 5], Window::square(4, 2, 1)),
        ([2, 9, 7, 5, 3], Window::square(5, 1, 2)),
        ([1, 9, 10, 3, 3], Window::square(5, 3, 3)),
        ([2, 4, 4, 5, 3], Window::square(4, 2, 0)),
        ([2, 9, 7, 3, 5], Window { dilation: [2, 2], ..Window::square(3, 1, 2) }),
        ([1, 8, 11, 5, 3], Window { dilation: [2, 2], ..Window::square(3, 2, 1) }),
        ([2, 6, 9, 3, 5], OBLONG),
        ([2, 7, 9, 5, 3], SPARSE),
        ([2, 7, 9, 2, 3], SPARSE),
        ([1, 14, 16, 5, 3], MIXED),
        ([1, 14, 16, 2, 3], MIXED),
        // Large tiles, with and without edges.
        ([2, 16, 16, 64, 64], Window::square(4, 2, 1)),
        ([1, 12, 11, 64, 40], Window::square(3, 1, 1)),
        ([3, 9, 7, 3, 64], Window::square(5, 1, 2)),
        ([2, 15, 9, 64, 1], Window::square(3, 2, 1)),
        // Sums in several parts, by small tiles and by large ones.
        ([3, 21, 17, 3, 5], Window::square(3, 1, 1)),
        ([2, 17, 19, 11, 40], Window::square(3, 1, 1)),
    ];
    let transposed = [
        ([2, 4, 3, 5, 3], Window::square(4, 2, 1), [0, 0]),
        ([2, 5, 4, 3, 5], Window::square(3, 2, 1), [1, 1]),
        ([1, 3, 4, 3, 1], Window::square(5, 3, 3), [2, 1]),
        ([2, 1, 1, 5, 3], Window::square(4, 1, 0), [0, 0]),
        ([2, 4, 5, 3, 5], OBLONG, [0, 1]),
        ([1, 3, 3, 3, 5], SPARSE, [2, 3]),
        ([2, 4, 4, 64, 64], Window::square(4, 2, 1), [0, 0]),
    ];
    let epilogues = [
        ([2, 9, 7, 5, 3], Window::square(3, 2, 1)),
        ([2, 5, 7, 5, 3], Window::square(1, 1, 0)),
        ([3, 4, 4, 5, 3], Window::square(4, 1, 0)),
        ([1, 12, 13, 40, 37], Window::square(4, 1, 2)),
        ([2, 9, 8, 3, 5], Window::square(4, 2, 1)),
    ];
    let mut cases = Vec::new();
    cases.extend(plain.map(|(sizes, window)| differentiated(sizes, window)));
    cases.extend(transposed.map(|(sizes, window, extra)| differentiated_transposed(sizes, window, extra)));
    cases.extend(epilogues.map(|(sizes, window)| epilogue(sizes, window)));
    cases.push(autoencoder());
    cases.push(folded());
    cases
}

fn uniform(case: &mut Case, shape: [usize; 4]) -> Buf {
    case.input(shape, Fill::Uniform(-1.0, 1.0))
}

/// A convolution and its gradients; that of the weights is added to its old contents.
fn differentiated(sizes: Sizes, window: Window) -> Case {
    let [n, h, w, ci, co] = sizes;
    let mut case = Case::new(format!("{n}×{h}×{w}×{ci} to {co} channels, {window:?}"));
    let ([oh, ow], [kh, kw]) = (window.output([h, w]), window.kernel);
    case.sums_of((kh * kw * ci.max(co)).max(n * oh * ow));
    let x = uniform(&mut case, [n, h, w, ci]);
    let weights = uniform(&mut case, [co, kh, kw, ci]);
    let dy = uniform(&mut case, [n, oh, ow, co]);
    let dw = uniform(&mut case, [co, kh, kw, ci]);
    let s = &mut case.schedule;
    let y = forward(s, "y", x, weights, window, PLAIN);
    let dx = backward_input(s, "dx", dy, weights, window, [h, w], PLAIN);
    backward_weight(s, "dw", x, dy, window, dw);
    case.claim(y, dy, &[(x, dx), (weights, dw)]);
    case
}

/// The same for a transposed convolution.
fn differentiated_transposed(sizes: Sizes, window: Window, output_padding: [usize; 2]) -> Case {
    let [n, h, w, ci, co] = sizes;
    let mut case =
        Case::new(format!("transposed {n}×{h}×{w}×{ci} to {co} channels, {window:?} and {output_padding:?}"));
    let ([oh, ow], [kh, kw]) = (window.transposed_output([h, w], output_padding), window.kernel);
    case.sums_of((kh * kw * ci.max(co)).max(n * h * w));
    let x = uniform(&mut case, [n, h, w, ci]);
    let weights = uniform(&mut case, [ci, kh, kw, co]);
    let dy = uniform(&mut case, [n, oh, ow, co]);
    let dw = uniform(&mut case, [ci, kh, kw, co]);
    let s = &mut case.schedule;
    let y = transposed_forward(s, "y", x, weights, window, output_padding, PLAIN);
    let dx = transposed_backward_input(s, "dx", dy, weights, window, PLAIN);
    transposed_backward_weight(s, "dw", x, dy, window, dw);
    case.claim(y, dy, &[(x, dx), (weights, dw)]);
    case
}

/// Everything that the epilogue does at once, for both kernels that have one. The last has no bias, because otherwise
/// the gradient of a window as large as the image would not be a dense product.
fn epilogue(sizes: Sizes, window: Window) -> Case {
    let [n, h, w, ci, co] = sizes;
    let mut case = Case::new(format!("{n}×{h}×{w}×{ci} to {co} channels, {window:?}, bias, activation and gate"));
    let ([oh, ow], [kh, kw]) = (window.output([h, w]), window.kernel);
    case.sums_of(kh * kw * ci.max(co));
    let x = uniform(&mut case, [n, h, w, ci]);
    let dy = uniform(&mut case, [n, oh, ow, co]);
    let weights = uniform(&mut case, [co, kh, kw, ci]);
    let mut all = |channels, shape| {
        let bias = case.input([channels], Fill::Uniform(-1.0, 1.0));
        let gate = (Activation::LeakyRelu(0.3), case.input(shape, Fill::OffZero));
        Epilogue { bias: Some(bias), activation: Activation::Elu(0.5), gate: Some(gate) }
    };
    let (after, before) = (all(co, dy.shape), all(ci, x.shape));
    let s = &mut case.schedule;
    forward(s, "y", x, weights, window, after);
    backward_input(s, "dx", dy, weights, window, [h, w], before);
    if window.kernel == [h, w] {
        backward_input(s, "dx.unbiased", dy, weights, window, [h, w], Epilogue { bias: None, ..before });
    }
    case
}

/// Down and up again, so that gradients come from a computation and slopes are fused in their product:
/// a = tanh(conv(x, w₁) + b), y = convᵀ(a, w₂), da = conv(dy, w₂) ⊙ tanh′(a), and the gradients of w₁ and x from da.
fn autoencoder() -> Case {
    let (window, [n, h, w, c, hidden]) = (Window::square(4, 2, 1), [2, 8, 6, 3, 5]);
    let mut case = Case::new("a convolution and its transpose with a fused slope between");
    case.sums_of(4 * 4 * hidden);
    let x = uniform(&mut case, [n, h, w, c]);
    let w1 = uniform(&mut case, [hidden, 4, 4, c]);
    let bias = case.input([hidden], Fill::Uniform(-1.0, 1.0));
    let w2 = uniform(&mut case, [hidden, 4, 4, c]);
    let dy = uniform(&mut case, [n, h, w, c]);
    let dw1 = uniform(&mut case, [hidden, 4, 4, c]);
    let s = &mut case.schedule;
    let first = Epilogue { bias: Some(bias), activation: Activation::Tanh, gate: None };
    let a = forward(s, "a", x, w1, window, first);
    let y = transposed_forward(s, "y", a, w2, window, [0, 0], PLAIN);
    let back = Epilogue { gate: Some((Activation::Tanh, a)), ..PLAIN };
    let da = transposed_backward_input(s, "da", dy, w2, window, back);
    let dx = backward_input(s, "dx", da, w1, window, [h, w], PLAIN);
    backward_weight(s, "dw1", x, da, window, dw1);
    case.claim(y, dy, &[(x, dx), (w1, dw1)]);
    case
}

/// More workgroups than one dimension of a grid has.
fn folded() -> Case {
    let mut case = Case::new("1×725×726×1 to 1 channel, 1×2 windows, by 65,704 workgroups");
    case.sums_of(2);
    let x = uniform(&mut case, [1, 725, 726, 1]);
    let weights = uniform(&mut case, [1, 1, 2, 1]);
    let window = Window { kernel: [1, 2], ..Window::square(1, 1, 0) };
    forward(&mut case.schedule, "y", x, weights, window, PLAIN);
    case
}
