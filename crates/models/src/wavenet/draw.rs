//! Drawing of sequences, one position after another: each layer keeps the values that its taps need in a ring on the
//! device, so a position costs one position of every layer (Le Paine et al., *Fast WaveNet generation algorithm*,
//! 2016).

use super::config::{CODES, SEQUENCE_ROWS};
use super::network::{Causal, Layer};
use crate::capabilities::SequenceBuffers;
use crate::layers::{Mode, Value};
use gpu_core::ops::categorical::{Drawing, categorical};
use gpu_core::ops::conv2d;
use gpu_core::ops::matmul::{Epilogue, Form, PLAIN, product_add};
use gpu_core::ops::sequence::{Taps, choose, past, push};
use gpu_core::ops::{elementwise, fill, gated, vq};
use gpu_core::random::Stream;
use gpu_core::{Buf, Dtype, Memory, Schedule};

/// Positions of which the codes are on the device at once.
pub const SEQUENCE_BLOCK: usize = 256;

/// The state of a draw.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) buffers: SequenceBuffers,
    /// The rates that the clock's tick writes and nothing reads.
    pub(super) rates: Buf,
    /// The ring of the first convolution, and those of the layers: [slots, rows, width].
    rings: Vec<Buf>,
    /// The sums that the classes add in each layer: [rows, 2 · width].
    biases: Vec<Buf>,
}

impl State {
    pub(super) fn new(memory: &mut Memory, causal: &Causal, width: usize) -> Self {
        let mut words = |name: &str, shape: [usize; 2]| memory.add(name, shape, Dtype::U32);
        let block = [SEQUENCE_ROWS, SEQUENCE_BLOCK];
        let [given, drawn] = ["given_codes", "drawn_codes"].map(|name| words(name, block));
        let clock = memory.add("draw_clock", [4], Dtype::U32);
        let rates = memory.add("draw_rates", [4], Dtype::F32);
        let taps = [causal.taps()].into_iter().chain(causal.layers.iter().map(|layer| layer.taps));
        let rings = taps.enumerate().map(|(number, taps)| {
            memory.add(&format!("ring.{number}"), [taps.slots(), SEQUENCE_ROWS, width], Dtype::F32)
        });
        let rings = rings.collect();
        let classes = causal.layers.iter().enumerate().filter(|(_, layer)| layer.class.is_some());
        let biases = classes
            .map(|(number, _)| memory.add(&format!("class_sums.{number}"), [SEQUENCE_ROWS, 2 * width], Dtype::F32));
        let biases = biases.collect();
        Self { buffers: SequenceBuffers { clock, given, drawn }, rates, rings, biases }
    }
}

impl Causal {
    /// Forgets the past, and computes what the classes [rows, classes] add to every position.
    pub(super) fn begin(&self, s: &mut Schedule, state: &State, classes: Option<Buf>) {
        for (number, &ring) in state.rings.iter().enumerate() {
            fill::fill(s, &format!("ring.{number}"), ring, 0.0);
        }
        for (layer, &bias) in self.layers.iter().zip(&state.biases) {
            let (Some(table), Some(classes)) = (layer.class, classes) else { continue };
            let sums = Buf { shape: [classes.shape.rows(), bias.shape.cols()].into(), ..bias };
            fill::fill(s, &format!("{}.class_zero", layer.name), bias, 0.0);
            product_add(s, &format!("{}.class", layer.name), classes, table, Form::NN, sums);
        }
    }

    /// The next position of `rows` sequences, whose number is that of the clock: its codes are given or drawn. Returns
    /// its logits, [rows, codes].
    pub(super) fn next(&self, s: &mut Schedule, state: &State, rows: usize, seed: u64, drawing: Drawing) -> Buf {
        let SequenceBuffers { clock, given, drawn } = state.buffers;
        let of_rows = |buf: Buf| Buf { shape: [rows, buf.shape.cols()].into(), ..buf };
        let ring = |number: usize, taps: Taps| {
            let all = state.rings[number];
            Buf { shape: [taps.slots(), rows, all.shape.cols()].into(), ..all }
        };
        let window = past(s, "past", ring(0, self.taps()), rows, self.taps(), clock);
        let mut x = s.scope("first", |s| at_once(s, &self.first, window));
        let mut skips: Option<Buf> = None;
        for (number, layer) in self.layers.iter().enumerate() {
            let bias = state.biases.get(number).map(|&bias| of_rows(bias));
            let (next, skip) = s.scope(&layer.name, |s| {
                let ring = ring(number + 1, layer.taps);
                push(s, "push", x, ring, clock);
                let window = past(s, "past", ring, rows, layer.taps, clock);
                layer.next(s, x, window, bias)
            });
            x = next;
            skips = Some(match skips {
                Some(sum) => elementwise::add(s, &format!("{}.skips", layer.name), sum, skip),
                None => skip,
            });
        }
        let skips = skips.expect("there are layers");
        let (logits, ..) = self.head(s, skips.reshape([rows, 1, 1, skips.len() / rows]));
        let logits = logits.reshape([rows, CODES]);
        let index = categorical(s, "draw", logits, drawing, clock, 0, seed, Stream::Codes);
        let code = choose(s, "choose", of_rows(given), index, CODES, clock, of_rows(drawn));
        let embedded = vq::lookup(s, "embedded", code, self.embedding, [rows, x.shape.cols()]);
        push(s, "push", embedded, ring(0, self.taps()), clock);
        logits
    }
}

impl Layer {
    /// The output [rows, width] and the skip connection [rows, skip] at a position, from x there, its window [rows,
    /// taps, width], and the class's sums.
    fn next(&self, s: &mut Schedule, x: Buf, window: Buf, bias: Option<Buf>) -> (Buf, Buf) {
        let rows = x.shape.rows();
        let sum = at_once(s, &self.dilated, window);
        let gate = gated::forward(s, "gate", sum, bias);
        let image = Value::plain(gate.reshape([rows, 1, 1, gate.len() / rows]));
        let (skip, _) = self.skip.forward(s, image, Mode::Use);
        let next = match &self.residual {
            Some(residual) => {
                let (mixed, _) = residual.forward(s, image, Mode::Use);
                elementwise::add(s, "sum", mixed.buf.reshape(x.shape), x)
            }
            None => x,
        };
        (next, skip.buf.reshape([rows, skip.buf.len() / rows]))
    }
}

/// The output [rows, outputs] of a convolution at the position of its window [rows, taps, width].
fn at_once(s: &mut Schedule, conv: &crate::layers::Conv, window: Buf) -> Buf {
    let &[rows, taps, width] = window.shape.dims() else { panic!("a window has taps, not {}", window.shape) };
    let image = window.reshape([rows as usize, 1, taps as usize, width as usize]);
    let (w, bias) = conv.parameters();
    let near = conv2d::Window { dilation: [1, 1], ..conv.window() };
    let y = conv2d::forward(s, "forward", image, w, near, Epilogue { bias, ..PLAIN });
    y.reshape([rows as usize, y.len() / rows as usize])
}
