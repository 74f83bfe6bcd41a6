//! Codebook maintenance without gradients: running averages, initialisation, restarts, and usage statistics.
//!
//! - [`ema`] and [`smooth`]: running averages of the number of rows of each code and of their sum, whose quotient is
//!   the code (van den Oord, Vinyals, Kavukcuoglu, *Neural discrete representation learning*, 2017, appendix A.1).
//!   Laplace smoothing of the counts avoids division by zero for codes without rows.
//! - [`plus_plus`]: initial codes drawn from the rows, each in proportion to the squared distance from the codes before
//!   it (Arthur, Vassilvitskii, *k-means++: the advantages of careful seeding*, 2007, §2.2).
//! - [`restart`]: replaces rarely used codes by random rows of the batch.
//! - [`count`] and [`perplexity`]: a histogram over any number of batches, and its perplexity.
//!
//! Counts and sums of a batch come from [`vq::assign`](crate::ops::vq::assign).

use crate::ops::vq::Assigned;
use crate::ops::{fill, reduce};
use crate::random::key;
use crate::schedule::kernel::{Binding, Gradient, Kernel, read, update, write};
use crate::{Buf, Dtype, Functions, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`CODEBOOK_EMA`].
    pub struct EmaParams {
        /// Elements of the codebook.
        len: u32,
        /// Its columns.
        dim: u32,
        /// The factor of the old average: γ, or 1 for the later micro-batches of a batch.
        left: f32,
        /// The factor of the new rows: 1 − γ, rounded once.
        gain: f32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_SMOOTH`].
    pub struct SmoothParams {
        /// Elements of the codebook.
        len: u32,
        /// Its columns.
        dim: u32,
        /// Its rows.
        k: u32,
        /// ε, added to every count.
        epsilon: f32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_PERPLEXITY`].
    pub struct PerplexityParams {
        /// Codes.
        k: u32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_DEAD`].
    pub struct DeadParams {
        /// Codes.
        k: u32,
        /// Rows to draw from.
        m: u32,
        /// Codes with lower usage are dead.
        threshold: f32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_DRAW`].
    pub struct DrawParams {
        /// Rows to draw from.
        m: u32,
        /// Bits of a row's weight.
        bits: u32,
        /// The code to be drawn.
        code: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_NEARER`].
    pub struct NearerParams {
        /// Rows.
        m: u32,
        /// Their length.
        dim: u32,
        /// 1 if there was no code before.
        first: u32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_PLACE`] and [`CODEBOOK_PLACE_AVERAGES`], which copy rows into codes.
    pub struct PlaceParams {
        /// Elements of the codes written.
        len: u32,
        /// Columns.
        dim: u32,
        /// Rows of z.
        m: u32,
        /// The first code written.
        first: u32,
        /// The count assigned to a new code.
        weight: f32,
    }
}

const INVOCATIONS: usize = 64;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    params: &'static [(&'static str, &'static str)],
    reference: Functions,
    why: &'static str,
) -> Kernel {
    Kernel {
        name,
        op: "codebook",
        source: shader!("codebook", "grid", "nan", "elementary", "philox", "tree"),
        bindings,
        params,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::None(why),
    }
}

const AVERAGED: &str = "an average over steps; no gradient flows through it";
const DRAWN: &str = "drawn";
const COPIED: &str = "codes are replaced between steps; no gradient flows through it";

/// Moves size `[k]` and total [k, dim] towards counts `[k]` and sums [k, dim].
pub static CODEBOOK_EMA: Kernel = kernel(
    "codebook_ema",
    &[read("counts"), read("sums"), update("size"), update("total")],
    EmaParams::FIELDS,
    functions!(reference::codebook::codebook_ema),
    AVERAGED,
);

/// codebook [k, dim] from sizes `[k]`, totals [k, dim] and n `[1]`.
pub static CODEBOOK_SMOOTH: Kernel = kernel(
    "codebook_smooth",
    &[read("sizes"), read("totals"), read("n"), write("codebook")],
    SmoothParams::FIELDS,
    functions!(reference::codebook::codebook_smooth),
    AVERAGED,
);

/// perplexity `[1]` and used `[1]` from histogram `[k]`.
pub static CODEBOOK_PERPLEXITY: Kernel = Kernel {
    workgroup: [256, 1, 1],
    variants: &[],
    ..kernel(
        "codebook_perplexity",
        &[read("histogram"), write("perplexity"), write("used")],
        PerplexityParams::FIELDS,
        functions!(reference::codebook::codebook_perplexity),
        "a metric, only reported",
    )
};

/// chosen `u32 [k]`: a random row for each code whose usage `[k]` is low, [`NONE`] for the others.
pub static CODEBOOK_DEAD: Kernel = kernel(
    "codebook_dead",
    &[read("usage"), read("clock").of_u32(), write("chosen").of_u32()],
    DeadParams::FIELDS,
    functions!(reference::codebook::codebook_dead),
    DRAWN,
);

/// row `u32 [1]`, drawn in proportion to distance `[m]`.
pub static CODEBOOK_DRAW: Kernel = Kernel {
    workgroup: [256, 1, 1],
    variants: &[],
    ..kernel(
        "codebook_draw",
        &[read("distance"), read("clock").of_u32(), write("row").of_u32()],
        DrawParams::FIELDS,
        functions!(reference::codebook::codebook_draw),
        DRAWN,
    )
};

/// nearer `[m]`: squared distances from rows z [m, dim] to the nearest code, updated for the new code, row `source[0]`.
pub static CODEBOOK_NEARER: Kernel = kernel(
    "codebook_nearer",
    &[read("z"), read("source").of_u32(), update("nearer")],
    NearerParams::FIELDS,
    functions!(reference::codebook::codebook_nearer),
    "weights for sampling",
);

/// codes [k, dim]: codes from `first` on are set to the rows of z [m, dim] listed in `source` (u32).
pub static CODEBOOK_PLACE: Kernel = kernel(
    "codebook_place",
    &[read("z"), read("source").of_u32(), update("codes")],
    PlaceParams::FIELDS,
    functions!(reference::codebook::codebook_place),
    COPIED,
);

/// size `[k]` and total [k, dim]: set as if each new code had had `weight` rows equal to it.
pub static CODEBOOK_PLACE_AVERAGES: Kernel = kernel(
    "codebook_place_averages",
    &[read("z"), read("source").of_u32(), update("size"), update("total")],
    PlaceParams::FIELDS,
    functions!(reference::codebook::codebook_place_averages),
    COPIED,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[
    &CODEBOOK_EMA,
    &CODEBOOK_SMOOTH,
    &CODEBOOK_PERPLEXITY,
    &CODEBOOK_DEAD,
    &CODEBOOK_DRAW,
    &CODEBOOK_NEARER,
    &CODEBOOK_PLACE,
    &CODEBOOK_PLACE_AVERAGES,
];

/// Marks "no row" in a list of rows.
pub const NONE: u32 = u32::MAX;

/// The running averages of a codebook. Both belong in a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Averages {
    /// The running average of the number of rows of each code, `[k]`.
    pub size: Buf,
    /// The running average of their sum, [k, dim].
    pub total: Buf,
}

impl Averages {
    fn check(self, label: &str, codebook: Buf) {
        let (k, len) = (codebook.shape.rows(), codebook.len());
        let fits = self.size.len() == k && self.total.len() == len;
        assert!(fits, "{label}: {self:?} do not fit a codebook of shape {}", codebook.shape);
    }
}

/// The rule for restarting dead codes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Restart {
    /// Codes with usage below this value are dead.
    pub threshold: f32,
    /// The count assigned to a restarted code. Below the threshold, the code would be dead again at once.
    pub weight: f32,
}

/// Updates the averages by a batch: size becomes γ size + (1 − γ) counts, and total likewise. The micro-batches of a
/// batch count as one: only the `first` scales the averages by γ; the others just add to them.
///
/// # Panics
/// If the shapes do not fit one another, or γ is not in [0, 1).
pub fn ema(s: &mut Schedule, label: &str, assigned: Assigned, averages: Averages, gamma: f32, first: bool) {
    let Averages { size, total } = averages;
    let (k, len, dim) = (size.len(), total.len(), total.shape.cols());
    let fits = assigned.counts.len() == k && assigned.sums.len() == len && len == k * dim;
    assert!(fits, "{label}: {assigned:?} do not fit {averages:?}");
    assert!((0.0..1.0).contains(&gamma), "{label}: γ = {gamma} is not in [0, 1)");
    let left = if first { gamma } else { 1.0 };
    let params = EmaParams { len: len as u32, dim: dim as u32, left, gain: 1.0 - gamma };
    let bufs = [assigned.counts, assigned.sums, size, total];
    s.push(&CODEBOOK_EMA, label, &bufs, &params, grid(len), 3 * len as u64);
}

/// Computes the codebook [k, dim] from its averages: total / ((size + ε) / (n + k ε) · n), with n = Σ size.
///
/// # Panics
/// If the shapes do not fit one another, or ε is not positive.
pub fn smooth(s: &mut Schedule, label: &str, averages: Averages, codebook: Buf, epsilon: f32) {
    let Averages { size, total } = averages;
    let (len, dim, k) = (codebook.len(), codebook.shape.cols(), codebook.shape.rows());
    averages.check(label, codebook);
    assert!(epsilon > 0.0, "{label}: ε = {epsilon} is not positive");
    let n = reduce::whole(s, &format!("{label}.n"), size, reduce::Kind::Sum);
    let params = SmoothParams { len: len as u32, dim: dim as u32, k: k as u32, epsilon };
    s.push(&CODEBOOK_SMOOTH, label, &[size, total, n, codebook], &params, grid(len), 6 * len as u64);
}

/// histogram `[k]` += counts `[k]`. [`fill`](crate::ops::fill::fill) resets it at the start of an epoch. Counts are
/// whole numbers, exact up to 2²⁴ per code.
///
/// # Panics
/// If the two differ in size.
pub fn count(s: &mut Schedule, label: &str, counts: Buf, histogram: Buf) {
    reduce::columns_add(s, label, counts.reshape([1, counts.len()]), histogram);
}

/// Computes the perplexity exp(−Σ p ln p) of a histogram `[k]`, p being the share of each code, and the number of codes
/// used: `[1]` each. An empty histogram has perplexity 1.
pub fn perplexity(s: &mut Schedule, label: &str, histogram: Buf) -> (Buf, Buf) {
    let (y, used) = (s.scratch([1]), s.scratch([1]));
    let params = PerplexityParams { k: histogram.len() as u32 };
    s.push(&CODEBOOK_PERPLEXITY, label, &[histogram, y, used], &params, Grid::Linear(1), 30 * histogram.len() as u64);
    (y, used)
}

/// Replaces codes whose `usage` `[k]` (the averages' size, or a histogram) is below the threshold by random rows of z
/// [.., dim], and their averages by those of `weight` such rows. `clock` is `u32 [4]`; its first element is the step.
/// Returns the row of each replaced code, `u32 [k]`, and [`NONE`] for the others.
///
/// # Panics
/// If the shapes do not fit one another.
#[allow(clippy::too_many_arguments)]
pub fn restart(
    s: &mut Schedule,
    label: &str,
    z: Buf,
    usage: Buf,
    codebook: Buf,
    averages: Option<Averages>,
    restart: Restart,
    clock: Buf,
    seed: u64,
) -> Buf {
    let (m, k) = (z.shape.rows(), codebook.shape.rows());
    assert!(usage.len() == k && clock.len() == 4, "{label}: usage has shape {}, clock {}", usage.shape, clock.shape);
    let chosen = s.scratch_of([k], Dtype::U32);
    let [key0, key1] = key(seed);
    let params = DeadParams { k: k as u32, m: m as u32, threshold: restart.threshold, key0, key1 };
    s.push(&CODEBOOK_DEAD, &format!("{label}.dead"), &[usage, clock, chosen], &params, grid(k), 0);
    place(s, label, z, chosen, codebook, averages, 0, restart.weight);
    chosen
}

/// Initialises every code of the codebook [k, dim] by a row of z [.., dim], by k-means++: the first is any row, each
/// other one is drawn in proportion to its squared distance from the nearest code so far. The averages, if any, become
/// those of `weight` such rows. `clock` is `u32 [4]`; its first element is the step. It takes three or four calls per
/// code, so it belongs in a schedule that runs once before training. Returns the remaining squared distances, `[m]`.
///
/// # Panics
/// If the shapes do not fit one another, or there are more than 2²⁴ rows.
pub fn plus_plus(
    s: &mut Schedule,
    label: &str,
    z: Buf,
    codebook: Buf,
    averages: Option<(Averages, f32)>,
    clock: Buf,
    seed: u64,
) -> Buf {
    let (m, dim) = (z.shape.rows(), z.shape.cols());
    assert!(m <= 1 << 24, "{label}: {m} rows exceed the limit of 2²⁴");
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let (averages, weight) = averages.map_or((None, 1.0), |(averages, weight)| (Some(averages), weight));
    let distance = s.scratch([m]);
    fill::fill(s, &format!("{label}.zero"), distance, 0.0);
    let [key0, key1] = key(seed);
    for code in 0..codebook.shape.rows() {
        let label = format!("{label}.{code}");
        let row = s.scratch_of([1], Dtype::U32);
        let params = DrawParams { m: m as u32, bits: weight_bits(m), code: code as u32, key0, key1 };
        let bufs = [distance, clock, row];
        s.push(&CODEBOOK_DRAW, &format!("{label}.draw"), &bufs, &params, Grid::Linear(1), 3 * m as u64);
        let params = NearerParams { m: m as u32, dim: dim as u32, first: (code == 0).into() };
        let flops = 3 * z.len() as u64;
        s.push(&CODEBOOK_NEARER, &format!("{label}.nearer"), &[z, row, distance], &params, grid(m), flops);
        place(s, &label, z, row, codebook, averages, code, weight);
    }
    distance
}

/// Bits of the weight of one of m rows: as many as let a sum of m fit in 32 bits, at most the digits of an f32.
fn weight_bits(m: usize) -> u32 {
    (m as u32 - 1).leading_zeros().min(24)
}

/// Sets codes from `first` on to the rows listed in `source`, and their averages to those of `weight` such rows.
#[allow(clippy::too_many_arguments)]
fn place(
    s: &mut Schedule,
    label: &str,
    z: Buf,
    source: Buf,
    codebook: Buf,
    averages: Option<Averages>,
    first: usize,
    weight: f32,
) {
    let (m, dim) = (z.shape.rows(), z.shape.cols());
    assert_eq!(codebook.shape.cols(), dim, "{label}: codes of shape {} from rows of shape {}", codebook.shape, z.shape);
    let len = source.len() * dim;
    let params = PlaceParams { len: len as u32, dim: dim as u32, m: m as u32, first: first as u32, weight };
    s.push(&CODEBOOK_PLACE, &format!("{label}.place"), &[z, source, codebook], &params, grid(len), 0);
    if let Some(averages) = averages {
        averages.check(label, codebook);
        let bufs = [z, source, averages.size, averages.total];
        s.push(&CODEBOOK_PLACE_AVERAGES, &format!("{label}.place_averages"), &bufs, &params, grid(len), len as u64);
    }
}

fn grid(len: usize) -> Grid {
    Grid::Linear(len.div_ceil(INVOCATIONS))
}
