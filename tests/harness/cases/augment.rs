//! Each change of images alone and all together, of grey and of coloured images of even and odd sizes, with a gate.

use crate::{Case, Fill};
use gpu_core::MAX_GROUPS;
use gpu_core::ops::activation::{self, Activation};
use gpu_core::ops::augment::{Augment, DRAWS, backward, forward};

const SIZES: [[usize; 4]; 4] = [[1, 1, 1, 1], [3, 8, 8, 3], [5, 7, 13, 1], [2, 16, 9, 4]];

const ALL: Augment = Augment { colour: true, translation: true, cutout: true };

pub(crate) fn cases() -> Vec<Case> {
    let none = Augment::default();
    let changes = [
        Augment { colour: true, ..none },
        Augment { translation: true, ..none },
        Augment { cutout: true, ..none },
        ALL,
    ];
    let mut cases: Vec<Case> =
        changes.iter().flat_map(|&augment| SIZES.map(|size| differentiated(size, augment))).collect();
    cases.push(gated(ALL));
    cases.push(gated(Augment { translation: true, ..none }));
    cases.push(folded());
    cases
}

fn differentiated(size: [usize; 4], augment: Augment) -> Case {
    let mut case = Case::new(format!("{size:?}, {augment:?}"));
    case.sums_of(size[1..].iter().product());
    let x = case.input(size, Fill::Uniform(-1.0, 1.0));
    let draws = case.input([size[0], DRAWS], Fill::Uniform(0.0, 1.0));
    let dy = case.input(size, Fill::OffZero);
    let y = forward(&mut case.schedule, "forward", x, draws, augment);
    let dx = backward(&mut case.schedule, "backward", dy, draws, augment, None);
    case.claim(y, dy, &[(x, dx)]);
    case
}

/// An activation before the change, whose slope is fused into the gradient.
fn gated(augment: Augment) -> Case {
    let size = [3, 6, 5, 3];
    let mut case = Case::new(format!("behind tanh, {augment:?}"));
    case.sums_of(size[1..].iter().product());
    let sum = case.input(size, Fill::OffZero);
    let draws = case.input([size[0], DRAWS], Fill::Uniform(0.0, 1.0));
    let dy = case.input(size, Fill::OffZero);
    let x = activation::forward(&mut case.schedule, "x", sum, Activation::Tanh);
    let y = forward(&mut case.schedule, "forward", x, draws, augment);
    let dsum = backward(&mut case.schedule, "backward", dy, draws, augment, Some((Activation::Tanh, x)));
    case.claim(y, dy, &[(sum, dsum)]);
    case
}

fn folded() -> Case {
    let size = [2, MAX_GROUPS as usize / 2 + 3, 65, 1];
    let mut case = Case::new(format!("folded grid, {size:?}"));
    case.sums_of(size[1..].iter().product());
    let x = case.input(size, Fill::Uniform(-1.0, 1.0));
    let draws = case.input([size[0], DRAWS], Fill::Uniform(0.0, 1.0));
    let dy = case.input(size, Fill::OffZero);
    forward(&mut case.schedule, "forward", x, draws, ALL);
    backward(&mut case.schedule, "backward", dy, draws, ALL, None);
    case
}
