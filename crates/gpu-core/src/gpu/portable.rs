//! The shader of a call for other interpreters of a schedule, such as a web page.

use super::variants::portable;
use crate::Call;

/// The shader of a call that every WebGPU device runs: within the default limits, without optional features.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Portable {
    /// The name of the kernel, or of its variant for this call.
    pub name: &'static str,
    /// Its entry point.
    pub entry: &'static str,
    /// Its WGSL files; the module is their concatenation.
    pub source: &'static [&'static str],
    /// The pipeline's constants.
    pub constants: Vec<(&'static str, u32)>,
    /// Invocations per workgroup.
    pub workgroup: [u32; 3],
    /// Workgroups along x, y and z.
    pub groups: [u32; 3],
}

impl Portable {
    /// The shader of a call.
    pub fn of(call: &Call) -> Self {
        let (kernel, switches) = (call.kernel, call.overrides());
        let groups = |tile| call.grid.groups(tile).expect("Schedule::push checks every tile size");
        let Some(variant) = portable(call) else {
            let (name, source, workgroup) = (kernel.name, kernel.source, kernel.workgroup);
            return Self {
                name,
                entry: name,
                source,
                constants: switches.collect(),
                workgroup,
                groups: groups([1; 2]),
            };
        };
        let constants = switches.chain(variant.constants.into_iter().flatten().copied()).collect();
        let (name, entry, source, workgroup) = (variant.name, variant.entry, variant.source, variant.workgroup);
        Self { name, entry, source, constants, workgroup, groups: groups(variant.tile) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::ops::elementwise::scale;
    use crate::ops::matmul::{Form, PLAIN, product};

    /// The shader of the product [m, k] · [k, n].
    fn of_product(m: usize, n: usize, k: usize) -> Portable {
        let mut schedule = Schedule::new();
        let [a, b] = [[m, k], [k, n]].map(|shape| schedule.scratch(shape));
        [a, b].into_iter().for_each(|buf| schedule.feed(buf));
        product(&mut schedule, "y", a, b, Form::NN, PLAIN);
        Portable::of(&schedule.calls()[0])
    }

    #[test]
    fn a_product_has_a_tile_that_needs_no_feature() {
        let of = |m, n| of_product(m, n, 64).name;
        assert_eq!([of(1024, 1024), of(128, 400), of(64, 1)], ["matmul", "matmul_small", "matmul_row"]);
        let small = of_product(128, 400, 784);
        assert_eq!(small.groups, [4 * 13, 1, 1]);
        assert!(small.constants.contains(&("trans_a", 0)) && small.constants.contains(&("lanes_x", 8)));
        assert_eq!(small.workgroup, [8, 8, 1]);
    }

    #[test]
    fn a_kernel_without_variants_has_its_own_entry_point() {
        let mut schedule = Schedule::new();
        let x = schedule.scratch([100]);
        schedule.feed(x);
        scale(&mut schedule, "y", x, 0.5);
        let shader = Portable::of(&schedule.calls()[0]);
        assert_eq!((shader.name, shader.entry), (schedule.calls()[0].kernel.name, shader.name));
        assert_eq!(shader.workgroup, schedule.calls()[0].kernel.workgroup);
    }
}
