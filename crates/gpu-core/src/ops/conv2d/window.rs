//! The geometry of convolution windows and the sizes of their outputs.

/// The window of a convolution; pairs are (h, w).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The size of the kernel.
    pub kernel: [usize; 2],
    /// The distance between windows, in pixels.
    pub stride: [usize; 2],
    /// Zeros before the first pixel and after the last.
    pub pad: [usize; 2],
    /// The distance between the taps of a window, in pixels.
    pub dilation: [usize; 2],
}

impl Window {
    /// A square window without dilation.
    pub const fn square(kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], pad: [pad; 2], dilation: [1; 2] }
    }

    /// The height and width of a convolution's output: ⌊(size + 2 pad − reach) / stride⌋ + 1, where reach = dilation
    /// (kernel − 1) + 1.
    ///
    /// # Panics
    /// If a kernel, stride or dilation is zero, or the window is larger than the padded image.
    pub fn output(self, size: [usize; 2]) -> [usize; 2] {
        self.check();
        std::array::from_fn(|d| {
            let (padded, reach) = (size[d] + 2 * self.pad[d], self.reach(d));
            assert!(reach <= padded, "a window of {reach} pixels does not fit into {padded}: {self:?}");
            (padded - reach) / self.stride[d] + 1
        })
    }

    /// The height and width of a transposed convolution's output: (size − 1) stride + reach + output_padding − 2 pad.
    ///
    /// # Panics
    /// If a kernel, stride or dilation is zero, if the output padding is not less than the stride (it selects one of
    /// the sizes that the convolution maps to `size`), or if the padding leaves no output.
    pub fn transposed_output(self, size: [usize; 2], output_padding: [usize; 2]) -> [usize; 2] {
        self.check();
        std::array::from_fn(|d| {
            let (extra, stride) = (output_padding[d], self.stride[d]);
            assert!(extra < stride, "the output padding, {extra}, is not less than the stride, {stride}");
            let (full, pads) = ((size[d] - 1) * stride + self.reach(d) + extra, 2 * self.pad[d]);
            assert!(pads < full, "the padding of {pads} pixels leaves nothing of {full}: {self:?}");
            full - pads
        })
    }

    /// The distance of taps that read the same pixels of the larger image: stride / gcd(stride, dilation).
    pub(crate) fn step(self) -> [usize; 2] {
        std::array::from_fn(|d| self.stride[d] / gcd(self.stride[d], self.dilation[d]))
    }

    fn reach(self, d: usize) -> usize {
        self.dilation[d] * (self.kernel[d] - 1) + 1
    }

    fn check(self) {
        let sizes = [self.kernel, self.stride, self.dilation].concat();
        assert!(!sizes.contains(&0), "kernel, stride and dilation must be at least one: {self:?}");
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_sizes_follow_the_formulas() {
        assert_eq!(Window::square(4, 2, 1).output([28, 32]), [14, 16]);
        assert_eq!(Window::square(3, 1, 1).output([7, 1]), [7, 1]);
        assert_eq!(Window { dilation: [2, 3], ..Window::square(3, 2, 0) }.output([9, 7]), [3, 1]);
        assert_eq!(Window::square(4, 1, 0).transposed_output([1, 1], [0, 0]), [4, 4]);
        assert_eq!(Window::square(4, 2, 1).transposed_output([7, 8], [0, 0]), [14, 16]);
        assert_eq!(Window::square(3, 2, 1).transposed_output([7, 7], [0, 1]), [13, 14]);
    }

    /// For every output padding, the convolution maps the output size back to the input size.
    #[test]
    fn a_transposed_convolution_inverts_sizes() {
        for (kernel, stride, pad, dilation) in [(3, 2, 1, 1), (4, 3, 2, 2), (1, 4, 0, 1), (5, 1, 2, 3)] {
            let window = Window { dilation: [dilation; 2], ..Window::square(kernel, stride, pad) };
            for (size, extra) in (2..9).flat_map(|size| (0..stride).map(move |extra| (size, extra))) {
                assert_eq!(window.output(window.transposed_output([size; 2], [extra; 2])), [size; 2], "{window:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "a window of 5 pixels does not fit into 4")]
    fn a_window_larger_than_the_image_is_refused() {
        Window::square(5, 1, 0).output([8, 4]);
    }

    #[test]
    #[should_panic(expected = "the output padding, 2, is not less than the stride, 2")]
    fn an_output_padding_of_a_stride_is_refused() {
        Window::square(4, 2, 1).transposed_output([7, 7], [0, 2]);
    }

    #[test]
    #[should_panic(expected = "at least one")]
    fn a_stride_of_zero_is_refused() {
        Window::square(4, 0, 1).output([7, 7]);
    }
}
