//! How a codebook follows its rows without gradients, how it begins, how dead codes come back, and how it is used.
//!
//! - [`ema`] and [`smooth`]: running averages of how many rows each code has and of their sum, whose quotient the code
//!   is (van den Oord, Vinyals, Kavukcuoglu, *Neural discrete representation learning*, 2017, appendix A.1), the counts
//!   smoothed as Laplace's rule has it, so that a code without rows divides by no zero.
//! - [`plus_plus`]: first codes among the rows, each drawn in proportion to the squared distance from those before
//!   (Arthur, Vassilvitskii, *k-means++: the advantages of careful seeding*, 2007, §2.2).
//! - [`restart`]: codes hardly used become random rows of the batch.
//! - [`count`] and [`perplexity`]: a histogram over as many batches as wanted, and what it comes to.
//!
//! Counts and sums of a batch come from [`vq::assign`](crate::ops::vq::assign).

use crate::ops::vq::Assigned;
use crate::ops::{fill, reduce};
use crate::random::key;
use crate::schedule::kernel::{Binding, Gradient, Kernel, read, update, write};
use crate::{Args, Buf, Dtype, Grid, Params, Schedule, params, reference, shader};

params! {
    /// The uniform of [`CODEBOOK_EMA`].
    pub struct EmaParams {
        /// Elements of the codebook.
        len: u32,
        /// Its columns.
        dim: u32,
        /// What is left of an average: γ, or all of it where the batch has begun to count already.
        left: f32,
        /// 1 − γ, rounded once: what the rows count.
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
        /// A code used less is dead.
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
        /// The code that is drawn for.
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
        /// Not zero where there was no code before.
        first: u32,
    }
}

params! {
    /// The uniform of [`CODEBOOK_PLACE`] and [`CODEBOOK_PLACE_AVERAGES`].
    pub struct PlaceParams {
        /// Elements of the codes placed.
        len: u32,
        /// Columns.
        dim: u32,
        /// Rows of z.
        m: u32,
        /// The first code placed.
        first: u32,
        /// How many rows a placed code is said to have had.
        weight: f32,
    }
}

const INVOCATIONS: usize = 64;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    params: &'static [(&'static str, &'static str)],
    reference: fn(&mut Args<'_>),
    why: &'static str,
) -> Kernel {
    Kernel {
        name,
        op: "codebook",
        source: shader!("codebook", "grid", "philox", "elementary", "tree"),
        bindings,
        params,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::None(why),
    }
}

const AVERAGED: &str = "an average over steps, through which no gradient flows";
const DRAWN: &str = "drawn";
const COPIED: &str = "rows become codes between steps, which no gradient crosses";

/// size `[k]` and total [k, dim] moved towards counts `[k]` and sums [k, dim].
pub static CODEBOOK_EMA: Kernel = kernel(
    "codebook_ema",
    &[read("counts"), read("sums"), update("size"), update("total")],
    EmaParams::FIELDS,
    reference::codebook::codebook_ema,
    AVERAGED,
);

/// codebook [k, dim] from sizes `[k]`, totals [k, dim] and n `[1]`.
pub static CODEBOOK_SMOOTH: Kernel = kernel(
    "codebook_smooth",
    &[read("sizes"), read("totals"), read("n"), write("codebook")],
    SmoothParams::FIELDS,
    reference::codebook::codebook_smooth,
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
        reference::codebook::codebook_perplexity,
        "a figure to report",
    )
};

/// chosen `u32 [k]`: a random row for each code whose usage `[k]` is low, [`NONE`] for the others.
pub static CODEBOOK_DEAD: Kernel = kernel(
    "codebook_dead",
    &[read("usage"), read("clock").of_u32(), write("chosen").of_u32()],
    DeadParams::FIELDS,
    reference::codebook::codebook_dead,
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
        reference::codebook::codebook_draw,
        DRAWN,
    )
};

/// nearer `[m]`: squared distances from rows z [m, dim] to the nearest code, now that row `source[0]` is one.
pub static CODEBOOK_NEARER: Kernel = kernel(
    "codebook_nearer",
    &[read("z"), read("source").of_u32(), update("nearer")],
    NearerParams::FIELDS,
    reference::codebook::codebook_nearer,
    "weights of a draw",
);

/// codes [k, dim]: those from `first` on become the rows of z [m, dim] that source, u32, names.
pub static CODEBOOK_PLACE: Kernel = kernel(
    "codebook_place",
    &[read("z"), read("source").of_u32(), update("codes")],
    PlaceParams::FIELDS,
    reference::codebook::codebook_place,
    COPIED,
);

/// size `[k]` and total [k, dim], as if the codes placed had had `weight` rows like theirs.
pub static CODEBOOK_PLACE_AVERAGES: Kernel = kernel(
    "codebook_place_averages",
    &[read("z"), read("source").of_u32(), update("size"), update("total")],
    PlaceParams::FIELDS,
    reference::codebook::codebook_place_averages,
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

/// In a list of rows: no row.
pub const NONE: u32 = u32::MAX;

/// What an averaged codebook remembers between steps. Both belong into a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Averages {
    /// How many rows each code has of late, `[k]`.
    pub size: Buf,
    /// Their sum, [k, dim].
    pub total: Buf,
}

impl Averages {
    fn check(self, label: &str, codebook: Buf) {
        let (k, len) = (codebook.shape.rows(), codebook.len());
        let fits = self.size.len() == k && self.total.len() == len;
        assert!(fits, "{label}: {self:?} for a codebook of {}", codebook.shape);
    }
}

/// Which codes are dead, and what they come back as.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Restart {
    /// A code whose usage is below it is dead.
    pub threshold: f32,
    /// How many rows it is then said to have had; below the threshold it would be dead again at once.
    pub weight: f32,
}

/// Moves the averages towards a batch, size by γ size + (1 − γ) counts and total likewise. A batch that comes in parts
/// counts as one: after the `first` part, the averages stay as they are but for what the rows add.
///
/// # Panics
/// When the shapes do not fit one another, or γ is not in [0, 1).
pub fn ema(s: &mut Schedule, label: &str, assigned: Assigned, averages: Averages, gamma: f32, first: bool) {
    let Averages { size, total } = averages;
    let (k, len, dim) = (size.len(), total.len(), total.shape.cols());
    let fits = assigned.counts.len() == k && assigned.sums.len() == len && len == k * dim;
    assert!(fits, "{label}: {assigned:?} for {averages:?}");
    assert!((0.0..1.0).contains(&gamma), "{label}: γ = {gamma}");
    let left = if first { gamma } else { 1.0 };
    let params = EmaParams { len: len as u32, dim: dim as u32, left, gain: 1.0 - gamma };
    let bufs = [assigned.counts, assigned.sums, size, total];
    s.push(&CODEBOOK_EMA, label, &bufs, &params, grid(len), 3 * len as u64);
}

/// Makes the codebook [k, dim] of its averages: total / ((size + ε) / (n + k ε) · n), n being Σ size.
///
/// # Panics
/// When the shapes do not fit one another, or ε is not positive.
pub fn smooth(s: &mut Schedule, label: &str, averages: Averages, codebook: Buf, epsilon: f32) {
    let Averages { size, total } = averages;
    let (len, dim, k) = (codebook.len(), codebook.shape.cols(), codebook.shape.rows());
    averages.check(label, codebook);
    assert!(epsilon > 0.0, "{label}: ε = {epsilon}");
    let n = reduce::whole(s, &format!("{label}.n"), size, reduce::Kind::Sum);
    let params = SmoothParams { len: len as u32, dim: dim as u32, k: k as u32, epsilon };
    s.push(&CODEBOOK_SMOOTH, label, &[size, total, n, codebook], &params, grid(len), 6 * len as u64);
}

/// histogram `[k]` += counts `[k]`, which [`fill`](crate::ops::fill::fill) sets to zero when an epoch starts. Whole
/// numbers, exact up to 2²⁴ to a code.
///
/// # Panics
/// When the two differ in size.
pub fn count(s: &mut Schedule, label: &str, counts: Buf, histogram: Buf) {
    reduce::columns_add(s, label, counts.reshape([1, counts.len()]), histogram);
}

/// The perplexity exp(−Σ p ln p) of the codes' shares p of a histogram `[k]`, and how many codes it has used: `[1]`
/// each. A histogram without counts has the perplexity 1.
pub fn perplexity(s: &mut Schedule, label: &str, histogram: Buf) -> (Buf, Buf) {
    let (y, used) = (s.scratch([1]), s.scratch([1]));
    let params = PerplexityParams { k: histogram.len() as u32 };
    s.push(&CODEBOOK_PERPLEXITY, label, &[histogram, y, used], &params, Grid::Linear(1), 30 * histogram.len() as u64);
    (y, used)
}

/// Codes whose `usage` `[k]` (the averages' size, or a histogram) is below the threshold become random rows of z
/// [.., dim], and their averages `weight` such rows. `clock` is `u32 [4]`, of which the first is the step. Returns the
/// row of each code, `u32 [k]`, [`NONE`] where it stays.
///
/// # Panics
/// When the shapes do not fit one another.
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
    assert!(usage.len() == k && clock.len() == 4, "{label}: usage of {}, clock of {}", usage.shape, clock.shape);
    let chosen = s.scratch_of([k], Dtype::U32);
    let [key0, key1] = key(seed);
    let params = DeadParams { k: k as u32, m: m as u32, threshold: restart.threshold, key0, key1 };
    s.push(&CODEBOOK_DEAD, &format!("{label}.dead"), &[usage, clock, chosen], &params, grid(k), 0);
    place(s, label, z, chosen, codebook, averages, 0, restart.weight);
    chosen
}

/// Every code of the codebook [k, dim] becomes a row of z [.., dim], by k-means++: the first any row, each other one
/// in proportion to its squared distance from the nearest code so far. The averages, where there are some, become
/// those of so many such rows each. `clock` is `u32 [4]`, of which the first is the step. Three or four steps to a
/// code: this is for a schedule of its own, run once before training. Returns the squared distances that are left,
/// `[m]`.
///
/// # Panics
/// When the shapes do not fit one another, or there are more than 2²⁴ rows.
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
    assert!(m <= 1 << 24, "{label}: {m} rows, and 2²⁴ at most can be weighed");
    assert_eq!(clock.len(), 4, "{label}: a clock of {}", clock.shape);
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

/// Bits of the weight of one of m rows, as many as a sum of m fits into 32, and as f32 has digits.
fn weight_bits(m: usize) -> u32 {
    (m as u32 - 1).leading_zeros().min(24)
}

/// Codes from `first` on become the rows that `source` names, and their averages `weight` such rows.
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
    assert_eq!(codebook.shape.cols(), dim, "{label}: codes of {} from rows of {}", codebook.shape, z.shape);
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
