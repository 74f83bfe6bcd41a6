//! Dense products with a fused epilogue: y = gate ⊙ act(a · b + bias).
//!
//! A linear layer is [`Form::NT`] forward (weights are stored as in PyTorch, [out, in]), [`Form::NN`] for the gradient
//! of its input, and [`Form::TN`] for the gradient of its weights.

use crate::ops::activation::Activation;
use crate::schedule::kernel::{Binding, Functions, Gradient, Kernel, read, update, write};
use crate::schedule::variant::{
    Constants, LANES_BLOCKS, LANES_QUADS, Needs, TALL_BLOCKS, TALL_QUADS, Tiles, Variant, variants,
};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};

/// The storage of the operands, a first: N for normal, T for transposed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// a [m, k] · b [k, n]
    NN,
    /// a [m, k] · bᵀ, with b stored [n, k]
    NT,
    /// aᵀ · b, with a stored [k, m] and b [k, n]
    TN,
}

/// Operations applied to each sum before it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue {
    /// Added to every row: `[n]`.
    pub bias: Option<Buf>,
    /// Applied after the bias.
    pub activation: Activation,
    /// Multiplies by the slope of an activation, given the activation and its output, [m, n].
    pub gate: Option<(Activation, Buf)>,
}

/// An epilogue that changes nothing.
pub const PLAIN: Epilogue = Epilogue { bias: None, activation: Activation::Identity, gate: None };

params! {
    /// The uniform of every product.
    pub struct MatmulParams {
        /// Rows of y.
        m: u32,
        /// Columns of y.
        n: u32,
        /// Terms of each sum.
        k: u32,
        /// Terms that one workgroup sums.
        chunk: u32,
        /// 1 if a is stored [k, m].
        trans_a: u32,
        /// 1 if b is stored [n, k].
        trans_b: u32,
        /// 1 if the bias is added.
        use_bias: u32,
        /// [`Activation::code`] of the epilogue.
        activation: u32,
        /// [`Activation::code`] of the gate; zero for none.
        gate: u32,
        /// [`Activation::alpha`] of the epilogue.
        alpha: f32,
        /// [`Activation::alpha`] of the gate.
        gate_alpha: f32,
    }
}

params! {
    /// The uniform of [`MATMUL_JOIN`].
    pub struct JoinParams {
        /// Elements of the output.
        len: u32,
        /// Partial sums of each element.
        parts: u32,
    }
}

const WRITES: &[Binding] = &[read("a"), read("b"), read("bias"), read("gate_y"), write("y")];
const UPDATES: &[Binding] = &[read("a"), read("b"), read("bias"), read("gate_y"), update("y")];

const fn kernel(
    name: &'static str,
    bindings: &'static [Binding],
    variants: &'static [Variant],
    reference: Functions,
) -> Kernel {
    Kernel {
        name,
        op: "matmul",
        source: SCALARS,
        bindings,
        params: MatmulParams::FIELDS,
        overrides: &["trans_a", "trans_b", "use_bias", "activation", "gate"],
        workgroup: [8, 8, 1],
        variants,
        reference,
        gradient: Gradient::Forward,
    }
}

const SCALARS: &[&str] = shader!("matmul" / "scalars", "single", "grid", "nan", "elementary", "activation", "tile");
const HALF: &[&str] = shader!("matmul" / "scalars", "half", "grid", "nan", "elementary", "activation", "tile");
const QUADS: &[&str] = shader!("matmul" / "quads", "single", "grid", "nan", "elementary", "activation", "tile");
const COOPERATIVE_8: &[&str] =
    shader!("matmul" / "scalars", "cooperative_8", "grid", "nan", "elementary", "activation", "cooperative");
const COOPERATIVE_16: &[&str] =
    shader!("matmul" / "scalars", "cooperative_16", "grid", "nan", "elementary", "activation", "cooperative");
const SUBGROUPS: &[&str] = shader!(
    "matmul" / "scalars" / "lanes_scalars",
    "single",
    "grid",
    "nan",
    "elementary",
    "activation",
    "tile",
    "lanes"
);
const SUBGROUPS_BLOCKS: &[&str] = shader!(
    "matmul" / "quads" / "lanes_blocks",
    "single",
    "grid",
    "nan",
    "elementary",
    "activation",
    "tile",
    "lanes",
    "lanes_blocks",
);
const SUBGROUPS_QUADS: &[&str] =
    shader!("matmul" / "quads" / "lanes_quads", "single", "grid", "nan", "elementary", "activation", "tile", "lanes");

const WRITE: Constants = &[("stores", 0)];
const ADD: Constants = &[("stores", 1)];
const PARTIAL: Constants = &[("stores", 2)];

/// y = gate ⊙ act(a · b + bias)
pub static MATMUL: Kernel = kernel("matmul", WRITES, MATMULS, functions!(reference::matmul::matmul));
const MATMULS: &[Variant] = variants!("matmul", "matmul", WRITE, WRITE, ROW, BLOCKS, TALL_BY_BLOCKS);
const BLOCKS: Variant = by_blocks("matmul_lanes_blocks", &LANES_BLOCKS);
const TALL_BY_BLOCKS: Variant = by_blocks("matmul_lanes_tall_blocks", &TALL_BLOCKS);
const ROW: Variant = Variant {
    name: "matmul_row",
    entry: "matmul_row",
    source: SCALARS,
    constants: [WRITE, &[]],
    workgroup: [64, 1, 1],
    tile: [1, 4],
    loads: 5,
    needs: Needs::FewColumns,
};

/// y += a · b
pub static MATMUL_ADD: Kernel = kernel("matmul_add", UPDATES, MATMUL_ADDS, functions!(reference::matmul::matmul_add));
const MATMUL_ADDS: &[Variant] = variants!("matmul_add", "matmul", ADD, ADD, ADD_QUADS, ADD_TALL_QUADS);
const ADD_QUADS: Variant = by_quads("matmul_add_lanes_quads", ADD, &LANES_QUADS);
const ADD_TALL_QUADS: Variant = by_quads("matmul_add_lanes_tall_quads", ADD, &TALL_QUADS);

/// Partial sums over chunks of k: y [parts, m, n].
pub static MATMUL_SPLIT: Kernel =
    kernel("matmul_split", WRITES, MATMUL_SPLITS, functions!(reference::matmul::matmul_split));
// By lanes it is a product with the plain epilogue in several parts, so that both share a pipeline.
const MATMUL_SPLITS: &[Variant] = variants!("matmul_split", "matmul", PARTIAL, WRITE, SPLIT_QUADS, SPLIT_TALL_QUADS);
const SPLIT_QUADS: Variant = by_quads("matmul_split_lanes_quads", PARTIAL, &LANES_QUADS);
const SPLIT_TALL_QUADS: Variant = by_quads("matmul_split_lanes_tall_quads", PARTIAL, &TALL_QUADS);

/// A variant by lanes that load and add blocks of four terms.
const fn by_blocks(name: &'static str, tiles: &Tiles) -> Variant {
    Variant::tiled(name, "matmul_lanes_blocks", SUBGROUPS_BLOCKS, WRITE, tiles, Needs::EightLanesBlocks)
}

/// A variant for [`Form::TN`] by lanes that load four numbers at a time.
const fn by_quads(name: &'static str, stores: Constants, tiles: &Tiles) -> Variant {
    Variant::tiled(name, "matmul_lanes_quads", SUBGROUPS_QUADS, stores, tiles, Needs::EightLanesQuads)
}

/// total += Σ partial, the second half of a split product.
pub static MATMUL_JOIN: Kernel = Kernel {
    name: "matmul_join",
    op: "matmul",
    source: SCALARS,
    bindings: &[read("partial"), update("total")],
    params: JoinParams::FIELDS,
    overrides: &[],
    workgroup: [256, 1, 1],
    variants: &[],
    reference: functions!(reference::matmul::matmul_join),
    gradient: Gradient::Forward,
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&MATMUL, &MATMUL_ADD, &MATMUL_SPLIT, &MATMUL_JOIN];

/// y = gate ⊙ act(a · b + bias) as a new buffer [m, n].
///
/// # Panics
/// If the shapes do not fit one another.
pub fn product(s: &mut Schedule, label: &str, a: Buf, b: Buf, form: Form, epilogue: Epilogue) -> Buf {
    let (m, n, k) = sizes(label, a, b, form);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "{label}: the bias does not have {n} elements");
    assert!(epilogue.gate.is_none_or(|(_, y)| y.len() == m * n), "{label}: the gate does not have the size of {m}×{n}");
    assert!(epilogue.gate.is_none_or(|(act, _)| act.slope_from_output()), "{label}: the gate's slope needs its input");
    let y = s.scratch([m, n]);
    let (gate, gate_y) = epilogue.gate.unwrap_or((Activation::Identity, a));
    let params = MatmulParams {
        use_bias: epilogue.bias.is_some().into(),
        activation: epilogue.activation.code(),
        gate: gate.code(),
        alpha: epilogue.activation.alpha(),
        gate_alpha: gate.alpha(),
        ..plain_params(m, n, k, form)
    };
    // Unused bindings are bound to a, which every product reads.
    let bufs = [a, b, epilogue.bias.unwrap_or(a), gate_y, y];
    s.push(&MATMUL, label, &bufs, &params, tiles(m, n, 1), flops(m, n, k));
    y
}

/// y += a · b, where `y` is [m, n]: the gradient of a parameter. Long sums for a small output are split over workgroups
/// and joined.
///
/// # Panics
/// If the shapes do not fit one another.
pub fn product_add(s: &mut Schedule, label: &str, a: Buf, b: Buf, form: Form, y: Buf) {
    let (m, n, k) = sizes(label, a, b, form);
    assert_eq!(y.len(), m * n, "{label}: y of {} for a product of {m}×{n}", y.shape);
    match parts(m, n, k) {
        1 => s.push(&MATMUL_ADD, label, &[a, b, a, a, y], &plain_params(m, n, k, form), tiles(m, n, 1), flops(m, n, k)),
        parts => product_add_split(s, label, a, b, form, y, parts),
    }
}

/// The same as [`product_add`], by `parts` partial sums and a join.
pub fn product_add_split(s: &mut Schedule, label: &str, a: Buf, b: Buf, form: Form, y: Buf, parts: usize) {
    let (m, n, k) = sizes(label, a, b, form);
    assert_eq!(y.len(), m * n, "{label}: y of {} for a product of {m}×{n}", y.shape);
    let chunk = k.div_ceil(parts);
    let parts = k.div_ceil(chunk);
    let partial = s.scratch([parts, m, n]);
    let params = MatmulParams { chunk: chunk as u32, ..plain_params(m, n, k, form) };
    s.push(&MATMUL_SPLIT, label, &[a, b, a, a, partial], &params, tiles(m, n, parts), flops(m, n, k));
    join(s, label, partial, y);
}

/// y += Σ over the first dimension of `partial`, whose remaining dimensions have the size of y.
pub(crate) fn join(s: &mut Schedule, label: &str, partial: Buf, y: Buf) {
    let params = JoinParams { len: y.len() as u32, parts: (partial.len() / y.len()) as u32 };
    let label = format!("{label}.join");
    s.push(&MATMUL_JOIN, &label, &[partial, y], &params, Grid::Linear(y.len().div_ceil(256)), partial.len() as u64);
}

/// The number of chunks for a sum of `k` terms: at most 64 large tiles in all, and at least 256 terms in each. It
/// depends only on the problem, so that every device adds in the same order.
fn parts(m: usize, n: usize, k: usize) -> usize {
    let tiles = m.div_ceil(64) * n.div_ceil(64);
    (64 / tiles).min(k / 256).max(1)
}

fn sizes(label: &str, a: Buf, b: Buf, form: Form) -> (usize, usize, usize) {
    let dims = |x: Buf| (x.shape.rows(), x.shape.cols());
    let (a_outer, a_inner) = dims(a);
    let (b_outer, b_inner) = dims(b);
    let (m, k, k_of_b, n) = match form {
        Form::NN => (a_outer, a_inner, b_outer, b_inner),
        Form::NT => (a_outer, a_inner, b_inner, b_outer),
        Form::TN => (a_inner, a_outer, b_outer, b_inner),
    };
    assert_eq!(k, k_of_b, "{label}: shapes {} and {} do not fit for {form:?}", a.shape, b.shape);
    (m, n, k)
}

pub(crate) fn plain_params(m: usize, n: usize, k: usize, form: Form) -> MatmulParams {
    MatmulParams {
        m: m as u32,
        n: n as u32,
        k: k as u32,
        chunk: k as u32,
        trans_a: (form == Form::TN).into(),
        trans_b: (form == Form::NT).into(),
        use_bias: 0,
        activation: Activation::Identity.code(),
        gate: Activation::Identity.code(),
        alpha: 0.0,
        gate_alpha: 0.0,
    }
}

fn tiles(rows: usize, cols: usize, layers: usize) -> Grid {
    Grid::Tiles { rows, cols, layers }
}

fn flops(m: usize, n: usize, k: usize) -> u64 {
    2 * m as u64 * n as u64 * k as u64
}
