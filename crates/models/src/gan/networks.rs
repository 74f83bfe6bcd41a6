//! Generator and discriminator.

use super::config::{GanConfig, sizes};
use crate::data::SetSpec;
use crate::layers::{Sequence, Stack, halving};
use crate::network::Network;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::Window;
use gpu_core::{Init, Memory};

/// Radford, Metz and Chintala, 2016, §4; weights of batch normalisation as in PyTorch's example of a DCGAN.
const WEIGHTS: Init = Init::Normal(0.0, 0.02);
const NORM_WEIGHTS: Init = Init::Normal(1.0, 0.02);
const SLOPE: f32 = 0.2;
const LEAKY: Activation = Activation::LeakyRelu(SLOPE);

/// A window over a whole image.
fn whole(size: [usize; 2]) -> Window {
    Window { kernel: size, ..Window::square(1, 1, 0) }
}

/// The generator, from latents to images in [−1, 1]: transposed convolutions with batch normalisation and ReLU, or
/// linear layers with ReLU; tanh at the end, and nothing if the images are points. A one-hot label of `label_width`
/// numbers follows each latent.
pub(super) fn generator(
    memory: &mut Memory,
    network: &mut Network,
    config: &GanConfig,
    spec: &SetSpec,
    label_width: usize,
) -> Stack {
    let image = spec.image;
    if config.width == 0 {
        let mut layers = Sequence::of_rows(memory, network, "generator", config.latent + label_width);
        config.hidden.iter().for_each(|&width| layers.linear(width, Activation::Relu));
        let last = if spec.points.is_some() { Activation::Identity } else { Activation::Tanh };
        layers.linear_to_pixels(image, last);
        return layers.finish();
    }
    let sizes = sizes(image);
    let inner = sizes.len() - 1;
    let mut layers = Sequence::of_images(memory, network, "generator", [1, 1, config.latent]);
    (layers.init, layers.norm_init) = (Some(WEIGHTS), NORM_WEIGHTS);
    layers.transposed_norm(config.width << (inner - 1), whole(sizes[inner]), sizes[inner], Activation::Relu);
    for i in (1..inner).rev() {
        layers.transposed_norm(config.width << (i - 1), halving(sizes[i]), sizes[i], Activation::Relu);
    }
    layers.transposed(image[2], halving(sizes[0]), sizes[0], Activation::Tanh);
    layers.finish()
}

/// The discriminator, from images to one score each, with leaky ReLU between its layers: convolutions with batch
/// normalisation except on the first and the last, or linear layers. A one-hot label of `label_width` numbers follows
/// each image.
pub(super) fn discriminator(
    memory: &mut Memory,
    network: &mut Network,
    config: &GanConfig,
    image: [usize; 3],
    label_width: usize,
) -> Stack {
    let mut layers = match label_width {
        0 => Sequence::of_images(memory, network, "discriminator", image),
        label_width => {
            Sequence::of_rows(memory, network, "discriminator", image.iter().product::<usize>() + label_width)
        }
    };
    layers.spectral = config.spectral;
    if config.width == 0 {
        layers = layers.as_rows();
        config.hidden.iter().rev().for_each(|&width| layers.linear(width, LEAKY));
        minibatch_std(&mut layers, config);
        layers.linear(1, Activation::Identity);
        return layers.finish();
    }
    layers.norm_init = NORM_WEIGHTS;
    let sizes = sizes(image);
    let inner = sizes.len() - 1;
    for (i, &size) in sizes[..inner].iter().enumerate() {
        let channels = config.width << i;
        layers.init = Some(discriminator_init(config, 16 * layers.image()[2]));
        match i > 0 && config.discriminator_norm {
            true => layers.conv_norm(channels, halving(size), LEAKY),
            false => layers.conv(channels, halving(size), LEAKY),
        }
    }
    minibatch_std(&mut layers, config);
    layers.init = Some(discriminator_init(config, layers.image().iter().product()));
    layers.conv(1, whole(sizes[inner]), Activation::Identity);
    layers.finish()
}

/// The initial weights of a convolution with windows of this many numbers. Without batch normalisation they are those
/// of He et al., 2015, for leaky ReLU, by which outputs have the variance of inputs: weights of 0.02 would make them
/// smaller layer by layer, and the generator would collapse to one image while the discriminator starts to learn.
fn discriminator_init(config: &GanConfig, window: usize) -> Init {
    match config.discriminator_norm {
        true => WEIGHTS,
        false => Init::Normal(0.0, (2.0 / (1.0 + SLOPE * SLOPE) / window as f32).sqrt()),
    }
}

/// The deviation within groups of images, before the last layer.
fn minibatch_std(layers: &mut Sequence<'_>, config: &GanConfig) {
    if config.minibatch_std > 0 {
        layers.minibatch_std(config.minibatch_std);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation of a parameter's initial values.
    fn start(network: &Network, name: &str) -> [f64; 2] {
        let parameter = network.weights.parameters().iter().find(|p| p.name == name).expect("a parameter");
        let values = &network.weights.initial(7)[parameter.offset as usize..][..parameter.shape.len()];
        let mean_of = |f: &dyn Fn(f64) -> f64| values.iter().map(|&x| f(x.into())).sum::<f64>() / values.len() as f64;
        let mean = mean_of(&|x| x);
        [mean, mean_of(&|x| (x - mean).powi(2)).sqrt()]
    }

    #[test]
    fn initial_weights_are_those_of_a_dcgan() {
        let config = GanConfig { width: 64, ..GanConfig::default() };
        let mut memory = Memory::default();
        let mut network = Network::new(&mut memory, "both");
        let spec = SetSpec { train: 1, test: 1, image: [28, 28, 1], classes: 1, variance: 1.0, points: None };
        generator(&mut memory, &mut network, &config, &spec, 0);
        discriminator(&mut memory, &mut network, &config, [28, 28, 1], 0);
        for (name, mean, error) in [
            ("generator.0.weight", 0.0, 1e-3),
            ("discriminator.2.weight", 0.0, 1e-3),
            ("generator.1.weight", 1.0, 0.01),
        ] {
            let [found, deviation] = start(&network, name);
            assert!(
                (found - mean).abs() < error && (deviation - 0.02).abs() < error / 2.0,
                "{name}: {found}, {deviation}"
            );
        }
    }

    #[test]
    fn without_normalisation_a_discriminator_starts_with_outputs_as_large_as_its_inputs() {
        let config = GanConfig { width: 64, discriminator_norm: false, ..GanConfig::default() };
        let mut memory = Memory::default();
        let mut network = Network::new(&mut memory, "discriminator");
        discriminator(&mut memory, &mut network, &config, [28, 28, 1], 0);
        // 4×4 windows of 64 channels, and 4×4 pixels of 256.
        for (name, window) in [("discriminator.2.weight", 16.0 * 64.0), ("discriminator.6.weight", 16.0 * 256.0)] {
            let [found, deviation] = start(&network, name);
            let expected = (2.0f64 / 1.04 / window).sqrt();
            assert!(found.abs() < 0.02 * expected + 1e-3, "{name}: {found}");
            assert!((deviation / expected - 1.0).abs() < 0.05, "{name}: {deviation}, expected {expected}");
        }
    }
}
