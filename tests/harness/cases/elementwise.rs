//! Sums and products of two buffers with their derivatives, and sums in place; one case folds its grid.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::elementwise::{accumulate, add, combine, multiply, scale};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [1, 127, 255, 256, 257]
        .into_iter()
        .flat_map(|len| [combined(len), multiplied(len), accumulated(len)])
        .collect();
    cases.push(composed());
    cases.push(folded());
    cases
}

fn combined(len: usize) -> Case {
    let (alpha, beta) = (0.75, -1.5);
    let mut case = Case::new(format!("{alpha} a + {beta} b of {len}"));
    let (a, b) = (case.input([len], Fill::OffZero), case.input([len], Fill::OffZero));
    let dy = case.input([len], Fill::OffZero);
    let s = &mut case.schedule;
    let y = combine(s, "y", a, alpha, b, beta);
    let da = scale(s, "da", dy, alpha);
    let db = scale(s, "db", dy, beta);
    case.claim(y, dy, &[(a, da), (b, db)]);
    case
}

fn multiplied(len: usize) -> Case {
    let mut case = Case::new(format!("a ⊙ b of {len}"));
    let (a, b) = (case.input([len], Fill::OffZero), case.input([len], Fill::OffZero));
    let dy = case.input([len], Fill::OffZero);
    let s = &mut case.schedule;
    let y = multiply(s, "y", a, b);
    let da = multiply(s, "da", dy, b);
    let db = multiply(s, "db", a, dy);
    case.claim(y, dy, &[(a, da), (b, db)]);
    case
}

/// Two terms added to a sum, the second one through the buffer that the first has left at zero.
fn accumulated(len: usize) -> Case {
    let mut case = Case::new(format!("sum += term of {len}"));
    let (sum, term) = (case.input([len], Fill::OffZero), case.input([len], Fill::OffZero));
    accumulate(&mut case.schedule, "first", sum, term);
    accumulate(&mut case.schedule, "second", sum, term);
    case
}

/// y = (½ a − 2 b) ⊙ a, where the gradient of a is a sum of two.
fn composed() -> Case {
    let mut case = Case::new("a fork: (½ a − 2 b) ⊙ a");
    let shape = [4, 3, 5, 2];
    let (a, b) = (case.input(shape, Fill::OffZero), case.input(shape, Fill::OffZero));
    let dy = case.input(shape, Fill::OffZero);
    let s = &mut case.schedule;
    let sum = combine(s, "sum", a, 0.5, b, -2.0);
    let y = multiply(s, "y", sum, a);
    let dsum = multiply(s, "dsum", dy, a);
    let direct = multiply(s, "da.direct", dy, sum);
    let through = scale(s, "da.through", dsum, 0.5);
    let da = add(s, "da", direct, through);
    let db = scale(s, "db", dsum, -2.0);
    case.claim(y, dy, &[(a, da), (b, db)]);
    case
}

fn folded() -> Case {
    let len = MAX_GROUPS as usize * 256 + 77;
    let mut case = Case::new(format!("folded grid, {len}"));
    let a = case.input([len], Fill::OffZero);
    combine(&mut case.schedule, "combine", a, 0.75, a, -2.0);
    multiply(&mut case.schedule, "multiply", a, a);
    let term = case.input([len], Fill::OffZero);
    accumulate(&mut case.schedule, "accumulate", a, term);
    case
}
