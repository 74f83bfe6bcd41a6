//! The record of a kernel's variant: another tile or another algorithm for the same bindings and parameters.

/// Names and values of pipeline constants.
pub type Constants = &'static [(&'static str, u32)];

/// An implementation of a kernel: the same bindings and parameters, another algorithm or tile size.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name, unique among kernels and variants: the kernel's name and a suffix.
    pub name: &'static str,
    /// Its entry point. Variants that differ in files or constants may share one.
    pub entry: &'static str,
    /// Its WGSL files, as in [`Kernel::source`](crate::Kernel::source).
    pub source: &'static [&'static str],
    /// Its pipeline constants, without those of the kernel's parameters: those of the kernel, and those of the tile.
    pub constants: [Constants; 2],
    /// Invocations per workgroup.
    pub workgroup: [u32; 3],
    /// Rows and columns of the output that a workgroup computes.
    pub tile: [usize; 2],
    /// Numbers that a workgroup loads for one term of the sums of a tile, summed over its invocations.
    pub loads: usize,
    /// Its requirements on the device and on the problem.
    pub needs: Needs,
}

impl Variant {
    /// The part of its name after the kernel's name; empty for the default variant.
    pub fn suffix(&self, kernel: &str) -> &'static str {
        self.name.strip_prefix(kernel).expect("a variant's name begins with its kernel's; tests/contract.rs")
    }

    /// Its pipeline constants on a device with subgroups of that many lanes.
    pub fn constants(&self, subgroup: u32) -> impl Iterator<Item = (&'static str, u32)> + use<> {
        let lanes = matches!(self.needs, Needs::Cooperative(_)).then_some(("lanes_x", subgroup));
        self.constants.into_iter().flatten().copied().chain(lanes)
    }

    /// Half-precision operands.
    pub fn is_half(&self) -> bool {
        matches!(self.needs, Needs::Half | Needs::Cooperative(_))
    }

    /// A variant by tiles of that shape.
    pub(crate) const fn tiled(
        name: &'static str,
        entry: &'static str,
        source: &'static [&'static str],
        constants: Constants,
        tiles: &Tiles,
        needs: Needs,
    ) -> Self {
        let Tiles { constants: of_tile, workgroup, tile, loads } = *tiles;
        Self { name, entry, source, constants: [constants, of_tile], workgroup, tile, loads, needs }
    }
}

/// The requirements of a variant beyond those of every kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// None.
    Nothing,
    /// Outputs with no more columns than its tile.
    FewColumns,
    /// Subgroups of exactly eight lanes, as software Vulkan drivers have on processors with eight-wide vectors.
    EightLanes,
    /// The same, and operands stored by terms, in rows of a multiple of four elements.
    EightLanesQuads,
    /// The same, and operands and outputs in rows of a multiple of four elements, and as many terms in a sum.
    EightLanesBlocks,
    /// Half-precision support, and a policy that asks for half precision.
    Half,
    /// Cooperative matrices of this side, with operands in half precision and sums in single: of the sizes that the
    /// device lists, and in subgroups of one size. Only `frit tune --half` chooses it.
    Cooperative(u32),
    /// A measurement: the built-in table never chooses it, `frit tune` may.
    Tuning,
    /// The same, and operands whose stored rows have a multiple of four elements.
    Quads,
}

/// The shape of a tile: a workgroup's invocations, and their shares of the output.
#[derive(Debug)]
pub(crate) struct Tiles {
    constants: Constants,
    workgroup: [u32; 3],
    tile: [usize; 2],
    loads: usize,
}

/// [`Tiles`] in workgroup memory, by the constants of shaders/common/tile.wgsl.
macro_rules! tiles {
    (
        [$x:literal, $y:literal, $depth:literal], [$rows:literal, $cols:literal], $slabs:literal slabs of $slab:literal
    ) => {
        Tiles {
            constants: &[
                ("lanes_x", $x),
                ("lanes_y", $y),
                ("depth", $depth),
                ("row_quads", $rows),
                ("col_quads", $cols),
                ("slab", $slab),
                ("slabs", $slabs),
            ],
            workgroup: [$x, $y, $depth],
            tile: [4 * $y * $rows, 4 * $x * $cols],
            // One vec4 for each four rows and columns of an invocation, and its share of the slab.
            loads: 4 * $x * $y * ($rows + $cols) + 4 * ($y * $rows + $x * $cols),
        }
    };
}

/// 64 × 64 by 64 invocations.
pub(crate) const LARGE: Tiles = tiles!([8, 8, 1], [2, 2], 1 slabs of 16);
/// 32 × 32 by 64 invocations.
pub(crate) const SMALL: Tiles = tiles!([8, 8, 1], [1, 1], 1 slabs of 16);
/// 32 × 32 by 128 invocations, two for each output.
pub(crate) const DEEP: Tiles = tiles!([8, 8, 2], [1, 1], 1 slabs of 16);
/// 32 × 64 by 64 invocations.
pub(crate) const WIDE: Tiles = tiles!([8, 8, 1], [1, 2], 1 slabs of 16);
/// 64 × 64 by 128 invocations.
pub(crate) const BY_128: Tiles = tiles!([16, 8, 1], [2, 1], 1 slabs of 16);
/// 64 × 64 by 256 invocations.
pub(crate) const BY_256: Tiles = tiles!([16, 16, 1], [1, 1], 1 slabs of 16);
/// The same, with the next slab loaded while one is summed.
pub(crate) const DOUBLE: Tiles = tiles!([16, 16, 1], [1, 1], 2 slabs of 8);
/// 128 × 128 by 256 invocations.
pub(crate) const HUGE: Tiles = tiles!([16, 16, 1], [2, 2], 1 slabs of 8);
/// 32 × 64 by one subgroup of eight lanes: shaders/common/lanes.wgsl.
pub(crate) const LANES: Tiles = Tiles { constants: &[("tall", 0)], workgroup: [8, 1, 1], tile: [32, 64], loads: 96 };
/// The same, 64 × 32.
pub(crate) const TALL: Tiles = Tiles { constants: &[("tall", 1)], tile: [64, 32], ..LANES };
/// [`LANES`] that load four numbers at a time: the sum of a term takes 0.7 of the time.
pub(crate) const LANES_QUADS: Tiles = Tiles { loads: 67, ..LANES };
/// The same, 64 × 32.
pub(crate) const TALL_QUADS: Tiles = Tiles { loads: 67, ..TALL };

/// [`LANES`] that load and add blocks of four terms: a term takes 0.8 of the time.
pub(crate) const LANES_BLOCKS: Tiles = Tiles { loads: 77, ..LANES };
/// The same, 64 × 32.
pub(crate) const TALL_BLOCKS: Tiles = Tiles { loads: 77, ..TALL };

/// 32 × 32 by four subgroups with cooperative matrices of 8 × 8: shaders/common/cooperative.wgsl. The device adds
/// lanes_x.
pub(crate) const BY_8: Tiles = Tiles { constants: &[], workgroup: [32, 4, 1], tile: [32, 32], loads: 64 };
/// The same, 64 × 64 with matrices of 16 × 16.
pub(crate) const BY_16: Tiles = Tiles { tile: [64, 64], loads: 128, ..BY_8 };

/// The variants of a product, the default first, with others of the same kernel; `$lanes` are the constants of those by
/// subgroups of eight lanes. `SCALARS`, `HALF`, `QUADS`,
/// `SUBGROUPS` and `COOPERATIVE_…` are the files that load single numbers, round them to half precision, load four at a
/// time, use subgroups, and use cooperative matrices.
macro_rules! variants {
    ($name:literal, $entry:literal, $constants:expr, $lanes:expr $(, $other:expr)*) => {{
        use $crate::schedule::variant::{BY_16, BY_8};
        use $crate::schedule::variant::{BY_128, BY_256, DEEP, DOUBLE, HUGE, LANES, LARGE, Needs, SMALL, TALL, WIDE};
        const LANES_ENTRY: &str = concat!($entry, "_lanes");
        &[
            Variant::tiled($name, $entry, SCALARS, $constants, &LARGE, Needs::Nothing),
            Variant::tiled(concat!($name, "_half"), $entry, HALF, $constants, &LARGE, Needs::Half),
            Variant::tiled(concat!($name, "_small"), $entry, SCALARS, $constants, &SMALL, Needs::Nothing),
            Variant::tiled(concat!($name, "_lanes"), LANES_ENTRY, SUBGROUPS, $lanes, &LANES, Needs::EightLanes),
            Variant::tiled(concat!($name, "_lanes_tall"), LANES_ENTRY, SUBGROUPS, $lanes, &TALL, Needs::EightLanes),
            $($other,)*
            Variant::tiled(concat!($name, "_deep"), $entry, SCALARS, $constants, &DEEP, Needs::Tuning),
            Variant::tiled(concat!($name, "_wide"), $entry, SCALARS, $constants, &WIDE, Needs::Tuning),
            Variant::tiled(concat!($name, "_by_128"), $entry, SCALARS, $constants, &BY_128, Needs::Tuning),
            Variant::tiled(concat!($name, "_by_256"), $entry, SCALARS, $constants, &BY_256, Needs::Tuning),
            Variant::tiled(concat!($name, "_double"), $entry, SCALARS, $constants, &DOUBLE, Needs::Tuning),
            Variant::tiled(concat!($name, "_huge"), $entry, SCALARS, $constants, &HUGE, Needs::Tuning),
            Variant::tiled(
                concat!($name, "_cooperative_8"), $entry, COOPERATIVE_8, $constants, &BY_8, Needs::Cooperative(8),
            ),
            Variant::tiled(
                concat!($name, "_cooperative_16"), $entry, COOPERATIVE_16, $constants, &BY_16, Needs::Cooperative(16),
            ),
            Variant::tiled(concat!($name, "_quads"), $entry, QUADS, $constants, &BY_256, Needs::Quads),
            Variant::tiled(concat!($name, "_huge_quads"), $entry, QUADS, $constants, &HUGE, Needs::Quads),
        ]
    }};
}
pub(crate) use variants;
