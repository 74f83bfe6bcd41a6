//! Random numbers on the device: uniform and normal, keyed by seed, stream and step.
//!
//! Element i is computed from word i mod 4 of `philox((i / 4, stream, step, 0), seed)`, so that all executors and any
//! other program draw the same numbers; docs/numerics.md has the definition.

use crate::random::{Stream, key};
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, Shape, functions, params, reference, shader};

params! {
    /// The uniform of [`PHILOX_WORDS`].
    pub struct DrawParams {
        /// Elements.
        len: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
    }
}

params! {
    /// The uniform of [`PHILOX_NORMAL`].
    pub struct NormalParams {
        /// Elements.
        len: u32,
        /// The number of elements that precede them.
        first: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
    }
}

params! {
    /// The uniform of [`PHILOX_UNIFORM`].
    pub struct UniformParams {
        /// Elements.
        len: u32,
        /// The number of elements that precede them.
        first: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
        /// The lower end of the interval.
        low: f32,
        /// The upper end of the interval.
        high: f32,
    }
}

params! {
    /// The uniform of [`PHILOX_ROWS`].
    pub struct RowsParams {
        /// Rows: seeds.
        rows: u32,
        /// Numbers of each row.
        cols: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// The largest magnitude.
        bound: f32,
    }
}

const INVOCATIONS: usize = 64;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    params: &'static [(&'static str, &'static str)],
    reference: Functions,
) -> Kernel {
    Kernel {
        name,
        op: "philox",
        source: shader!("philox", "grid", "nan", "elementary", "philox"),
        bindings,
        params,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::None("random, not computed from an input"),
    }
}

const WORDS: &[Binding] = &[read("clock").of_u32(), write("words").of_u32()];
const NUMBERS: &[Binding] = &[read("clock").of_u32(), write("y")];

/// The random words themselves, which tests compare exactly.
pub static PHILOX_WORDS: Kernel =
    kernel("philox_words", WORDS, DrawParams::FIELDS, functions!(reference::philox::philox_words));
/// Standard normal numbers, by the Box-Muller transform.
pub static PHILOX_NORMAL: Kernel =
    kernel("philox_normal", NUMBERS, NormalParams::FIELDS, functions!(reference::philox::philox_normal));
/// Uniform numbers between `low` and `high`.
pub static PHILOX_UNIFORM: Kernel =
    kernel("philox_uniform", NUMBERS, UniformParams::FIELDS, functions!(reference::philox::philox_uniform));

/// Truncated normal numbers of several seeds.
pub static PHILOX_ROWS: Kernel = kernel(
    "philox_rows",
    &[read("clock").of_u32(), read("seeds").of_u32(), write("z")],
    RowsParams::FIELDS,
    functions!(reference::philox::philox_rows),
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&PHILOX_WORDS, &PHILOX_NORMAL, &PHILOX_UNIFORM, &PHILOX_ROWS];

/// Random words as a new buffer of u32. `clock` is `u32 [4]`; its first element is the step.
///
/// # Panics
/// If `clock` is not `[4]`.
pub fn words(s: &mut Schedule, label: &str, shape: impl Into<Shape>, clock: Buf, seed: u64, stream: Stream) -> Buf {
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let words = s.scratch_of(shape, Dtype::U32);
    s.push(&PHILOX_WORDS, label, &[clock, words], &draw(words, seed, stream), grid(words), 0);
    words
}

/// Standard normal numbers as a new buffer. `clock` is `u32 [4]`; its first element is the step.
///
/// # Panics
/// If `clock` is not `[4]`.
pub fn normal(s: &mut Schedule, label: &str, shape: impl Into<Shape>, clock: Buf, seed: u64, stream: Stream) -> Buf {
    normal_from(s, label, shape, 0, clock, seed, stream)
}

/// The elements of [`normal`] that follow the `first` ones, as a new buffer. Drawing in parts gives the same numbers as
/// drawing at once. `clock` is `u32 [4]`; its first element is the step.
///
/// # Panics
/// If `clock` is not `[4]`, or `first` and the new elements exceed 2³¹ − 1.
pub fn normal_from(
    s: &mut Schedule,
    label: &str,
    shape: impl Into<Shape>,
    first: usize,
    clock: Buf,
    seed: u64,
    stream: Stream,
) -> Buf {
    let y = s.scratch(shape);
    let grid = blocks(label, y, first, clock);
    let DrawParams { len, stream, key0, key1 } = draw(y, seed, stream);
    let params = NormalParams { len, first: first as u32, stream, key0, key1 };
    s.push(&PHILOX_NORMAL, label, &[clock, y], &params, grid, 25 * y.len() as u64);
    y
}

/// Uniform numbers in (low, high), up to rounding to f32, as a new buffer. `clock` is `u32 [4]`; its first element is
/// the step.
///
/// # Panics
/// If `clock` is not `[4]`, or the interval is empty or not finite.
pub fn uniform(
    s: &mut Schedule,
    label: &str,
    shape: impl Into<Shape>,
    clock: Buf,
    seed: u64,
    stream: Stream,
    interval: [f32; 2],
) -> Buf {
    uniform_from(s, label, shape, 0, clock, seed, stream, interval)
}

/// The elements of [`uniform`] that follow the `first` ones, as [`normal_from`].
///
/// # Panics
/// If `clock` is not `[4]`, the interval is empty or not finite, or `first` and the new elements exceed 2³¹ − 1.
#[allow(clippy::too_many_arguments)]
pub fn uniform_from(
    s: &mut Schedule,
    label: &str,
    shape: impl Into<Shape>,
    first: usize,
    clock: Buf,
    seed: u64,
    stream: Stream,
    [low, high]: [f32; 2],
) -> Buf {
    assert!(low < high && (high - low).is_finite(), "{label}: the interval ({low}, {high}) is empty or infinite");
    let y = s.scratch(shape);
    let grid = blocks(label, y, first, clock);
    let DrawParams { len, stream, key0, key1 } = draw(y, seed, stream);
    let params = UniformParams { len, first: first as u32, stream, key0, key1, low, high };
    s.push(&PHILOX_UNIFORM, label, &[clock, y], &params, grid, 4 * y.len() as u64);
    y
}

/// Standard normal numbers of several seeds, [rows, cols], as a new buffer: row r has the first `cols` elements of
/// [`normal`] under seed r of `seeds`, `u32 [rows, 2]`, the low word first. `clock` is `u32 [4]`; its first element is
/// the step.
///
/// With a truncation X, numbers beyond ±X are drawn again until they are within, so that the distribution is the normal
/// one under that condition (Brock, Donahue and Simonyan, *Large scale GAN training*, 2019, §3.1); the others stay.
///
/// # Panics
/// If `clock` is not `[4]`, `seeds` not [rows, 2], the truncation not above 0, or there are more than 2³¹ − 1 numbers.
pub fn normal_rows(
    s: &mut Schedule,
    label: &str,
    seeds: Buf,
    cols: usize,
    clock: Buf,
    stream: Stream,
    truncation: Option<f32>,
) -> Buf {
    let rows = seeds.shape.rows();
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    assert_eq!(seeds.shape.cols(), 2, "{label}: seeds of shape {}", seeds.shape);
    assert!(truncation.is_none_or(|bound| bound > 0.0), "{label}: truncation to {truncation:?}");
    assert!(i32::try_from(rows * cols).is_ok(), "{label}: {rows} × {cols} numbers exceed 2³¹ − 1");
    let z = s.scratch([rows, cols]);
    let bound = truncation.unwrap_or(f32::MAX).min(f32::MAX);
    let params = RowsParams { rows: rows as u32, cols: cols as u32, stream: stream as u32, bound };
    let grid = Grid::Linear((rows * cols.div_ceil(4)).div_ceil(INVOCATIONS));
    s.push(&PHILOX_ROWS, label, &[clock, seeds, z], &params, grid, 25 * z.len() as u64);
    z
}

/// The grid for the blocks of four that hold y's elements; the first may start before them.
fn blocks(label: &str, y: Buf, first: usize, clock: Buf) -> Grid {
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    assert!(i32::try_from(first + y.len()).is_ok(), "{label}: {} numbers after {first} exceed 2³¹ − 1", y.len());
    Grid::Linear((first % 4 + y.len()).div_ceil(4).div_ceil(INVOCATIONS))
}

fn draw(y: Buf, seed: u64, stream: Stream) -> DrawParams {
    let [key0, key1] = key(seed);
    DrawParams { len: y.len() as u32, stream: stream as u32, key0, key1 }
}

fn grid(y: Buf) -> Grid {
    Grid::Linear(y.len().div_ceil(4 * INVOCATIONS))
}
