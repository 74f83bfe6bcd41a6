//! Rows of zeros.

use crate::ops::drop_rows::DropRowsParams;
use crate::{Args, Element};

/// y[r, j] = 0 if `u[r]` < share, else x[r, j]
pub fn drop_rows<E: Element>(args: &mut Args<'_, E>) {
    let p: DropRowsParams = args.params();
    let n = p.n as usize;
    let (x, u, y) = (args.read("x"), args.read("u"), args.write("y"));
    for (r, (y, x)) in y.chunks_mut(n).zip(x.chunks(n)).enumerate() {
        if u[r].wide() < f64::from(p.share) {
            y.fill(E::zero());
        } else {
            y.copy_from_slice(x);
        }
    }
}
