//! Waves of points between noise and data and at both ends, of one wave and of the most; derivatives along a direction.
//! One case folds its grids.

use crate::{Case, Fill};
use gpu_core::ops::blurred_waves::{forward, tangent};
use gpu_core::ops::time_features::MAX_WAVES;
use gpu_core::ops::{elementwise, fill, reduce};
use gpu_core::{Buf, MAX_GROUPS, Schedule};
use std::f64::consts::PI;

pub(crate) fn cases() -> Vec<Case> {
    let of_sizes = [([63, 1], 5, 1.0), ([65, 3], 6, 2.5), ([1021, 2], MAX_WAVES, 2.0)];
    let mut cases: Vec<Case> = of_sizes.map(drawn).into();
    cases.extend([([1, 1], 1, 1.0), ([7, 2], 3, 2.0)].map(differentiated));
    cases.push(turned());
    cases.push(folded());
    cases
}

/// Directions that make derivatives of size one: errors grow with the frequency.
fn directions(waves: usize) -> Fill {
    let size = 1.0 / (PI * f64::from(1u32 << (waves - 1)));
    Fill::Uniform(-size, size)
}

fn drawn((size, waves, spacing): ([usize; 2], usize, f32)) -> Case {
    let mut case = Case::new(format!("{size:?}, {waves} waves, spacing {spacing}"));
    // σ is a power, and its error counts twice in σ².
    case.sums_of(4);
    let x = case.input(size, Fill::Uniform(-5.0, 5.0));
    let u = case.input([size[0]], Fill::Uniform(0.0, 1.0));
    let v = case.input(size, directions(waves));
    forward(&mut case.schedule, "waves", x, u, waves, spacing);
    tangent(&mut case.schedule, "tangent", x, u, v, waves, spacing);
    case
}

fn differentiated((size, waves, spacing): ([usize; 2], usize, f32)) -> Case {
    let mut case = Case::new(format!("derivatives of {size:?}, {waves} waves, spacing {spacing}"));
    let [x, v] = [(); 2].map(|()| case.input(size, Fill::Uniform(-2.0, 2.0)));
    let u = case.input([size[0]], Fill::Uniform(0.7, 1.0));
    let dy = case.input([size[0], 2 * size[1] * waves], Fill::OffZero);
    let s = &mut case.schedule;
    let y = forward(s, "waves", x, u, waves, spacing);
    let along = tangent(s, "tangent", x, u, v, waves, spacing);
    // A wave is that of one coordinate, so the derivatives along all of them at once are those along each.
    let one = s.scratch(size);
    fill::fill(s, "one", one, 1.0);
    let slopes = tangent(s, "slopes", x, u, one, waves, spacing);
    let dx = summed(s, slopes, dy, waves);
    // Derivatives are as large as the frequency, and so are their errors.
    case.sums_of((2 * waves) << (2 * waves + 3));
    case.claim(y, dy, &[(x, dx)]);
    // The derivative is linear in its direction, so its gradient is that of y.
    case.claim(along, dy, &[(v, dx)]);
    case
}

/// The sum of slopes ⊙ dy over the waves of a number.
fn summed(s: &mut Schedule, slopes: Buf, dy: Buf, waves: usize) -> Buf {
    let product = elementwise::multiply(s, "product", slopes, dy);
    let rows = product.reshape([product.len() / (2 * waves), 2 * waves]);
    reduce::rows(s, "sum", rows, reduce::Kind::Sum)
}

/// Odd and even half turns to both sides, numbers next to zero, noise, and data.
fn turned() -> Case {
    let mut case = Case::new("whole numbers and those near zero");
    let unit = 2f64.powi(-30);
    let numbers = vec![-1.0, -2.0, -0.25, 3.0, 1e6 + 0.5, unit, -unit, -1e6 - 0.25, 0.5, 0.0];
    let x = case.input([5, 2], Fill::Numbers(numbers));
    let u = case.input([5], Fill::Numbers(vec![1.0, 0.0, 1.0 - 2f64.powi(-24), 0.95, 1.0]));
    forward(&mut case.schedule, "waves", x, u, MAX_WAVES, 2.0);
    case
}

fn folded() -> Case {
    let rows = MAX_GROUPS as usize * 8 + 7;
    let mut case = Case::new(format!("folded grids, {rows} points"));
    let x = case.input([rows, 2], Fill::Uniform(-1.0, 1.0));
    let u = case.input([rows], Fill::Uniform(0.0, 1.0));
    let v = case.input([rows, 2], directions(4));
    forward(&mut case.schedule, "waves", x, u, 4, 2.0);
    tangent(&mut case.schedule, "tangent", x, u, v, 4, 2.0);
    case
}
