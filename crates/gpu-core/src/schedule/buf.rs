//! Device buffers by id, and the ranges of them that kernels bind.

use crate::Shape;
use std::fmt;
use std::ops::Range;

/// The alignment of bindings in bytes (WebGPU's default limit).
pub const ALIGN_BYTES: u32 = 256;
/// [`ALIGN_BYTES`] in elements of four bytes.
pub const ALIGN: u32 = ALIGN_BYTES / 4;

/// The type of an element. Both types take four bytes on a device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dtype {
    /// Floating-point numbers: `f64` in the reference executor, otherwise `f32`.
    F32,
    /// Indices, counters, or bytes packed four to a word.
    U32,
}

/// The purpose of a device buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Arena {
    /// The parameters of one network.
    Values,
    /// Their gradients, at the same offsets.
    Gradients,
    /// The gradients of one micro-batch after the first, before they are added to the others, at the same offsets.
    MicroGradients,
    /// One of the optimiser's state tensors, counted from 0, at the same offsets: Adam's moments are 0 and 1.
    OptimSlot(u8),
    /// The running average of the parameters, at the same offsets.
    Average,
    /// A named buffer that outlives every schedule: data, counters, losses.
    Persistent,
    /// An intermediate result of one schedule; the planner assigns its memory.
    Scratch,
}

/// Identifies one whole device buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId {
    /// Its purpose.
    pub arena: Arena,
    /// The index of the network, of the persistent buffer, or of the scratch buffer (unique in the process).
    pub index: u32,
}

impl fmt::Debug for BufferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}#{}", self.arena, self.index)
    }
}

/// A range of a device buffer, seen as a dense array: the argument of a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Buf {
    /// The device buffer that contains it.
    pub id: BufferId,
    /// Its start in that buffer, in elements.
    pub offset: u32,
    /// Its dimensions.
    pub shape: Shape,
    /// The type of its elements.
    pub dtype: Dtype,
}

impl Buf {
    /// The number of elements.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.shape.len()
    }

    /// Its size on a device, in bytes.
    pub fn bytes(&self) -> u64 {
        self.len() as u64 * 4
    }

    /// The range of elements that it covers in its buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset as usize..self.offset as usize + self.len()
    }

    /// Views the same elements under another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.len(), self.len(), "cannot reshape {} to {shape}", self.shape);
        Self { shape, ..self }
    }

    /// The gradient of a parameter: the same range of its network's gradient arena.
    pub fn grad(self) -> Self {
        self.sibling(Arena::Gradients)
    }

    /// The range of a parameter in another arena of its network.
    ///
    /// # Panics
    /// If `self` is not in the parameter arena, or `arena` is not an arena of a network.
    pub fn sibling(self, arena: Arena) -> Self {
        assert!(self.id.arena == Arena::Values, "only parameters have siblings, not {:?}", self.id);
        assert!(arena < Arena::Persistent, "{arena:?} is not an arena of a network");
        Self { id: BufferId { arena, ..self.id }, ..self }
    }
}
