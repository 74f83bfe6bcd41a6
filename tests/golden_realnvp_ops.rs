//! Compares the reference with PyTorch for the operators of normalising flows. tests/golden/README.md describes
//! realnvp_ops.safetensors and realnvp_ops.py, which creates it.

#[path = "golden/bench.rs"]
mod bench;
#[path = "golden/vectors.rs"]
mod vectors;

use bench::Bench;
use gpu_core::ops::{affine_coupling, reduce, spline};
use gpu_core::{Error, Schedule};

#[test]
fn operators_of_normalising_flows_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("realnvp_ops", |bench, op, kind| match op {
        "affine_coupling" => affine(bench, kind),
        "spline" => splined(bench),
        _ => panic!("no test for {op}"),
    })
}

fn affine(bench: &mut Bench<'_>, kind: &str) {
    let bound = bench.scalar("bound");
    let [x, theta, dy, dslope] = ["x", "theta", "dy", "dslope"].map(|name| bench.input(name));
    let s = &mut bench.s;
    let (y, log_slope) = affine_coupling::forward(s, "y", x, theta, bound);
    let (dx, of_rows) = affine_coupling::backward(s, "dx", x, theta, [dy, dslope], bound);
    let dtheta = if kind == "shared" { reduce::columns(s, "dtheta", of_rows, reduce::Kind::Sum) } else { of_rows };
    let again = affine_coupling::inverse(s, "inverse", y, theta, bound);
    for (name, buf) in [("y", y), ("log_slope", log_slope), ("dx", dx), ("dtheta", dtheta), ("x", again)] {
        bench.expect(name, buf);
    }
}

fn splined(bench: &mut Bench<'_>) {
    let (bins, bound) = (bench.scalar("bins") as usize, bench.scalar("bound"));
    // A place within a narrow bin divides by its width.
    bench.tolerance = 1e-11;
    let [x, theta, dy, dslope] = ["x", "theta", "dy", "dslope"].map(|name| bench.input(name));
    let s: &mut Schedule = &mut bench.s;
    let (y, log_slope) = spline::forward(s, "y", x, theta, bins, bound);
    let (dx, dtheta) = spline::backward(s, "dx", x, theta, [dy, dslope], bins, bound);
    let again = spline::inverse(s, "inverse", y, theta, bins, bound);
    for (name, buf) in [("y", y), ("log_slope", log_slope), ("dx", dx), ("dtheta", dtheta), ("x", again)] {
        bench.expect(name, buf);
    }
}
