//! `y[n, oh, ow, co] = gate ⊙ act(Σ x[n, oh·stride − pad + i·dilation, …, ci] · w[co, i, j, ci] + bias[co])` and its
//! two gradients. Windows are gathered into rows, a block at a time, and multiplied by dense products. The gradient of
//! the input is the transpose of the gathering: each window's gradient is added at the window's position.

mod direct;

use crate::ops::conv2d::Conv2dParams;
use crate::ops::matmul::{Form, MatmulParams, plain_params};
use crate::reference::matmul::{Threads, dense, epilogue};
use crate::reference::{block_of_rows, vectorised};
use crate::{Args, Element};
use direct::Role;
use rayon::prelude::*;
use std::ops::Range;

/// y from image = x and factor = w
pub fn conv2d_forward<E: Element>(args: &mut Args<'_, E>) {
    let p: Conv2dParams = args.params();
    let (x, w, y) = (args.read("image"), args.read("factor"), args.write("y"));
    let (bias, gate_y) = (args.read("bias"), args.read("gate_y"));
    let (co, terms) = (p.y_c as usize, terms(&p));
    if let (Some(x), Some(w), Some(all)) = (E::single(x), E::single(w), E::single_mut(y))
        && direct::is_faster(&p, Role::Forward)
    {
        direct::forward(&p, x, w, all);
        return finish(&product(&p, y.len() / co, co, terms, Form::NT), bias, gate_y, y);
    }
    let (places, some) = (Places::new(p), piece::<E>(y.len() / co, rows_at_once::<E>(&p)));
    y.par_chunks_mut(some * co).enumerate().for_each_init(Vec::new, |windows, (chunk, y)| {
        let rows = y.len() / co;
        gather(&places, x, chunk * some..chunk * some + rows, windows);
        let product = product(&p, rows, co, terms, Form::NT);
        dense(&product, windows, w, 0..terms, y, false, Threads::One);
        epilogue(&product, bias, gate_y, chunk * some, y);
    });
}

/// y = dx from image = dy and factor = w
pub fn conv2d_backward_input<E: Element>(args: &mut Args<'_, E>) {
    let p: Conv2dParams = args.params();
    let (dy, w, dx) = (args.read("image"), args.read("factor"), args.write("y"));
    let (bias, gate_y) = (args.read("bias"), args.read("gate_y"));
    let (ci, co, terms, some) = (p.x_c as usize, p.y_c as usize, terms(&p), rows_at_once::<E>(&p));
    let (of_dx, of_dy) = ((p.x_h * p.x_w) as usize, (p.y_h * p.y_w) as usize);
    if let (Some(dy), Some(w), Some(all)) = (E::single(dy), E::single(w), E::single_mut(dx))
        && direct::is_faster(&p, Role::BackwardInput)
    {
        direct::backward_input(&p, dy, w, all);
        return finish(&product(&p, dx.len() / ci, ci, co, Form::NN), bias, gate_y, dx);
    }
    // Whole images, as many as have that number of windows.
    let (places, images) = (Places::new(p), piece::<E>(p.batch as usize, (some / of_dy).max(1)));
    dx.par_chunks_mut(images * of_dx * ci).enumerate().for_each_init(Vec::new, |windows, (chunk, dx)| {
        dx.fill(E::zero());
        let (first, rows) = (chunk * images, dx.len() / ci);
        for pixels in pieces(first * of_dy..(first * of_dy + rows / of_dx * of_dy), some) {
            windows.resize(pixels.len() * terms, E::zero());
            let dy = &dy[pixels.start * co..pixels.end * co];
            dense(&product(&p, pixels.len(), terms, co, Form::NN), dy, w, 0..co, windows, false, Threads::One);
            scatter(&places, pixels.map(|pixel| pixel - first * of_dy), windows, dx);
        }
        epilogue(&product(&p, rows, ci, co, Form::NN), bias, gate_y, first * of_dx, dx);
    });
}

/// y = dx from image = the contribution of each tap of each window to its pixel
pub fn conv2d_fold<E: Element>(args: &mut Args<'_, E>) {
    let p: Conv2dParams = args.params();
    let (spread, dx) = (args.read("image"), args.write("y"));
    let (bias, gate_y) = (args.read("bias"), args.read("gate_y"));
    let (ci, of_dx, of_dy) = (p.x_c as usize, (p.x_h * p.x_w) as usize, (p.y_h * p.y_w) as usize);
    let places = Places::new(p);
    dx.par_chunks_mut(of_dx * ci).enumerate().for_each(|(n, dx)| {
        dx.fill(E::zero());
        scatter(&places, 0..of_dy, &spread[n * of_dy * terms(&p)..], dx);
        epilogue(&product(&p, of_dx, ci, 1, Form::NN), bias, gate_y, n * of_dx, dx);
    });
}

/// `y[z]` = the part of dw from the z-th chunk of pixels, with image = x and factor = dy
pub fn conv2d_backward_weight<E: Element>(args: &mut Args<'_, E>) {
    let p: Conv2dParams = args.params();
    let (x, dy, partial) = (args.read("image"), args.read("factor"), args.write("y"));
    let (co, terms, chunk, places) = (p.y_c as usize, terms(&p), p.chunk as usize, Places::new(p));
    if let (Some(x), Some(dy), Some(partial)) = (E::single(x), E::single(dy), E::single_mut(partial))
        && direct::is_faster(&p, Role::BackwardWeight)
    {
        return direct::backward_weight(&p, x, dy, partial);
    }
    partial.par_chunks_mut(co * terms).enumerate().for_each_init(Vec::new, |windows, (z, dw)| {
        let all = z * chunk..((z + 1) * chunk).min(dy.len() / co);
        for pixels in pieces(all.clone(), rows_at_once::<E>(&p)) {
            gather(&places, x, pixels.clone(), windows);
            let dy = &dy[pixels.start * co..pixels.end * co];
            let (product, add) = (plain_params(co, terms, pixels.len(), Form::TN), pixels.start > all.start);
            dense(&product, dy, windows, 0..pixels.len(), dw, add, Threads::One);
        }
    });
}

/// The epilogue of a whole result.
fn finish<E: Element>(p: &MatmulParams, bias: &[E], gate_y: &[E], y: &mut [E]) {
    let block = block_of_rows(p.n as usize);
    y.par_chunks_mut(block).enumerate().for_each(|(i, y)| epilogue(p, bias, gate_y, i * block / p.n as usize, y));
}

/// Adds windows at their positions in dx.
fn scatter<E: Element>(places: &Places, pixels: impl Iterator<Item = usize>, windows: &[E], dx: &mut [E]) {
    for (pixel, window) in pixels.zip(windows.chunks_exact(places.terms)) {
        places.runs(places.split(pixel)).for_each(|(from, to, length)| {
            add(&mut dx[to..to + length], &window[from..from + length]);
        });
    }
}

/// Elements of a window.
fn terms(p: &Conv2dParams) -> usize {
    (p.kernel_h * p.kernel_w * p.x_c) as usize
}

/// The number of windows gathered at once: enough to amortise the product's packing of its other factor, and few enough
/// to stay in a core's share of the cache. Measured; in double precision it also decides the order of sums, and stays.
fn rows_at_once<E: Element>(p: &Conv2dParams) -> usize {
    let (elements, most) = if is_single::<E>() { (1 << 19, 4096) } else { (1 << 17, 1024) };
    (elements / terms(p)).clamp(128, most)
}

/// The length of pieces of at most `most`. In single precision their number is a multiple of four, so that two or four
/// threads have as many each.
fn piece<E: Element>(all: usize, most: usize) -> usize {
    if is_single::<E>() { all.div_ceil(all.div_ceil(most).next_multiple_of(4)).max(1) } else { most }
}

fn is_single<E: Element>() -> bool {
    size_of::<E>() == size_of::<f32>()
}

/// A product with the convolution's epilogue.
fn product(p: &Conv2dParams, m: usize, n: usize, k: usize, form: Form) -> MatmulParams {
    let Conv2dParams { use_bias, activation, gate, alpha, gate_alpha, .. } = *p;
    MatmulParams { use_bias, activation, gate, alpha, gate_alpha, ..plain_params(m, n, k, form) }
}

/// Splits a range into pieces of at most `most`, as even as possible.
fn pieces(all: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let length = all.len().div_ceil(all.len().div_ceil(most).max(1)).max(1);
    all.clone().step_by(length).map(move |start| start..(start + length).min(all.end))
}

/// Gathers the windows of some pixels of y: [pixels, kh, kw, ci].
fn gather<E: Element>(places: &Places, x: &[E], pixels: Range<usize>, windows: &mut Vec<E>) {
    windows.resize(pixels.len() * places.terms, E::zero());
    for (pixel, window) in pixels.zip(windows.chunks_exact_mut(places.terms)) {
        let at = places.split(pixel);
        if places.is_padded(at) {
            window.fill(E::zero());
        }
        places.runs(at).for_each(|(to, from, length)| copy(&mut window[to..to + length], &x[from..from + length]));
    }
}

/// The length of a run from which a call is worth while.
const LONG: usize = 17;

/// to += from
fn add<E: Element>(to: &mut [E], from: &[E]) {
    let both = to.iter_mut().zip(from);
    if from.len() >= LONG {
        vectorised(|| both.for_each(|(to, &from)| *to += from));
    } else {
        both.for_each(|(to, &from)| *to += from);
    }
}

/// to = from
fn copy<E: Element>(to: &mut [E], from: &[E]) {
    if from.len() >= LONG {
        return to.copy_from_slice(from);
    }
    let ((to, to_rest), (from, from_rest)) = (to.as_chunks_mut::<4>(), from.as_chunks::<4>());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(from_rest).for_each(|(to, from)| *to = *from);
}

/// The positions of the windows of an image.
struct Places {
    p: Conv2dParams,
    /// Elements of a window.
    terms: usize,
    /// For each row of y, the rows of its windows that fall inside the image.
    rows: Vec<Range<usize>>,
    /// The same for columns.
    cols: Vec<Range<usize>>,
}

impl Places {
    fn new(p: Conv2dParams) -> Self {
        let along = |y: u32, stride: u32, dilation: u32, kernel: u32, pad: u32, x: u32| {
            let [dilation, kernel, pad, x] = [dilation, kernel, pad, x].map(|size| size as usize);
            (0..y).map(|at| inside((at * stride) as usize, dilation, kernel, pad, x)).collect()
        };
        let rows = along(p.y_h, p.stride_h, p.dilation_h, p.kernel_h, p.pad_h, p.x_h);
        let cols = along(p.y_w, p.stride_w, p.dilation_w, p.kernel_w, p.pad_w, p.x_w);
        Self { p, terms: terms(&p), rows, cols }
    }

    /// The image, row and column of a pixel of y.
    fn split(&self, pixel: usize) -> [usize; 3] {
        let (row, col) = (pixel as u32 / self.p.y_w, pixel as u32 % self.p.y_w);
        [row / self.p.y_h, row % self.p.y_h, col].map(|at| at as usize)
    }

    /// True if a part of a window is outside the image.
    fn is_padded(&self, [_, row, col]: [usize; 3]) -> bool {
        self.rows[row].len() * self.cols[col].len() < (self.p.kernel_h * self.p.kernel_w) as usize
    }

    /// The runs of a window: for each contiguous run of numbers, its start in the window, its start in x, and its
    /// length. Padding is left out.
    fn runs(&self, [n, row, col]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
        let p = &self.p;
        let [x_h, x_w, c, kernel_w] = [p.x_h, p.x_w, p.x_c, p.kernel_w].map(|size| size as usize);
        let [dilation_h, dilation_w, pad_h, pad_w] =
            [p.dilation_h, p.dilation_w, p.pad_h, p.pad_w].map(|size| size as usize);
        let (top, left) = (row * p.stride_h as usize, col * p.stride_w as usize);
        let (rows, cols) = (self.rows[row].clone(), self.cols[col].clone());
        let (count, beside) = if dilation_w == 1 { (cols.len().min(1), cols.len()) } else { (cols.len(), 1) };
        rows.flat_map(move |i| {
            let h = top + i * dilation_h - pad_h;
            (cols.start..cols.start + count).map(move |j| {
                let w = left + j * dilation_w - pad_w;
                ((i * kernel_w + j) * c, ((n * x_h + h) * x_w + w) * c, beside * c)
            })
        })
    }
}

/// The taps along one axis that fall inside the image, for a window that starts at `start` of the padded image.
fn inside(start: usize, dilation: usize, kernel: usize, pad: usize, size: usize) -> Range<usize> {
    let reaching = |place: usize| place.saturating_sub(start).div_ceil(dilation).min(kernel);
    reaching(pad)..reaching(pad + size)
}

#[cfg(test)]
mod tests {
    use crate::ops::conv2d::{Window, backward_input, backward_weight, forward};
    use crate::ops::matmul::PLAIN;
    use crate::{Array, Buf, Cpu, Executor, Memory, Reference, Schedule, Sharing};

    /// Irregular numbers in [−1, 1).
    fn numbers(len: usize, seed: usize) -> Vec<f64> {
        let mix = |i: usize| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7) % 2000;
        (0..len).map(|i| mix(i) as f64 / 1000.0 - 1.0).collect()
    }

    /// y, dx and dw by the definition, in seven nested loops.
    fn loops(x: &[f64], w: &[f64], dy: &[f64], sizes: [usize; 5], window: Window) -> [Vec<f64>; 3] {
        let Window { kernel: [kh, kw], stride, pad, dilation } = window;
        let [batch, height, width, ci, co] = sizes;
        let [oh, ow] = window.output([height, width]);
        let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        for n in 0..batch {
            for (r, q) in (0..oh).flat_map(|r| (0..ow).map(move |q| (r, q))) {
                for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                    let h = (r * stride[0] + i * dilation[0]).wrapping_sub(pad[0]);
                    let v = (q * stride[1] + j * dilation[1]).wrapping_sub(pad[1]);
                    if h >= height || v >= width {
                        continue;
                    }
                    for (o, c) in (0..co).flat_map(|o| (0..ci).map(move |c| (o, c))) {
                        let at_x = ((n * height + h) * width + v) * ci + c;
                        let at_w = ((o * kh + i) * kw + j) * ci + c;
                        let at_y = ((n * oh + r) * ow + q) * co + o;
                        y[at_y] += x[at_x] * w[at_w];
                        dx[at_x] += dy[at_y] * w[at_w];
                        dw[at_w] += dy[at_y] * x[at_x];
                    }
                }
            }
        }
        [y, dx, dw]
    }

    /// Compares the reference with the seven loops; `sizes` are batch, h, w, ci, co.
    fn agrees(sizes: [usize; 5], window: Window) {
        let [batch, height, width, ci, co] = sizes;
        let ([oh, ow], [kh, kw]) = (window.output([height, width]), window.kernel);
        let mut s = Schedule::new();
        let shapes = [[batch, height, width, ci], [co, kh, kw, ci], [batch, oh, ow, co], [co, kh, kw, ci]];
        let [x, w, dy, dw] = shapes.map(|shape| s.scratch(shape));
        [x, w, dy, dw].into_iter().for_each(|buf| s.feed(buf));
        let y = forward(&mut s, "y", x, w, window, PLAIN);
        let dx = backward_input(&mut s, "dx", dy, w, window, [height, width], PLAIN);
        backward_weight(&mut s, "dw", x, dy, window, dw);
        let given = [x, w, dy].map(|buf: Buf| numbers(buf.len(), buf.len()));
        let [a, b, c] = &given;
        let expected = loops(a, b, c, sizes, window);
        let run = |cpu: &mut (dyn Executor + Send), single: bool, threads| {
            let array = |values: &[f64]| match single {
                true => Array::F32(values.iter().map(|&x| x as f32).collect()),
                false => Array::F64(values.to_vec()),
            };
            let program = cpu.prepare(&s).expect("the CPU executor prepares it");
            for (buf, values) in [x, w, dy].into_iter().zip(&given) {
                cpu.write(buf, &array(values)).expect("the CPU executor writes");
            }
            cpu.write(dw, &array(&vec![0.0; dw.len()])).expect("the CPU executor writes");
            let ticket = cpu.submit(&[program], 1, &[y, dx, dw]).expect("the CPU executor submits");
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            pool.install(|| cpu.wait(ticket)).expect("the CPU executor runs")
        };
        let mut executors: [(Box<dyn Executor + Send>, bool, f64); 2] = [
            (Box::new(Reference::new(Memory::default(), Sharing::Off)), false, 1e-11),
            (Box::new(Cpu::new(Memory::default(), Sharing::Off)), true, 2e-4),
        ];
        for (cpu, single, tolerance) in &mut executors {
            let found = run(&mut **cpu, *single, 1);
            assert_eq!(found, run(&mut **cpu, *single, 3), "the number of threads changes {sizes:?}, {window:?}");
            for (found, expected) in found.iter().zip(&expected) {
                let far = found.to_f64().iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(far < *tolerance, "error {far} at {sizes:?}, {window:?}");
            }
        }
    }

    #[test]
    fn products_equal_their_seven_loops() {
        agrees([2, 6, 5, 3, 4], Window::square(3, 1, 1));
        agrees([3, 9, 8, 2, 5], Window::square(4, 2, 1));
        agrees([1, 7, 11, 1, 1], Window { kernel: [2, 3], stride: [3, 1], pad: [0, 3], dilation: [1, 2] });
        agrees([2, 8, 7, 5, 3], Window { kernel: [3, 2], stride: [4, 2], pad: [2, 1], dilation: [2, 3] });
        agrees([2, 5, 4, 3, 6], Window::square(1, 1, 0));
        agrees([3, 4, 5, 2, 7], Window { kernel: [4, 5], stride: [2, 1], pad: [0, 0], dilation: [1, 1] });
        // More windows than one block, and several chunks of pixels.
        agrees([3, 24, 25, 64, 2], Window::square(3, 1, 1));
        // Few channels: blocks of one vector and of several, pixels in fours and not, strides with several phases.
        agrees([4, 17, 15, 12, 29], Window::square(3, 1, 1));
        agrees([5, 14, 11, 33, 13], Window::square(4, 2, 1));
        agrees([4, 9, 10, 9, 8], Window { kernel: [5, 4], stride: [3, 2], pad: [2, 0], dilation: [1, 1] });
        agrees([40, 12, 13, 4, 9], Window::square(3, 1, 0));
        agrees([6, 3, 2, 48, 17], Window { kernel: [2, 1], stride: [1, 1], pad: [3, 2], dilation: [1, 1] });
    }
}
