//! ring[(step − 1) mod slots, column] = scale · Σ rows.

use crate::Args;
use crate::ops::record::RecordParams;

/// ring[(`clock[0]` − 1) mod slots, column] = scale · Σ_i `rows[i]`
pub fn record(args: &mut Args<'_>) {
    let p: RecordParams = args.params();
    let (rows, clock, ring) = (args.read("rows"), args.read_u32("clock"), args.write("ring"));
    let slot = (clock[0] as usize + p.slots as usize - 1) % p.slots as usize;
    ring[slot * p.width as usize + p.column as usize] = f64::from(p.scale) * rows.iter().sum::<f64>();
}
