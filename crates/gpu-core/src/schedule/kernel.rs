//! What a kernel is: one WGSL entry point, what it binds, and the f64 function it must agree with.

use crate::Dtype;

/// What a kernel does with a buffer it binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Only reads it.
    Read,
    /// Writes every element, whatever was there.
    Write,
    /// Reads and writes it, or writes a part.
    Update,
}

/// One storage buffer of a kernel. Its binding number is its position; the parameters follow as a uniform.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The variable's name in the shader, and in the reference.
    pub name: &'static str,
    /// What is done with it.
    pub access: Access,
    /// The type of its elements.
    pub dtype: Dtype,
}

/// A buffer of f32 that is only read.
pub const fn read(name: &'static str) -> Binding {
    Binding { name, access: Access::Read, dtype: Dtype::F32 }
}

/// A buffer of f32 of which every element is written.
pub const fn write(name: &'static str) -> Binding {
    Binding { name, access: Access::Write, dtype: Dtype::F32 }
}

/// A buffer of f32 that is read and written, or written in part.
pub const fn update(name: &'static str) -> Binding {
    Binding { name, access: Access::Update, dtype: Dtype::F32 }
}

impl Binding {
    /// The same binding of u32 elements.
    pub const fn of_u32(self) -> Self {
        Self { dtype: Dtype::U32, ..self }
    }
}

/// Whether a kernel takes part in differentiation, and so which check it owes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// It computes a differentiable function: some case checks its derivative by finite differences.
    Forward,
    /// It computes a derivative: some case checks what it writes by finite differences.
    Backward,
    /// It has no derivative, for the reason given.
    None(&'static str),
}

/// One way of computing what a kernel computes, of the same bindings and parameters.
#[derive(Debug)]
pub struct Variant {
    /// Its own name, among all kernels and variants: the kernel's and a suffix.
    pub name: &'static str,
    /// The entry point; several variants share one where their files or constants differ.
    pub entry: &'static str,
    /// Its files, as [`Kernel::source`].
    pub source: &'static [&'static str],
    /// Pipeline constants of its own.
    pub constants: &'static [(&'static str, u32)],
    /// Invocations per workgroup.
    pub workgroup: [u32; 3],
    /// Rows and columns of the output that a workgroup makes.
    pub tile: [usize; 2],
    /// Numbers that its workgroup loads for one term of the sums of a tile, all invocations together.
    pub loads: usize,
    /// What it asks of a device, and of the work.
    pub needs: Needs,
}

impl Variant {
    /// What its name has beyond its kernel's: nothing for the kernel's own.
    pub fn suffix(&self, kernel: &Kernel) -> &'static str {
        self.name.strip_prefix(kernel.name).expect("a variant's name begins with its kernel's; tests/contract.rs")
    }

    /// Tiles of 64 × 64 in workgroup memory, 8 × 8 outputs an invocation: shaders/common/tile.wgsl.
    pub(crate) const fn large(name: &'static str, entry: &'static str, source: &'static [&'static str]) -> Self {
        let tile = [64, 64];
        Self { name, entry, source, constants: &[], workgroup: [8, 8, 1], tile, loads: 1152, needs: Needs::Nothing }
    }

    /// The same with the tiles in half precision: shaders/common/half.wgsl.
    pub(crate) const fn half(name: &'static str, entry: &'static str, source: &'static [&'static str]) -> Self {
        Self { needs: Needs::Half, ..Self::large(name, entry, source) }
    }

    /// Tiles of 32 × 32 in workgroup memory, 4 × 4 outputs an invocation.
    pub(crate) const fn small(name: &'static str, entry: &'static str, source: &'static [&'static str]) -> Self {
        Self { tile: [32, 32], loads: 576, ..Self::large(name, entry, source) }
    }

    /// Tiles of 32 × 64 by one subgroup of eight lanes: shaders/common/lanes.wgsl.
    pub(crate) const fn wide(name: &'static str, entry: &'static str, source: &'static [&'static str]) -> Self {
        let (tile, needs) = ([32, 64], Needs::EightLanes);
        Self { name, entry, source, constants: &[("tall", 0)], workgroup: [8, 1, 1], tile, loads: 96, needs }
    }

    /// The same of 64 × 32.
    pub(crate) const fn tall(name: &'static str, entry: &'static str, source: &'static [&'static str]) -> Self {
        Self { tile: [64, 32], constants: &[("tall", 1)], ..Self::wide(name, entry, source) }
    }
}

/// What a variant needs beyond what every device has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Outputs of no more columns than its tile has.
    FewColumns,
    /// Subgroups of exactly eight lanes, as the Vulkan drivers have that run on eight-wide processors.
    EightLanes,
    /// Numbers in half precision, and someone who wants them.
    Half,
}

/// A `static` record for one WGSL entry point.
///
/// A kernel has a reference:
///
/// ```
/// use gpu_core::{Args, Gradient, Kernel};
/// fn checked(_: &mut Args<'_>) {}
/// static CHECKED: Kernel = Kernel {
///     name: "checked",
///     op: "checked",
///     source: &[],
///     bindings: &[],
///     params: &[],
///     overrides: &[],
///     workgroup: [1, 1, 1],
///     variants: &[],
///     reference: checked,
///     gradient: Gradient::None("an example"),
/// };
/// assert_eq!(CHECKED.name, "checked");
/// ```
///
/// Without one it does not compile:
///
/// ```compile_fail,E0063
/// use gpu_core::{Gradient, Kernel};
/// static UNCHECKED: Kernel = Kernel {
///     name: "unchecked",
///     op: "unchecked",
///     source: &[],
///     bindings: &[],
///     params: &[],
///     overrides: &[],
///     workgroup: [1, 1, 1],
///     variants: &[],
///     gradient: Gradient::None("an example"),
/// };
/// ```
#[derive(Debug)]
pub struct Kernel {
    /// Entry point, reference function and test prefix.
    pub name: &'static str,
    /// The operator it belongs to: `shaders/<op>.wgsl`, `ops/<op>.rs`, `reference/<op>.rs`.
    pub op: &'static str,
    /// Whole WGSL files, the common ones first; the module is these one after another.
    pub source: &'static [&'static str],
    /// Its storage buffers, in binding order.
    pub bindings: &'static [Binding],
    /// Names and types of the fields of its uniform `p`, in order.
    pub params: &'static [(&'static str, &'static str)],
    /// Those fields (u32) that are pipeline constants too, so that a driver can drop what is switched off.
    pub overrides: &'static [&'static str],
    /// Invocations per workgroup.
    pub workgroup: [u32; 3],
    /// Where the grid is of tiles ([`Grid::Tiles`](crate::Grid::Tiles)): the entry points that compute it, by tiles
    /// of different sizes or by means that not every device has. The first is the kernel's own. Else none.
    pub variants: &'static [Variant],
    /// The f64 function that computes the same.
    pub reference: fn(&mut Args<'_>),
    /// Which derivative check it owes.
    pub gradient: Gradient,
}

/// The uniform of a kernel: scalars of four bytes, known when the schedule is built.
pub trait Params: bytemuck::Pod {
    /// Names and WGSL types of the fields, in order.
    const FIELDS: &'static [(&'static str, &'static str)];
}

/// Declares a kernel's uniform: the same fields, in the same order, as `struct Params` in its shader.
#[macro_export]
macro_rules! params {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$field_doc])* pub $field: $ty),+ }
        impl $crate::Params for $name {
            const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), stringify!($ty))),+];
        }
    };
}

/// The WGSL of an operator after the common files it names; of a variant, `"op" / "variant"`, with that file at the
/// end.
#[macro_export]
macro_rules! shader {
    ($op:literal $(, $common:literal)*) => {
        &[
            $(include_str!(concat!("../../../../shaders/common/", $common, ".wgsl")),)*
            include_str!(concat!("../../../../shaders/", $op, ".wgsl")),
        ]
    };
    ($op:literal / $variant:literal $(, $common:literal)*) => {
        &[
            $(include_str!(concat!("../../../../shaders/common/", $common, ".wgsl")),)*
            include_str!(concat!("../../../../shaders/", $op, ".wgsl")),
            include_str!(concat!("../../../../shaders/", $op, "/", $variant, ".wgsl")),
        ]
    };
}

/// A buffer as the reference sees it.
#[derive(Debug)]
pub(crate) enum Slot<'a> {
    Read(&'a [f64]),
    Write(&'a mut [f64]),
    ReadU32(&'a [u32]),
    WriteU32(&'a mut [u32]),
    Taken,
}

/// One call as its reference function sees it: parameters, and buffers by their names in the shader.
#[derive(Debug)]
pub struct Args<'a> {
    pub(crate) kernel: &'static Kernel,
    pub(crate) params: &'a [u32],
    pub(crate) slots: Vec<Slot<'a>>,
}

impl<'a> Args<'a> {
    /// The call's parameters.
    pub fn params<P: Params>(&self) -> P {
        *bytemuck::from_bytes(bytemuck::cast_slice(self.params))
    }

    /// A buffer that the kernel reads.
    pub fn read(&self, name: &str) -> &'a [f64] {
        match self.slots[self.index(name)] {
            Slot::Read(values) => values,
            ref slot => panic!("{} does not read {name}: {slot:?}", self.kernel.name),
        }
    }

    /// A buffer of u32 that the kernel reads.
    pub fn read_u32(&self, name: &str) -> &'a [u32] {
        match self.slots[self.index(name)] {
            Slot::ReadU32(values) => values,
            ref slot => panic!("{} does not read {name}: {slot:?}", self.kernel.name),
        }
    }

    /// A buffer that the kernel writes or updates. Each can be taken once.
    pub fn write(&mut self, name: &str) -> &'a mut [f64] {
        let index = self.index(name);
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::Write(values) => values,
            slot => panic!("{} does not write {name}: {slot:?}", self.kernel.name),
        }
    }

    /// A buffer of u32 that the kernel writes or updates. Each can be taken once.
    pub fn write_u32(&mut self, name: &str) -> &'a mut [u32] {
        let index = self.index(name);
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::WriteU32(values) => values,
            slot => panic!("{} does not write {name}: {slot:?}", self.kernel.name),
        }
    }

    fn index(&self, name: &str) -> usize {
        let found = self.kernel.bindings.iter().position(|b| b.name == name);
        found.unwrap_or_else(|| panic!("{} binds nothing called {name}", self.kernel.name))
    }
}
