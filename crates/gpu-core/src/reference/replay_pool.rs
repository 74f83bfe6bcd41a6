//! A pool of earlier images.

use crate::ops::replay_pool::ReplayPoolParams;
use crate::{Args, Element};

/// Row by row: stored and returned while the pool has fewer than `size` images; then, if `draws[r, 0]` > ½, exchanged
/// for the pool's image ⌊`draws[r, 1]` · size⌋; else returned as it is
pub fn replay_pool<E: Element>(args: &mut Args<'_, E>) {
    let p: ReplayPoolParams = args.params();
    let (images, draws, count) = (args.read("images"), args.read("draws"), args.read_u32("count"));
    let (pool, y) = (args.write("pool"), args.write("y"));
    let (width, size) = (p.width as usize, p.size as usize);
    y.copy_from_slice(images);
    for (r, (y, draws)) in y.chunks_mut(width).zip(draws.chunks(2)).enumerate() {
        let stored = count[0] as usize + r;
        if stored < size {
            pool[stored * width..][..width].copy_from_slice(y);
        } else if draws[0].wide() > 0.5 {
            let at = ((draws[1].wide() * size as f64) as usize).min(size - 1);
            pool[at * width..][..width].swap_with_slice(y);
        }
    }
}

/// `count[0]` ← min(size, `count[0]` + n)
pub fn replay_pool_count<E: Element>(args: &mut Args<'_, E>) {
    let p: ReplayPoolParams = args.params();
    let count = args.write_u32("advanced");
    count[0] = p.size.min(count[0] + p.n);
}
