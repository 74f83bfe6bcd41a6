//! The choice of a kernel variant for a call on a device.

use super::caps::{Caps, DeviceKind};
use crate::{Call, Grid, Needs, Variant};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The policy that chooses kernel variants.
#[derive(Clone, Debug, Default)]
pub enum VariantPolicy {
    /// By the built-in table, which depends only on the kind of device and the size of the output.
    #[default]
    Table,
    /// By measurements on the device: names of variants by [`class`]. Classes that were not measured use the table.
    Tuned(Arc<BTreeMap<String, String>>),
    /// In half precision where a kernel has such a variant, else by the table.
    Half,
    /// Variants with this suffix, such as "_small"; kernels without one use their default. For tests.
    Only(&'static str),
}

/// The class of a call, by which tuning results are stored: its kernel, its switches, and its sizes rounded up to
/// powers of two. `None` if its kernel has no variants.
pub fn class(call: &Call) -> Option<String> {
    let Grid::Tiles { rows, cols, layers } = call.grid else { return None };
    let terms = call.flops as usize / 2 / (rows * cols * layers).max(1);
    let [rows, cols, layers, terms] = [rows, cols, layers, terms].map(usize::next_power_of_two);
    let switches: Vec<String> = call.overrides().map(|(name, value)| format!("{name}={value}")).collect();
    Some(format!("{} {rows}×{cols}×{layers} of {terms}, {}", call.kernel.name, switches.join(" ")))
}

/// The variants of a call that a device can run, the default first; empty if its kernel has no variants.
pub fn eligible(call: &Call, caps: &Caps) -> Vec<&'static Variant> {
    let Grid::Tiles { cols, .. } = call.grid else { return Vec::new() };
    let can = |variant: &&'static Variant| match variant.needs {
        Needs::Nothing => true,
        Needs::FewColumns => cols <= variant.tile[1],
        Needs::EightLanes => eight_lanes(caps),
        Needs::EightLanesQuads => eight_lanes(caps) && stored_by_terms(call) && rows_in_quads(call),
        Needs::EightLanesBlocks => {
            let y = call.bufs.last().expect("a product has an output");
            let whole_blocks = call.param("k").is_none_or(|terms| terms.is_multiple_of(4));
            eight_lanes(caps) && rows_in_quads(call) && y.shape.cols().is_multiple_of(4) && whole_blocks
        }
        Needs::Half => caps.features.contains(&"f16"),
        Needs::Cooperative(side) => {
            let (least, most) = caps.subgroup;
            caps.cooperative.contains(&side) && least == most && most <= 64
        }
        Needs::Tuning => true,
        Needs::Quads => chunks_in_quads(call) && rows_in_quads(call),
    };
    call.kernel.variants.iter().filter(can).collect()
}

fn eight_lanes(caps: &Caps) -> bool {
    caps.subgroup == (8, 8) && caps.features.contains(&"subgroups")
}

/// True if the stored rows of the operands are multiples of four elements.
fn rows_in_quads(call: &Call) -> bool {
    call.bufs[..2].iter().all(|operand| operand.shape.cols().is_multiple_of(4))
}

/// True if the sums of a workgroup begin at multiples of four terms.
fn chunks_in_quads(call: &Call) -> bool {
    call.param("chunk").is_none_or(|chunk| chunk.is_multiple_of(4))
}

/// True if a stored row of either operand is one term of the sums. A convolution's are, since the variants that need it
/// are of the gradient of weights.
fn stored_by_terms(call: &Call) -> bool {
    call.param("trans_a").is_none_or(|a| a == 1) && call.param("trans_b").is_none_or(|b| b == 0)
}

impl VariantPolicy {
    /// Chooses by measurement: names of variants by [`class`].
    pub fn tuned(choices: BTreeMap<String, String>) -> Self {
        Self::Tuned(Arc::new(choices))
    }

    /// The variant for a call; `None` if its kernel has no variants.
    pub(crate) fn pick(&self, call: &Call, caps: &Caps, passes: impl Fn(Needs) -> bool) -> Option<&'static Variant> {
        let eligible = eligible(call, caps);
        if let Self::Only(suffix) = self {
            let only = eligible.iter().copied().find(|variant| variant.suffix(call.kernel.name) == *suffix);
            return only.or(call.kernel.variants.first());
        }
        let wanted = match self {
            Self::Tuned(names) => class(call).and_then(|class| names.get(&class).map(String::as_str)),
            _ => None,
        };
        let wanted = |variant: &&&'static Variant| match self {
            Self::Half => variant.needs == Needs::Half,
            _ => Some(variant.name) == wanted,
        };
        let chosen = eligible.iter().find(wanted).copied().or_else(|| table(&eligible, call, caps.kind))?;
        if passes(chosen.needs) { Some(chosen) } else { call.kernel.variants.first() }
    }
}

/// The choice without measurements, of variants that do not need one. Software adapters spend most of their time on
/// loads, so there the variant with the fewest loads is chosen.
fn table(eligible: &[&'static Variant], call: &Call, kind: DeviceKind) -> Option<&'static Variant> {
    let Grid::Tiles { rows, cols, .. } = call.grid else { return None };
    let usual: Vec<_> = eligible.iter().copied().filter(|variant| MEASURED.contains(&variant.needs)).collect();
    match kind {
        DeviceKind::Software => usual.into_iter().min_by_key(|variant| variant.loads * tiles(variant, rows, cols)),
        _ => on_a_gpu(&usual, rows, cols),
    }
}

/// The requirements of the variants in the table, which were measured on at least one device.
const MEASURED: [Needs; 5] =
    [Needs::Nothing, Needs::FewColumns, Needs::EightLanes, Needs::EightLanesQuads, Needs::EightLanesBlocks];

/// The variant for a GPU of which only WebGPU's default limits are known; `None` if the kernel has no variants.
pub(crate) fn portable(call: &Call) -> Option<&'static Variant> {
    let Grid::Tiles { rows, cols, .. } = call.grid else { return None };
    let can = |variant: &&'static Variant| match variant.needs {
        Needs::Nothing => true,
        Needs::FewColumns => cols <= variant.tile[1],
        _ => false,
    };
    let able: Vec<_> = call.kernel.variants.iter().filter(can).collect();
    on_a_gpu(&able, rows, cols)
}

fn tiles(variant: &Variant, rows: usize, cols: usize) -> usize {
    rows.div_ceil(variant.tile[0]) * cols.div_ceil(variant.tile[1])
}

/// The least workgroups that keep a GPU busy. On an H200 the small tile was faster in every product of `dcgan` that has
/// fewer large tiles than this (docs/performance.md). A GPU with fewer cores needs fewer; `frit tune` measures it.
const WORKGROUPS: usize = 256;

/// Chooses large tiles for a GPU, unless half a tile or more is unused at an edge or there are too few tiles.
fn on_a_gpu(eligible: &[&'static Variant], rows: usize, cols: usize) -> Option<&'static Variant> {
    let few = eligible.iter().find(|variant| variant.needs == Needs::FewColumns);
    let mut plain: Vec<_> = eligible.iter().filter(|variant| variant.needs == Needs::Nothing).collect();
    plain.sort_by_key(|variant| std::cmp::Reverse(variant.tile[0] * variant.tile[1]));
    let hangs_over = |tile: usize, d: usize| d.next_multiple_of(tile) - d >= tile / 2 && d < 2 * tile;
    let suits = |variant: &&&&'static Variant| {
        let [height, width] = variant.tile;
        !hangs_over(height, rows) && !hangs_over(width, cols) && tiles(variant, rows, cols) >= WORKGROUPS
    };
    few.or(plain.iter().find(suits).copied()).or(plain.last().copied()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::ops::matmul::{Form, MATMUL, PLAIN, product};

    /// The call for a product [m, k] · [k, n].
    fn call(m: usize, n: usize, k: usize) -> Call {
        let mut schedule = Schedule::new();
        let [a, b] = [[m, k], [k, n]].map(|shape| schedule.scratch(shape));
        [a, b].into_iter().for_each(|buf| schedule.feed(buf));
        product(&mut schedule, "y", a, b, Form::NN, PLAIN);
        schedule.calls()[0].clone()
    }

    fn choice(kind: DeviceKind, (m, n): (usize, usize)) -> &'static str {
        let can = |variant: &&'static Variant| match variant.needs {
            Needs::FewColumns => n <= variant.tile[1],
            Needs::EightLanesBlocks => n.is_multiple_of(4),
            _ => true,
        };
        let all: Vec<_> = MATMUL.variants.iter().filter(can).collect();
        table(&all, &call(m, n, 64), kind).expect("a product has variants").name
    }

    #[test]
    fn a_gpu_uses_the_largest_suitable_tile() {
        for (size, name) in [
            ((1024, 1024), "matmul"),
            // Too few large tiles, and half of each would be unused.
            ((128, 400), "matmul_small"),
            ((4096, 96), "matmul_small"),
            ((4096, 20), "matmul_small"),
            ((64, 1), "matmul_row"),
        ] {
            assert_eq!(choice(DeviceKind::Discrete, size), name, "{size:?}");
        }
    }

    #[test]
    fn a_software_adapter_uses_the_fewest_loads() {
        for (size, name) in [
            ((512, 512), "matmul_lanes_blocks"),
            ((25_088, 32), "matmul_lanes_tall_blocks"),
            ((128, 20), "matmul_lanes_tall_blocks"),
            ((32, 511), "matmul_lanes"),
            ((128, 10), "matmul_lanes_tall"),
        ] {
            assert_eq!(choice(DeviceKind::Software, size), name, "{size:?}");
        }
    }

    #[test]
    fn classes_depend_on_kernel_switches_and_rounded_sizes() {
        let of = |m, n, k| class(&call(m, n, k)).expect("a product has variants");
        assert_eq!(of(100, 400, 784), "matmul 128×512×1 of 1024, trans_a=0 trans_b=0 use_bias=0 activation=0 gate=0");
        assert_eq!(of(100, 400, 784), of(128, 512, 1024));
        assert_ne!(of(100, 400, 784), of(129, 400, 784));
    }
}
