//! Maxima and averages over the windows of an image. The gradients add each dy to the elements it came from.

use crate::ops::pool::PoolParams;
use crate::reference::activation::gate_all;
use crate::reference::{BLOCK, vectorised};
use crate::{Args, Element};
use rayon::prelude::*;

/// y = max of the window, the first of equal ones, or a NaN if there is one; argmax = its pixel
pub fn max_pool<E: Element>(args: &mut Args<'_, E>) {
    let p: PoolParams = args.params();
    let (x, y, argmax) = (args.read("x"), args.write("y"), args.write_u32("argmax"));
    let (c, image) = (p.c as usize, (p.h * p.w * p.c) as usize);
    let rows = (p.out_w * p.c) as usize;
    y.par_chunks_mut(rows).zip(argmax.par_chunks_mut(rows)).enumerate().for_each(|(row, (y, argmax))| {
        let (n, oy) = (row / p.out_h as usize, row % p.out_h as usize);
        let at = |pixel: usize| &x[n * image + pixel * c..][..c];
        for (ox, (y, argmax)) in y.chunks_exact_mut(c).zip(argmax.chunks_exact_mut(c)).enumerate() {
            let mut window = pixels(&p, oy, ox);
            let first = window.next().expect("every window overlaps the image");
            y.copy_from_slice(at(first));
            argmax.fill(first as u32);
            window.for_each(|pixel| larger(at(pixel), pixel as u32, y, argmax));
        }
    });
}

/// Takes the channels of a pixel that are larger than y, or NaN.
fn larger<E: Element>(x: &[E], pixel: u32, y: &mut [E], argmax: &mut [u32]) {
    vectorised(|| {
        for ((y, argmax), &x) in y.iter_mut().zip(argmax).zip(x) {
            let takes = x > *y || x.is_nan();
            *y = if takes { x } else { *y };
            *argmax = if takes { pixel } else { *argmax };
        }
    });
}

/// y = x at the window's place
pub fn max_pool_at<E: Element>(args: &mut Args<'_, E>) {
    let p: PoolParams = args.params();
    let (x, y, place) = (args.read("x"), args.write("y"), args.read_u32("place"));
    let (c, image) = (p.c as usize, (p.h * p.w * p.c) as usize);
    let of_image = (p.out_h * p.out_w * p.c) as usize;
    y.par_iter_mut().enumerate().for_each(|(i, y)| *y = x[i / of_image * image + place[i] as usize * c + i % c]);
}

/// `dx[index]` += dy, times the gate
pub fn max_pool_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: PoolParams = args.params();
    let (dy, gate_y, dx, index) = (args.read("dy"), args.read("gate_y"), args.write("dx"), args.read_u32("index"));
    let c = p.c as usize;
    each_image(&p, dx, |dx, n, o| {
        let window = (n * (p.out_h * p.out_w) as usize + o) * c;
        for channel in 0..c {
            dx[index[window + channel] as usize * c + channel] += dy[window + channel];
        }
    });
    gate(&p, dx, gate_y);
}

/// y = Σ x / count of the window
pub fn average_pool<E: Element>(args: &mut Args<'_, E>) {
    let p: PoolParams = args.params();
    let (x, y) = (args.read("x"), args.write("y"));
    let (c, image) = (p.c as usize, (p.h * p.w * p.c) as usize);
    y.par_chunks_mut((p.out_w * p.c) as usize).enumerate().for_each(|(row, y)| {
        let (n, oy) = (row / p.out_h as usize, row % p.out_h as usize);
        let mut sums = vec![0.0; c];
        for (ox, y) in y.chunks_exact_mut(c).enumerate() {
            sums.fill(0.0);
            for pixel in pixels(&p, oy, ox) {
                let x = &x[n * image + pixel * c..][..c];
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x.wide());
            }
            let count = count(&p, oy, ox);
            y.iter_mut().zip(&sums).for_each(|(y, sum)| *y = E::of(sum / count));
        }
    });
}

/// dx += dy / count over each window, times the gate
pub fn average_pool_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: PoolParams = args.params();
    let (dy, gate_y, dx) = (args.read("dy"), args.read("gate_y"), args.write("dx"));
    let c = p.c as usize;
    each_image(&p, dx, |dx, n, o| {
        let (oy, ox) = (o / p.out_w as usize, o % p.out_w as usize);
        let window = (n * (p.out_h * p.out_w) as usize + o) * c;
        let (dy, count) = (&dy[window..window + c], E::of(count(&p, oy, ox)));
        for pixel in pixels(&p, oy, ox) {
            dx[pixel * c..][..c].iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy / count);
        }
    });
    gate(&p, dx, gate_y);
}

/// The pixels inside the image, row · w + column, of the window at row `oy` and column `ox` of y, in order.
fn pixels(p: &PoolParams, oy: usize, ox: usize) -> impl Iterator<Item = usize> + use<> {
    let p = *p;
    let inside = |padded: usize, pad: u32, size: u32| padded.checked_sub(pad as usize).filter(|&i| i < size as usize);
    let rows = (0..p.kernel_h as usize).filter_map(move |ky| inside(oy * p.stride_h as usize + ky, p.pad_h, p.h));
    rows.flat_map(move |row| {
        let cols = (0..p.kernel_w as usize).filter_map(move |kx| inside(ox * p.stride_w as usize + kx, p.pad_w, p.w));
        cols.map(move |col| row * p.w as usize + col)
    })
}

/// The divisor of a window's sum.
fn count(p: &PoolParams, oy: usize, ox: usize) -> f64 {
    if p.count_pad != 0 { f64::from(p.kernel_h * p.kernel_w) } else { pixels(p, oy, ox).count() as f64 }
}

/// Sets dx to zero and calls `add` with each image of dx, its index, and each of its windows in turn.
fn each_image<E: Element>(p: &PoolParams, dx: &mut [E], add: impl Fn(&mut [E], usize, usize) + Sync) {
    dx.par_chunks_mut((p.h * p.w * p.c) as usize).enumerate().for_each(|(n, dx)| {
        dx.fill(E::zero());
        (0..(p.out_h * p.out_w) as usize).for_each(|o| add(dx, n, o));
    });
}

/// dx ⊙= the slope of the gate's activation
fn gate<E: Element>(p: &PoolParams, dx: &mut [E], gate_y: &[E]) {
    if p.gate != 0 {
        let blocks = dx.par_chunks_mut(BLOCK).zip(gate_y.par_chunks(BLOCK));
        blocks.for_each(|(dx, y)| gate_all(p.gate, p.gate_alpha, y, dx));
    }
}
