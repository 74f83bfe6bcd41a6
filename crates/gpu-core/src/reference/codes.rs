//! Moves of rows and columns of words.

use crate::ops::codes::CodesParams;
use crate::{Args, Element};

/// `taken[r, j] = codes[order[r], j]`
pub fn codes_gather<E: Element>(args: &mut Args<'_, E>) {
    let p: CodesParams = args.params();
    let (codes, order, taken) = (args.read_u32("codes"), args.read_u32("order"), args.write_u32("taken"));
    let width = p.width as usize;
    for (taken, &row) in taken.chunks_mut(width).zip(order) {
        taken.copy_from_slice(&codes[row as usize * width..][..width]);
    }
}

/// `stored[order[r], j] = rows[r, j]`
pub fn codes_scatter<E: Element>(args: &mut Args<'_, E>) {
    let p: CodesParams = args.params();
    let (rows, order, stored) = (args.read_u32("rows"), args.read_u32("order"), args.write_u32("stored"));
    let width = p.width as usize;
    for (rows, &row) in rows.chunks(width).zip(order) {
        stored[row as usize * width..][..width].copy_from_slice(rows);
    }
}

/// `column[r] = codes[r, at]`
pub fn codes_column<E: Element>(args: &mut Args<'_, E>) {
    let p: CodesParams = args.params();
    let (codes, column) = (args.read_u32("codes"), args.write_u32("column"));
    for (column, codes) in column.iter_mut().zip(codes.chunks(p.width as usize)) {
        *column = codes[p.at as usize];
    }
}

/// `placed[r, at] = given[r]`
pub fn codes_place<E: Element>(args: &mut Args<'_, E>) {
    let p: CodesParams = args.params();
    let (given, placed) = (args.read_u32("given"), args.write_u32("placed"));
    for (&given, placed) in given.iter().zip(placed.chunks_mut(p.width as usize)) {
        placed[p.at as usize] = given;
    }
}
