//! The shuffled order of the training set: the rows of the current batch.
//!
//! `order[b] = π(start + first + b)`, where π is a permutation of the rows keyed by seed and epoch, or the identity.
//! The clock is the only state, so four words suffice to resume in the middle of an epoch.

use crate::random::key;
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Dtype, Grid, Params, Schedule, functions, params, reference, shader};
use std::ops::Range;

params! {
    /// The uniform of the kernel.
    pub struct PermuteParams {
        /// The number of rows.
        len: u32,
        /// The first of them, relative to the start of the batch.
        first: u32,
        /// Rows of the data set.
        count: u32,
        /// [`half_bits`] of `count`.
        half_bits: u32,
        /// Zero for the identity.
        shuffle: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
    }
}

const INVOCATIONS: usize = 64;

/// `order[b] = π(clock[2] + first + b)`.
pub static PERMUTE: Kernel = Kernel {
    name: "permute",
    op: "permute",
    source: shader!("permute", "grid", "philox"),
    bindings: &[read("clock").of_u32(), write("order").of_u32()],
    params: PermuteParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::permute::permute),
    gradient: Gradient::None("a random order, not computed from an input"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&PERMUTE];

/// The bits of one half of a position: the fewest, at least one, such that two halves can number `count` rows.
pub fn half_bits(count: u32) -> u32 {
    (u32::BITS - (count - 1).leading_zeros()).div_ceil(2).max(1)
}

/// The rows `rows.start` to `rows.end` of a batch out of `count`, as a new buffer, `u32 [rows]`. `clock` is `u32 [4]`:
/// its second element is the epoch, its third the batch's first position in the epoch. A batch must not extend past its
/// epoch, so a shorter last batch needs a separate schedule.
///
/// # Panics
/// If `clock` is not `[4]`, `rows` is empty, or `count` is less than `rows.end` or more than 2³¹ − 1.
pub fn permute(
    s: &mut Schedule,
    label: &str,
    rows: Range<usize>,
    clock: Buf,
    count: usize,
    seed: u64,
    shuffle: bool,
) -> Buf {
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let fits = !rows.is_empty() && (rows.end..=i32::MAX as usize).contains(&count);
    assert!(fits, "{label}: rows {rows:?} of a batch out of {count}");
    let order = s.scratch_of([rows.len()], Dtype::U32);
    let [key0, key1] = key(seed);
    let (len, first, count) = (rows.len() as u32, rows.start as u32, count as u32);
    let params = PermuteParams { len, first, count, half_bits: half_bits(count), shuffle: shuffle.into(), key0, key1 };
    s.push(&PERMUTE, label, &[clock, order], &params, Grid::Linear(order.len().div_ceil(INVOCATIONS)), 0);
    order
}
