//! Products in every form, at sizes that are and are not multiples of the tiles of their variants.

use crate::{Case, Fill};
use gpu_core::ops::activation::Activation;
use gpu_core::ops::matmul::{Epilogue, Form, PLAIN, product, product_add, product_add_split};
use gpu_core::{Buf, Schedule};

const FORMS: [Form; 3] = [Form::NN, Form::NT, Form::TN];
const SIZES: [(usize, usize, usize); 10] = [
    (1, 1, 1),
    (67, 1, 130),
    (7, 4, 63),
    (3, 5, 7),
    (8, 12, 7),
    (31, 33, 17),
    (64, 64, 16),
    (65, 63, 15),
    (1, 130, 300),
    (128, 40, 100),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for form in FORMS {
        cases.extend(SIZES.map(|size| plain(form, size)));
        cases.push(epilogue(form, Activation::Elu(0.5), Activation::Tanh));
        cases.push(split(form, (17, 33, 700), 5));
        cases.push(split(form, (64, 64, 64), 64));
    }
    let acts = [Activation::Relu, Activation::LeakyRelu(0.1), Activation::Sigmoid, Activation::Softplus];
    cases.extend(acts.map(|act| epilogue(Form::NT, act, act)));
    cases.push(small_slopes());
    cases.push(layer());
    cases
}

fn operands(case: &mut Case, form: Form, (m, n, k): (usize, usize, usize)) -> (Buf, Buf) {
    let a = if form == Form::TN { [k, m] } else { [m, k] };
    let b = if form == Form::NT { [n, k] } else { [k, n] };
    case.sums_of(k);
    (case.input(a, Fill::Uniform(-1.0, 1.0)), case.input(b, Fill::Uniform(-1.0, 1.0)))
}

/// A product, its gradients as products, and an accumulation onto old contents.
fn plain(form: Form, size: (usize, usize, usize)) -> Case {
    let (m, n, k) = size;
    let mut case = Case::new(format!("{form:?} {m}×{n}×{k}"));
    let (a, b) = operands(&mut case, form, size);
    let dy = case.input([m, n], Fill::Uniform(-1.0, 1.0));
    let start = case.input([m, n], Fill::Uniform(-1.0, 1.0));
    let db = case.input(b.shape, Fill::Uniform(-1.0, 1.0));
    case.sums_of(m.max(n).max(k));
    let s = &mut case.schedule;
    let y = product(s, "y", a, b, form, PLAIN);
    product_add(s, "added", a, b, form, start);
    let grad = |s: &mut Schedule, a, b, form| product(s, "da", a, b, form, PLAIN);
    let da = match form {
        Form::NN => grad(s, dy, b, Form::NT),
        Form::NT => grad(s, dy, b, Form::NN),
        Form::TN => grad(s, b, dy, Form::NT),
    };
    match form {
        Form::NN => product_add(s, "db", a, dy, Form::TN, db),
        Form::NT => product_add(s, "db", dy, a, Form::TN, db),
        Form::TN => product_add(s, "db", a, dy, Form::NN, db),
    }
    case.claim(y, dy, &[(a, da), (b, db)]);
    case
}

/// Everything that the epilogue does at once.
fn epilogue(form: Form, activation: Activation, gate: Activation) -> Case {
    let (m, n, k) = (37, 70, 19);
    let mut case = Case::new(format!("{form:?} {m}×{n}×{k}, bias, {activation:?}, gate of {gate:?}"));
    let (a, b) = operands(&mut case, form, (m, n, k));
    let bias = case.input([n], Fill::Uniform(-1.0, 1.0));
    let gate_y = case.input([m, n], Fill::Uniform(0.1, 0.9));
    let all = Epilogue { bias: Some(bias), activation, gate: Some((gate, gate_y)) };
    product(&mut case.schedule, "y", a, b, form, all);
    case
}

/// Softplus slopes from outputs far below 1, multiplied by a large product, so that their relative error counts.
fn small_slopes() -> Case {
    let (m, n) = (16, 11);
    let mut case = Case::new(format!("{m}×{n}×1, small slopes of softplus"));
    let a = case.input([m, 1], Fill::Uniform(1e4, 2e4));
    let b = case.input([1, n], Fill::Uniform(1e4, 2e4));
    // The slope at an output near 0 is a series, otherwise it uses exp: a sum in either case.
    case.sums_of(3);
    let outputs = (0..m * n).map(|i| (-17.0 + i as f64 / 10.0).exp().ln_1p());
    let gate_y = case.input([m, n], Fill::Numbers(outputs.collect()));
    let gate = Epilogue { gate: Some((Activation::Softplus, gate_y)), ..PLAIN };
    product(&mut case.schedule, "y", a, b, Form::NN, gate);
    case
}

fn split(form: Form, size: (usize, usize, usize), parts: usize) -> Case {
    let (m, n, k) = size;
    let mut case = Case::new(format!("{form:?} {m}×{n}×{k} in {parts} parts"));
    let (a, b) = operands(&mut case, form, size);
    let dy = case.input([m, n], Fill::Uniform(-1.0, 1.0));
    // Y starts at zero, so that it equals the product and its derivative can be claimed.
    let y = case.input([m, n], Fill::Numbers(vec![0.0; m * n]));
    product_add_split(&mut case.schedule, "y", a, b, form, y, parts);
    let da = match form {
        Form::NN => product(&mut case.schedule, "da", dy, b, Form::NT, PLAIN),
        Form::NT => product(&mut case.schedule, "da", dy, b, Form::NN, PLAIN),
        Form::TN => product(&mut case.schedule, "da", b, dy, Form::NT, PLAIN),
    };
    case.claim(y, dy, &[(a, da)]);
    case
}

/// Two layers, with the slope of the first activation fused into its gradient:
/// h = tanh(x w₁ᵀ + b), y = h w₂ᵀ, dh = (dy w₂) ⊙ tanh′(h), dw₁ += dhᵀ x.
fn layer() -> Case {
    let (batch, inputs, hidden, outputs) = (5, 7, 9, 4);
    let mut case = Case::new("two layers with a fused slope between");
    let x = case.input([batch, inputs], Fill::Uniform(-1.0, 1.0));
    let w1 = case.input([hidden, inputs], Fill::Uniform(-1.0, 1.0));
    let bias = case.input([hidden], Fill::Uniform(-1.0, 1.0));
    let w2 = case.input([outputs, hidden], Fill::Uniform(-1.0, 1.0));
    let dy = case.input([batch, outputs], Fill::Uniform(-1.0, 1.0));
    let dw1 = case.input(w1.shape, Fill::Uniform(-1.0, 1.0));
    case.sums_of(9);
    let s = &mut case.schedule;
    let first = Epilogue { bias: Some(bias), activation: Activation::Tanh, gate: None };
    let h = product(s, "h", x, w1, Form::NT, first);
    let y = product(s, "y", h, w2, Form::NT, PLAIN);
    let back = Epilogue { gate: Some((Activation::Tanh, h)), ..PLAIN };
    let dh = product(s, "dh", dy, w2, Form::NN, back);
    product_add(s, "dw1", dh, x, Form::TN, dw1);
    case.claim(y, dy, &[(w1, dw1)]);
    case
}
