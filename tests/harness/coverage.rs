//! Lists the kernels without a case or a gradient check.

use crate::Case;
use gpu_core::{Access, Arena, Buf, BufferId, Call, Gradient, Grid, Kernel, Needs, Variant};
use std::collections::HashSet;

/// One sentence for each missing check of a kernel.
pub fn omissions(kernels: &[&Kernel], cases: &[Case]) -> Vec<String> {
    let cased: HashSet<&str> =
        cases.iter().flat_map(|case| case.schedule.calls()).map(|call| call.kernel.name).collect();
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
        let calls =
            || cases.iter().flat_map(|case| case.schedule.calls()).filter(|call| call.kernel.name == kernel.name);
        // The tests run all variants that a call and the device allow.
        let unseen = |variant: &&Variant| variant.needs == Needs::FewColumns && !calls().any(|call| few(variant, call));
        omissions.extend(kernel.variants.iter().filter(unseen).map(|variant| format!("{} has no case", variant.name)));
        match kernel.gradient {
            Gradient::Forward if !forward.contains(kernel.name) && !backward.contains(kernel.name) => {
                omissions.push(format!("{} has no gradient check through it", kernel.name));
            }
            Gradient::Backward if !backward.contains(kernel.name) => {
                omissions.push(format!("{} has no gradient check of its outputs", kernel.name));
            }
            _ => {}
        }
    }
    omissions
}

fn few(variant: &Variant, call: &Call) -> bool {
    matches!(call.grid, Grid::Tiles { cols, .. } if cols <= variant.tile[1])
}

/// The kernels that contribute to the given buffers of each claim.
fn on_claims(case: &Case, ends: impl Fn(&crate::Differentiation) -> Vec<Buf>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for claim in &case.claims {
        let mut wanted: HashSet<BufferId> = ends(claim).iter().map(|buf| buf.id).collect();
        for call in case.schedule.calls().iter().rev() {
            if call.writes().any(|buf| wanted.contains(&buf.id)) {
                names.push(call.kernel.name);
                wanted.extend(inputs(call).filter(|buf| buf.id.arena == Arena::Scratch).map(|buf| buf.id));
            }
        }
    }
    names
}

fn inputs(call: &Call) -> impl Iterator<Item = Buf> + '_ {
    let pairs = call.kernel.bindings.iter().zip(&call.bufs);
    pairs.filter(|(binding, _)| binding.access != Access::Write).map(|(_, buf)| *buf)
}
