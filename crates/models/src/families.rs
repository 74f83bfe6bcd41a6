//! The table of model families.
//!
//! A new family is a row here, with its own files: everything else asks this table or the model's
//! [capabilities](crate::capabilities).

use crate::data::DataSpec;
use crate::model::Model;
use crate::settings::Settings;
use crate::validate::{InvalidSetting, noise, sets};
use crate::{
    AutoencoderConfig, ClassifierConfig, Corruption, CycleGanConfig, FlowConfig, GanConfig, PairedConfig,
    PixelCnnConfig, PriorConfig, RealNvpConfig, VaeConfig, VqVaeConfig, WavenetConfig,
};
use serde::de::{DeserializeSeed, Error};
use serde::{Deserialize, Deserializer, Serialize};

/// One row a family: its name, which is also the key of its section in a configuration; its title; whether it has a
/// prior to sample from; its settings.
macro_rules! families {
    ($($family:ident, $name:literal, $title:literal, $has_prior:literal, $settings:ty;)+) => {
        /// A model family.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Family {
            $(#[doc = $title] $family,)+
        }

        /// The settings of a model of any family.
        #[derive(Clone, PartialEq, Debug, Serialize)]
        #[serde(untagged)]
        pub enum ModelConfig {
            $(#[doc = $title] $family($settings),)+
        }

        impl Family {
            /// All families.
            pub const ALL: &[Self] = &[$(Self::$family),+];
            /// Their names.
            pub const NAMES: &[&str] = &[$($name),+];

            /// The name in configurations: `vae`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$family => $name),+ }
            }

            /// The name in prose: `Variational autoencoder`.
            pub fn title(self) -> &'static str {
                match self { $(Self::$family => $title),+ }
            }

            /// True if its models have a prior, and so a [`Sampler`](crate::capabilities::Sampler).
            pub fn has_prior(self) -> bool {
                match self { $(Self::$family => $has_prior),+ }
            }

            /// The default settings.
            pub fn defaults(self) -> ModelConfig {
                match self { $(Self::$family => ModelConfig::$family(<$settings>::default())),+ }
            }
        }

        impl ModelConfig {
            /// The family.
            pub fn family(&self) -> Family {
                match self { $(Self::$family(_) => Family::$family),+ }
            }

            fn settings(&self) -> &dyn Settings {
                match self { $(Self::$family(settings) => settings),+ }
            }
        }

        /// Reads the settings of that family.
        impl<'de> DeserializeSeed<'de> for Family {
            type Value = ModelConfig;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ModelConfig, D::Error> {
                match self { $(Self::$family => <$settings>::deserialize(deserializer).map(ModelConfig::$family)),+ }
            }
        }
    };
}

families! {
    Vae, "vae", "Variational autoencoder", true, VaeConfig;
    Autoencoder, "ae", "Autoencoder", false, AutoencoderConfig;
    Gan, "gan", "Generative adversarial network", true, GanConfig;
    Flow, "flow", "Flow matching", true, FlowConfig;
    VqVae, "vqvae", "Vector-quantised autoencoder", false, VqVaeConfig;
    Prior, "prior", "Prior over codes", true, PriorConfig;
    PixelCnn, "pixelcnn", "PixelCNN", true, PixelCnnConfig;
    Wavenet, "wavenet", "WaveNet", false, WavenetConfig;
    RealNvp, "realnvp", "Normalising flow", true, RealNvpConfig;
    CycleGan, "cyclegan", "CycleGAN", false, CycleGanConfig;
    Paired, "paired", "Paired translation", false, PairedConfig;
    Classifier, "classifier", "Classifier", false, ClassifierConfig;
}

impl Family {
    /// The family of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|family| family.name() == name)
    }
}

impl<'de> Deserialize<'de> for Family {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::find(&name).ok_or_else(|| D::Error::unknown_variant(&name, Self::NAMES))
    }
}

impl ModelConfig {
    /// Checks the settings for such data, with batches of `batch` images that go through the model `rows` at a time.
    ///
    /// # Errors
    /// The first invalid setting, by its full key.
    pub fn validate(&self, spec: &DataSpec, batch: usize, rows: usize) -> Result<(), InvalidSetting> {
        self.check_sets(spec)?;
        let settings = self.settings();
        let checked = settings.validate(spec, rows).and_then(|()| noise(settings.noise_per_image(spec), batch));
        checked.map_err(|invalid| invalid.within(self.family().name()))
    }

    /// Checks the number of image sets alone.
    ///
    /// # Errors
    /// The data has another number of sets than the family takes.
    pub fn check_sets(&self, spec: &DataSpec) -> Result<(), InvalidSetting> {
        sets(self.family().name(), self.sets(), spec.sets.len())
    }

    /// The model for such data.
    ///
    /// # Panics
    /// When [`ModelConfig::validate`] fails for one image.
    pub fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        self.settings().build(spec)
    }

    /// Image sets that the model takes.
    pub fn sets(&self) -> usize {
        self.settings().sets()
    }

    /// True if it trains on a part of the images at a time.
    pub fn takes_shards(&self) -> bool {
        self.settings().takes_shards()
    }

    /// Batches of training images that one step takes.
    pub fn batches(&self) -> usize {
        self.settings().batches()
    }

    /// A part of the step runs in every n-th step only, from the first on: this n.
    pub fn period(&self) -> u64 {
        self.settings().period()
    }

    /// True if the images of its two sets are pairs.
    pub fn needs_pairs(&self) -> bool {
        matches!(self, Self::Paired(_)) && self.sets() == 2
    }

    /// The corruption that a model of restoration undoes.
    pub fn corruption(&self) -> Option<Corruption> {
        match self {
            Self::Paired(paired) => paired.corrupt.0,
            _ => None,
        }
    }

    /// True if images are sampled with the running average of the weights, where one is kept.
    pub fn samples_with_average(&self) -> bool {
        self.settings().samples_with_average()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SetSpec;

    /// The size of images that a family takes.
    fn image(family: Family) -> [usize; 3] {
        if family == Family::Wavenet { [1, 784, 1] } else { [28, 28, 1] }
    }

    #[test]
    fn names_find_their_families() {
        for (&family, &name) in Family::ALL.iter().zip(Family::NAMES) {
            assert_eq!((Family::find(name), family.name(), family.defaults().family()), (Some(family), name, family));
        }
        assert_eq!(Family::find("Variational autoencoder"), None);
    }

    /// A family takes as many sets of images as it says, whatever else is wrong.
    #[test]
    fn a_family_takes_its_number_of_sets() {
        let set = SetSpec { train: 4, test: 2, image: [28, 28, 1], classes: 2, variance: 0.1, points: None };
        for &family in Family::ALL {
            let model = family.defaults();
            let set = SetSpec { image: image(family), ..set };
            for sets in 1..=2 {
                let problem = model.validate(&DataSpec { sets: vec![set; sets] }, 1, 1).err();
                let of_sets = problem.filter(|problem| ["data.b", "data.source"].contains(&&*problem.key));
                assert_eq!(of_sets.is_none(), sets == model.sets(), "{} with {sets} sets", family.name());
            }
        }
        let two = DataSpec { sets: vec![set; 2] };
        let message = Family::Vae.defaults().validate(&two, 1, 1).unwrap_err().to_string();
        assert_eq!(
            message,
            "data.source has two sets of images, but the model, of the family vae, takes one; name one of them alone"
        );
    }

    #[test]
    fn families_with_a_prior_have_a_sampler() {
        let set = SetSpec { train: 4, test: 2, image: [28, 28, 1], classes: 2, variance: 0.1, points: None };
        for &family in Family::ALL {
            let settings = family.defaults();
            let set = SetSpec { image: image(family), ..set };
            let model = settings.build(&DataSpec { sets: vec![set; settings.settings().sets()] });
            assert_eq!(model.sampler().is_some(), family.has_prior(), "{}", family.name());
        }
    }
}
