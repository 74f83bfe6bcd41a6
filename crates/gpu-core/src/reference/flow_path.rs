//! Points of straight paths, and their velocities.

use crate::ops::flow_path::FlowPathParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// y[r, j] = (1 − t) z[r, j] + t x[r, j] with t = 1 − (1 − `u[r]`)ᵖ, velocity[r, j] = x[r, j] − z[r, j]
pub fn flow_path<E: Element>(args: &mut Args<'_, E>) {
    let p: FlowPathParams = args.params();
    let n = p.n as usize;
    let (z, x, u) = (args.read("z"), args.read("x"), args.read("u"));
    let (y, velocity) = (args.write("y"), args.write("velocity"));
    y.par_chunks_mut(n).zip(velocity.par_chunks_mut(n)).enumerate().for_each(|(r, (y, velocity))| {
        let of_z = E::of((1.0 - u[r].wide()).powf(p.spacing.into()));
        let of_x = if p.spacing == 1.0 { u[r] } else { E::one() - of_z };
        let rows = z[r * n..][..n].iter().zip(&x[r * n..][..n]);
        y.iter_mut().zip(velocity).zip(rows).for_each(|((y, velocity), (&z, &x))| {
            *y = of_z * z + of_x * x;
            *velocity = x - z;
        });
    });
}
