//! Construction of stacks, with each layer's input sizes from the layer before.

use super::conv::ConvSpec;
use super::linear::LinearSpec;
use super::{AveragePool, Conv, InstanceNorm, Layer, Linear, MaxPool, MinibatchStd, Norm, Pad, Stack, Upsample};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::{pool, upsample};
use gpu_core::{Init, Memory};

/// A stack under construction. Its layers have the names of an `nn.Sequential` in which activations, flattening and
/// unflattening are separate modules: `name.0`, `name.2`, ….
pub struct Sequence<'a> {
    memory: &'a mut Memory,
    network: &'a mut Network,
    name: String,
    next: usize,
    /// The output so far: [h, w, c].
    image: [usize; 3],
    /// True if the output is flattened to rows.
    flat: bool,
    layers: Vec<Layer>,
    /// Initialisation of the weights of convolutions; none for PyTorch's.
    pub init: Option<Init>,
    /// Initialisation of the weights of normalisations.
    pub norm_init: Init,
    /// Divides weights by their largest singular value.
    pub spectral: bool,
}

impl<'a> Sequence<'a> {
    /// A stack without layers, on images [h, w, c].
    pub fn of_images(memory: &'a mut Memory, network: &'a mut Network, name: &str, image: [usize; 3]) -> Self {
        let (layers, init, norm_init) = (Vec::new(), None, Init::Constant(1.0));
        Self {
            memory,
            network,
            name: name.into(),
            next: 0,
            image,
            flat: false,
            layers,
            init,
            norm_init,
            spectral: false,
        }
    }

    /// A stack without layers, on rows of `width` numbers.
    pub fn of_rows(memory: &'a mut Memory, network: &'a mut Network, name: &str, width: usize) -> Self {
        Self { flat: true, ..Self::of_images(memory, network, name, [1, 1, width]) }
    }

    /// The same on images that are rows already: nothing flattens them.
    pub fn as_rows(self) -> Self {
        Self { flat: true, ..self }
    }

    /// The images [h, w, c] of the output so far.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }

    /// The stack.
    pub fn finish(self) -> Stack {
        Stack::new(self.layers)
    }

    /// The name of the next module; the one after it belongs to the activation, if there is one.
    fn name(&mut self, act: Activation) -> String {
        let name = format!("{}.{}", self.name, self.next);
        self.next += if act == Activation::Identity { 1 } else { 2 };
        name
    }

    /// A linear layer to `outputs` numbers, of rows or of whole images.
    pub fn linear(&mut self, outputs: usize, act: Activation) {
        if !self.flat {
            self.next += 1;
        }
        let spec = LinearSpec { of_image: reordered(self.image), ..self.linear_spec(outputs, act) };
        self.push_linear(spec);
        (self.image, self.flat) = ([1, 1, outputs], true);
    }

    /// A linear layer to images [h, w, c] as rows.
    pub fn linear_to_pixels(&mut self, image: [usize; 3], act: Activation) {
        let spec = LinearSpec { to_image: reordered(image), ..self.linear_spec(image.iter().product(), act) };
        self.push_linear(spec);
        (self.image, self.flat) = (image, true);
    }

    /// A linear layer to images [h, w, c].
    pub fn linear_to_image(&mut self, image: [usize; 3], act: Activation) {
        self.linear_to_pixels(image, act);
        self.unflatten(image);
    }

    fn linear_spec(&self, outputs: usize, act: Activation) -> LinearSpec {
        let spec = LinearSpec::new(self.image.iter().product(), outputs, act);
        LinearSpec { spectral: self.spectral, ..spec }
    }

    fn push_linear(&mut self, spec: LinearSpec) {
        let name = self.name(spec.act);
        self.layers.push(Layer::Linear(Linear::new(self.memory, self.network, &name, spec)));
    }

    /// Rows as images [h, w, c].
    pub fn unflatten(&mut self, image: [usize; 3]) {
        self.next += 1;
        self.layers.push(Layer::Unflatten(image));
        (self.image, self.flat) = (image, false);
    }

    /// A convolution with a bias.
    pub fn conv(&mut self, outputs: usize, window: Window, act: Activation) {
        self.push_conv(outputs, window, None, true, act);
    }

    /// A convolution without a bias, then batch normalisation.
    pub fn conv_norm(&mut self, outputs: usize, window: Window, act: Activation) {
        self.push_conv(outputs, window, None, false, Activation::Identity);
        self.norm(act);
    }

    /// A transposed convolution with a bias, to images of `size`.
    pub fn transposed(&mut self, outputs: usize, window: Window, size: [usize; 2], act: Activation) {
        self.push_conv(outputs, window, Some(size), true, act);
    }

    /// A transposed convolution without a bias, to images of `size`, then batch normalisation.
    pub fn transposed_norm(&mut self, outputs: usize, window: Window, size: [usize; 2], act: Activation) {
        self.push_conv(outputs, window, Some(size), false, Activation::Identity);
        self.norm(act);
    }

    fn push_conv(&mut self, outputs: usize, window: Window, to: Option<[usize; 2]>, bias: bool, act: Activation) {
        let [h, w, inputs] = self.image;
        // Without padding of its output, the transpose gives the smallest size that the convolution takes to this one.
        let transposed = to.map(|size| {
            let least = window.transposed_output([h, w], [0; 2]);
            [size[0] - least[0], size[1] - least[1]]
        });
        let name = self.name(act);
        let (spectral, init) = (self.spectral, self.init);
        let spec = ConvSpec { transposed, bias, spectral, init, act, ..ConvSpec::new(inputs, outputs, window) };
        self.layers.push(Layer::Conv(Conv::new(self.memory, self.network, &name, spec)));
        let [h, w] = to.unwrap_or_else(|| window.output([h, w]));
        self.image = [h, w, outputs];
    }

    fn norm(&mut self, act: Activation) {
        let (name, channels, init) = (self.name(act), self.image[2], self.norm_init);
        self.layers.push(Layer::Norm(Norm::new(self.memory, self.network, &name, channels, init, act)));
    }

    /// A convolution without a bias, then instance normalisation.
    pub fn conv_instance_norm(&mut self, outputs: usize, window: Window, act: Activation) {
        self.push_conv(outputs, window, None, false, Activation::Identity);
        self.instance_norm(act);
    }

    /// A transposed convolution without a bias, to images of `size`, then instance normalisation.
    pub fn transposed_instance_norm(&mut self, outputs: usize, window: Window, size: [usize; 2], act: Activation) {
        self.push_conv(outputs, window, Some(size), false, Activation::Identity);
        self.instance_norm(act);
    }

    fn instance_norm(&mut self, act: Activation) {
        let name = self.name(act);
        self.layers.push(Layer::InstanceNorm(InstanceNorm { name, act }));
    }

    /// Padding by reflection.
    pub fn pad(&mut self, width: usize) {
        let name = self.name(Activation::Identity);
        self.layers.push(Layer::Pad(Pad { name, width }));
        let [h, w, c] = self.image;
        self.image = [h + 2 * width, w + 2 * width, c];
    }

    /// 2×2 max pooling.
    pub fn max_pool(&mut self) {
        let name = self.name(Activation::Identity);
        self.layers.push(Layer::MaxPool(MaxPool { name, window: pool::Window::square(2, 2, 0) }));
        let [h, w, c] = self.image;
        self.image = [h / 2, w / 2, c];
    }

    /// 2×2 average pooling.
    pub fn average_pool(&mut self) {
        let name = self.name(Activation::Identity);
        self.layers.push(Layer::AveragePool(AveragePool { name, window: pool::Window::square(2, 2, 0) }));
        let [h, w, c] = self.image;
        self.image = [h / 2, w / 2, c];
    }

    /// The standard deviation within groups of `size` images, as one more channel.
    pub fn minibatch_std(&mut self, size: usize) {
        let (name, image) = (self.name(Activation::Identity), self.image);
        self.layers.push(Layer::MinibatchStd(MinibatchStd { name, size, image }));
        let [h, w, c] = image;
        self.image = [h, w, c + 1];
    }

    /// Upsampling by 2.
    pub fn upsample(&mut self) {
        let name = self.name(Activation::Identity);
        self.layers.push(Layer::Upsample(Upsample { name, factor: [2; 2], between: upsample::Mode::Nearest }));
        let [h, w, c] = self.image;
        self.image = [2 * h, 2 * w, c];
    }

    /// A separate activation.
    pub fn activate(&mut self, act: Activation) {
        let name = self.name(Activation::Identity);
        self.layers.push(Layer::Activate(name, act));
    }

    /// x + conv1×1(relu(conv3×3(relu(x)))), with `inner` channels between the two: van den Oord et al., 2017, §4.1.
    pub fn residual(&mut self, inner: usize) {
        let name = self.name(Activation::Identity);
        let channels = self.image[2];
        let mut block = Sequence::of_images(self.memory, self.network, &name, self.image);
        block.activate(Activation::Relu);
        block.conv(inner, Window::square(3, 1, 1), Activation::Relu);
        block.conv(channels, Window::square(1, 1, 0), Activation::Identity);
        let block = block.finish();
        self.layers.push(Layer::Residual(name, block));
    }

    /// x + norm(conv3×3(pad(relu(norm(conv3×3(pad(x))))))), with instance normalisation and reflected borders: Zhu et
    /// al., 2017, §7.2.
    pub fn residual_instance_norm(&mut self) {
        let name = self.name(Activation::Identity);
        let (channels, window) = (self.image[2], Window::square(3, 1, 0));
        let mut block = Sequence::of_images(self.memory, self.network, &name, self.image);
        block.init = self.init;
        block.pad(1);
        block.conv_instance_norm(channels, window, Activation::Relu);
        block.pad(1);
        block.conv_instance_norm(channels, window, Activation::Identity);
        let block = block.finish();
        self.layers.push(Layer::Residual(name, block));
    }

    /// The output of some layers and their input, concatenated along the channels. The layers keep the image's size.
    pub fn skip(&mut self, build: impl FnOnce(&mut Sequence<'_>)) {
        let name = self.name(Activation::Identity);
        let [h, w, c] = self.image;
        let mut inner = Sequence::of_images(self.memory, self.network, &name, self.image);
        (inner.init, inner.norm_init, inner.spectral) = (self.init, self.norm_init, self.spectral);
        build(&mut inner);
        assert_eq!(inner.image[..2], [h, w], "{name}: the size of the image changes");
        self.image[2] = inner.image[2] + c;
        let inner = inner.finish();
        self.layers.push(Layer::Skip(name, inner));
    }
}

/// An image of several pixels and channels, whose numbers PyTorch has in another order.
fn reordered(image: [usize; 3]) -> Option<[usize; 3]> {
    let [h, w, c] = image;
    (h * w > 1 && c > 1).then_some(image)
}

/// The window of stride 2 that halves images of `size`, rounding up, and whose transpose doubles them: four pixels at
/// an even size, three at an odd one.
pub(crate) fn halving(size: [usize; 2]) -> Window {
    let kernel = size.map(|size| if size % 2 == 0 { 4 } else { 3 });
    Window { kernel, ..Window::square(4, 2, 1) }
}

/// The size of images of `size` after [`halving`].
pub(crate) fn halved(size: [usize; 2]) -> [usize; 2] {
    size.map(|size| size.div_ceil(2))
}

/// Heights and widths of an image [h, w, c] after 0 to `times` halvings.
pub(crate) fn halvings([h, w, _]: [usize; 3], times: usize) -> Vec<[usize; 2]> {
    std::iter::successors(Some([h, w]), |&size| Some(halved(size))).take(times + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_goes_down_and_back() {
        for size in [[28, 28], [7, 32], [5, 3], [2, 9]] {
            let (window, half) = (halving(size), halved(size));
            assert_eq!(window.output(size), half);
            assert_eq!(window.transposed_output(half, [0; 2]), size);
        }
    }
}
