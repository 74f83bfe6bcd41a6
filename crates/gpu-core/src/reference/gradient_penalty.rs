//! rows = P(‖g‖), and u = slope · ∂P/∂g.

use crate::ops::gradient_penalty::{Kind, PenaltyParams};
use crate::{Args, Element};
use rayon::prelude::*;

/// P of a gradient with this sum of squares, and the factor of g in its gradient.
fn penalty(kind: Option<Kind>, gamma: f64, squares: f64) -> (f64, f64) {
    let norm = squares.sqrt();
    match kind {
        Some(Kind::R1) => (0.5 * gamma * squares, gamma),
        Some(Kind::UnitNorm) if norm == 0.0 => (gamma, 0.0),
        Some(Kind::UnitNorm) => (gamma * (norm - 1.0).powi(2), 2.0 * gamma * (1.0 - 1.0 / norm)),
        None => (f64::NAN, f64::NAN),
    }
}

/// `rows[r]` = P(‖g\[r\]‖), u[r, j] = slope · ∂P/∂g[r, j]
pub fn gradient_penalty<E: Element>(args: &mut Args<'_, E>) {
    let p: PenaltyParams = args.params();
    let (n, kind) = (p.n as usize, Kind::decode(p.kind));
    let (g, rows, u) = (args.read("g"), args.write("rows"), args.write("u"));
    rows.par_iter_mut().zip(u.par_chunks_mut(n)).zip(g.par_chunks(n)).for_each(|((row, u), g)| {
        let squares = g.iter().map(|g| g.wide() * g.wide()).sum();
        let (value, factor) = penalty(kind, p.gamma.into(), squares);
        *row = E::of(value);
        let factor = E::of(f64::from(p.slope) * factor);
        u.iter_mut().zip(g).for_each(|(u, &g)| *u = factor * g);
    });
}
