//! How a tensor lies in PyTorch, where that is not how it lies here.

use crate::Shape;

/// A tensor's layout in PyTorch's files, as against the one that suits NHWC images.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    /// The same.
    Same,
    /// Seen as four axes of sizes `view`, here in that order and there in the order of `axes`, under the shape `file`.
    Permuted {
        /// Sizes of the axes in the order that they have here.
        view: [usize; 4],
        /// For each axis there, its number here.
        axes: [usize; 4],
        /// The shape there.
        file: Vec<usize>,
    },
}

impl Layout {
    /// The weights of a convolution: [co, kh, kw, ci] here, [co, ci, kh, kw] there. Those of a transposed convolution
    /// differ in the same way: [ci, kh, kw, co] here, [ci, co, kh, kw] there.
    pub fn filter(shape: [usize; 4]) -> Self {
        let [a, kh, kw, b] = shape;
        Self::Permuted { view: shape, axes: [0, 3, 1, 2], file: vec![a, b, kh, kw] }
    }

    /// The weights of a linear layer [outputs, h · w · c] on an image, whose channels come first there.
    pub fn of_image(outputs: usize, [h, w, c]: [usize; 3]) -> Self {
        Self::Permuted { view: [outputs, h, w, c], axes: [0, 3, 1, 2], file: vec![outputs, h * w * c] }
    }

    /// One row `[h · w · c]` of them.
    pub fn row_of_image([h, w, c]: [usize; 3]) -> Self {
        Self::Permuted { view: [1, h, w, c], axes: [0, 3, 1, 2], file: vec![h * w * c] }
    }

    /// The weights [h · w · c, inputs] of a linear layer that makes an image, whose channels come first there.
    pub fn to_image([h, w, c]: [usize; 3], inputs: usize) -> Self {
        Self::Permuted { view: [h, w, c, inputs], axes: [2, 0, 1, 3], file: vec![h * w * c, inputs] }
    }

    /// The bias `[h · w · c]` of a linear layer that makes an image.
    pub fn bias_to_image([h, w, c]: [usize; 3]) -> Self {
        Self::Permuted { view: [h, w, c, 1], axes: [2, 0, 1, 3], file: vec![h * w * c] }
    }

    /// Whether it describes a tensor of that shape.
    pub fn fits(&self, shape: Shape) -> bool {
        match self {
            Self::Same => true,
            Self::Permuted { view, file, .. } => {
                view.iter().product::<usize>() == shape.len() && file.iter().product::<usize>() == shape.len()
            }
        }
    }

    /// The shape in the file of a tensor that has `shape` here.
    pub fn file_shape(&self, shape: Shape) -> Vec<usize> {
        match self {
            Self::Same => shape.dims().iter().map(|&dim| dim as usize).collect(),
            Self::Permuted { file, .. } => file.clone(),
        }
    }

    /// A tensor's elements as they lie here, in the order of the file.
    pub fn to_file<T: Copy>(&self, here: &[T]) -> Vec<T> {
        match self.sources() {
            None => here.to_vec(),
            Some(sources) => sources.map(|at| here[at]).collect(),
        }
    }

    /// A tensor's elements in the order of the file, as they lie here.
    pub fn from_file<T: Copy>(&self, there: &[T]) -> Vec<T> {
        let mut here = there.to_vec();
        if let Some(sources) = self.sources() {
            sources.zip(there).for_each(|(at, &value)| here[at] = value);
        }
        here
    }

    /// For each element of the file, where it lies here; none where they lie alike.
    fn sources(&self) -> Option<impl Iterator<Item = usize>> {
        let Self::Permuted { view, axes, .. } = self else { return None };
        let strides = [view[1] * view[2] * view[3], view[2] * view[3], view[3], 1];
        let ([a, b, c, d], stride) = (axes.map(|axis| view[axis]), axes.map(|axis| strides[axis]));
        let at = move |i: usize| {
            let index = [i / (b * c * d), i / (c * d) % b, i / d % c, i % d];
            index.iter().zip(stride).map(|(index, stride)| index * stride).sum()
        };
        Some((0..a * b * c * d).map(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_first_there() {
        // Two filters of 1×2 pixels and three channels.
        let layout = Layout::filter([2, 1, 2, 3]);
        let here: Vec<u32> = (0..12).collect();
        let there = layout.to_file(&here);
        assert_eq!(there, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        assert_eq!(layout.from_file(&there), here);
        assert_eq!(layout.file_shape(Shape::from([2, 1, 2, 3])), [2, 3, 1, 2]);
    }

    #[test]
    fn a_layer_that_makes_an_image_has_its_rows_moved() {
        // An image of 2×1 pixels and two channels, from three numbers.
        let layout = Layout::to_image([2, 1, 2], 3);
        let here: Vec<u32> = (0..12).collect();
        let there = layout.to_file(&here);
        assert_eq!(there, [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]);
        assert_eq!(layout.from_file(&there), here);
        assert_eq!(Layout::bias_to_image([2, 1, 2]).to_file(&[0, 1, 2, 3]), [0, 2, 1, 3]);
    }
}
