//! Records the sum of a loss over a batch in a ring that the host reads later.

use crate::schedule::kernel::{Gradient, Kernel, read, update};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of [`RECORD`].
    pub struct RecordParams {
        /// Elements of rows.
        n: u32,
        /// Columns of the ring.
        width: u32,
        /// Rows of the ring.
        slots: u32,
        /// The column written.
        column: u32,
        /// Multiplies the sum.
        scale: f32,
        /// 1 to add to the ring instead of overwriting.
        add: u32,
    }
}

/// ring[(step − 1) mod slots, column] = scale · Σ rows, or += that.
pub static RECORD: Kernel = Kernel {
    name: "record",
    op: "record",
    source: shader!("record", "tree"),
    bindings: &[read("rows"), read("clock").of_u32(), update("ring").in_part()],
    params: RecordParams::FIELDS,
    overrides: &[],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: functions!(reference::record::record),
    gradient: Gradient::None("a copy of losses for the host"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&RECORD];

/// ring[(step − 1) mod slots, column] = scale · Σ rows. The ring is [slots, width]; the step, counted from 1, is the
/// clock's first element.
///
/// # Panics
/// If the column is out of range, or `clock` does not have four elements.
pub fn record(s: &mut Schedule, label: &str, rows: Buf, clock: Buf, ring: Buf, column: usize, scale: f32) {
    push(s, label, rows, clock, ring, column, scale, false);
}

/// ring[(step − 1) mod slots, column] += scale · Σ rows, for the later micro-batches of a batch, after [`record`] for
/// the first.
///
/// # Panics
/// As [`record`].
pub fn record_more(s: &mut Schedule, label: &str, rows: Buf, clock: Buf, ring: Buf, column: usize, scale: f32) {
    push(s, label, rows, clock, ring, column, scale, true);
}

#[allow(clippy::too_many_arguments)]
fn push(s: &mut Schedule, label: &str, rows: Buf, clock: Buf, ring: Buf, column: usize, scale: f32, add: bool) {
    let (slots, width) = (ring.shape.rows(), ring.shape.cols());
    assert!(column < width, "{label}: no column {column} in a ring of shape {}", ring.shape);
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let [n, width, slots, column] = [rows.len(), width, slots, column].map(|count| count as u32);
    let params = RecordParams { n, width, slots, column, scale, add: add.into() };
    s.push(&RECORD, label, &[rows, clock, ring], &params, Grid::Linear(1), rows.len() as u64);
}
