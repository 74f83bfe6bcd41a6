//! Which kernels lack a case or a derivative check: what keeps an unchecked kernel from landing.

use crate::Case;
use gpu_core::{Access, Buf, Gradient, Grid, Home, Kernel, Needs, Place, Step, Variant};
use std::collections::HashSet;

/// One sentence per kernel and thing it lacks.
pub fn omissions(kernels: &[&Kernel], cases: &[Case]) -> Vec<String> {
    let cased: HashSet<&str> =
        cases.iter().flat_map(|case| case.schedule.steps()).map(|step| step.kernel.name).collect();
    let forward: HashSet<&str> = cases.iter().flat_map(|case| on_claims(case, |claim| vec![claim.y])).collect();
    let backward: HashSet<&str> = cases
        .iter()
        .flat_map(|case| on_claims(case, |claim| claim.pairs.iter().map(|pair| pair.1).collect()))
        .collect();
    let mut omissions = Vec::new();
    for kernel in kernels {
        if !cased.contains(kernel.name) {
            omissions.push(format!("{} has no case", kernel.name));
        }
        let steps =
            || cases.iter().flat_map(|case| case.schedule.steps()).filter(|step| step.kernel.name == kernel.name);
        // Whoever runs the cases runs all variants that a step and the device allow.
        let unseen = |variant: &&Variant| variant.needs == Needs::FewColumns && !steps().any(|step| few(variant, step));
        omissions.extend(kernel.variants.iter().filter(unseen).map(|variant| format!("{} has no case", variant.name)));
        match kernel.gradient {
            Gradient::Forward if !forward.contains(kernel.name) && !backward.contains(kernel.name) => {
                omissions.push(format!("{} has no gradient check through it", kernel.name));
            }
            Gradient::Backward if !backward.contains(kernel.name) => {
                omissions.push(format!("{} has no gradient check of what it writes", kernel.name));
            }
            _ => {}
        }
    }
    omissions
}

fn few(variant: &Variant, step: &Step) -> bool {
    matches!(step.grid, Grid::Tiles { cols, .. } if cols <= variant.tile[1])
}

/// The kernels that the given buffers of each claim are computed by, however far back.
fn on_claims(case: &Case, ends: impl Fn(&crate::Differentiation) -> Vec<Buf>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for claim in &case.claims {
        let mut wanted: HashSet<Place> = ends(claim).iter().map(|buf| buf.place).collect();
        for step in case.schedule.steps().iter().rev() {
            if step.writes().any(|buf| wanted.contains(&buf.place)) {
                names.push(step.kernel.name);
                wanted.extend(inputs(step).filter(|buf| buf.place.home == Home::Scratch).map(|buf| buf.place));
            }
        }
    }
    names
}

fn inputs(step: &Step) -> impl Iterator<Item = Buf> + '_ {
    let pairs = step.kernel.bindings.iter().zip(&step.bufs);
    pairs.filter(|(binding, _)| binding.access != Access::Write).map(|(_, buf)| *buf)
}
