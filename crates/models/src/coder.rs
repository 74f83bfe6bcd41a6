//! The encoder and the decoder of an autoencoder, which mirrors it.

use crate::layers::{Saved, Sequence, Stack, halving, halvings};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;
use gpu_core::ops::pool;
use gpu_core::{Buf, Memory, Schedule};

/// The layers between an image and its code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coder<'a> {
    /// Height, width and channels of an image.
    pub(crate) image: [usize; 3],
    /// Channels of the convolutions, each of which halves the image.
    pub(crate) channels: &'a [usize],
    /// Halves by 2×2 max pooling after 3×3 convolutions, in place of 4×4 convolutions of stride 2.
    pub(crate) pool: bool,
    /// Widths of the linear layers.
    pub(crate) hidden: &'a [usize],
    /// The activation of every layer but the last.
    pub(crate) act: Activation,
}

/// The 3×3 window that keeps an image's size.
const SAME: Window = Window::square(3, 1, 1);

impl<'a> Coder<'a> {
    /// The layers, their activation by its name in settings.
    ///
    /// # Panics
    /// When no activation has that name.
    pub(crate) fn new(
        image: [usize; 3],
        channels: &'a [usize],
        pool: bool,
        hidden: &'a [usize],
        activation: &str,
    ) -> Self {
        let act = Activation::named(activation).expect("the settings were validated");
        Self { image, channels, pool, hidden, act }
    }

    /// The encoder: from images to the last hidden layer, or to `code` numbers.
    pub(crate) fn encoder(&self, memory: &mut Memory, network: &mut Network, name: &str, code: Option<usize>) -> Stack {
        let mut layers = Sequence::of_images(memory, network, name, self.image);
        if self.channels.is_empty() {
            layers = layers.as_rows();
        }
        for &channels in self.channels {
            let [h, w, _] = layers.image();
            match self.pool {
                true => {
                    layers.conv(channels, SAME, self.act);
                    layers.max_pool();
                }
                false => layers.conv(channels, halving([h, w]), self.act),
            }
        }
        self.hidden.iter().for_each(|&width| layers.linear(width, self.act));
        if let Some(code) = code {
            layers.linear(code, Activation::Identity);
        }
        layers.finish()
    }

    /// The decoder: from codes of `code` numbers to images.
    pub(crate) fn decoder(&self, memory: &mut Memory, network: &mut Network, code: usize) -> Stack {
        let mut layers = Sequence::of_rows(memory, network, "decoder", code);
        self.hidden.iter().rev().for_each(|&width| layers.linear(width, self.act));
        let Some(&inner) = self.channels.last() else {
            layers.linear_to_pixels(self.image, Activation::Identity);
            return layers.finish();
        };
        let sizes = halvings(self.image, self.channels.len());
        let [h, w] = sizes[self.channels.len()];
        layers.linear_to_image([h, w, inner], self.act);
        // The sizes and channels of the encoder in reverse.
        for i in (0..self.channels.len()).rev() {
            let outputs = if i == 0 { self.image[2] } else { self.channels[i - 1] };
            let act = if i == 0 { Activation::Identity } else { self.act };
            match self.pool {
                true => {
                    layers.upsample();
                    layers.conv(outputs, SAME, act);
                }
                false => layers.transposed(outputs, halving(sizes[i]), sizes[i], act),
            }
        }
        layers.finish()
    }
}

/// Features [n, c] of n images, from the saved values of an encoder's pass: means over the pixels of its last
/// convolution; of an encoder without convolutions, its last layer.
pub(crate) fn pooled_features(s: &mut Schedule, encoder: &[Saved]) -> Buf {
    let outputs = || encoder.iter().rev().map(Saved::output);
    let Some(image) = outputs().find(|y| y.shape.dims().len() == 4) else {
        return outputs().next().expect("an encoder has layers");
    };
    let [n, h, w, c] = [0, 1, 2, 3].map(|axis| image.shape.dims()[axis] as usize);
    let whole = pool::Window { kernel: [h, w], stride: [1, 1], pad: [0, 0] };
    pool::average_pool(s, "features", image, whole, true).reshape([n, c])
}
