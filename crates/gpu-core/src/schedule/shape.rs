//! Dense row-major shapes of one to four dimensions.

use std::fmt;

/// A shape of one to four dimensions, row-major; the last one varies fastest. Images are NHWC.
///
/// No dimension is zero: an empty shape is a programming mistake.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: [u32; 4],
    rank: u8,
}

impl Shape {
    /// A shape with dimensions `dims`, outermost first.
    ///
    /// # Panics
    /// If there are no dimensions or more than four, if one is zero, or if the number of elements exceeds 2³¹ − 1, the
    /// range of index arithmetic in shaders.
    pub fn new(dims: &[usize]) -> Self {
        assert!(matches!(dims.len(), 1..=4), "a shape has one to four dimensions, not {}", dims.len());
        assert!(dims.iter().all(|&d| d > 0), "a shape cannot have a zero dimension: {dims:?}");
        let count = dims.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
        assert!(count.is_some_and(|c| c <= i32::MAX as usize), "a shape of {dims:?} has more than 2³¹ − 1 elements");
        let mut padded = [1; 4];
        for (slot, &dim) in padded.iter_mut().zip(dims) {
            *slot = dim as u32;
        }
        Self { dims: padded, rank: dims.len() as u8 }
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[u32] {
        &self.dims[..self.rank as usize]
    }

    /// The number of elements.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.dims().iter().map(|&d| d as usize).product()
    }

    /// The last dimension: the columns of a matrix, the channels of an image.
    pub fn cols(&self) -> usize {
        self.dims()[self.rank as usize - 1] as usize
    }

    /// The shape with another last dimension.
    pub fn with_cols(&self, cols: usize) -> Self {
        let mut dims: Vec<usize> = self.dims().iter().map(|&d| d as usize).collect();
        dims[self.rank as usize - 1] = cols;
        Self::new(&dims)
    }

    /// The product of all dimensions but the last: the rows of the shape viewed as a matrix.
    pub fn rows(&self) -> usize {
        self.len() / self.cols()
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self::new(&dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, dim) in self.dims().iter().enumerate() {
            write!(f, "{}{dim}", if i == 0 { "" } else { "×" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
