//! The autoencoder of a data set, trained by frit without labels: its features compare generated images with real ones.
//!
//! It is a convolutional VAE. Its features are means over the pixels of the last convolution, as Inception's are.
//! Latents would not do: an autoencoder that knows sharp images encodes a blurred one much as it does the sharp one.
//! The distances of damaged images are in docs/training.md.

use crate::config::Config;
use crate::data::DataSet;
use crate::eval::helper_network::load_or_train;
use crate::eval::network::FeatureNetwork;
use crate::io::error::{Hint, Result, bail};
use crate::run::epoch_plan::{EpochPlan, binding_bytes, fit_shard, whole};
use crate::run::session::spec;
use crate::terminal::Terminal;
use gpu_core::Backend;
use models::ModelConfig;
use models::metrics::Features;
use std::sync::Arc;

/// Images in a batch.
const BATCH: usize = 64;
/// Training steps of small images; larger ones have fewer.
const STEPS: u64 = 400;
/// Training steps of large images.
const FEWEST_STEPS: u64 = 100;
/// Floating-point operations of a training, about: half a minute on two cores.
const OPERATIONS: u64 = 600_000_000_000;
/// Widths of features; a set of images has the largest that is smaller than its test set, or the smallest.
const WIDTHS: [usize; 3] = [64, 32, 16];
/// Smallest side of the last convolution's images.
const INNERMOST: usize = 3;
/// Convolutions, at most.
const MAX_CONVOLUTIONS: usize = 5;
/// Fewest channels of a convolution.
const FEWEST_CHANNELS: usize = 8;

/// A trained autoencoder on a device.
pub struct TrainedAutoencoder {
    network: FeatureNetwork,
}

impl TrainedAutoencoder {
    /// The configuration of a data set's autoencoder, sized by its images and by their number.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind) if the device cannot hold the images of a step, or the images are too
    /// large.
    pub fn recipe(data: &DataSet, backend: &Backend) -> Result<Config> {
        let mut config = Config::load("conv-vae")?;
        config.train.batch_size = BATCH.min(data.train.count);
        fit_shard(&mut config, data, binding_bytes(backend))?;
        let ModelConfig::Vae(settings) = &mut config.model else { unreachable!("the recipe of a VAE") };
        let width = WIDTHS.into_iter().find(|&width| width < data.test.count).unwrap_or(WIDTHS[2]);
        settings.channels = channels(data.height.min(data.width), width);
        // Without convolutions, the features are those of the linear layer.
        settings.hidden = vec![if settings.channels.is_empty() { width } else { 2 * WIDTHS[0] }];
        config.target.clear();
        let spec = spec(&config, data);
        if let Err(error) = config.check_model(&spec, config.train.batch_size) {
            let hint = Hint::Features("random".into());
            bail!(Data, hint: hint, "no autoencoder can be trained on {}: {error}", data.name);
        }
        let training = whole(&config, data.train.count);
        let phases = config.build(&spec).train(config.train.batch_size, &training);
        let operations: u64 = phases.iter().flat_map(|phase| phase.schedule.calls()).map(|call| call.flops).sum();
        config.train.steps = (OPERATIONS / operations.max(1)).clamp(FEWEST_STEPS, STEPS);
        let per_epoch = EpochPlan::new(&config, data.epoch_images()).per_epoch.max(1);
        config.train.epochs = config.train.steps.div_ceil(per_epoch);
        Ok(config)
    }

    /// The autoencoder of a data set, from the cache or newly trained. The terminal shows `purpose`: `to compare images
    /// in its features`.
    ///
    /// # Errors
    /// Those of [`Self::recipe`]; [`ErrorKind::Device`](crate::ErrorKind) if the device fails,
    /// [`ErrorKind::Training`](crate::ErrorKind) if the loss is not finite.
    pub fn load_or_train(data: &Arc<DataSet>, backend: &Backend, purpose: &str, terminal: &Terminal) -> Result<Self> {
        let config = Self::recipe(data, backend)?;
        let (spec, steps) = (spec(&config, data), config.train.steps);
        let mut network = FeatureNetwork::open(config, data.clone(), &spec, backend)?;
        let purpose = format!("{purpose} ({steps} steps)");
        load_or_train(&mut network.session, "an autoencoder", &purpose, terminal)?;
        Ok(Self { network })
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

    /// A checksum of the weights.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn checksum(&mut self) -> Result<String> {
        self.network.checksum()
    }
}

/// Channels of the convolutions for images with this smaller side: each halves the image, the last has `width`
/// channels, each before it half as many.
fn channels(side: usize, width: usize) -> Vec<usize> {
    let halvings = (side / INNERMOST).checked_ilog2().unwrap_or(0).min(MAX_CONVOLUTIONS as u32);
    (0..halvings).rev().map(|before| (width >> before).max(FEWEST_CHANNELS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;

    #[test]
    fn the_last_convolution_is_small_and_as_wide_as_the_features() {
        assert_eq!(channels(32, 64), [16, 32, 64]);
        assert_eq!(channels(28, 32), [8, 16, 32]);
        assert_eq!(channels(6, 16), [16]);
        assert_eq!(channels(256, 64), [8, 8, 16, 32, 64]);
        assert!(channels(5, 64).is_empty() && channels(2, 64).is_empty());
    }

    /// Few test images have few features, and large images few steps.
    #[test]
    fn a_recipe_is_sized_by_the_data() {
        let recipe = |train: usize, test: usize, side: usize| {
            let split =
                |count: usize| Split { images: vec![0; count * side * side * 3].into(), labels: vec![0; count], count };
            let data = DataSet::new("x".into(), split(train), split(test), [side, side, 3], vec!["images".into()]);
            let config = TrainedAutoencoder::recipe(&data, &Backend::Cpu).unwrap();
            let ModelConfig::Vae(settings) = config.model else { panic!("a VAE") };
            (settings.channels, config.train.steps, config.train.epochs)
        };
        assert_eq!(recipe(540, 60, 32), (vec![8, 16, 32], 400, 45));
        assert_eq!(recipe(600, 65, 32), (vec![16, 32, 64], 400, 40));
        assert_eq!(recipe(10, 2, 8), (vec![16], 400, 400));
        let (channels, steps, _) = recipe(100, 10, 128);
        assert!(channels.len() == 5 && (100..300).contains(&steps), "{channels:?} {steps}");
    }
}
