//! Concatenation and slicing of channels.

use crate::ops::channels::ChannelsParams;
use crate::{Args, Element};
use rayon::prelude::*;

/// y = a and b, concatenated along the channels
pub fn concat_channels<E: Element>(args: &mut Args<'_, E>) {
    let p: ChannelsParams = args.params();
    let (a, b, y) = (args.read("a"), args.read("b"), args.write("y"));
    let parts = a.par_chunks(p.start as usize).zip(b.par_chunks(p.count as usize));
    y.par_chunks_mut(p.channels as usize).zip(parts).for_each(|(y, (a, b))| {
        let (left, right) = y.split_at_mut(a.len());
        left.copy_from_slice(a);
        right.copy_from_slice(b);
    });
}

/// `part = x[.., start .. start + count]`
pub fn slice_channels<E: Element>(args: &mut Args<'_, E>) {
    let p: ChannelsParams = args.params();
    let (x, part) = (args.read("x"), args.write("part"));
    let rows = part.par_chunks_mut(p.count as usize).zip(x.par_chunks(p.channels as usize));
    rows.for_each(|(part, x)| part.copy_from_slice(&x[p.start as usize..][..p.count as usize]));
}

/// `dx[.., start .. start + count] = dpart`, zero elsewhere
pub fn slice_channels_backward<E: Element>(args: &mut Args<'_, E>) {
    let p: ChannelsParams = args.params();
    let (dpart, dx) = (args.read("dpart"), args.write("dx"));
    dx.par_chunks_mut(p.channels as usize).zip(dpart.par_chunks(p.count as usize)).for_each(|(dx, dpart)| {
        dx.fill(E::zero());
        dx[p.start as usize..][..p.count as usize].copy_from_slice(dpart);
    });
}
