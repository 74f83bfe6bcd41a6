//! Points of straight paths, and their velocities.

use crate::ops::flow_path::FlowPathParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// y[r, j] = (1 − `t[r]`) z[r, j] + `t[r]` x[r, j], velocity[r, j] = x[r, j] − z[r, j]
pub fn flow_path<E: Element>(args: &mut Args<'_, E>) {
    let p: FlowPathParams = args.params();
    let n = p.n as usize;
    let (z, x, t) = (args.read("z"), args.read("x"), args.read("t"));
    let (y, velocity) = (args.write("y"), args.write("velocity"));
    y.par_chunks_mut(n).zip(velocity.par_chunks_mut(n)).enumerate().for_each(|(r, (y, velocity))| {
        let rows = z[r * n..][..n].iter().zip(&x[r * n..][..n]);
        y.iter_mut().zip(velocity).zip(rows).for_each(|((y, velocity), (&z, &x))| {
            *y = (E::one() - t[r]) * z + t[r] * x;
            *velocity = x - z;
        });
    });
}
