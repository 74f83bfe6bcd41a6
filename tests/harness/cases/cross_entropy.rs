//! One-hot and soft shares of few and many classes, logits far apart, and errors with every kind of tie.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::cross_entropy::{errors, forward, with_gradient};
use gpu_core::ops::{elementwise, softmax};

/// Rows, classes, and the weight of the gradient.
const SIZES: [(usize, usize, f32); 9] = [
    (1, 1, 0.75),
    (67, 2, 0.375),
    (1, 10, -1.625),
    (7, 10, 0.143),
    (5, 13, 2.31),
    (7, 31, 0.62),
    (8, 32, -0.27),
    (9, 33, 1.19),
    (2, 3001, 0.86),
];

/// Shares of m rows of k classes, row by row.
type Shares = fn(usize, usize) -> Vec<f64>;

const SHARES: [(&str, Shares); 2] = [("one-hot", one_hot), ("soft", soft)];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for shares in SHARES {
        cases.extend(SIZES.map(|size| differentiated(size, 4.0, shares)));
        // Softmax is exactly zero or one there, and exp overflows unless the maximum is subtracted.
        cases.extend([(11, 10, 0.43), (3, 307, -0.81)].map(|size| differentiated(size, 200.0, shares)));
    }
    cases.push(composed());
    cases.push(extremes());
    cases.push(ties());
    cases.push(folded());
    cases
}

/// One-hot rows, each at another index than the row before.
fn one_hot(m: usize, k: usize) -> Vec<f64> {
    (0..m * k).map(|i| if i % k == (7 * (i / k) + k / 2) % k { 1.0 } else { 0.0 }).collect()
}

/// Shares of all magnitudes, some zero, that sum to one up to rounding to f32.
fn soft(m: usize, k: usize) -> Vec<f64> {
    let parts: Vec<f64> = (0..m * k).map(|i| ((37 * i + 5) % 11) as f64).collect();
    parts.chunks(k).flat_map(|row| row.iter().map(|part| part / row.iter().sum::<f64>())).collect()
}

/// Every kernel; the upstream gradient of the one with a gradient is its constant weight.
fn differentiated((m, k, weight): (usize, usize, f32), bound: f64, (kind, shares): (&str, Shares)) -> Case {
    let mut case = Case::new(format!("{m}×{k} within ±{bound}, {kind}"));
    let x = case.input([m, k], Fill::Uniform(-bound, bound));
    let t = case.input([m, k], Fill::Numbers(shares(m, k)));
    let dy = case.input([m], Fill::Numbers(vec![weight.into(); m]));
    case.sums_of(k);
    let alone = forward(&mut case.schedule, "rows", x, t);
    let (rows, dx) = with_gradient(&mut case.schedule, "both", x, t, weight);
    errors(&mut case.schedule, "errors", x, t);
    case.claim(alone, dy, &[(x, dx)]);
    case.claim(rows, dy, &[(x, dx)]);
    case
}

/// Computed logits against computed shares, as in distillation.
fn composed() -> Case {
    let (shape, weight) = ([2, 3, 5], 0.59);
    let mut case = Case::new("a scaled 2×3×5 against a teacher");
    let (z, teacher) = (case.input(shape, Fill::OffZero), case.input(shape, Fill::Uniform(-3.0, 3.0)));
    let dy = case.input([6], Fill::Numbers(vec![f64::from(weight); 6]));
    case.sums_of(5);
    let s = &mut case.schedule;
    let t = softmax::softmax(s, "t", teacher);
    let x = elementwise::scale(s, "x", z, 1.5);
    let (rows, dx) = with_gradient(s, "both", x, t, weight);
    let dz = elementwise::scale(s, "dz", dx, 1.5);
    case.claim(rows, dy, &[(z, dz)]);
    case
}

/// The extremes of f32, where no derivative can be checked.
fn extremes() -> Case {
    let mut case = Case::new("extremes");
    let x = vec![-1e30, -1e30, -1e30, 300.0, 299.0, -300.0, 0.0, 1e4, -1e4, 1e30, 0.0, -1e30];
    let x = case.input([4, 3], Fill::Numbers(x));
    for (name, shares) in [("first", [1.0, 0.0, 0.0]), ("last", [0.0, 0.0, 1.0]), ("shared", [0.25, 0.5, 0.25])] {
        let t = case.input([4, 3], Fill::Numbers(shares.repeat(4)));
        with_gradient(&mut case.schedule, name, x, t, 0.375);
        errors(&mut case.schedule, &format!("{name}.errors"), x, t);
    }
    case
}

/// Rows with ties between the largest x or t: within one invocation, and among several; the lowest of them in the last
/// of several; at the first and last index; and everywhere.
fn ties() -> Case {
    let k = 600;
    let rows: [(&[usize], &[usize]); 12] = [
        (&[5, 261], &[5]),
        (&[5, 261], &[261]),
        (&[200, 259], &[200]),
        (&[200, 259], &[259]),
        (&[200], &[200, 259]),
        (&[259], &[200, 259]),
        (&[17, 300, 599], &[17, 18]),
        (&[599], &[599]),
        (&[0, 599], &[599]),
        (&[], &[]),
        (&[], &[1]),
        (&[0, 1], &[]),
    ];
    let mut case = Case::new("ties");
    let filled = |places: &[usize], low: f64, high: f64| -> Vec<f64> {
        (0..k).map(|j| if places.contains(&j) { high } else { low }).collect()
    };
    let x =
        case.input([rows.len(), k], Fill::Numbers(rows.iter().flat_map(|row| filled(row.0, -3.5, -1.25)).collect()));
    let t = case.input([rows.len(), k], Fill::Numbers(rows.iter().flat_map(|row| filled(row.1, 0.0, 0.25)).collect()));
    errors(&mut case.schedule, "errors", x, t);
    case
}

fn folded() -> Case {
    let (m, k) = (8 * MAX_GROUPS as usize + 78, 3);
    let mut case = Case::new(format!("folded grid, {m}×{k}"));
    let x = case.input([m, k], Fill::Uniform(-4.0, 4.0));
    let t = case.input([m, k], Fill::Numbers(soft(m, k)));
    case.sums_of(k);
    forward(&mut case.schedule, "rows", x, t);
    with_gradient(&mut case.schedule, "both", x, t, 0.375);
    errors(&mut case.schedule, "errors", x, t);
    case
}
