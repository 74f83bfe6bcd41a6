//! The memory layout of tensors in PyTorch's files, and its conversion.

use crate::Shape;

/// The layout of a tensor in PyTorch's files (NCHW) relative to the layout in memory (NHWC).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    /// The same in both.
    Same,
    /// Differs by a permutation of four axes.
    Permuted {
        /// Sizes of the axes, in memory order.
        view: [usize; 4],
        /// The axes in file order, each by its index in memory order.
        axes: [usize; 4],
        /// The shape in the file.
        file: Vec<usize>,
    },
}

impl Layout {
    /// The layout of convolution weights: [co, kh, kw, ci] in memory, [co, ci, kh, kw] in the file. Transposed
    /// convolutions are permuted alike: [ci, kh, kw, co] in memory, [ci, co, kh, kw] in the file.
    pub fn filter(shape: [usize; 4]) -> Self {
        let [a, kh, kw, b] = shape;
        Self::Permuted { view: shape, axes: [0, 3, 1, 2], file: vec![a, b, kh, kw] }
    }

    /// The layout of the weights [outputs, h · w · c] of a linear layer applied to an image, which is channels-first in
    /// the file.
    pub fn of_image(outputs: usize, [h, w, c]: [usize; 3]) -> Self {
        Self::Permuted { view: [outputs, h, w, c], axes: [0, 3, 1, 2], file: vec![outputs, h * w * c] }
    }

    /// The layout of one row `[h · w · c]` of such weights.
    pub fn row_of_image([h, w, c]: [usize; 3]) -> Self {
        Self::Permuted { view: [1, h, w, c], axes: [0, 3, 1, 2], file: vec![h * w * c] }
    }

    /// The layout of the weights [h · w · c, inputs] of a linear layer that outputs an image, channels-first in the
    /// file.
    pub fn to_image([h, w, c]: [usize; 3], inputs: usize) -> Self {
        Self::Permuted { view: [h, w, c, inputs], axes: [2, 0, 1, 3], file: vec![h * w * c, inputs] }
    }

    /// The layout of the bias `[h · w · c]` of a linear layer that outputs an image.
    pub fn bias_to_image([h, w, c]: [usize; 3]) -> Self {
        Self::Permuted { view: [h, w, c, 1], axes: [2, 0, 1, 3], file: vec![h * w * c] }
    }

    /// True if it describes a tensor of this shape.
    pub fn fits(&self, shape: Shape) -> bool {
        match self {
            Self::Same => true,
            Self::Permuted { view, file, .. } => {
                view.iter().product::<usize>() == shape.len() && file.iter().product::<usize>() == shape.len()
            }
        }
    }

    /// The shape in the file of a tensor whose shape in memory is `shape`.
    pub fn file_shape(&self, shape: Shape) -> Vec<usize> {
        match self {
            Self::Same => shape.dims().iter().map(|&dim| dim as usize).collect(),
            Self::Permuted { file, .. } => file.clone(),
        }
    }

    /// Converts the elements of a tensor from memory order to file order.
    pub fn to_file<T: Copy>(&self, values: &[T]) -> Vec<T> {
        match self.sources() {
            None => values.to_vec(),
            Some(sources) => sources.map(|at| values[at]).collect(),
        }
    }

    /// Converts the elements of a tensor from file order to memory order.
    pub fn from_file<T: Copy>(&self, values: &[T]) -> Vec<T> {
        let mut memory = values.to_vec();
        if let Some(sources) = self.sources() {
            sources.zip(values).for_each(|(at, &value)| memory[at] = value);
        }
        memory
    }

    /// The memory index of each element of the file; `None` if the orders are equal.
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
    fn filters_are_channels_first_in_the_file() {
        // Two filters of 1×2 pixels and three channels.
        let layout = Layout::filter([2, 1, 2, 3]);
        let memory: Vec<u32> = (0..12).collect();
        let file = layout.to_file(&memory);
        assert_eq!(file, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        assert_eq!(layout.from_file(&file), memory);
        assert_eq!(layout.file_shape(Shape::from([2, 1, 2, 3])), [2, 3, 1, 2]);
    }

    #[test]
    fn a_layer_that_outputs_an_image_has_its_rows_permuted() {
        // An image of 2×1 pixels and two channels, from three numbers.
        let layout = Layout::to_image([2, 1, 2], 3);
        let memory: Vec<u32> = (0..12).collect();
        let file = layout.to_file(&memory);
        assert_eq!(file, [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11]);
        assert_eq!(layout.from_file(&file), memory);
        assert_eq!(Layout::bias_to_image([2, 1, 2]).to_file(&[0, 1, 2, 3]), [0, 2, 1, 3]);
    }
}
