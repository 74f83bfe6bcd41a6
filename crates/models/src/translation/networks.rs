//! The networks of image-to-image translation: a generator of residual blocks, and a discriminator of patches.

use crate::layers::{Sequence, Stack, halving};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;
use gpu_core::{Init, Memory};

/// Zhu et al., 2017, §7.1.
const WEIGHTS: Init = Init::Normal(0.0, 0.02);
/// The window of the first and the last convolution, and the border it needs.
const ENDS: Window = Window::square(7, 1, 0);
const BORDER: usize = 3;
const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// The sizes of a generator.
#[derive(Clone, Copy, Debug)]
pub(super) struct GeneratorSpec {
    /// Channels at the size of the image, doubled with each halving.
    pub(super) width: usize,
    /// Halvings of the image.
    pub(super) halvings: usize,
    /// Residual blocks at the smallest size.
    pub(super) blocks: usize,
    /// True if the last convolution sees x too.
    pub(super) skip: bool,
    /// Height, width and channels of x.
    pub(super) image: [usize; 3],
    /// Channels of y.
    pub(super) outputs: usize,
}

/// A generator of images in [−1, 1] from images (Johnson, Alahi and Fei-Fei, 2016; Zhu et al., 2017, §7.2):
/// convolutions of 7×7 at both ends, halvings, residual blocks, doublings; borders are reflected, and images are
/// normalised one by one. An `nn.Sequential`; with a skip, the layers before the last convolution are one module `0`,
/// whose output and x are concatenated.
pub(super) fn generator(memory: &mut Memory, network: &mut Network, name: &str, spec: GeneratorSpec) -> Stack {
    let mut layers = Sequence::of_images(memory, network, name, spec.image);
    layers.init = Some(WEIGHTS);
    if spec.skip {
        layers.skip(|layers| features(layers, spec));
    } else {
        features(&mut layers, spec);
    }
    layers.pad(BORDER);
    layers.conv(spec.outputs, ENDS, Activation::Tanh);
    layers.finish()
}

/// The layers of a generator before its last convolution.
fn features(layers: &mut Sequence<'_>, spec: GeneratorSpec) {
    let GeneratorSpec { width, halvings, blocks, .. } = spec;
    let halve = Window::square(3, 2, 1);
    layers.pad(BORDER);
    layers.conv_instance_norm(width, ENDS, Activation::Relu);
    let mut sizes = Vec::with_capacity(halvings);
    for i in 0..halvings {
        let [h, w, _] = layers.image();
        sizes.push([h, w]);
        layers.conv_instance_norm(width << (i + 1), halve, Activation::Relu);
    }
    (0..blocks).for_each(|_| layers.residual_instance_norm());
    for (i, &size) in sizes.iter().enumerate().rev() {
        layers.transposed_instance_norm(width << i, halve, size, Activation::Relu);
    }
}

/// A discriminator of patches of an image (Isola et al., 2017, §3.2.2): a score for each pixel that remains after
/// `halvings`, [n, h', w', 1]. An `nn.Sequential`.
pub(super) fn discriminator(
    memory: &mut Memory,
    network: &mut Network,
    name: &str,
    [width, halvings]: [usize; 2],
    image: [usize; 3],
) -> Stack {
    let mut layers = Sequence::of_images(memory, network, name, image);
    layers.init = Some(WEIGHTS);
    let here = Window::square(3, 1, 1);
    for i in 0..halvings {
        let [h, w, _] = layers.image();
        match i {
            0 => layers.conv(width, halving([h, w]), LEAKY),
            _ => layers.conv_instance_norm(width << i, halving([h, w]), LEAKY),
        }
    }
    layers.conv_instance_norm(width << halvings, here, LEAKY);
    layers.conv(1, here, Activation::Identity);
    layers.finish()
}
