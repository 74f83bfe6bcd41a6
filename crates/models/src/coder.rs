//! The encoder and the decoder of an autoencoder: one is the other read backwards.

use crate::layers::{Sequence, Stack, halving, halvings};
use crate::network::Network;
use gpu_core::Memory;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;

/// What lies between an image and its code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coder<'a> {
    /// Height, width and channels of an image.
    pub(crate) image: [usize; 3],
    /// Channels of the convolutions, each of which halves the image.
    pub(crate) channels: &'a [usize],
    /// Whether they halve it by 2×2 maxima after 3×3 windows, and not by 4×4 windows at every second pixel.
    pub(crate) pool: bool,
    /// Widths of the linear layers after them.
    pub(crate) hidden: &'a [usize],
    /// Of every layer but the last.
    pub(crate) act: Activation,
}

/// The 3×3 window that leaves an image's size.
const SAME: Window = Window::square(3, 1, 1);

impl<'a> Coder<'a> {
    /// The same with its activation by name.
    pub(crate) fn new(
        image: [usize; 3],
        channels: &'a [usize],
        pool: bool,
        hidden: &'a [usize],
        activation: &str,
    ) -> Self {
        let act = Activation::named(activation).expect("validated");
        Self { image, channels, pool, hidden, act }
    }

    /// From images to what the code's layer takes, or with `code` to that many numbers.
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

    /// From codes of `code` numbers back to images.
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
        // What each convolution of the encoder took, the last one's first.
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
