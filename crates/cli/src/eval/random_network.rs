//! A network with random weights, in whose features any images can be compared at once.
//!
//! It needs no training; its features depend on shapes and colours, but not on their meaning. Naeem et al., 2020,
//! *Reliable fidelity and diversity metrics for generative models*, use random networks for images that no trained
//! network fits.

use crate::config::Config;
use crate::data::DataSet;
use crate::eval::network::FeatureNetwork;
use crate::io::error::{Result, ensure};
use gpu_core::{Array, Backend};
use models::metrics::Features;
use models::{DataSpec, SetSpec};
use std::sync::Arc;

/// A classifier's network with random weights, the same for all images of one size.
pub struct RandomNetwork {
    network: FeatureNetwork,
    name: String,
}

impl RandomNetwork {
    /// The network for images of `size`: height, width and channels.
    ///
    /// Weights are those of the recipe's first seed, uniform, with a variance of 2 / fan-in (He et al., 2015), which
    /// keeps the scale of the activations from layer to layer. There are no biases.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind) if the images are too small for its layers,
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn open(size: [usize; 3], backend: &Backend) -> Result<Self> {
        let [height, width, channels] = size;
        let config = Config::load("classifier")?.with("classifier.channels=[32,64]")?;
        let set = SetSpec { train: 1, test: 1, image: size, classes: 2, variance: 1.0, points: None };
        let spec = DataSpec::from(set);
        ensure!(
            config.check_model(&spec, 1).is_ok(),
            Data,
            "images of {height}×{width} are too small to compare; use larger images"
        );
        let classes = ["0", "1"].map(String::from).to_vec();
        let black = DataSet::black([height, width, channels], classes);
        let mut network = FeatureNetwork::open(config, Arc::new(black), &spec, backend)?;
        let session = &mut network.session;
        session.initialise()?;
        for (name, buf) in session.parameter_bufs() {
            // The first weights are PyTorch's, of variance 1 / (3 fan-in).
            let scale = if name.ends_with("weight") { 6f32.sqrt() } else { 0.0 };
            let values = session.executor.read(buf)?.to_f32();
            session.executor.write(buf, &Array::F32(values.into_iter().map(|value| scale * value).collect()))?;
        }
        Ok(Self { network, name: format!("random network 1 of {height}×{width}×{channels}") })
    }

    /// The features of each image, given by values in [0, 1].
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        self.network.features(images)
    }

    /// Numbers in an image's features.
    pub fn width(&self) -> usize {
        self.network.width()
    }

    /// The name of the space.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::metrics::frechet_distance;

    /// Images of a square of three pixels at a random place, with noise of such an amplitude.
    fn squares(count: usize, seed: u32, noise: f32) -> Vec<f32> {
        let side = 12;
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let mut images = Vec::new();
        for _ in 0..count {
            let [top, left] = [0, 1].map(|_| (next() * 9.0) as usize);
            for at in 0..side * side {
                let [row, column] = [at / side, at % side];
                let inside = (top..top + 3).contains(&row) && (left..left + 3).contains(&column);
                images.push((f32::from(inside) + noise * (next() - 0.5)).clamp(0.0, 1.0));
            }
        }
        images
    }

    #[test]
    fn distances_grow_with_the_damage() {
        let mut network = RandomNetwork::open([12, 12, 1], &Backend::Cpu).unwrap();
        let mut of = |images: Vec<f32>| network.features(&images).unwrap();
        let real = of(squares(300, 1, 0.0));
        let distance = |other: &Features| frechet_distance(&real, other).unwrap();
        let found = [0.0, 0.4, 0.8].map(|noise| distance(&of(squares(300, 2, noise))));
        assert!(found[1] > 2.0 * found[0] && found[2] > 2.0 * found[1], "{found:?}");
        assert!(distance(&of(vec![0.0; 300 * 144])) > found[0]);
    }

    #[test]
    fn a_space_has_a_name() {
        let name = |size| RandomNetwork::open(size, &Backend::Cpu).map(|network| network.name);
        assert_eq!(name([12, 8, 3]).unwrap(), "random network 1 of 12×8×3");
        let message = name([1, 1, 3]).unwrap_err().to_string();
        assert!(message.starts_with("images of 1×1 are too small to compare"), "{message}");
    }
}
