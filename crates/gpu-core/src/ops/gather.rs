//! Gathers the rows of a batch from a data set of bytes on the device, as numbers; images mirrored and moved, if asked.
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

params! {
    /// The uniform of [`GATHER_MOVED`].
    pub struct MovedParams {
        /// Elements of the output.
        len: u32,
        /// Rows of an image.
        h: u32,
        /// Columns of an image.
        w: u32,
        /// Channels.
        c: u32,
        /// 1 to mirror every other image.
        mirror: u32,
        /// The most pixels to move by.
        crop: u32,
        /// Multiplies a byte.
        scale: f32,
        /// Added to the product.
        shift: f32,
    }
}

/// Uniform numbers in (0, 1) for each image of [`gather_moved`].
pub const DRAWS: usize = 3;

/// Random changes of an image's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Move {
    /// Mirrors an image, left to right, with a probability of ½.
    pub mirror: bool,
    /// The most pixels to move by, down or up and right or left; the pixels of the edge are repeated. The same as a
    /// random crop of the image padded so.
    pub crop: usize,
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

/// The same of images [h, w, c], each mirrored or not and moved, by three numbers of `draws`.
pub static GATHER_MOVED: Kernel = Kernel {
    name: "gather_moved",
    bindings: &[read("data").of_u32().in_part(), read("order").of_u32(), read("draws"), write("moved")],
    params: MovedParams::FIELDS,
    reference: functions!(reference::gather::gather_moved),
    ..GATHER
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&GATHER, &GATHER_MOVED];

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

/// Gathers images `order` of `data` [n, h, w, c], each changed by its row of `draws`, uniform numbers [rows, 3] in (0,
/// 1): [rows, h · w · c]. The others are as for [`gather`].
///
/// # Panics
/// As [`gather`]; or if `draws` does not have [`DRAWS`] numbers for each image.
#[expect(clippy::too_many_arguments, reason = "those of gather, and the change")]
pub fn gather_moved(
    s: &mut Schedule,
    label: &str,
    data: Buf,
    order: Buf,
    draws: Buf,
    image: [usize; 3],
    by: Move,
    [scale, shift]: [f32; 2],
) -> Buf {
    let [h, w, c] = image.map(|size| size as u32);
    let (width, bytes) = (image.iter().product::<usize>(), 4 * data.len() as u64);
    assert!((width as u64..=1 << 32).contains(&bytes), "{label}: {bytes} bytes for images of {width}");
    assert_eq!(draws.len(), DRAWS * order.len(), "{label}: draws of shape {} for {}", draws.shape, order.shape);
    let y = s.scratch([order.len(), width]);
    let (mirror, crop) = (u32::from(by.mirror), by.crop as u32);
    let params = MovedParams { len: y.len() as u32, h, w, c, mirror, crop, scale, shift };
    let grid = Grid::Linear(y.len().div_ceil(INVOCATIONS));
    s.push(&GATHER_MOVED, label, &[data, order, draws, y], &params, grid, 2 * y.len() as u64);
    y
}
