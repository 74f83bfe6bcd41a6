//! Gathers the rows of a batch from a data set of bytes on the device, as numbers.
//!
//! `y[b, j] = scale · byte(order[b] · width + j) + shift`.

use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

params! {
    /// The uniform of the kernel.
    pub struct GatherParams {
        /// Elements of the output.
        len: u32,
        /// Bytes in a row.
        width: u32,
        /// Multiplies a byte.
        scale: f32,
        /// Added to the product.
        shift: f32,
    }
}

const INVOCATIONS: usize = 64;

/// `y[b, j] = scale · byte(order[b] · width + j) + shift`.
pub static GATHER: Kernel = Kernel {
    name: "gather",
    op: "gather",
    source: shader!("gather", "grid"),
    bindings: &[read("data").of_u32().in_part(), read("order").of_u32(), write("y")],
    params: GatherParams::FIELDS,
    overrides: &[],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::gather::gather),
    gradient: Gradient::None("data"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&GATHER];

/// Packs bytes into words as the device stores them: four to a word, the lowest first, padded with zeros.
pub fn pack(bytes: &[u8]) -> Vec<u32> {
    let word = |four: &[u8]| four.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    bytes.chunks(4).map(word).collect()
}

/// Gathers rows `order` of `data` as numbers [rows, width]. `data` is u32, rows of `width` bytes packed by [`pack`];
/// `order` is `u32 [rows]`, with every row in range.
///
/// # Panics
/// If `data` holds less than one row, or more than 2³² bytes.
pub fn gather(s: &mut Schedule, label: &str, data: Buf, order: Buf, width: usize, scale: f32, shift: f32) -> Buf {
    let bytes = 4 * data.len() as u64;
    assert!((width as u64..=1 << 32).contains(&bytes), "{label}: {bytes} bytes for rows of {width}");
    let y = s.scratch([order.len(), width]);
    let params = GatherParams { len: y.len() as u32, width: width as u32, scale, shift };
    let grid = Grid::Linear(y.len().div_ceil(INVOCATIONS));
    s.push(&GATHER, label, &[data, order, y], &params, grid, 2 * y.len() as u64);
    y
}
