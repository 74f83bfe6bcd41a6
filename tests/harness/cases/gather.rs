//! Rows of bytes of every width, which start at a word and within one; images mirrored and moved, by less and by more
//! than their size. Two cases fold their grids.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::gather::{DRAWS, Move, gather, gather_moved, pack};

pub(crate) fn cases() -> Vec<Case> {
    let sizes = [(1, 1, 1), (5, 3, 1), (64, 10, 1), (7, 9, 7), (9, 7, 9), (13, 5, 784), (3, 4, 63), (65, 2, 65)];
    let mut cases: Vec<Case> = sizes.map(|(rows, count, width)| batch(rows, count, width)).into();
    cases.push(known());
    cases.push(batch(MAX_GROUPS as usize * 64 / 101 + 1, 1000, 101));
    let moves = [(true, 0), (false, 2), (true, 3), (true, 40)];
    let images = [[1, 1, 1], [3, 5, 1], [8, 6, 3], [5, 13, 2]];
    cases.extend(moves.iter().flat_map(|&(mirror, crop)| images.map(|image| moved(7, image, Move { mirror, crop }))));
    cases.push(moved(MAX_GROUPS as usize * 64 / 101 + 1, [1, 101, 1], Move { mirror: true, crop: 5 }));
    cases
}

fn batch(rows: usize, count: u32, width: usize) -> Case {
    let mut case = Case::new(format!("{rows} of {count} rows of {width}"));
    let data = case.input([(count as usize * width).div_ceil(4)], Fill::Words(u32::MAX));
    let order = case.input([rows], Fill::Words(count));
    gather(&mut case.schedule, "y", data, order, width, 1.0 / 127.5, -1.0);
    gather(&mut case.schedule, "plain", data, order, width, 1.0, 0.0);
    case
}

fn moved(rows: usize, image: [usize; 3], by: Move) -> Case {
    let mut case = Case::new(format!("{rows} images {image:?}, {by:?}"));
    let (count, width) = (9, image.iter().product::<usize>());
    let data = case.input([(count as usize * width).div_ceil(4)], Fill::Words(u32::MAX));
    let order = case.input([rows], Fill::Words(count));
    let draws = case.input([rows, DRAWS], Fill::Uniform(0.0, 1.0));
    gather_moved(&mut case.schedule, "y", data, order, draws, image, by, [1.0 / 127.5, -1.0]);
    case
}

/// Bytes that encode their positions, through [`pack`], in reverse order.
fn known() -> Case {
    let (count, width) = (36, 7);
    let bytes: Vec<u8> = (0..count * width).map(|i| i as u8).collect();
    let mut case = Case::new("packed bytes, the rows backwards");
    let words = pack(&bytes);
    let data = case.input([words.len()], Fill::Exactly(words));
    let order = case.input([count], Fill::Exactly((0..count as u32).rev().collect()));
    gather(&mut case.schedule, "y", data, order, width, 0.5, 3.0);
    case
}
