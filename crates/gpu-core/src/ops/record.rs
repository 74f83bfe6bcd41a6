//! The sum of a loss over a batch, kept in a ring until the host reads it.

use crate::schedule::kernel::{Gradient, Kernel, read, update};
use crate::{Buf, Grid, Params, Schedule, params, reference, shader};

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
        /// Not zero where it is added to what is there.
        add: u32,
    }
}

/// ring[(step − 1) mod slots, column] = scale · Σ rows, or that much more.
pub static RECORD: Kernel = Kernel {
    name: "record",
    op: "record",
    source: shader!("record", "tree"),
    bindings: &[read("rows"), read("clock").of_u32(), update("ring")],
    params: RecordParams::FIELDS,
    overrides: &[],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: reference::record::record,
    gradient: Gradient::None("it copies losses out"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&RECORD];

/// ring[(step − 1) mod slots, column] = scale · Σ rows, with the ring [slots, width] and the step, counted from 1,
/// in the clock's first word.
///
/// # Panics
/// When the ring has no such column, or `clock` does not have four elements.
pub fn record(s: &mut Schedule, label: &str, rows: Buf, clock: Buf, ring: Buf, column: usize, scale: f32) {
    push(s, label, rows, clock, ring, column, scale, false);
}

/// ring[(step − 1) mod slots, column] += scale · Σ rows, with the ring [slots, width]: the rows of a batch that comes
/// in parts, after [`record`] has had the first.
///
/// # Panics
/// As [`record`].
pub fn record_more(s: &mut Schedule, label: &str, rows: Buf, clock: Buf, ring: Buf, column: usize, scale: f32) {
    push(s, label, rows, clock, ring, column, scale, true);
}

#[allow(clippy::too_many_arguments)]
fn push(s: &mut Schedule, label: &str, rows: Buf, clock: Buf, ring: Buf, column: usize, scale: f32, add: bool) {
    let (slots, width) = (ring.shape.rows(), ring.shape.cols());
    assert!(column < width, "{label}: column {column} of a ring of {}", ring.shape);
    assert_eq!(clock.len(), 4, "{label}: a clock of {}", clock.shape);
    let [n, width, slots, column] = [rows.len(), width, slots, column].map(|count| count as u32);
    let params = RecordParams { n, width, slots, column, scale, add: add.into() };
    s.push(&RECORD, label, &[rows, clock, ring], &params, Grid::Linear(1), rows.len() as u64);
}
