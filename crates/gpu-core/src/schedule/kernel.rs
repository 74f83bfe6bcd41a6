//! The record of a kernel: one WGSL entry point, its bindings, and the function that it must agree with.

use super::variant::Variant;
use crate::{Dtype, Element};

/// The access of a kernel to a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reads it only.
    Read,
    /// Writes every element; the old contents do not matter.
    Write,
    /// Reads and writes it, or writes only some of its elements.
    Update,
}

/// One storage buffer of a kernel. Its binding number is its position; the parameters follow as a uniform.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The variable's name in the shader and in the reference.
    pub name: &'static str,
    /// The access: read, write or update.
    pub access: Access,
    /// The type of its elements.
    pub dtype: Dtype,
    /// True if a call touches only some of its elements, for the cost.
    pub in_part: bool,
}

/// A buffer of f32 that a kernel only reads.
pub const fn read(name: &'static str) -> Binding {
    Binding { name, access: Access::Read, dtype: Dtype::F32, in_part: false }
}

/// A buffer of f32 that a kernel writes in full.
pub const fn write(name: &'static str) -> Binding {
    Binding { name, access: Access::Write, dtype: Dtype::F32, in_part: false }
}

/// A buffer of f32 that a kernel reads and writes, or writes in part.
pub const fn update(name: &'static str) -> Binding {
    Binding { name, access: Access::Update, dtype: Dtype::F32, in_part: false }
}

impl Binding {
    /// The same binding with elements of u32.
    pub const fn of_u32(self) -> Self {
        Self { dtype: Dtype::U32, ..self }
    }

    /// The same binding of a buffer of which a call touches only some elements.
    pub const fn in_part(self) -> Self {
        Self { in_part: true, ..self }
    }
}

/// The role of a kernel in differentiation, which decides its gradient check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gradient {
    /// Computes a differentiable function; a test case checks its derivative by finite differences.
    Forward,
    /// Computes a derivative; a test case checks its outputs by finite differences.
    Backward,
    /// Has no derivative, for the reason given.
    None(&'static str),
}

/// A `static` record for one WGSL entry point.
///
/// A kernel has a reference:
///
/// ```
/// use gpu_core::{Args, Element, Gradient, Kernel, functions};
/// fn checked<E: Element>(_: &mut Args<'_, E>) {}
/// static CHECKED: Kernel = Kernel {
///     name: "checked",
///     op: "checked",
///     source: &[],
///     bindings: &[],
///     params: &[],
///     overrides: &[],
///     workgroup: [1, 1, 1],
///     variants: &[],
///     reference: functions!(checked),
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
    /// The name of its reference function and of its tests, and of its entry point if it has no variants.
    pub name: &'static str,
    /// The operator that it belongs to: `shaders/<op>.wgsl`, `ops/<op>.rs`, `reference/<op>.rs`.
    pub op: &'static str,
    /// Complete WGSL files, common ones first; the shader module is their concatenation.
    pub source: &'static [&'static str],
    /// Its storage buffers, in binding order.
    pub bindings: &'static [Binding],
    /// Names and types of the fields of its uniform `p`, in order.
    pub params: &'static [(&'static str, &'static str)],
    /// The u32 fields that are also pipeline constants, so that the driver can drop code that is switched off.
    pub overrides: &'static [&'static str],
    /// Invocations per workgroup.
    pub workgroup: [u32; 3],
    /// Its variants, for kernels with a grid of tiles ([`Grid::Tiles`](crate::Grid::Tiles)): entry points that use
    /// other tile sizes or optional device features. The first is the default. Empty for other kernels.
    pub variants: &'static [Variant],
    /// The function that computes the same result on the CPU: the shader must agree with it in f64.
    pub reference: Functions,
    /// Its role in differentiation.
    pub gradient: Gradient,
}

/// A field of a uniform: a scalar of four bytes.
pub trait Scalar: Copy {
    /// Its bits.
    fn to_word(self) -> u32;
    /// The scalar of these bits.
    fn from_word(word: u32) -> Self;
}

impl Scalar for u32 {
    fn to_word(self) -> u32 {
        self
    }

    fn from_word(word: u32) -> Self {
        word
    }
}

impl Scalar for i32 {
    fn to_word(self) -> u32 {
        self.cast_unsigned()
    }

    fn from_word(word: u32) -> Self {
        word.cast_signed()
    }
}

impl Scalar for f32 {
    fn to_word(self) -> u32 {
        self.to_bits()
    }

    fn from_word(word: u32) -> Self {
        Self::from_bits(word)
    }
}

/// The uniform of a kernel: scalars of four bytes that are known when the schedule is built. [`params!`](crate::params)
/// implements it.
pub trait Params: Copy {
    /// Names and WGSL types of the fields, in order.
    const FIELDS: &'static [(&'static str, &'static str)];

    /// The fields as words, in order.
    fn to_words(&self) -> Vec<u32>;

    /// The uniform of these words.
    ///
    /// # Panics
    /// If there are fewer words than fields.
    fn from_words(words: &[u32]) -> Self;
}

/// Declares a kernel's uniform: the same fields, in the same order, as `struct Params` in its shader.
///
/// ```
/// use gpu_core::{Params, params};
/// params! { struct ScaleParams { len: u32, factor: f32 } }
/// assert_eq!(ScaleParams::FIELDS, [("len", "u32"), ("factor", "f32")]);
/// assert_eq!(ScaleParams { len: 3, factor: 1.0 }.to_words(), [3, 0x3f80_0000]);
/// ```
#[macro_export]
macro_rules! params {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        $vis struct $name { $($(#[$field_doc])* pub $field: $ty),+ }
        impl $crate::Params for $name {
            const FIELDS: &'static [(&'static str, &'static str)] = &[$((stringify!($field), stringify!($ty))),+];

            fn to_words(&self) -> Vec<u32> {
                vec![$($crate::Scalar::to_word(self.$field)),+]
            }

            fn from_words(words: &[u32]) -> Self {
                let mut words = words.iter().copied();
                Self { $($field: $crate::Scalar::from_word(words.next().expect("a word for each field"))),+ }
            }
        }
    };
}

/// The WGSL files of an operator, after the common files listed. `"op" / "variant"` appends the files of a variant.
#[macro_export]
macro_rules! shader {
    ($op:literal $(, $common:literal)*) => {
        &[
            $(include_str!(concat!("../../../../shaders/common/", $common, ".wgsl")),)*
            include_str!(concat!("../../../../shaders/", $op, ".wgsl")),
        ]
    };
    ($op:literal $(/ $variant:literal)+ $(, $common:literal)* $(,)?) => {
        &[
            $(include_str!(concat!("../../../../shaders/common/", $common, ".wgsl")),)*
            include_str!(concat!("../../../../shaders/", $op, ".wgsl")),
            $(include_str!(concat!("../../../../shaders/", $op, "/", $variant, ".wgsl")),)+
        ]
    };
}

/// The function of a kernel on the CPU for each type of elements. [`functions!`](crate::functions) makes it from a
/// generic function.
#[derive(Clone, Copy, Debug)]
pub struct Functions {
    /// In f32, for the CPU executor.
    pub single: fn(&mut Args<'_, f32>),
    /// In f64, for the reference executor.
    pub double: fn(&mut Args<'_, f64>),
}

/// The [`Functions`] of a function that is generic over its elements.
///
/// ```
/// use gpu_core::{Args, Element, Functions, functions};
/// fn halve<E: Element>(args: &mut Args<'_, E>) {
///     args.write("y").iter_mut().for_each(|y| *y *= E::of(0.5));
/// }
/// const HALVE: Functions = functions!(halve);
/// ```
#[macro_export]
macro_rules! functions {
    ($($function:ident)::+) => {
        $crate::Functions { single: $($function)::+::<f32>, double: $($function)::+::<f64> }
    };
}

/// A buffer as a reference function sees it.
#[derive(Debug)]
pub(crate) enum Slot<'a, E> {
    Read(&'a [E]),
    Write(&'a mut [E]),
    ReadU32(&'a [u32]),
    WriteU32(&'a mut [u32]),
    Taken,
}

/// The arguments of a reference function: the call's parameters, and its buffers by their names in the shader.
#[derive(Debug)]
pub struct Args<'a, E> {
    pub(crate) kernel: &'static Kernel,
    pub(crate) params: &'a [u32],
    pub(crate) slots: Vec<Slot<'a, E>>,
}

impl<'a, E: Element> Args<'a, E> {
    /// The call's parameters.
    pub fn params<P: Params>(&self) -> P {
        P::from_words(self.params)
    }

    /// A buffer that the kernel reads.
    pub fn read(&self, name: &str) -> &'a [E] {
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

    /// A buffer that the kernel writes or updates. It can be taken once.
    pub fn write(&mut self, name: &str) -> &'a mut [E] {
        let index = self.index(name);
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::Write(values) => values,
            slot => panic!("{} does not write {name}: {slot:?}", self.kernel.name),
        }
    }

    /// A buffer of u32 that the kernel writes or updates. It can be taken once.
    pub fn write_u32(&mut self, name: &str) -> &'a mut [u32] {
        let index = self.index(name);
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::WriteU32(values) => values,
            slot => panic!("{} does not write {name}: {slot:?}", self.kernel.name),
        }
    }

    fn index(&self, name: &str) -> usize {
        let found = self.kernel.bindings.iter().position(|b| b.name == name);
        found.unwrap_or_else(|| panic!("{} has no binding called {name}", self.kernel.name))
    }
}
