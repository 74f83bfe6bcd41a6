//! Which variant of a kernel a device runs for a piece of work.

use crate::device::{Caps, Kind};
use crate::{Grid, Needs, Step, Variant};

/// How variants are chosen.
#[derive(Clone, Debug, Default)]
pub enum Picking {
    /// By the table in this file, which depends on the device's kind and the output's size alone.
    #[default]
    Table,
    /// Those whose names are their kernels' and this, as "_small"; a kernel's own where it has none: for tests.
    Only(&'static str),
}

/// The variants of a step that a device can run, the kernel's own first; none where its kernel has none.
pub fn eligible(step: &Step, caps: &Caps) -> Vec<&'static Variant> {
    let Grid::Tiles { cols, .. } = step.grid else { return Vec::new() };
    let can = |variant: &&'static Variant| match variant.needs {
        Needs::Nothing => true,
        Needs::FewColumns => cols <= variant.tile[1],
        Needs::EightLanes => caps.subgroup == (8, 8) && caps.features.contains(&"subgroups"),
        Needs::Half => caps.features.contains(&"f16"),
    };
    step.kernel.variants.iter().filter(can).collect()
}

impl Picking {
    /// The variant for a step; none where its kernel has no variants.
    pub(crate) fn pick(&self, step: &Step, caps: &Caps) -> Option<&'static Variant> {
        let Grid::Tiles { rows, cols, .. } = step.grid else { return None };
        let eligible = eligible(step, caps);
        let only = |suffix| eligible.iter().copied().find(|variant| variant.suffix(step.kernel) == suffix);
        match self {
            Self::Only(suffix) => only(*suffix).or(step.kernel.variants.first()),
            Self::Table if caps.kind == Kind::Software => on_a_processor(&eligible, rows, cols),
            Self::Table => on_a_gpu(&eligible, rows, cols),
        }
    }
}

fn tiles(variant: &Variant, rows: usize, cols: usize) -> usize {
    rows.div_ceil(variant.tile[0]) * cols.div_ceil(variant.tile[1])
}

/// A processor spends its time on loads: the variant that makes the fewest.
fn on_a_processor(eligible: &[&'static Variant], rows: usize, cols: usize) -> Option<&'static Variant> {
    let exact = eligible.iter().filter(|variant| variant.needs != Needs::Half);
    exact.copied().min_by_key(|variant| variant.loads * tiles(variant, rows, cols))
}

/// Workgroups that a GPU should have at least, or it stands half idle.
const WORKGROUPS: usize = 64;

/// A GPU wants large tiles, as long as they hang over no edge by half and there are enough of them.
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
