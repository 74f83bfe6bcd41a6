//! ring[(step − 1) mod slots, column] = scale · Σ rows, or += that.

use crate::ops::record::RecordParams;
use crate::{Args, Element};

/// ring[(`clock[0]` − 1) mod slots, column] = scale · Σ_i `rows[i]`, or += that
pub fn record<E: Element>(args: &mut Args<'_, E>) {
    let p: RecordParams = args.params();
    let (rows, clock, ring) = (args.read("rows"), args.read_u32("clock"), args.write("ring"));
    let slot = (clock[0] as usize + p.slots as usize - 1) % p.slots as usize;
    let (sum, there) = (
        f64::from(p.scale) * rows.iter().map(|row| row.wide()).sum::<f64>(),
        slot * p.width as usize + p.column as usize,
    );
    ring[there] = E::of(if p.add == 0 { sum } else { ring[there].wide() + sum });
}
