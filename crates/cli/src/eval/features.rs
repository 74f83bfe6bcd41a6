//! Feature spaces, in which sets of images are compared.
//!
//! | space | for | features |
//! | --- | --- | --- |
//! | classifier | labelled data | inputs of the last layer of a classifier that frit trains on it |
//! | autoencoder | any images | means over the last convolution of an autoencoder that frit trains on them |
//! | random network | any images | the classifier's, with random weights |
//! | Inception v3 | any images | those of the published Fréchet Inception distance, if the user has the weights |
//!
//! Figures of two spaces cannot be compared, so every comparison is stored with the name of its space.

use crate::data::DataSet;
use crate::eval::autoencoder::TrainedAutoencoder;
use crate::eval::classifier::TrainedClassifier;
use crate::eval::inception::InceptionNetwork;
use crate::eval::random_network::RandomNetwork;
use crate::io::error::{Error, ErrorKind, Hint, Result, ensure, error};
use crate::terminal::Terminal;
use gpu_core::Backend;
use models::inception;
use models::metrics::Features;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// The end of the name of a file of weights.
const WEIGHTS: &str = ".safetensors";

/// A requested feature space.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum FeatureChoice {
    /// The classifier of labelled data, the autoencoder of other data.
    #[default]
    Auto,
    /// A classifier trained on the data.
    Classifier,
    /// An autoencoder trained on the data.
    Autoencoder,
    /// A network with random weights.
    Random,
    /// Inception v3 with the weights of this file.
    Inception(PathBuf),
}

impl FromStr for FeatureChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "auto" => Self::Auto,
            "classifier" => Self::Classifier,
            "autoencoder" => Self::Autoencoder,
            "random" => Self::Random,
            _ if text.ends_with(WEIGHTS) => Self::Inception(text.into()),
            _ => {
                let message = format!(
                    "invalid features '{text}': expected auto, classifier, autoencoder, random or a {WEIGHTS} file"
                );
                return Err(Error::new(ErrorKind::Setting, message));
            }
        })
    }
}

/// A space of features.
pub enum FeatureSpace {
    /// The features of a classifier that was trained on labelled data.
    Classifier(TrainedClassifier),
    /// The features of an autoencoder that was trained on data.
    Autoencoder(TrainedAutoencoder),
    /// The features of a network with random weights.
    Random(RandomNetwork),
    /// The features of Inception v3.
    Inception(InceptionNetwork),
}

impl FeatureSpace {
    /// The space of a choice for the images of a data set. A classifier or an autoencoder comes from the cache, or is
    /// trained; the terminal shows the `purpose`, as in `to compare images in its features`.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if the data has two sides, a classifier is requested of data without labels, or the images
    /// suit no network of the choice, [`ErrorKind::Checkpoint`] if a file of weights cannot be used,
    /// [`ErrorKind::Device`] if the device fails, [`ErrorKind::Training`] if a network does not train.
    pub fn open(
        choice: &FeatureChoice,
        data: &Arc<DataSet>,
        backend: &Backend,
        purpose: &str,
        terminal: &Terminal,
    ) -> Result<Self> {
        ensure!(
            data.sides.is_none(),
            Data,
            "{} has two sides of images, which are not compared as one set; name a folder of one side",
            data.name
        );
        let classifier = || TrainedClassifier::load_or_train(data, backend, purpose, terminal);
        let autoencoder = || TrainedAutoencoder::load_or_train(data, backend, purpose, terminal).map(Self::Autoencoder);
        let size = [data.height, data.width, data.channels];
        match choice {
            FeatureChoice::Auto => classifier()?.map_or_else(autoencoder, |found| Ok(Self::Classifier(found))),
            FeatureChoice::Classifier => {
                let none = || error!(Data, "{} has no labels to train a classifier on", data.name);
                let hint = || Hint::Features("autoencoder".into());
                Ok(Self::Classifier(classifier()?.ok_or_else(|| none().with_hint(hint()))?))
            }
            FeatureChoice::Autoencoder => autoencoder(),
            FeatureChoice::Random => RandomNetwork::open(size, backend).map(Self::Random),
            FeatureChoice::Inception(path) => InceptionNetwork::open(path, size, backend).map(Self::Inception),
        }
    }

    /// The features of each image, given by values in [0, 1].
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if the device fails.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        match self {
            Self::Classifier(classifier) => classifier.features(images),
            Self::Autoencoder(autoencoder) => autoencoder.features(images),
            Self::Random(network) => network.features(images),
            Self::Inception(network) => network.features(images),
        }
    }

    /// Numbers in an image's features.
    pub fn width(&self) -> usize {
        match self {
            Self::Classifier(classifier) => classifier.width(),
            Self::Autoencoder(autoencoder) => autoencoder.width(),
            Self::Random(network) => network.width(),
            Self::Inception(_) => inception::FEATURES,
        }
    }

    /// The name of the space: figures with another name cannot be compared.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if the device fails.
    pub fn name(&mut self) -> Result<String> {
        Ok(match self {
            Self::Classifier(classifier) => format!("classifier {}", classifier.checksum()?),
            Self::Autoencoder(autoencoder) => format!("autoencoder {}", autoencoder.checksum()?),
            Self::Random(network) => network.name().into(),
            Self::Inception(network) => network.name().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_have_names() {
        let choice = |text: &str| text.parse::<FeatureChoice>();
        assert_eq!(choice("autoencoder").unwrap(), FeatureChoice::Autoencoder);
        assert_eq!(choice("a/fid.safetensors").unwrap(), FeatureChoice::Inception("a/fid.safetensors".into()));
        let message = choice("inception").unwrap_err().to_string();
        assert!(message.contains("'inception'") && message.contains("classifier, autoencoder, random"), "{message}");
    }
}
