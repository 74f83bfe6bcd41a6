//! Vector quantisation: nearest codes, their look-up, and the losses between rows and codes (van den Oord, Vinyals,
//! Kavukcuoglu, *Neural discrete representation learning*, 2017, eq. 1 to 3).
//!
//! The straight-through gradient needs no kernel: the gradient of q is passed on as that of z, and
//! [`loss_with_gradient`] adds that of the commitment loss. Sums over the rows of a code are a matrix product with a
//! one-hot matrix ([`assign`]): no atomics, and the same order of additions in every run.
//! [`codebook`](crate::ops::codebook) has codebooks by running averages, and the initialisation of codebooks.

use crate::ops::matmul::{Form, PLAIN, product, product_add};
use crate::ops::{fill, reduce};
use crate::schedule::kernel::{Binding, Gradient, Kernel, read, update, write};
use crate::{Buf, Dtype, Functions, Grid, Params, Schedule, Shape, functions, params, reference, shader};

params! {
    /// The uniform of [`VQ_NEAREST`].
    pub struct NearestParams {
        /// Rows of z.
        m: u32,
        /// Codes.
        k: u32,
        /// Columns of both.
        dim: u32,
        /// The rounding error of norms − 2 scores, relative to norms.
        slack: f32,
    }
}

params! {
    /// The uniform of [`VQ_LOOKUP`] and [`VQ_ONE_HOT`].
    pub struct ElementParams {
        /// Elements of the output.
        len: u32,
        /// Its columns.
        width: u32,
    }
}

params! {
    /// The uniform of [`VQ_LOSS`] and [`VQ_LOSS_WITH_GRADIENT`].
    pub struct LossParams {
        /// Rows of z.
        m: u32,
        /// Columns of z.
        dim: u32,
        /// Multiplies the sum over a row.
        scale: f32,
        /// Multiplies z − q in dz.
        slope: f32,
    }
}

params! {
    /// The uniform of [`VQ_CODEBOOK_BACKWARD`].
    pub struct BackwardParams {
        /// Elements of the codebook.
        len: u32,
        /// Its columns.
        dim: u32,
        /// Multiplies count · e − sum.
        slope: f32,
    }
}

const INVOCATIONS: usize = 64;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    params: &'static [(&'static str, &'static str)],
    reference: Functions,
    gradient: Gradient,
) -> Kernel {
    Kernel {
        name,
        op: "vq",
        source: shader!("vq", "grid"),
        bindings,
        params,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// nearest `u32 [m]` from z [m, dim], the codebook [k, dim], scores [m, k] and norms `[k]`.
pub static VQ_NEAREST: Kernel = kernel(
    "vq_nearest",
    &[read("z"), read("codebook"), read("scores"), read("norms"), write("nearest").of_u32()],
    NearestParams::FIELDS,
    functions!(reference::vq::vq_nearest),
    Gradient::None("an index; gradients are straight-through"),
);

/// q [m, dim] from index `u32 [m]` and the codebook [k, dim].
pub static VQ_LOOKUP: Kernel = kernel(
    "vq_lookup",
    &[read("index").of_u32(), read("codebook").in_part(), write("q")],
    ElementParams::FIELDS,
    functions!(reference::vq::vq_lookup),
    Gradient::Forward,
);

/// one_hot [m, k] from index `u32 [m]`.
pub static VQ_ONE_HOT: Kernel = kernel(
    "vq_one_hot",
    &[read("index").of_u32(), write("one_hot")],
    ElementParams::FIELDS,
    functions!(reference::vq::vq_one_hot),
    Gradient::None("its input is an index"),
);

/// rows `[m]` from z and q, both [m, dim].
pub static VQ_LOSS: Kernel = kernel(
    "vq_loss",
    &[read("z"), read("quantised"), write("rows")],
    LossParams::FIELDS,
    functions!(reference::vq::vq_loss),
    Gradient::Forward,
);

/// The same, and dz [m, dim] += slope · (z − q).
pub static VQ_LOSS_WITH_GRADIENT: Kernel = kernel(
    "vq_loss_with_gradient",
    &[read("z"), read("quantised"), write("rows"), update("dz")],
    LossParams::FIELDS,
    functions!(reference::vq::vq_loss_with_gradient),
    Gradient::Backward,
);

/// de [k, dim] += slope · (counts · e − sums).
pub static VQ_CODEBOOK_BACKWARD: Kernel = kernel(
    "vq_codebook_backward",
    &[read("counts"), read("codebook"), read("sums"), update("de")],
    BackwardParams::FIELDS,
    functions!(reference::vq::vq_codebook_backward),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] =
    &[&VQ_NEAREST, &VQ_LOOKUP, &VQ_ONE_HOT, &VQ_LOSS, &VQ_LOSS_WITH_GRADIENT, &VQ_CODEBOOK_BACKWARD];

/// The assignment of rows to codes, and its sums.
#[derive(Clone, Copy, Debug)]
pub struct Assigned {
    /// 1 where the row has the code, otherwise 0: [m, k].
    pub one_hot: Buf,
    /// The number of rows of each code, `[k]`; whole numbers, exact up to 2²⁴.
    pub counts: Buf,
    /// The sum of the rows of each code, [k, dim].
    pub sums: Buf,
}

/// The index of the code nearest to each row of z, `u32 [m]`; of equally near ones the lowest. z [.., dim] has m rows;
/// the codebook is [k, dim].
///
/// One matrix product gives |e|² − 2 z·e, which loses the digits of |z − e|² if both are far from the origin. So the
/// codes that are nearest to within its rounding are compared by their differences from z, and a row's code is that of
/// the differences wherever z and the codes lie. A row equally near to two codes to within the rounding of |z − e|²
/// may get a different one on another device.
///
/// # Panics
/// If the rows of z and of the codebook differ in length.
pub fn nearest(s: &mut Schedule, label: &str, z: Buf, codebook: Buf) -> Buf {
    let (m, k, dim) = (z.shape.rows(), codebook.shape.rows(), codebook.shape.cols());
    let scores = product(s, &format!("{label}.scores"), z, codebook, Form::NT, PLAIN);
    let norms = reduce::rows(s, &format!("{label}.norms"), codebook, reduce::Kind::SumOfSquares);
    let index = s.scratch_of([m], Dtype::U32);
    // Errors of sums of `dim` terms are about half of this.
    let slack = 4.0 * f32::EPSILON * (dim as f32).sqrt();
    let params = NearestParams { m: m as u32, k: k as u32, dim: dim as u32, slack };
    let bufs = [z, codebook, scores, norms, index];
    s.push(&VQ_NEAREST, label, &bufs, &params, Grid::Linear(m), 5 * scores.len() as u64);
    index
}

/// Looks up the code of each row, as a new buffer of `shape` [.., dim]. `index` is `u32 [m]`, with every index in the
/// range of the codebook [k, dim].
///
/// # Panics
/// If `shape` does not have m rows of the codebook's length.
pub fn lookup(s: &mut Schedule, label: &str, index: Buf, codebook: Buf, shape: impl Into<Shape>) -> Buf {
    let q = s.scratch(shape);
    let dim = codebook.shape.cols();
    let fits = q.shape.cols() == dim && q.shape.rows() == index.len();
    assert!(fits, "{label}: {} codes of {} cannot have shape {}", index.len(), codebook.shape, q.shape);
    s.push(&VQ_LOOKUP, label, &[index, codebook, q], &element_params(q, dim), grid(q.len()), 0);
    q
}

/// The gradient of [`lookup`] with respect to a learnt codebook (an embedding): de [k, dim] += one_hotᵀ dq.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn lookup_backward(s: &mut Schedule, label: &str, one_hot: Buf, dq: Buf, de: Buf) {
    product_add(s, label, one_hot, dq, Form::TN, de);
}

/// One-hot rows: [m, k], 1 where the row has the code. `index` is `u32 [m]`.
pub fn one_hot(s: &mut Schedule, label: &str, index: Buf, k: usize) -> Buf {
    let y = s.scratch([index.len(), k]);
    s.push(&VQ_ONE_HOT, label, &[index, y], &element_params(y, k), grid(y.len()), 0);
    y
}

/// Counts the rows of each of `k` codes, `[k]`. `index` is the code of every row, `u32 [m]`.
pub fn counts(s: &mut Schedule, label: &str, index: Buf, k: usize) -> Buf {
    let one_hot = one_hot(s, &format!("{label}.one_hot"), index, k);
    reduce::columns(s, &format!("{label}.counts"), one_hot, reduce::Kind::Sum)
}

/// Counts and sums the rows of z for each of `k` codes. `index` is the code of every row, `u32 [m]`.
///
/// # Panics
/// If `z` does not have a row for every index.
pub fn assign(s: &mut Schedule, label: &str, z: Buf, index: Buf, k: usize) -> Assigned {
    let one_hot = one_hot(s, &format!("{label}.one_hot"), index, k);
    let counts = reduce::columns(s, &format!("{label}.counts"), one_hot, reduce::Kind::Sum);
    let sums = s.scratch([k, z.shape.cols()]);
    fill::fill(s, &format!("{label}.zero"), sums, 0.0);
    product_add(s, &format!("{label}.sums"), one_hot, z, Form::TN, sums);
    Assigned { one_hot, counts, sums }
}

/// scale · Σ (z − q)² for each row: `[m]`.
///
/// # Panics
/// If `z` and `q` differ in shape.
pub fn loss(s: &mut Schedule, label: &str, z: Buf, q: Buf, scale: f32) -> Buf {
    let params = loss_params(label, z, q, scale, 0.0);
    let rows = s.scratch([z.shape.rows()]);
    s.push(&VQ_LOSS, label, &[z, q, rows], &params, grid(rows.len()), 3 * z.len() as u64);
    rows
}

/// The same as [`loss`], and dz += weight · 2 (z − q), the derivative of the commitment loss weight · Σ (z − q)² with
/// respect to z, added to the straight-through gradient. `scale` applies only to the loss reported.
///
/// # Panics
/// If `z`, `q` and `dz` differ in shape.
pub fn loss_with_gradient(s: &mut Schedule, label: &str, z: Buf, q: Buf, scale: f32, weight: f32, dz: Buf) -> Buf {
    let params = loss_params(label, z, q, scale, 2.0 * weight);
    assert_eq!(dz.len(), z.len(), "{label}: dz of {} for z of {}", dz.shape, z.shape);
    let rows = s.scratch([z.shape.rows()]);
    s.push(&VQ_LOSS_WITH_GRADIENT, label, &[z, q, rows, dz], &params, grid(rows.len()), 5 * z.len() as u64);
    rows
}

/// The gradient of weight · Σ (z − q)² with respect to the codebook, which moves codes towards their rows: de [k, dim]
/// += weight · 2 Σ (e − z) over the rows of each code.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn codebook_backward(s: &mut Schedule, label: &str, assigned: Assigned, codebook: Buf, weight: f32, de: Buf) {
    let Assigned { counts, sums, .. } = assigned;
    let (k, dim) = (codebook.shape.rows(), codebook.shape.cols());
    let fits = counts.len() == k && sums.len() == k * dim && de.len() == k * dim;
    assert!(fits, "{label}: {counts:?}, {sums:?} and {de:?} do not fit a codebook of shape {}", codebook.shape);
    let params = BackwardParams { len: de.len() as u32, dim: dim as u32, slope: 2.0 * weight };
    let bufs = [counts, codebook, sums, de];
    s.push(&VQ_CODEBOOK_BACKWARD, label, &bufs, &params, grid(de.len()), 4 * de.len() as u64);
}

fn element_params(y: Buf, width: usize) -> ElementParams {
    ElementParams { len: y.len() as u32, width: width as u32 }
}

fn loss_params(label: &str, z: Buf, q: Buf, scale: f32, slope: f32) -> LossParams {
    let (m, dim) = (z.shape.rows(), z.shape.cols());
    assert!(q.shape.rows() == m && q.shape.cols() == dim, "{label}: q of shape {} for z of shape {}", q.shape, z.shape);
    LossParams { m: m as u32, dim: dim as u32, scale, slope }
}

fn grid(len: usize) -> Grid {
    Grid::Linear(len.div_ceil(INVOCATIONS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adapter, Array, Executor, Gpu, Memory, Reference, Sharing};

    const SIZES: [usize; 3] = [1280, 64, 16];

    /// Pseudo-random numbers in [offset − 1, offset + 1), as f32 holds them.
    fn numbers(len: usize, seed: u64, offset: f64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
        };
        (0..len).map(|_| (offset + next()) as f32).collect()
    }

    /// The nearest codes by differences in f64.
    fn expected(z: &[f32], codebook: &[f32], dim: usize) -> Vec<u32> {
        let distance = |z: &[f32], e: &[f32]| -> f64 {
            z.iter().zip(e).map(|(&z, &e)| (f64::from(z) - f64::from(e)).powi(2)).sum()
        };
        let nearest = |z: &[f32]| {
            let distances = codebook.chunks(dim).map(|e| distance(z, e)).enumerate();
            distances.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are codes").0 as u32
        };
        z.chunks(dim).map(nearest).collect()
    }

    /// By the product alone, 6 to 489 of 1,280 rows would get another code at these offsets.
    #[test]
    fn codes_far_from_the_origin_are_told_apart() {
        let [m, k, dim] = SIZES;
        let mut schedule = Schedule::new();
        let (z, codebook) = (schedule.scratch([m, dim]), schedule.scratch([k, dim]));
        [z, codebook].into_iter().for_each(|buf| schedule.feed(buf));
        let index = nearest(&mut schedule, "nearest", z, codebook);
        schedule.keep(index);
        let device = Adapter::best().and_then(|adapter| adapter.open(true)).expect("a Vulkan driver is installed");
        let executors: [Box<dyn Executor>; 2] = [
            Box::new(Reference::new(Memory::default(), Sharing::On)),
            Box::new(Gpu::new(device, Memory::default(), Sharing::On)),
        ];
        for mut executor in executors {
            let program = executor.prepare(&schedule).unwrap();
            for offset in [0.0, 10.0, 30.0, 100.0, 300.0, 1000.0] {
                let (rows, codes) = (numbers(m * dim, 1, offset), numbers(k * dim, 2, offset));
                let wanted = expected(&rows, &codes, dim);
                executor.write(z, &Array::F32(rows)).unwrap();
                executor.write(codebook, &Array::F32(codes)).unwrap();
                let ticket = executor.submit(&[program], 1, &[index]).unwrap();
                let found = executor.wait(ticket).unwrap().remove(0);
                let found = found.as_u32().expect("words");
                let other = found.iter().zip(&wanted).filter(|(found, wanted)| found != wanted).count();
                assert_eq!(other, 0, "{other} of {m} rows have another code at {offset} on {}", executor.describe());
            }
        }
    }
}
