//! `y[n, oh, ow, co] = gate ⊙ act(Σ x[n, oh·stride − pad + i·dilation, …, ci] · w[co, i, j, ci] + bias[co])` and its
//! two gradients: windows gathered into rows, some at a time, and the dense products of these. The gradient of
//! the input is the transpose of the gathering: each window's gradient is added to where the window came from.

use crate::Args;
use crate::ops::conv2d::Conv2dParams;
use crate::ops::matmul::{Form, plain_params};
use crate::reference::activation::{activate, slope_from_output};
use crate::reference::matmul::dense;
use rayon::prelude::*;
use std::ops::Range;

/// y from image = x and factor = w
pub fn conv2d_forward(args: &mut Args<'_>) {
    let p: Conv2dParams = args.params();
    let (x, w, y) = (args.read("image"), args.read("factor"), args.write("y"));
    let (co, terms) = (p.y_c as usize, terms(&p));
    let some = rows_at_once(&p);
    y.par_chunks_mut(some * co).enumerate().for_each(|(chunk, y)| {
        let rows = y.len() / co;
        let windows = gather(&p, x, chunk * some..chunk * some + rows);
        dense(&plain_params(rows, co, terms, Form::NT), &windows, w, 0..terms, y, false);
    });
    epilogue(&p, args.read("bias"), args.read("gate_y"), y, co);
}

/// y = dx from image = dy and factor = w
pub fn conv2d_backward_input(args: &mut Args<'_>) {
    let p: Conv2dParams = args.params();
    let (dy, w, dx) = (args.read("image"), args.read("factor"), args.write("y"));
    let (ci, co, terms) = (p.x_c as usize, p.y_c as usize, terms(&p));
    let of_image = (p.y_h * p.y_w) as usize;
    dx.par_chunks_mut((p.x_h * p.x_w * p.x_c) as usize).enumerate().for_each(|(n, dx)| {
        dx.fill(0.0);
        for pixels in pieces(n * of_image..(n + 1) * of_image, rows_at_once(&p)) {
            let mut windows = vec![0.0; pixels.len() * terms];
            let dy = &dy[pixels.start * co..pixels.end * co];
            dense(&plain_params(pixels.len(), terms, co, Form::NN), dy, w, 0..co, &mut windows, false);
            let slots = pixels.flat_map(|pixel| taps(&p, pixel - n * of_image));
            for (slot, window) in slots.zip(windows.chunks_exact(ci)) {
                if let Some(at) = slot {
                    dx[at..at + ci].iter_mut().zip(window).for_each(|(dx, d)| *dx += d);
                }
            }
        }
    });
    epilogue(&p, args.read("bias"), args.read("gate_y"), dx, ci);
}

/// y = dx from image = what each tap of each window puts on its pixel
pub fn conv2d_fold(args: &mut Args<'_>) {
    let p: Conv2dParams = args.params();
    let (spread, dx) = (args.read("image"), args.write("y"));
    let (ci, of_image) = (p.x_c as usize, (p.y_h * p.y_w) as usize);
    dx.par_chunks_mut((p.x_h * p.x_w * p.x_c) as usize).enumerate().for_each(|(n, dx)| {
        dx.fill(0.0);
        let slots = (0..of_image).flat_map(|pixel| taps(&p, pixel));
        let spread = spread[n * of_image * terms(&p)..].chunks_exact(ci);
        for (slot, window) in slots.zip(spread) {
            if let Some(at) = slot {
                dx[at..at + ci].iter_mut().zip(window).for_each(|(dx, d)| *dx += d);
            }
        }
    });
    epilogue(&p, args.read("bias"), args.read("gate_y"), dx, ci);
}

/// `y[z]` = the part of dw from image = x and factor = dy that the z-th chunk of pixels gives
pub fn conv2d_backward_weight(args: &mut Args<'_>) {
    let p: Conv2dParams = args.params();
    let (x, dy, partial) = (args.read("image"), args.read("factor"), args.write("y"));
    let (co, terms, chunk) = (p.y_c as usize, terms(&p), p.chunk as usize);
    partial.par_chunks_mut(co * terms).enumerate().for_each(|(z, dw)| {
        dw.fill(0.0);
        for pixels in pieces(z * chunk..((z + 1) * chunk).min(dy.len() / co), rows_at_once(&p)) {
            let windows = gather(&p, x, pixels.clone());
            let dy = &dy[pixels.start * co..pixels.end * co];
            dense(&plain_params(co, terms, pixels.len(), Form::TN), dy, &windows, 0..pixels.len(), dw, true);
        }
    });
}

/// Elements of a window.
fn terms(p: &Conv2dParams) -> usize {
    (p.kernel_h * p.kernel_w * p.x_c) as usize
}

/// So many windows are gathered at once that they stay in a core's cache.
fn rows_at_once(p: &Conv2dParams) -> usize {
    (1 << 15) / terms(p).min(1 << 15)
}

fn pieces(all: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> {
    all.clone().step_by(length).map(move |start| start..(start + length).min(all.end))
}

/// The windows of some pixels of y, one after another: [pixels, kh, kw, ci].
fn gather(p: &Conv2dParams, x: &[f64], pixels: Range<usize>) -> Vec<f64> {
    let ci = p.x_c as usize;
    let mut windows = vec![0.0; pixels.len() * terms(p)];
    for (slot, window) in pixels.flat_map(|pixel| taps(p, pixel)).zip(windows.chunks_exact_mut(ci)) {
        if let Some(at) = slot {
            window.copy_from_slice(&x[at..at + ci]);
        }
    }
    windows
}

/// For each tap of a pixel of y, in order, where its channels start in x; none where it falls on padding.
fn taps(p: &Conv2dParams, pixel: usize) -> impl Iterator<Item = Option<usize>> {
    let p = *p;
    let (y_h, y_w) = (p.y_h as usize, p.y_w as usize);
    let (n, oh, ow) = (pixel / (y_h * y_w), (pixel / y_w % y_h) as u32, (pixel % y_w) as u32);
    let inside = |at: u32, pad: u32, size: u32| at.checked_sub(pad).filter(|&at| at < size).map(|at| at as usize);
    (0..p.kernel_h).flat_map(move |i| {
        (0..p.kernel_w).map(move |j| {
            let h = inside(oh * p.stride_h + i * p.dilation_h, p.pad_h, p.x_h)?;
            let w = inside(ow * p.stride_w + j * p.dilation_w, p.pad_w, p.x_w)?;
            Some(((n * p.x_h as usize + h) * p.x_w as usize + w) * p.x_c as usize)
        })
    })
}

/// y = gate ⊙ act(y + bias), with `channels` to a row.
fn epilogue(p: &Conv2dParams, bias: &[f64], gate_y: &[f64], y: &mut [f64], channels: usize) {
    if p.use_bias + p.activation + p.gate == 0 {
        return;
    }
    y.par_chunks_mut(channels).enumerate().for_each(|(row, y)| {
        for (c, y) in y.iter_mut().enumerate() {
            let sum = if p.use_bias != 0 { *y + bias[c] } else { *y };
            *y = activate(p.activation, p.alpha.into(), sum);
            if p.gate != 0 {
                *y *= slope_from_output(p.gate, p.gate_alpha.into(), gate_y[row * channels + c]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::ops::conv2d::{Window, backward_input, backward_weight, forward};
    use crate::ops::matmul::PLAIN;
    use crate::{Array, Buf, Cpu, Executor, Memory, Schedule, Sharing};

    /// Numbers in [−1, 1) without a pattern.
    fn numbers(len: usize, seed: usize) -> Vec<f64> {
        let mix = |i: usize| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7) % 2000;
        (0..len).map(|i| mix(i) as f64 / 1000.0 - 1.0).collect()
    }

    /// y, dx and dw by their seven loops.
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

    /// Sizes are batch, h, w, ci, co.
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
        let mut cpu = Cpu::new(Memory::default(), Sharing::Off);
        let program = cpu.prepare(&s).expect("a Cpu runs");
        let given = [x, w, dy].map(|buf: Buf| numbers(buf.len(), buf.len()));
        for (buf, values) in [x, w, dy].into_iter().zip(&given) {
            cpu.write(buf, &Array::F64(values.clone())).expect("a Cpu runs");
        }
        let ticket = cpu.submit(&[program], 1, &[y, dx, dw]).expect("a Cpu runs");
        let found = cpu.wait(ticket).expect("a Cpu runs");
        let [a, b, c] = &given;
        for (found, expected) in found.iter().zip(loops(a, b, c, sizes, window)) {
            let far = found.to_f64().iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-11, "{far} at {sizes:?}, {window:?}");
        }
    }
    #[test]
    fn products_are_their_seven_loops() {
        agrees([2, 6, 5, 3, 4], Window::square(3, 1, 1));
        agrees([3, 9, 8, 2, 5], Window::square(4, 2, 1));
        agrees([1, 7, 11, 1, 1], Window { kernel: [2, 3], stride: [3, 1], pad: [0, 3], dilation: [1, 2] });
        agrees([2, 8, 7, 5, 3], Window { kernel: [3, 2], stride: [4, 2], pad: [2, 1], dilation: [2, 3] });
        agrees([2, 5, 4, 3, 6], Window::square(1, 1, 0));
        agrees([3, 4, 5, 2, 7], Window { kernel: [4, 5], stride: [2, 1], pad: [0, 0], dilation: [1, 1] });
        // More windows than are gathered at once, and several chunks of pixels.
        agrees([3, 24, 25, 64, 2], Window::square(3, 1, 1));
    }
}
