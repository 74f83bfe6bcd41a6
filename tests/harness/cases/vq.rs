//! Nearest codes with and without ties, look-ups, and both losses with their gradients.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::vq::{
    Assigned, assign, codebook_backward, lookup, lookup_backward, loss, loss_with_gradient, nearest, one_hot,
};

/// Rows, codes, and columns of both: around a workgroup of rows, of codes and of elements.
const SIZES: [[usize; 3]; 7] = [[1, 1, 1], [3, 63, 2], [5, 64, 3], [65, 7, 5], [7, 65, 16], [2, 257, 4], [63, 5, 1]];
const WEIGHT: f32 = 0.375;
const SCALE: f32 = 0.5;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = SIZES.map(on_a_lattice).into();
    cases.extend(SIZES.map(losses));
    cases.push(equal_codes());
    cases.extend([0.0, 10.0, 30.0, 100.0, 300.0].map(far_from_origin));
    cases.push(quantised());
    cases.push(folded_rows());
    cases.push(folded_elements());
    cases
}

/// Integers from −8 to 8, divided by `parts`.
fn lattice(len: usize, stride: usize, parts: f64) -> Fill {
    Fill::Numbers((0..len).map(|i| (((stride * i + i / 7) % 17) as f64 - 8.0) / parts).collect())
}

/// Small integers and quarters, so that every sum is exact: ties are ties on every device, and nothing else is.
fn on_a_lattice([m, k, dim]: [usize; 3]) -> Case {
    let mut case = Case::new(format!("{m} rows of {dim} among {k} codes"));
    let z = case.input([m, dim], lattice(m * dim, 5, 4.0));
    let codebook = case.input([k, dim], lattice(k * dim, 3, 1.0));
    let s = &mut case.schedule;
    let index = nearest(s, "nearest", z, codebook);
    lookup(s, "q", index, codebook, z.shape);
    assign(s, "assigned", z, index, k);
    case
}

/// All codes equally near, and the last two of several equally near.
fn equal_codes() -> Case {
    let mut case = Case::new("equal codes");
    let z = case.input([2, 1, 2], Fill::Numbers(vec![0.25, -1.0, 3.0, 0.5]));
    let same = case.input([200, 2], Fill::Numbers(vec![1.5; 400]));
    let last = (0..130).flat_map(|j| if j < 100 { [8.0, 8.0] } else { [1.0, 0.0] }).collect();
    let last = case.input([130, 2], Fill::Numbers(last));
    nearest(&mut case.schedule, "same", z, same);
    nearest(&mut case.schedule, "last", z, last);
    case
}

/// Rows and codes far from the origin, where |e|² − 2 z·e has lost the digits that tell the codes apart.
fn far_from_origin(offset: f64) -> Case {
    let [m, k, dim] = [1280, 64, 16];
    let mut case = Case::new(format!("codes and rows around {offset}"));
    let z = case.input([m, dim], Fill::Uniform(offset - 1.0, offset + 1.0));
    let codebook = case.input([k, dim], Fill::Uniform(offset - 1.0, offset + 1.0));
    // Products are large there, with errors relative to themselves.
    case.sums_of(dim);
    nearest(&mut case.schedule, "nearest", z, codebook);
    case
}

/// Losses with a constant index, onto old contents of dz and de.
fn losses([m, k, dim]: [usize; 3]) -> Case {
    let mut case = Case::new(format!("losses of {m} rows of {dim}, {k} codes"));
    let z = case.input([m, dim], Fill::Uniform(-1.0, 1.0));
    let codebook = case.input([k, dim], Fill::Uniform(-1.0, 1.0));
    let index = case.input([m], Fill::Words(k as u32));
    let dq = case.input([m, dim], Fill::OffZero);
    let [dz, de, embedded] = [z, codebook, codebook].map(|x| case.input(x.shape, Fill::OffZero));
    // The gradient of the rows, which are scaled; dz and de are those of the unscaled sum.
    let dy = case.input([m], Fill::Numbers(vec![f64::from(WEIGHT / SCALE); m]));
    case.sums_of(4 * m.max(dim));
    let s = &mut case.schedule;
    let q = lookup(s, "q", index, codebook, z.shape);
    let alone = loss(s, "loss", z, q, SCALE);
    let rows = loss_with_gradient(s, "commitment", z, q, SCALE, WEIGHT, dz);
    let assigned = assign(s, "assigned", z, index, k);
    codebook_backward(s, "codebook", assigned, codebook, WEIGHT, de);
    lookup_backward(s, "embedding", assigned.one_hot, dq, embedded);
    case.claim(q, dq, &[(codebook, embedded)]);
    case.claim(alone, dy, &[(z, dz), (codebook, de)]);
    case.claim(rows, dy, &[(z, dz), (codebook, de)]);
    case
}

/// The whole operator, with codes so far apart that no difference moves a row to another.
fn quantised() -> Case {
    let (m, k, dim) = (23, 5, 3);
    let mut case = Case::new("rows near their codes");
    let at = |i: usize, j: usize| 2.0 * i as f64 + 0.3 * ((7 * i + 5 * j) % 11) as f64 / 11.0;
    let codebook = case.input([k, dim], Fill::Numbers((0..k * dim).map(|i| at(i / dim, i % dim)).collect()));
    let near = |i: usize| at(i / dim * 3 % k, i % dim) + 0.08 * ((5 * i % 13) as f64 - 6.0);
    let z = case.input([m, dim], Fill::Numbers((0..m * dim).map(near).collect()));
    let dz = case.input(z.shape, Fill::OffZero);
    let de = case.input(codebook.shape, Fill::OffZero);
    let dy = case.input([m], Fill::Numbers(vec![f64::from(WEIGHT / SCALE); m]));
    case.sums_of(400); // sums of up to five rows of numbers up to eight, in units of one
    let s = &mut case.schedule;
    let index = nearest(s, "nearest", z, codebook);
    let q = lookup(s, "q", index, codebook, z.shape);
    let rows = loss_with_gradient(s, "commitment", z, q, SCALE, WEIGHT, dz);
    let assigned = assign(s, "assigned", z, index, k);
    codebook_backward(s, "codebook", assigned, codebook, WEIGHT, de);
    case.claim(rows, dy, &[(z, dz), (codebook, de)]);
    case
}

/// More rows, with one workgroup each, than workgroups in a row of the grid.
fn folded_rows() -> Case {
    let m = MAX_GROUPS as usize + 78;
    let mut case = Case::new(format!("folded grid, {m} rows"));
    let z = case.input([m, 1], lattice(m, 5, 4.0));
    let codebook = case.input([3, 1], Fill::Numbers(vec![-1.0, 0.5, 1.0]));
    nearest(&mut case.schedule, "nearest", z, codebook);
    case
}

/// More elements than fit in 65,535 workgroups of 64.
fn folded_elements() -> Case {
    let (m, width) = (MAX_GROUPS as usize, 65);
    let mut case = Case::new(format!("folded grid, {} elements", m * width));
    let index = case.input([m], Fill::Words(width as u32));
    let codebook = case.input([width, width], Fill::OffZero);
    let [rows, dz, counts] = [[m * width, 1]; 3].map(|shape| case.input(shape, Fill::OffZero));
    let s = &mut case.schedule;
    let q = lookup(s, "q", index, codebook, [m, width]).reshape(rows.shape);
    let one_hot = one_hot(s, "one_hot", index, width);
    loss_with_gradient(s, "commitment", q, rows, SCALE, WEIGHT, dz);
    codebook_backward(s, "codebook", Assigned { one_hot, counts, sums: q }, rows, WEIGHT, dz);
    case
}
