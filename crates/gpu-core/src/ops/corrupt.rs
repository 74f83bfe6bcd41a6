//! Corruptions of images, of which a model learns the inverse: noise, unknown squares, missing colour, fewer pixels,
//! blur, and JPEG's loss (ITU-T T.81 and JFIF 1.02).
//!
//! Images are x [n, h, w, c] with numbers in a range. The random numbers of a corruption are given ([`Draws`]), so that
//! a model draws them by [`philox`](crate::ops::philox) from the stream [`Corrupt`](crate::random::Stream::Corrupt).

use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

mod corruption;

pub use corruption::{Corruption, Draws, InvalidCorruption};

params! {
    /// The uniform of [`CORRUPT_NOISE`].
    pub struct NoiseParams {
        /// Elements.
        len: u32,
        /// The standard deviation.
        sigma: f32,
        /// Black.
        low: f32,
        /// White.
        high: f32,
    }
}

params! {
    /// The uniform of [`CORRUPT_SQUARE`].
    pub struct SquareParams {
        /// Pixels of all images.
        len: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Rows and columns of the square.
        side: u32,
    }
}

params! {
    /// The uniform of [`CORRUPT_MASKED`].
    pub struct MaskedParams {
        /// Elements of y.
        len: u32,
        /// Channels of x.
        c: u32,
        /// Black.
        low: f32,
        /// White.
        high: f32,
    }
}

params! {
    /// The uniform of [`CORRUPT_GRAY`].
    pub struct GrayParams {
        /// Elements.
        len: u32,
    }
}

params! {
    /// The uniform of [`CORRUPT_DOWN`].
    pub struct DownParams {
        /// Elements.
        len: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Channels.
        c: u32,
        /// Rows and columns of a block.
        k: u32,
    }
}

params! {
    /// The uniform of [`CORRUPT_BLUR`].
    pub struct BlurParams {
        /// Elements.
        len: u32,
        /// Pixels along the axis.
        size: u32,
        /// Elements from a pixel to the next one along it.
        stride: u32,
        /// Pixels on each side that count.
        radius: u32,
        /// The standard deviation in pixels.
        sigma: f32,
    }
}

params! {
    /// The uniform of [`CORRUPT_JPEG`].
    pub struct JpegParams {
        /// Blocks of 8 × 8 pixels in all images.
        blocks: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Channels: 1 or 3.
        c: u32,
        /// From 1 to 100.
        quality: u32,
        /// Grey levels to a unit of x: 255 / (high − low).
        scale: f32,
        /// Black.
        low: f32,
        /// White.
        high: f32,
    }
}

const INVOCATIONS: usize = 64;
/// Rows and columns of a block of JPEG; a workgroup has one invocation for each pixel of a block.
const BLOCK: usize = 8;

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    params: &'static [(&'static str, &'static str)],
    reference: Functions,
) -> Kernel {
    Kernel {
        name,
        op: "corrupt",
        source: shader!("corrupt", "grid", "nan", "elementary"),
        bindings,
        params,
        overrides: &[],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient: Gradient::None("data"),
    }
}

const UNARY: &[Binding] = &[read("x"), write("shown")];

/// y = clamp(x + sigma · draws, low, high).
pub static CORRUPT_NOISE: Kernel = kernel(
    "corrupt_noise",
    &[read("x"), read("draws"), write("y")],
    NoiseParams::FIELDS,
    functions!(reference::corrupt::corrupt_noise),
);
/// A mask that is 1 in a square and 0 elsewhere.
pub static CORRUPT_SQUARE: Kernel = kernel(
    "corrupt_square",
    &[read("places"), write("square")],
    SquareParams::FIELDS,
    functions!(reference::corrupt::corrupt_square),
);
/// y = x with the middle of the range where the mask is 1, and the mask as one more channel.
pub static CORRUPT_MASKED: Kernel = kernel(
    "corrupt_masked",
    &[read("x"), read("mask"), write("y")],
    MaskedParams::FIELDS,
    functions!(reference::corrupt::corrupt_masked),
);
/// The luminance in every channel.
pub static CORRUPT_GRAY: Kernel =
    kernel("corrupt_gray", UNARY, GrayParams::FIELDS, functions!(reference::corrupt::corrupt_gray));
/// The mean of each block of k × k pixels.
pub static CORRUPT_DOWN: Kernel =
    kernel("corrupt_down", UNARY, DownParams::FIELDS, functions!(reference::corrupt::corrupt_down));
/// A Gaussian blur along one axis.
pub static CORRUPT_BLUR: Kernel =
    kernel("corrupt_blur", UNARY, BlurParams::FIELDS, functions!(reference::corrupt::corrupt_blur));
/// JPEG's loss.
pub static CORRUPT_JPEG: Kernel =
    kernel("corrupt_jpeg", UNARY, JpegParams::FIELDS, functions!(reference::corrupt::corrupt_jpeg));

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] =
    &[&CORRUPT_NOISE, &CORRUPT_SQUARE, &CORRUPT_MASKED, &CORRUPT_GRAY, &CORRUPT_DOWN, &CORRUPT_BLUR, &CORRUPT_JPEG];

/// Images x [n, h, w, c] with numbers in [low, high], corrupted: [n, h, w, c′] with [`Corruption::channels`]. `draws`
/// are those of [`Corruption::draws`] for each image in turn.
///
/// # Panics
/// If x is no image or cannot have the corruption ([`Corruption::check`]), the range is empty, or `draws` are not as
/// many as the corruption needs.
pub fn forward(
    s: &mut Schedule,
    label: &str,
    x: Buf,
    draws: Option<Buf>,
    corruption: Corruption,
    range: [f32; 2],
) -> Buf {
    let [n, h, w, c] = check(label, x, range);
    corruption.check([h, w, c]).unwrap_or_else(|invalid| panic!("{label}: {invalid}"));
    let needed = match corruption.draws([h, w, c]) {
        Draws::None => 0,
        Draws::Normal(of_image) | Draws::Uniform(of_image) => n * of_image,
    };
    let given = draws.map_or(0, |draws| draws.len());
    assert_eq!(given, needed, "{label}: random numbers of {corruption} for {}", x.shape);
    let ([low, high], len, count) = (range, x.len() as u32, x.len() as u64);
    let [rows, columns, channels] = [h, w, c].map(|size| size as u32);
    match (corruption, draws) {
        (Corruption::Mask(side), Some(draws)) => {
            let square = s.scratch([n, h, w, 1]);
            let params = SquareParams { len: square.len() as u32, h: rows, w: columns, side: side as u32 };
            let cost = square.len() as u64;
            s.push(&CORRUPT_SQUARE, &format!("{label}.square"), &[draws, square], &params, grid(square), cost);
            masked(s, label, x, square, range)
        }
        (Corruption::Noise(sigma), Some(draws)) => {
            let y = s.scratch(x.shape);
            let params = NoiseParams { len, sigma: sigma * (high - low), low, high };
            s.push(&CORRUPT_NOISE, label, &[x, draws, y], &params, grid(y), 2 * count);
            y
        }
        (Corruption::Gray, None) => unary(s, label, &CORRUPT_GRAY, x, &GrayParams { len }, grid(x), 5 * count),
        (Corruption::Down(k), None) => {
            let params = DownParams { len, h: rows, w: columns, c: channels, k: k as u32 };
            unary(s, label, &CORRUPT_DOWN, x, &params, grid(x), (k * k) as u64 * count)
        }
        (Corruption::Blur(sigma), None) => {
            let radius = (3.0 * sigma).ceil() as u32;
            let cost = 12 * u64::from(radius) * count;
            let down = BlurParams { len, size: rows, stride: columns * channels, radius, sigma };
            let across = BlurParams { size: columns, stride: channels, ..down };
            let blurred = unary(s, &format!("{label}.rows"), &CORRUPT_BLUR, x, &down, grid(x), cost);
            unary(s, &format!("{label}.columns"), &CORRUPT_BLUR, blurred, &across, grid(x), cost)
        }
        (Corruption::Jpeg(quality), None) => {
            let blocks = n * h.div_ceil(BLOCK) * w.div_ceil(BLOCK);
            let (scale, h, w, c) = (255.0 / (high - low), rows, columns, channels);
            let params = JpegParams { blocks: blocks as u32, h, w, c, quality, scale, low, high };
            unary(s, label, &CORRUPT_JPEG, x, &params, Grid::Linear(blocks), 80 * count)
        }
        _ => unreachable!("the numbers of draws are equal"),
    }
}

/// Images x [n, h, w, c] with numbers in [low, high] and unknown pixels: [n, h, w, c + 1]. `mask` [n, h, w, 1] is 1 at
/// unknown pixels, which become the middle of the range, and 0 at known ones. The last channel is `high` at unknown
/// pixels and `low` at known ones.
///
/// # Panics
/// If x is no image, the range is empty, or the mask has another number of pixels.
pub fn masked(s: &mut Schedule, label: &str, x: Buf, mask: Buf, range: [f32; 2]) -> Buf {
    let [n, h, w, c] = check(label, x, range);
    assert_eq!(mask.len(), n * h * w, "{label}: a mask of shape {} for {}", mask.shape, x.shape);
    let y = s.scratch([n, h, w, c + 1]);
    let params = MaskedParams { len: y.len() as u32, c: c as u32, low: range[0], high: range[1] };
    s.push(&CORRUPT_MASKED, label, &[x, mask, y], &params, grid(y), y.len() as u64);
    y
}

fn unary(
    s: &mut Schedule,
    label: &str,
    kernel: &'static Kernel,
    x: Buf,
    params: &impl Params,
    grid: Grid,
    flops: u64,
) -> Buf {
    let y = s.scratch(x.shape);
    s.push(kernel, label, &[x, y], params, grid, flops);
    y
}

fn check(label: &str, x: Buf, [low, high]: [f32; 2]) -> [usize; 4] {
    assert!(low < high && (high - low).is_finite(), "{label}: the range [{low}, {high}] is empty or infinite");
    let dims: Vec<usize> = x.shape.dims().iter().map(|&dim| dim as usize).collect();
    dims.try_into().unwrap_or_else(|_| panic!("{label}: {} is not an image [n, h, w, c]", x.shape))
}

fn grid(of: Buf) -> Grid {
    Grid::Linear(of.len().div_ceil(INVOCATIONS))
}
