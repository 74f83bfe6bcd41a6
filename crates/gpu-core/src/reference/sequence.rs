//! Windows of sequences, and rings of past values.

use crate::ops::sequence::{ChooseParams, PastParams, PushParams, WindowsParams};
use crate::random::philox;
use crate::{Args, Element};

/// `codes[r, j] = byte(data, order[r] · width + start[r] + j)`, with a random start below `choices`
pub fn sequence_windows<E: Element>(args: &mut Args<'_, E>) {
    let p: WindowsParams = args.params();
    let (data, order, step) = (args.read_u32("data"), args.read_u32("order"), args.read_u32("clock")[0]);
    let codes = args.write_u32("codes");
    for (r, (codes, &of)) in codes.chunks_mut(p.length as usize).zip(order).enumerate() {
        let row = p.first as usize + r;
        let word = philox([(row / 4) as u32, p.stream, step, 0], [p.key0, p.key1])[row % 4];
        let start = (u64::from(word) * u64::from(p.choices)) >> 32;
        let from = of as usize * p.width as usize + start as usize;
        for (at, code) in (from..).zip(codes) {
            *code = data[at / 4].to_le_bytes()[at % 4].into();
        }
    }
}

/// `ring[step mod slots] = x`
pub fn sequence_push<E: Element>(args: &mut Args<'_, E>) {
    let p: PushParams = args.params();
    let (x, step, ring) = (args.read("x"), args.read_u32("clock")[0], args.write("ring"));
    let len = p.len as usize;
    ring[(step % p.slots) as usize * len..][..len].copy_from_slice(x);
}

/// `window[r, j] = ring[(step − delay − (taps − 1 − j) · dilation) mod slots, r]`
pub fn sequence_past<E: Element>(args: &mut Args<'_, E>) {
    let p: PastParams = args.params();
    let (past, step, window) = (args.read("past"), args.read_u32("clock")[0], args.write("window"));
    let (c, taps) = (p.c as usize, p.taps as usize);
    for (at, window) in window.chunks_mut(c).enumerate() {
        let (r, j) = (at / taps, (at % taps) as i64);
        let position = i64::from(step) - i64::from(p.delay) - (i64::from(p.taps) - 1 - j) * i64::from(p.dilation);
        let slot = position.rem_euclid(p.slots.into()) as usize;
        window.copy_from_slice(&past[slot * p.row as usize + r * c..][..c]);
    }
}

/// `placed[r, at] = code[r]` = `given[r, at]` if below k, else `drawn[r]`, with at = (step − 1) mod width
pub fn sequence_choose<E: Element>(args: &mut Args<'_, E>) {
    let p: ChooseParams = args.params();
    let (given, drawn, step) = (args.read_u32("given"), args.read_u32("drawn"), args.read_u32("clock")[0]);
    let (code, placed) = (args.write_u32("code"), args.write_u32("placed"));
    let at = (step.wrapping_sub(1) % p.width) as usize;
    for (r, (code, &drawn)) in code.iter_mut().zip(drawn).enumerate() {
        let place = r * p.width as usize + at;
        *code = if given[place] < p.k { given[place] } else { drawn };
        placed[place] = *code;
    }
}
