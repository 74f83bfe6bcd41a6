//! The interface of every family's settings.

use crate::data::DataSpec;
use crate::model::Model;
use crate::validate::InvalidSetting;

/// Settings of one family.
pub trait Settings {
    /// Checks the settings for such data, with batches of `batch` images; a key without a dot is one of these settings.
    ///
    /// # Errors
    /// The first invalid setting.
    fn validate(&self, spec: &DataSpec, batch: usize) -> Result<(), InvalidSetting>;

    /// The model for such data.
    ///
    /// # Panics
    /// When [`Settings::validate`] fails for one image.
    fn build(&self, spec: &DataSpec) -> Box<dyn Model>;

    /// Image sets that the family takes.
    fn sets(&self) -> usize {
        1
    }

    /// Batches of training images that one step takes.
    fn batches(&self) -> usize {
        1
    }

    /// True if it trains on a part of the images at a time.
    fn takes_shards(&self) -> bool {
        true
    }

    /// A part of the step runs in every n-th step only, from the first on: this n.
    fn period(&self) -> u64 {
        1
    }

    /// Random numbers drawn for each image of a training step.
    fn noise_per_image(&self, _spec: &DataSpec) -> usize {
        0
    }

    /// True if images are sampled with the running average of the weights, where one is kept.
    fn samples_with_average(&self) -> bool {
        false
    }
}
