//! Drawing of codes, one position after another.
//!
//! A position depends on those before it only, so each layer's values are computed once: the vertical stack by rows,
//! before the row's codes are known, and the horizontal one by pixels. All positions together cost one forward pass.

use super::network::{Layer, PixelNetwork};
use crate::layers::{Mode, Value};
use gpu_core::ops::categorical::{Drawing, categorical};
use gpu_core::ops::{channels, codes, elementwise, fill, gated, vq};
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};

/// A draw of codes.
#[derive(Clone, Copy)]
pub(crate) struct Draw<'a> {
    /// The distribution at each position.
    pub(crate) drawing: Drawing,
    /// The clock whose first word is the step.
    pub(crate) clock: Buf,
    /// The seed.
    pub(crate) seed: u64,
    /// Codes, `u32 [n, positions]`, and for each position whether it is taken instead of drawn.
    pub(crate) kept: Option<(Buf, &'a [bool])>,
}

impl PixelNetwork {
    /// Draws codes into `drawn`, `u32 [n, positions]`, each given those before it. `classes` are one-hot, [n, classes].
    /// Returns the logits of each position, [n, codes].
    pub(crate) fn draw(&self, s: &mut Schedule, drawn: Buf, classes: Option<Buf>, draw: Draw<'_>) -> Vec<Buf> {
        let ([h, w], n) = (self.grid, drawn.shape.rows());
        let biases: Vec<Option<Buf>> = self.layers.iter().map(|layer| layer.bias(s, classes)).collect();
        let zero_row = zeros(s, "zero_row", [n, w * self.width]);
        let zero_pixel = zeros(s, "zero_pixel", [n, self.width]);
        // Of each layer, the rows of the vertical stack's inputs so far: [n, w · width] each.
        let mut rows: Vec<Vec<Buf>> = vec![Vec::new(); self.layers.len()];
        let mut all = Vec::new();
        for i in 0..h {
            let linked = s.scope(&format!("row {i}"), |s| self.above(s, &mut rows, zero_row, &biases));
            let mut pixels: Vec<Vec<Buf>> = vec![Vec::new(); self.layers.len()];
            for j in 0..w {
                let at = i * w + j;
                let embedded = s.scope(&format!("code {at}"), |s| {
                    let last = self.left(s, &mut pixels, zero_pixel, &biases, &linked, j);
                    let (logits, ..) = self.head(s, last.reshape([n, 1, 1, self.width]));
                    let logits = logits.reshape([n, logits.len() / n]);
                    all.push(logits);
                    let Draw { drawing, clock, seed, kept } = draw;
                    let index = match kept.filter(|(_, taken)| taken[at]) {
                        Some((kept, _)) => codes::column(s, "kept", kept, at),
                        None => categorical(s, "draw", logits, drawing, clock, at, seed, Stream::Codes),
                    };
                    codes::place(s, "place", index, drawn, at);
                    vq::lookup(s, "embedded", index, self.embedding, [n, self.width])
                });
                pixels[0].push(embedded);
            }
            rows[0].push(joined(s, "embedded_row", &pixels[0]));
        }
        all
    }

    /// The next row of the vertical stack: of each layer, the sums that its horizontal stack adds, [n, w · 2 · width].
    fn above(&self, s: &mut Schedule, rows: &mut [Vec<Buf>], zero: Buf, biases: &[Option<Buf>]) -> Vec<Buf> {
        let ([_, w], n) = (self.grid, zero.shape.rows());
        let mut linked = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let (sums, next) = s.scope(&layer.name, |s| {
                let reach = layer.vertical.window().kernel[0];
                let window = joined(s, "rows", &latest(&rows[number], reach, zero));
                let window = Value::plain(window.reshape([n, reach, w, self.width]));
                let (sum, _) = layer.vertical.forward(s, window, Mode::Use);
                let (sums, _) = layer.link.forward(s, sum, Mode::Use);
                let follows = number + 1 < self.layers.len();
                let next = follows.then(|| gated::forward(s, "vertical_gate", sum.buf, biases[number]));
                (sums.buf.reshape([n, sums.buf.len() / n]), next)
            });
            linked.push(sums);
            if let Some(next) = next {
                rows[number + 1].push(next.reshape([n, next.len() / n]));
            }
        }
        linked
    }

    /// The next pixel of the horizontal stack, in column `j`: the last layer's output, [n, width].
    fn left(
        &self,
        s: &mut Schedule,
        pixels: &mut [Vec<Buf>],
        zero: Buf,
        biases: &[Option<Buf>],
        linked: &[Buf],
        j: usize,
    ) -> Buf {
        let mut output = None;
        for (number, layer) in self.layers.iter().enumerate() {
            if let Some(output) = output {
                pixels[number].push(output);
            }
            let column = s.scope(&layer.name, |s| {
                channels::slice(s, "linked", linked[number], 2 * self.width * j..2 * self.width * (j + 1))
            });
            output = Some(s.scope(&layer.name, |s| layer.pixel(s, &pixels[number], zero, column, biases[number])));
        }
        output.expect("there are layers")
    }
}

impl Layer {
    /// The output of the horizontal stack at the next pixel, [n, width].
    fn pixel(&self, s: &mut Schedule, pixels: &[Buf], zero: Buf, linked: Buf, bias: Option<Buf>) -> Buf {
        let (n, width) = (zero.shape.rows(), zero.shape.cols());
        let reach = self.horizontal.window().kernel[1];
        let window = joined(s, "pixels", &latest(pixels, reach, zero)).reshape([n, 1, reach, width]);
        let (sum, _) = self.horizontal.forward(s, Value::plain(window), Mode::Use);
        let sum = elementwise::add(s, "sum", sum.buf.reshape([n, 2 * width]), linked);
        let gate = gated::forward(s, "gate", sum, bias);
        let (mixed, _) = self.mix.forward(s, Value::plain(gate.reshape([n, 1, 1, width])), Mode::Use);
        let mixed = mixed.buf.reshape([n, width]);
        match pixels.last() {
            Some(&input) if !self.first => elementwise::add(s, "residual", mixed, input),
            _ => mixed,
        }
    }
}

/// The last `count` of some buffers, after as many zeros as are missing.
fn latest(bufs: &[Buf], count: usize, zero: Buf) -> Vec<Buf> {
    let known = &bufs[bufs.len().saturating_sub(count)..];
    (known.len()..count).map(|_| zero).chain(known.iter().copied()).collect()
}

/// Rows side by side.
fn joined(s: &mut Schedule, label: &str, bufs: &[Buf]) -> Buf {
    let all = bufs.iter().copied().reduce(|all, next| channels::concat(s, label, all, next));
    all.expect("there is a buffer to join")
}

fn zeros(s: &mut Schedule, label: &str, shape: [usize; 2]) -> Buf {
    let zeros = s.scratch(shape);
    fill::fill(s, label, zeros, 0.0);
    zeros
}
