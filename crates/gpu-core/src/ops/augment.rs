//! Random changes of images that a gradient passes: colour, translation and cutout (DiffAugment: Zhao, Liu, Lin, Zhu
//! and Han, *Differentiable augmentation for data-efficient GAN training*, 2020).
//!
//! Every change is affine in the image, so the gradient is the adjoint of its linear part. An image's numbers come from
//! [`philox::uniform_from`](crate::ops::philox::uniform_from), [`DRAWS`] of them.

use crate::ops::activation::Activation;
use crate::ops::reduce;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

/// Uniform numbers in (0, 1) for each image.
pub const DRAWS: usize = 8;

/// The changes to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Augment {
    /// Brightness, saturation and contrast: up to ±½, by 0 to 2, by ½ to 3/2.
    pub colour: bool,
    /// Moves by up to an eighth of the height and of the width; zeros where no pixel is.
    pub translation: bool,
    /// Sets a window of half the height and half the width to zero.
    pub cutout: bool,
}

params! {
    /// The uniform of [`AUGMENT_COLOUR`].
    pub struct ColourParams {
        /// Elements.
        len: u32,
        /// Pixels of an image.
        pixels: u32,
        /// Channels.
        c: u32,
        /// 1 if brightness is added.
        bright: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

params! {
    /// The uniform of [`AUGMENT_PLACE`] and its adjoint.
    pub struct PlaceParams {
        /// Elements.
        len: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Channels.
        c: u32,
        /// The most rows to move by.
        reach_h: u32,
        /// The most columns to move by.
        reach_w: u32,
        /// Rows of the window to cut out.
        cut_h: u32,
        /// Columns of that window.
        cut_w: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
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
        op: "augment",
        source: shader!("augment", "grid", "nan", "elementary", "activation"),
        bindings,
        params,
        overrides: &["gate"],
        workgroup: [INVOCATIONS as u32, 1, 1],
        variants: &[],
        reference,
        gradient,
    }
}

/// y = gate ⊙ (contrast (saturation (x − m) + m) + (1 − contrast) mean + brightness)
pub static AUGMENT_COLOUR: Kernel = kernel(
    "augment_colour",
    &[read("x"), read("draws"), read("mean"), read("gate_y"), write("y")],
    ColourParams::FIELDS,
    functions!(reference::augment::augment_colour),
    Gradient::Forward,
);

/// moved = x translated, with a window cut out.
pub static AUGMENT_PLACE: Kernel = kernel(
    "augment_place",
    &[read("x"), read("draws"), write("moved")],
    PlaceParams::FIELDS,
    functions!(reference::augment::augment_place),
    Gradient::Forward,
);

/// dx = gate ⊙ the adjoint of [`AUGMENT_PLACE`].
pub static AUGMENT_PLACE_BACKWARD: Kernel = kernel(
    "augment_place_backward",
    &[read("dy"), read("draws"), read("gate_x"), write("dx")],
    PlaceParams::FIELDS,
    functions!(reference::augment::augment_place_backward),
    Gradient::Backward,
);

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&AUGMENT_COLOUR, &AUGMENT_PLACE, &AUGMENT_PLACE_BACKWARD];

/// Images x [n, h, w, c] changed by `draws` [n, 8]: a new buffer, or x without a change.
///
/// # Panics
/// If x is not an image, or `draws` does not have [`DRAWS`] numbers for each.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, draws: Buf, augment: Augment) -> Buf {
    check(label, x, draws);
    let coloured = if augment.colour { colour(s, &format!("{label}.colour"), x, draws, true, None) } else { x };
    if !augment.translation && !augment.cutout {
        return coloured;
    }
    let y = s.scratch(x.shape);
    s.push(
        &AUGMENT_PLACE,
        &format!("{label}.place"),
        &[coloured, draws, y],
        &place(x, augment),
        grid(x),
        x.len() as u64,
    );
    y
}

/// The gradient of [`forward`] with respect to x. The gate (an activation and its output, which is x) multiplies it by
/// the slope of that activation.
///
/// # Panics
/// As [`forward`]; or if the gate has another size, or its slope cannot be computed from its output.
pub fn backward(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    draws: Buf,
    augment: Augment,
    gate: Option<(Activation, Buf)>,
) -> Buf {
    check(label, dy, draws);
    assert!(gate.is_none_or(|(_, y)| y.len() == dy.len()), "{label}: the gate does not have the size of {}", dy.shape);
    assert!(gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    if augment.colour && !augment.translation && !augment.cutout {
        return colour(s, &format!("{label}.colour"), dy, draws, false, gate);
    }
    // The last kernel applies the gate.
    let of_place = if augment.colour { None } else { gate };
    let (act, gate_x) = of_place.unwrap_or((Activation::Identity, dy));
    let params = PlaceParams { gate: act.code(), gate_alpha: act.alpha(), ..place(dy, augment) };
    let dx = s.scratch(dy.shape);
    let cost = dy.len() as u64;
    s.push(&AUGMENT_PLACE_BACKWARD, &format!("{label}.place"), &[dy, draws, gate_x, dx], &params, grid(dy), cost);
    if augment.colour { colour(s, &format!("{label}.colour"), dx, draws, false, gate) } else { dx }
}

/// The change of colour, which without brightness is its own adjoint.
fn colour(s: &mut Schedule, label: &str, x: Buf, draws: Buf, bright: bool, gate: Option<(Activation, Buf)>) -> Buf {
    let [n, h, w, c] = sizes(x);
    let mean = reduce::rows(s, &format!("{label}.mean"), x.reshape([n, h * w * c]), reduce::Kind::Mean);
    let (act, gate_y) = gate.unwrap_or((Activation::Identity, x));
    let params = ColourParams {
        len: x.len() as u32,
        pixels: (h * w) as u32,
        c: c as u32,
        bright: bright.into(),
        gate: act.code(),
        gate_alpha: act.alpha(),
    };
    let y = s.scratch(x.shape);
    s.push(&AUGMENT_COLOUR, label, &[x, draws, mean, gate_y, y], &params, grid(x), (8 + c as u64) * x.len() as u64);
    y
}

/// The parameters without a gate: the published ratios, an eighth for translation and a half for cutout.
fn place(x: Buf, augment: Augment) -> PlaceParams {
    let [_, h, w, c] = sizes(x);
    let share = |on: bool, size: usize, parts: usize| if on { ((2 * size + parts) / (2 * parts)) as u32 } else { 0 };
    PlaceParams {
        len: x.len() as u32,
        h: h as u32,
        w: w as u32,
        c: c as u32,
        reach_h: share(augment.translation, h, 8),
        reach_w: share(augment.translation, w, 8),
        cut_h: share(augment.cutout, h, 2),
        cut_w: share(augment.cutout, w, 2),
        gate: Activation::Identity.code(),
        gate_alpha: 0.0,
    }
}

fn sizes(x: Buf) -> [usize; 4] {
    let dims: Vec<usize> = x.shape.dims().iter().map(|&dim| dim as usize).collect();
    dims.try_into().unwrap_or_else(|_| panic!("{} is not an image [n, h, w, c]", x.shape))
}

fn check(label: &str, x: Buf, draws: Buf) {
    let [n, ..] = sizes(x);
    assert_eq!(draws.len(), DRAWS * n, "{label}: draws of shape {} for {}", draws.shape, x.shape);
}

fn grid(x: Buf) -> Grid {
    Grid::Linear(x.len().div_ceil(INVOCATIONS))
}
