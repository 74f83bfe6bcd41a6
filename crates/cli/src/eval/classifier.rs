//! The classifier of a data set, trained by frit: it counts the classes of generated images, and its features compare
//! them with real ones.

use crate::config::Config;
use crate::data::DataSet;
use crate::eval::helper_network::load_or_train;
use crate::eval::network::FeatureNetwork;
use crate::io::error::Result;
use crate::run::epoch_plan::{binding_bytes, fit_shard};
use crate::run::session::spec;
use crate::terminal::Terminal;
use gpu_core::Backend;
use models::metrics::Features;
use std::sync::Arc;

/// A trained classifier on a device.
pub struct TrainedClassifier {
    network: FeatureNetwork,
    /// Error rate on the test images.
    pub errors: f64,
}

impl TrainedClassifier {
    /// The configuration of a data set's classifier; `None` if the data has one class or two sides, or its images are
    /// too small.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind) if the device cannot hold the images of a step.
    pub fn recipe(data: &DataSet, backend: &Backend) -> Result<Option<Config>> {
        if data.sides.is_some() {
            return Ok(None);
        }
        let mut config = Config::load("classifier")?;
        config.train.batch_size = config.train.batch_size.min(data.train.count);
        fit_shard(&mut config, data, binding_bytes(backend))?;
        let sound = config.check(&spec(&config, data), data.train.count).is_ok();
        Ok(sound.then_some(config))
    }

    /// The classifier of a data set, from the cache or newly trained; `None` as for [`Self::recipe`]. The terminal
    /// shows `purpose`: `to count classes`.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails, [`ErrorKind::Training`](crate::ErrorKind) if the
    /// loss is not finite.
    pub fn load_or_train(
        data: &Arc<DataSet>,
        backend: &Backend,
        purpose: &str,
        terminal: &Terminal,
    ) -> Result<Option<Self>> {
        let Some(config) = Self::recipe(data, backend)? else { return Ok(None) };
        let spec = spec(&config, data);
        let mut network = FeatureNetwork::open(config, data.clone(), &spec, backend)?;
        let tested = load_or_train(&mut network.session, "a classifier", purpose, terminal)?;
        Ok(Some(Self { network, errors: tested.means[1] }))
    }

    /// The data set that it was trained on.
    pub fn data(&self) -> &DataSet {
        &self.network.session.data
    }

    /// The class of each image, given by values in [0, 1].
    pub fn classes(&mut self, images: &[f32]) -> Result<Vec<usize>> {
        let (logits, classes) = self.network.logits(images)?;
        Ok(logits.chunks_exact(classes).map(largest).collect())
    }

    /// The features of each image, given by values in [0, 1]: the input of the classifier's last layer.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        self.network.features(images)
    }

    /// Numbers in an image's features.
    pub fn width(&self) -> usize {
        self.network.width()
    }

    /// A checksum of the weights: metrics of the same classifier can be compared.
    pub fn checksum(&mut self) -> Result<String> {
        self.network.checksum()
    }
}

/// The index of the largest value; of equal ones, the first.
fn largest(row: &[f32]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_values_is_the_largest() {
        assert_eq!(largest(&[0.5, 2.0, -1.0, 2.0]), 1);
        assert_eq!(largest(&[-3.0]), 0);
    }
}
