//! Convolutions of few channels in single precision: products of windows where they lie, without gathering them.
//! Vectors hold channels of the result, or parts of a window for the gradient of the weights; each number is one chain
//! of multiply-adds, so that no result depends on threads.

use crate::ops::conv2d::Conv2dParams;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Pixels that share the weights in registers.
const PIXELS: usize = 4;
/// Vectors of channels that share the pixels in registers, at most.
const VECTORS: usize = 3;
/// Numbers of the longest vector.
const LONGEST: usize = 16;
/// Images, at least: each is one thread's.
const MIN_IMAGES: u32 = 4;
/// Channels of x and of y, at most: gathered windows are faster for more.
const MAX_CHANNELS: usize = 48;
/// Numbers side by side that vectors hold, at least: gathered windows are faster for fewer.
const MIN_NUMBERS: usize = 8;

/// The kernel in question.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Forward,
    BackwardInput,
    BackwardWeight,
}

/// True if the function here is the faster one.
pub(super) fn is_faster(p: &Conv2dParams, role: Role) -> bool {
    let is_dense = p.dilation_h == 1 && p.dilation_w == 1 && p.kernel_h >= p.stride_h && p.kernel_w >= p.stride_w;
    let numbers = match role {
        Role::Forward => p.y_c,
        Role::BackwardInput => p.x_c,
        Role::BackwardWeight => p.kernel_w * p.x_c,
    };
    let is_small = p.x_c.max(p.y_c) as usize <= MAX_CHANNELS && p.batch >= MIN_IMAGES;
    is_dense && is_small && numbers as usize >= MIN_NUMBERS && (cfg!(test) || Arch::new().dispatch(Lanes) == LONGEST)
}

/// The numbers of a vector of this processor. With eight, gathered windows are faster.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// y from x and w, without the epilogue.
pub(super) fn forward(p: &Conv2dParams, x: &[f32], w: &[f32], y: &mut [f32]) {
    let axis = |stride: u32, pad: u32, kernel: u32, x: u32, y: u32| {
        let [step, pad, taps, x, y] = [stride, pad, kernel, x, y].map(|size| size as usize);
        let end = ((y - 1) * step + taps).saturating_sub(pad + x);
        let phase = Phase { first: 0, step, taps: (0..taps).collect(), at: 0, apart: 1, count: y };
        Axis { size: x, before: pad, after: end, phases: vec![phase] }
    };
    let rows = axis(p.stride_h, p.pad_h, p.kernel_h, p.x_h, p.y_h);
    let cols = axis(p.stride_w, p.pad_w, p.kernel_w, p.x_w, p.y_w);
    let [inputs, outputs] = [p.x_c, p.y_c].map(|c| c as usize);
    let kernel = [p.kernel_h, p.kernel_w].map(|size| size as usize);
    let weight = |i: usize, j: usize, ci: usize, co: usize| w[((co * kernel[0] + i) * kernel[1] + j) * inputs + ci];
    convolve(&[rows, cols], [inputs, outputs], p.y_w as usize, x, &weight, y);
}

/// dx from dy and w, without the epilogue: for each remainder of a pixel of x by the stride, a convolution of dy with
/// the taps that reach it, in reverse.
pub(super) fn backward_input(p: &Conv2dParams, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let axis = |stride: u32, pad: u32, kernel: u32, x: u32, y: u32| {
        let [stride, pad, kernel, x, y] = [stride, pad, kernel, x, y].map(|size| size as isize);
        let reaching = |at: isize| {
            let nearest = (at + pad) % stride;
            let taps: Vec<usize> = (nearest..kernel).step_by(stride as usize).map(|tap| tap as usize).rev().collect();
            // The pixel of dy under the last tap, for the first pixel of x.
            let first = (at + pad - nearest) / stride - (taps.len() as isize - 1);
            (first, taps, (x - at + stride - 1).max(0) / stride)
        };
        let phases: Vec<_> = (0..stride.min(x)).map(|at| (at, reaching(at))).collect();
        let before = phases.iter().map(|(_, (first, ..))| -first).max().unwrap_or(0).max(0);
        let ends = phases.iter().map(|(_, (first, taps, count))| first + taps.len() as isize + count - 1 - y);
        let after = ends.max().unwrap_or(0).max(0) as usize;
        let phases = phases.into_iter().map(|(at, (first, taps, count))| {
            let [first, at, apart, count] = [first + before, at, stride, count].map(|size| size as usize);
            Phase { first, step: 1, taps, at, apart, count }
        });
        Axis { size: y as usize, before: before as usize, after, phases: phases.collect() }
    };
    let rows = axis(p.stride_h, p.pad_h, p.kernel_h, p.x_h, p.y_h);
    let cols = axis(p.stride_w, p.pad_w, p.kernel_w, p.x_w, p.y_w);
    let [inputs, outputs] = [p.y_c, p.x_c].map(|c| c as usize);
    let kernel = [p.kernel_h, p.kernel_w].map(|size| size as usize);
    let weight = |i: usize, j: usize, co: usize, ci: usize| w[((co * kernel[0] + i) * kernel[1] + j) * outputs + ci];
    convolve(&[rows, cols], [inputs, outputs], p.x_w as usize, dy, &weight, dx);
}

/// One axis of a convolution: its input with zeros around it, and the phases of its output.
struct Axis {
    size: usize,
    before: usize,
    after: usize,
    phases: Vec<Phase>,
}

impl Axis {
    fn padded(&self) -> usize {
        self.before + self.size + self.after
    }
}

/// Outputs at `at`, `at + apart`, …, `count` of them: the k-th is a sum over inputs from `first + k · step`, by `taps`.
struct Phase {
    first: usize,
    step: usize,
    taps: Vec<usize>,
    at: usize,
    apart: usize,
    count: usize,
}

/// Images with zeros around them, and a vector's length of zeros after the last.
fn padded([rows, cols]: &[Axis; 2], c: usize, x: &[f32]) -> Vec<f32> {
    let image = rows.padded() * cols.padded() * c;
    let images = x.len() / (rows.size * cols.size * c);
    let mut all = vec![0.0; images * image + VECTORS * LONGEST];
    let lines = all[..images * image].par_chunks_exact_mut(image).zip(x.par_chunks_exact(rows.size * cols.size * c));
    lines.for_each(|(padded, x)| {
        let padded = padded.chunks_exact_mut(cols.padded() * c).skip(rows.before);
        for (padded, x) in padded.zip(x.chunks_exact(cols.size * c)) {
            padded[cols.before * c..][..x.len()].copy_from_slice(x);
        }
    });
    all
}

/// The outputs [n, rows, `width`, channels.1] of inputs [n, rows, cols, channels.0]; `weight` is that of a tap along
/// each axis, an input's and an output's channel.
fn convolve(
    axes: &[Axis; 2],
    channels: [usize; 2],
    width: usize,
    x: &[f32],
    weight: &impl Fn(usize, usize, usize, usize) -> f32,
    y: &mut [f32],
) {
    struct Pack<'a, W>(&'a [Axis; 2], [usize; 2], &'a W);
    impl<W: Fn(usize, usize, usize, usize) -> f32> WithSimd for Pack<'_, W> {
        type Output = (usize, Vec<Vec<f32>>);
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> Self::Output {
            let Self([rows, cols], [inputs, outputs], weight) = self;
            // Blocks of equally many vectors.
            let vectors = outputs.div_ceil(S::F32_LANES);
            let block = vectors.div_ceil(vectors.div_ceil(VECTORS)) * S::F32_LANES;
            let mut packed = Vec::new();
            for (row, col) in rows.phases.iter().flat_map(|row| cols.phases.iter().map(move |col| (row, col))) {
                let mut all = Vec::new();
                for start in (0..outputs).step_by(block) {
                    for (&i, &j) in row.taps.iter().flat_map(|i| col.taps.iter().map(move |j| (i, j))) {
                        for ci in 0..inputs {
                            let of = |co| if co < outputs { weight(i, j, ci, co) } else { 0.0 };
                            all.extend((start..start + block).map(of));
                        }
                    }
                }
                packed.push(all);
            }
            (block, packed)
        }
    }
    let [rows, cols] = axes;
    let (x, arch) = (padded(axes, channels[0], x), Arch::new());
    let (block, packed) = arch.dispatch(Pack(axes, channels, weight));
    let image = rows.padded() * cols.padded() * channels[0];
    let height: usize = rows.phases.iter().map(|phase| phase.count).sum();
    y.par_chunks_exact_mut(height * width * channels[1]).enumerate().for_each(|(n, y)| {
        let phases = rows.phases.iter().flat_map(|row| cols.phases.iter().map(move |col| [row, col]));
        for (phases, weights) in phases.zip(&packed) {
            let x = &x[n * image..][..image];
            arch.dispatch(Convolve { phases, channels, line: cols.padded(), width, block, x, weights, y });
        }
    });
}

/// One phase of one image.
struct Convolve<'a> {
    phases: [&'a Phase; 2],
    channels: [usize; 2],
    /// Pixels of a row of x.
    line: usize,
    /// Pixels of a row of y.
    width: usize,
    /// Channels of a block of weights.
    block: usize,
    x: &'a [f32],
    weights: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.block / S::F32_LANES {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            VECTORS => self.run::<S, VECTORS>(simd),
            vectors => unreachable!("blocks have at most {VECTORS} vectors, not {vectors}"),
        }
    }
}

impl Convolve<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { phases: [row, col], channels: [inputs, outputs], line, width, block, x, weights, y } = self;
        let (run, taps) = (col.taps.len() * inputs, row.taps.len());
        let (weights, _) = S::as_simd_f32s(weights);
        for (start, weights) in (0..outputs).step_by(block).zip(weights.chunks_exact(taps * run * V)) {
            let some = block.min(outputs - start);
            for m in 0..row.count {
                let line_y = ((row.at + m * row.apart) * width + col.at) * outputs + start;
                for n in (0..col.count).step_by(PIXELS) {
                    // The last pixel again, in the place of those beyond it.
                    let pixels: [usize; PIXELS] = std::array::from_fn(|k| (n + k).min(col.count - 1));
                    let mut sums = [[simd.splat_f32s(0.0); V]; PIXELS];
                    for (i, weights) in weights.chunks_exact(run * V).enumerate() {
                        let line_x = (row.first + m * row.step + i) * line + col.first;
                        let [a, b, c, d] = pixels.map(|pixel| &x[(line_x + pixel * col.step) * inputs..][..run]);
                        for ((((w, &a), &b), &c), &d) in weights.chunks_exact(V).zip(a).zip(b).zip(c).zip(d) {
                            for (sums, x) in sums.iter_mut().zip([a, b, c, d]) {
                                let x = simd.splat_f32s(x);
                                for v in 0..V {
                                    sums[v] = simd.mul_add_e_f32s(x, w[v], sums[v]);
                                }
                            }
                        }
                    }
                    for (&pixel, sums) in pixels.iter().zip(&sums) {
                        let y = &mut y[line_y + pixel * col.apart * outputs..][..some];
                        for (y, &sum) in y.chunks_mut(S::F32_LANES).zip(sums) {
                            simd.partial_store_f32s(y, sum);
                        }
                    }
                }
            }
        }
    }
}

/// The part of dw from each chunk of the pixels of y: `partial` [chunks, co, kh, kw, ci].
pub(super) fn backward_weight(p: &Conv2dParams, x: &[f32], dy: &[f32], partial: &mut [f32]) {
    let axis = |stride: u32, pad: u32, kernel: u32, x: u32, y: u32| {
        let [stride, pad, kernel, x, y] = [stride, pad, kernel, x, y].map(|size| size as usize);
        Axis { size: x, before: pad, after: ((y - 1) * stride + kernel).saturating_sub(pad + x), phases: Vec::new() }
    };
    let rows = axis(p.stride_h, p.pad_h, p.kernel_h, p.x_h, p.y_h);
    let cols = axis(p.stride_w, p.pad_w, p.kernel_w, p.x_w, p.y_w);
    let axes = [rows, cols];
    let (x, arch) = (padded(&axes, p.x_c as usize, x), Arch::new());
    let dw = p.y_c as usize * (p.kernel_h * p.kernel_w * p.x_c) as usize;
    partial.par_chunks_exact_mut(dw).enumerate().for_each(|(chunk, dw)| {
        arch.dispatch(Weights { p, axes: &axes, x: &x, dy, chunk, dw });
    });
}

/// The part of dw from one chunk of pixels.
struct Weights<'a> {
    p: &'a Conv2dParams,
    axes: &'a [Axis; 2],
    x: &'a [f32],
    dy: &'a [f32],
    chunk: usize,
    dw: &'a mut [f32],
}

impl WithSimd for Weights<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { p, axes: [rows, cols], x, dy, chunk, dw } = self;
        let [ci, co, kernel_h, run] = [p.x_c, p.y_c, p.kernel_h, p.kernel_w * p.x_c].map(|size| size as usize);
        let [y_h, y_w, stride_h, stride_w] = [p.y_h, p.y_w, p.stride_h, p.stride_w].map(|size| size as usize);
        let pixels = chunk * p.chunk as usize..((chunk + 1) * p.chunk as usize).min(dy.len() / co);
        // Runs of pixels of one row of y: the first of x under them, by the kernel's first row; that of y; and
        // their number.
        let mut runs = Vec::new();
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (row, col) = (pixel / y_w, pixel % y_w);
            let line = row / y_h * rows.padded() + row % y_h * stride_h;
            let count = (y_w - col).min(pixels.end - pixel);
            runs.push((line * cols.padded() + col * stride_w, pixel, count));
            pixel += count;
        }
        let block = VECTORS * S::F32_LANES;
        for first in (0..co).step_by(PIXELS) {
            let channels: [usize; PIXELS] = std::array::from_fn(|k| (first + k).min(co - 1));
            for i in 0..kernel_h {
                for start in (0..run).step_by(block) {
                    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; PIXELS];
                    for &(place, pixel, count) in &runs {
                        let x = &x[(place + i * cols.padded()) * ci + start..];
                        let dy = &dy[pixel * co..(pixel + count) * co];
                        for (k, dy) in dy.chunks_exact(co).enumerate() {
                            let (x, _) = S::as_simd_f32s(&x[k * stride_w * ci..][..block]);
                            for (sums, &channel) in sums.iter_mut().zip(&channels) {
                                let dy = simd.splat_f32s(dy[channel]);
                                for v in 0..VECTORS {
                                    sums[v] = simd.mul_add_e_f32s(dy, x[v], sums[v]);
                                }
                            }
                        }
                    }
                    for (&channel, sums) in channels.iter().zip(&sums) {
                        let dw = &mut dw[(channel * kernel_h + i) * run + start..][..block.min(run - start)];
                        for (dw, &sum) in dw.chunks_mut(S::F32_LANES).zip(sums) {
                            simd.partial_store_f32s(dw, sum);
                        }
                    }
                }
            }
        }
    }
}
