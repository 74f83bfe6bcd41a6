//! Convolutions of NHWC images and their transposes, as products over windows that are gathered but never stored.
//!
//! Weights are stored as [co, kh, kw, ci], so that a row is one window in memory order; weights in PyTorch's order [co,
//! ci, kh, kw] are permuted when files are read and written. A transposed convolution is the gradient of a convolution
//! with respect to its input, so the same three kernels serve both, with exchanged roles. The gradient of the bias is
//! the sum of the columns of dy as a matrix.
//!
//! Windows of one pixel, and windows as large as the image, are dense products: [`crate::ops::matmul`].

use crate::ops::activation::Activation;
use crate::ops::matmul::{Epilogue, Form, PLAIN, join, product, product_add};
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, write};
use crate::schedule::variant::{LANES_BLOCKS, LANES_QUADS, Needs, TALL_BLOCKS, TALL_QUADS, Tiles, Variant, variants};
use crate::{Buf, Grid, Params, Schedule, Shape, functions, params, reference, shader};

mod window;
pub use window::Window;

params! {
    /// The uniform of every kernel. x is the convolution's input and y its output, whichever is computed.
    pub struct Conv2dParams {
        /// The product to compute, as in the shader.
        role: u32,
        /// Images.
        batch: u32,
        /// Height of x.
        x_h: u32,
        /// Width of x.
        x_w: u32,
        /// Channels of x.
        x_c: u32,
        /// Height of y.
        y_h: u32,
        /// Width of y.
        y_w: u32,
        /// Channels of y.
        y_c: u32,
        /// [`Window::kernel`].
        kernel_h: u32,
        /// [`Window::kernel`].
        kernel_w: u32,
        /// [`Window::stride`].
        stride_h: u32,
        /// [`Window::stride`].
        stride_w: u32,
        /// [`Window::pad`].
        pad_h: u32,
        /// [`Window::pad`].
        pad_w: u32,
        /// [`Window::dilation`].
        dilation_h: u32,
        /// [`Window::dilation`].
        dilation_w: u32,
        /// stride / gcd(stride, dilation): taps this far apart read the same pixels of x.
        step_h: u32,
        /// The same along w.
        step_w: u32,
        /// Pixels of y that one workgroup sums over for dw.
        chunk: u32,
        /// 1 if the bias is added.
        use_bias: u32,
        /// [`Activation::code`] of the epilogue.
        activation: u32,
        /// The same of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the epilogue.
        alpha: f32,
        /// The same of the gate.
        gate_alpha: f32,
    }
}

const FORWARD: u32 = 0;
const INPUT: u32 = 1;
pub(crate) const WEIGHT: u32 = 2;
/// The constant of a shader for the first two.
pub(crate) const TAPS: u32 = 3;

/// Columns too few for a tile.
const NARROW: usize = 4;
/// The side of the tiles that determine how sums are divided, whatever tiles a device then uses.
const TILE: usize = 64;
const INVOCATIONS: usize = 256;

const BINDINGS: &[Binding] = &[read("image"), read("factor"), read("bias"), read("gate_y"), write("y")];

const fn kernel(name: &'static str, variants: &'static [Variant], reference: Functions, gradient: Gradient) -> Kernel {
    Kernel {
        name,
        op: "conv2d",
        source: SCALARS,
        bindings: BINDINGS,
        params: Conv2dParams::FIELDS,
        overrides: &["role", "use_bias", "activation", "gate"],
        workgroup: [8, 8, 1],
        variants,
        reference,
        gradient,
    }
}

const SCALARS: &[&str] = shader!("conv2d" / "scalars", "single", "grid", "nan", "elementary", "activation", "tile");
const HALF: &[&str] = shader!("conv2d" / "scalars", "half", "grid", "nan", "elementary", "activation", "tile");
const QUADS: &[&str] = shader!("conv2d" / "quads", "single", "grid", "nan", "elementary", "activation", "tile");
const COOPERATIVE_8: &[&str] =
    shader!("conv2d" / "scalars", "cooperative_8", "grid", "nan", "elementary", "activation", "cooperative");
const COOPERATIVE_16: &[&str] =
    shader!("conv2d" / "scalars", "cooperative_16", "grid", "nan", "elementary", "activation", "cooperative");
const SUBGROUPS: &[&str] = shader!(
    "conv2d" / "scalars" / "lanes" / "lanes_scalars",
    "single",
    "grid",
    "nan",
    "elementary",
    "activation",
    "tile",
    "lanes",
);
const SUBGROUPS_BLOCKS: &[&str] = shader!(
    "conv2d" / "quads" / "lanes" / "lanes_blocks",
    "single",
    "grid",
    "nan",
    "elementary",
    "activation",
    "tile",
    "lanes",
    "lanes_blocks",
);
const SUBGROUPS_QUADS: &[&str] = shader!(
    "conv2d" / "quads" / "lanes" / "lanes_quads",
    "single",
    "grid",
    "nan",
    "elementary",
    "activation",
    "tile",
    "lanes",
);

/// y from x and w.
pub static CONV2D_FORWARD: Kernel =
    kernel("conv2d_forward", FORWARDS, functions!(reference::conv2d::conv2d_forward), Gradient::Forward);
const FORWARDS: &[Variant] = variants!("conv2d_forward", "conv2d", &[], &[], FEW, FORWARD_BLOCKS, FORWARD_TALL);
const FORWARD_BLOCKS: Variant = by_blocks("conv2d_forward_lanes_blocks", &LANES_BLOCKS);
const FORWARD_TALL: Variant = by_blocks("conv2d_forward_lanes_tall_blocks", &TALL_BLOCKS);
const FEW: Variant = Variant {
    name: "conv2d_forward_narrow",
    entry: "conv2d_forward_narrow",
    source: SCALARS,
    constants: [&[], &[]],
    workgroup: [8, 8, 1],
    tile: [8, NARROW],
    loads: 40,
    needs: Needs::FewColumns,
};

/// dx from dy and w.
pub static CONV2D_BACKWARD_INPUT: Kernel =
    kernel("conv2d_backward_input", INPUTS, functions!(reference::conv2d::conv2d_backward_input), Gradient::Backward);
const INPUTS: &[Variant] = variants!("conv2d_backward_input", "conv2d", &[], &[], INPUT_BLOCKS, INPUT_TALL);
const INPUT_BLOCKS: Variant = by_blocks("conv2d_backward_input_lanes_blocks", &LANES_BLOCKS);
const INPUT_TALL: Variant = by_blocks("conv2d_backward_input_lanes_tall_blocks", &TALL_BLOCKS);

/// A variant by lanes that load and add blocks of four terms.
const fn by_blocks(name: &'static str, tiles: &Tiles) -> Variant {
    Variant::tiled(name, "conv2d_lanes_blocks", SUBGROUPS_BLOCKS, &[], tiles, Needs::EightLanesBlocks)
}

/// Partial sums of dw from x and dy.
pub static CONV2D_BACKWARD_WEIGHT: Kernel = kernel(
    "conv2d_backward_weight",
    WEIGHTS,
    functions!(reference::conv2d::conv2d_backward_weight),
    Gradient::Backward,
);
const WEIGHTS: &[Variant] = variants!("conv2d_backward_weight", "conv2d", &[], &[], WEIGHT_QUADS, WEIGHT_TALL_QUADS);
const WEIGHT_QUADS: Variant = by_quads("conv2d_backward_weight_lanes_quads", &LANES_QUADS);
const WEIGHT_TALL_QUADS: Variant = by_quads("conv2d_backward_weight_lanes_tall_quads", &TALL_QUADS);

/// A variant for the gradient of weights by lanes that load four numbers at a time.
const fn by_quads(name: &'static str, tiles: &Tiles) -> Variant {
    Variant::tiled(name, "conv2d_lanes_quads", SUBGROUPS_QUADS, &[], tiles, Needs::EightLanesQuads)
}

/// dx of few channels: each pixel sums the contributions of its taps, which are columns of a product.
pub static CONV2D_FOLD: Kernel = Kernel {
    workgroup: [256, 1, 1],
    ..kernel("conv2d_fold", &[], functions!(reference::conv2d::conv2d_fold), Gradient::Backward)
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&CONV2D_FORWARD, &CONV2D_BACKWARD_INPUT, &CONV2D_BACKWARD_WEIGHT, &CONV2D_FOLD];

/// Convolution: y [n, oh, ow, co] = gate ⊙ act(conv(x, w) + bias) of x [n, h, w, ci] and w [co, kh, kw, ci]. Each
/// output is Σ x[n, oh·stride − pad + i·dilation, …, ci] · w[co, i, j, ci]. The bias is `[co]`, the gate has y's shape.
///
/// # Panics
/// If the shapes do not fit one another or the window.
pub fn forward(s: &mut Schedule, label: &str, x: Buf, w: Buf, window: Window, epilogue: Epilogue) -> Buf {
    let conv = Conv::new(label, dims(label, x), w, window);
    let [rows, cols] = [conv.pixels(), conv.y[3]];
    conv.check_epilogue(label, epilogue, conv.y);
    if let Some([rows, cols]) = conv.as_matrix() {
        let (x, w) = (x.reshape([rows, cols]), w.reshape([conv.y[3], cols]));
        return product(s, label, x, w, Form::NT, epilogue).reshape(conv.y);
    }
    let y = s.scratch(conv.y);
    let (params, grid) = (conv.params(FORWARD, epilogue), Grid::Tiles { rows, cols, layers: 1 });
    s.push(&CONV2D_FORWARD, label, &operands(x, w, epilogue, y), &params, grid, conv.flops());
    y
}

/// The gradient of [`forward`] with respect to x: dx [n, h, w, ci], with `size` = [h, w], from dy [n, oh, ow, co].
/// Returns gate ⊙ act(dx + bias). The bias is `[ci]`, the gate has dx's shape.
///
/// # Panics
/// If the shapes do not fit one another or the window.
pub fn backward_input(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    w: Buf,
    window: Window,
    size: [usize; 2],
    epilogue: Epilogue,
) -> Buf {
    let [batch, ..] = dims(label, dy);
    let conv = Conv::new(label, [batch, size[0], size[1], w.shape.cols()], w, window);
    assert_eq!(dy.shape, conv.y.into(), "{label}: dy is not the output shape of an image of {size:?}");
    conv.check_epilogue(label, epilogue, conv.x);
    let channels = conv.x[3];
    // A bias is per channel, so it does not fit a product whose columns include taps.
    let fits = |cols| cols == channels || epilogue.bias.is_none();
    if let Some([rows, cols]) = conv.as_matrix().filter(|[_, cols]| fits(*cols)) {
        let (dy, w) = (dy.reshape([rows, conv.y[3]]), w.reshape([conv.y[3], cols]));
        return product(s, label, dy, w, Form::NN, epilogue).reshape(conv.x);
    }
    let dx = s.scratch(conv.x);
    let params = conv.params(INPUT, epilogue);
    if channels <= NARROW {
        let cols = conv.taps() * channels;
        let (dy, w) = (dy.reshape([conv.pixels(), conv.y[3]]), w.reshape([conv.y[3], cols]));
        let spread = product(s, &format!("{label}.spread"), dy, w, Form::NN, PLAIN);
        let grid = Grid::Linear(dx.len().div_ceil(INVOCATIONS));
        s.push(&CONV2D_FOLD, label, &operands(spread, spread, epilogue, dx), &params, grid, spread.len() as u64);
        return dx;
    }
    let [sh, sw] = window.stride;
    // The first residue class of pixels is the largest.
    let rows = batch * size[0].div_ceil(sh) * size[1].div_ceil(sw);
    let grid = Grid::Tiles { rows, cols: channels, layers: sh * sw };
    s.push(&CONV2D_BACKWARD_INPUT, label, &operands(dy, w, epilogue, dx), &params, grid, conv.flops());
    dx
}

/// The gradient of [`forward`] with respect to w: dw [co, kh, kw, ci] += Σ over windows of dy [n, oh, ow, co] ⊗ x [n,
/// h, w, ci], by partial sums over chunks of the pixels of dy, which are then joined.
///
/// # Panics
/// If the shapes do not fit one another or the window.
pub fn backward_weight(s: &mut Schedule, label: &str, x: Buf, dy: Buf, window: Window, dw: Buf) {
    let conv = Conv::new(label, dims(label, x), dw, window);
    assert_eq!(dy.shape, conv.y.into(), "{label}: dy is not the output shape of x of shape {}", x.shape);
    let co = conv.y[3];
    if let Some([rows, cols]) = conv.as_matrix() {
        let (x, dy, dw) = (x.reshape([rows, cols]), dy.reshape([rows, co]), dw.reshape([co, cols]));
        return product_add(s, label, dy, x, Form::TN, dw);
    }
    let cols = conv.taps() * conv.x[3];
    let chunk = chunk(co.div_ceil(TILE) * cols.div_ceil(TILE), conv.pixels());
    let parts = conv.pixels().div_ceil(chunk);
    let partial = s.scratch([parts, co, cols]);
    let params = Conv2dParams { chunk: chunk as u32, ..conv.params(WEIGHT, PLAIN) };
    let grid = Grid::Tiles { rows: co, cols, layers: parts };
    s.push(&CONV2D_BACKWARD_WEIGHT, label, &operands(x, dy, PLAIN, partial), &params, grid, conv.flops());
    join(s, label, partial, dw);
}

/// Transposed convolution: y [n, h, w, co] = gate ⊙ act(convᵀ(x, w) + bias) of x [n, ih, iw, ci] and w [ci, kh, kw,
/// co], with h and w from [`Window::transposed_output`]. The bias is `[co]`, the gate has y's shape.
///
/// # Panics
/// If the shapes do not fit one another or the window.
pub fn transposed_forward(
    s: &mut Schedule,
    label: &str,
    x: Buf,
    w: Buf,
    window: Window,
    output_padding: [usize; 2],
    epilogue: Epilogue,
) -> Buf {
    let [_, ih, iw, _] = dims(label, x);
    backward_input(s, label, x, w, window, window.transposed_output([ih, iw], output_padding), epilogue)
}

/// The gradient of [`transposed_forward`] with respect to x, which is the convolution of dy: dx [n, ih, iw, ci] from dy
/// [n, h, w, co]. Returns gate ⊙ act(dx + bias).
///
/// # Panics
/// If the shapes do not fit one another or the window.
pub fn transposed_backward_input(
    s: &mut Schedule,
    label: &str,
    dy: Buf,
    w: Buf,
    window: Window,
    epilogue: Epilogue,
) -> Buf {
    forward(s, label, dy, w, window, epilogue)
}

/// The gradient of [`transposed_forward`] with respect to w: dw [ci, kh, kw, co] += Σ over windows of x [n, ih, iw, ci]
/// ⊗ dy [n, h, w, co].
///
/// # Panics
/// If the shapes do not fit one another or the window.
pub fn transposed_backward_weight(s: &mut Schedule, label: &str, x: Buf, dy: Buf, window: Window, dw: Buf) {
    backward_weight(s, label, dy, x, window, dw);
}

/// The sizes of a convolution: [n, h, w, c] of both images.
struct Conv {
    window: Window,
    x: [usize; 4],
    y: [usize; 4],
}

impl Conv {
    fn new(label: &str, x: [usize; 4], w: Buf, window: Window) -> Self {
        let ([n, h, width, ci], [co, kh, kw, depth]) = (x, dims(label, w));
        assert_eq!([kh, kw], window.kernel, "{label}: weights of shape {} for {window:?}", w.shape);
        assert_eq!(ci, depth, "{label}: weights of shape {} for {ci} channels", w.shape);
        let [oh, ow] = window.output([h, width]);
        Self { window, x, y: [n, oh, ow, co] }
    }

    fn pixels(&self) -> usize {
        self.y[..3].iter().product()
    }

    fn taps(&self) -> usize {
        self.window.kernel.iter().product()
    }

    /// Floating-point operations: those of every window, whichever of the three products is computed.
    fn flops(&self) -> u64 {
        2 * (self.pixels() * self.y[3]) as u64 * (self.taps() * self.x[3]) as u64
    }

    /// The rows and columns of x as a matrix, if its windows are contiguous rows: single pixels, or whole images.
    fn as_matrix(&self) -> Option<[usize; 2]> {
        let Window { kernel, stride, pad, dilation } = self.window;
        let [n, h, w, c] = self.x;
        if pad != [0, 0] {
            None
        } else if kernel == [1, 1] && stride == [1, 1] {
            Some([n * h * w, c])
        } else if kernel == [h, w] && dilation == [1, 1] {
            Some([n, h * w * c])
        } else {
            None
        }
    }

    fn check_epilogue(&self, label: &str, epilogue: Epilogue, output: [usize; 4]) {
        let (shape, channels) = (Shape::from(output), output[3]);
        let fits = epilogue.bias.is_none_or(|bias| bias.len() == channels);
        assert!(fits, "{label}: the bias does not have {channels} elements");
        assert!(
            epilogue.gate.is_none_or(|(_, y)| y.len() == shape.len()),
            "{label}: the gate does not have the size of {shape}"
        );
        let slope = epilogue.gate.is_none_or(|(act, _)| act.slope_from_output());
        assert!(slope, "{label}: the gate's slope needs its input");
    }

    fn params(&self, role: u32, epilogue: Epilogue) -> Conv2dParams {
        let Window { kernel, stride, pad, dilation } = self.window;
        let step = self.window.step().map(|step| step as u32);
        let gate = epilogue.gate.map_or(Activation::Identity, |(act, _)| act);
        let [_, x_h, x_w, x_c] = self.x.map(|d| d as u32);
        let [batch, y_h, y_w, y_c] = self.y.map(|d| d as u32);
        Conv2dParams {
            role,
            batch,
            x_h,
            x_w,
            x_c,
            y_h,
            y_w,
            y_c,
            kernel_h: kernel[0] as u32,
            kernel_w: kernel[1] as u32,
            stride_h: stride[0] as u32,
            stride_w: stride[1] as u32,
            pad_h: pad[0] as u32,
            pad_w: pad[1] as u32,
            dilation_h: dilation[0] as u32,
            dilation_w: dilation[1] as u32,
            step_h: step[0],
            step_w: step[1],
            chunk: self.pixels() as u32,
            use_bias: epilogue.bias.is_some().into(),
            activation: epilogue.activation.code(),
            gate: gate.code(),
            alpha: epilogue.activation.alpha(),
            gate_alpha: gate.alpha(),
        }
    }
}

fn dims(label: &str, buf: Buf) -> [usize; 4] {
    let dims: Vec<usize> = buf.shape.dims().iter().map(|&d| d as usize).collect();
    dims.try_into().unwrap_or_else(|_| panic!("{label}: {} does not have four dimensions", buf.shape))
}

/// Unused bindings are bound to the image, which every product reads.
fn operands(image: Buf, factor: Buf, epilogue: Epilogue, y: Buf) -> [Buf; 5] {
    let gate_y = epilogue.gate.map_or(image, |(_, y)| y);
    [image, factor, epilogue.bias.unwrap_or(image), gate_y, y]
}

/// The number of pixels in a partial sum: at most 512 tiles in all, of at least 256 pixels if there are as many, in
/// whole slabs. It depends only on the problem, so that every device adds in the same order.
fn chunk(tiles: usize, pixels: usize) -> usize {
    let parts = (512 / tiles).min(pixels / 256).max(1);
    pixels.div_ceil(parts).next_multiple_of(16)
}
