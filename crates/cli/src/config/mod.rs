//! Configurations: recipes, files and single settings, resolved to one value for every setting.

mod classes;
pub mod data;
pub mod meanings;
mod messages;
pub mod monitors;
pub mod recipes;
pub mod renamed;
mod train;
mod unused;

pub use train::Train;

use self::data::DataOptions;
use self::messages::{plain, unknown_key};
use self::monitors::Monitors;
use crate::io::error::{Context, ErrorKind, Hint, Result, bail, error};
use models::{DataSpec, Family, LrSchedule, MicroBatch, Model, ModelConfig, Optimiser, noun};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// The most micro-batches of a batch; each is a separate schedule.
pub const MAX_MICRO_BATCHES: usize = 256;

/// Everything that decides the result of a run. The resolved configuration of a run is itself a recipe: `family`, the
/// common sections, and the section of the family, under its name.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Length and order of training.
    pub train: Train,
    /// Source and preparation of the data.
    pub data: DataOptions,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// The monitors.
    pub monitors: Monitors,
    /// Expected ranges of metrics after training on the built-in data, by name: from, to.
    pub target: BTreeMap<String, [f64; 2]>,
    /// The model's settings.
    pub model: ModelConfig,
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("family", self.name())?;
        map.serialize_entry("train", &self.train)?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry("optimiser", &self.optimiser)?;
        map.serialize_entry("monitors", &self.monitors)?;
        if !self.target.is_empty() {
            map.serialize_entry("target", &self.target)?;
        }
        map.serialize_entry(self.name(), &self.model)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ConfigVisitor)
    }
}

/// The keys of a configuration, without the sections of families.
const KEYS: [&str; 6] = ["family", "train", "data", "optimiser", "monitors", "target"];

/// A key of a configuration.
enum Key {
    Common(&'static str),
    Model(Family),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        static ALL: LazyLock<Vec<&str>> = LazyLock::new(|| [&KEYS[..], Family::NAMES].concat());
        let key = String::deserialize(deserializer)?;
        let common = KEYS.into_iter().find(|&common| common == key).map(Self::Common);
        common.or(Family::find(&key).map(Self::Model)).ok_or_else(|| D::Error::unknown_field(&key, &ALL))
    }
}

struct ConfigVisitor;

impl<'de> Visitor<'de> for ConfigVisitor {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let (mut family, mut models) = (None, Vec::new());
        let (mut train, mut data, mut optimiser, mut monitors) =
            (Train::default(), DataOptions::default(), Optimiser::default(), Monitors::default());
        let mut target = BTreeMap::new();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Model(family) => models.push(map.next_value_seed(family)?),
                Key::Common("family") => family = Some(map.next_value()?),
                Key::Common("train") => train = map.next_value()?,
                Key::Common("data") => data = map.next_value()?,
                Key::Common("optimiser") => optimiser = map.next_value()?,
                Key::Common("monitors") => monitors = map.next_value()?,
                Key::Common(_) => target = map.next_value()?,
            }
        }
        let family: Family = family.ok_or_else(|| A::Error::missing_field("family"))?;
        if let Some(other) = models.iter().map(ModelConfig::family).find(|&other| other != family) {
            let (family, other) = (family.name(), other.name());
            let message =
                format!("section [{other}] does not belong to family = '{family}'; remove it, or change the family");
            return Err(A::Error::custom(message));
        }
        let model = models.pop().unwrap_or_else(|| family.defaults());
        Ok(Config { train, data, optimiser, monitors, target, model })
    }
}

impl Config {
    /// A recipe by name, or a TOML file.
    ///
    /// # Errors
    /// There is no such recipe or file, or those of [`Config::parse`].
    pub fn load(recipe: &str) -> Result<Self> {
        Self::parse(&recipes::read(recipe)?, recipe)
    }

    /// Reads a configuration, which errors call `name`.
    ///
    /// # Errors
    /// A key is unknown or has the name of version 0.1.0, or a value is invalid; the message shows the line.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        if let Some((old, new)) = renamed::first(text) {
            bail!(Setting, "invalid configuration {name}: {old} was renamed: use {new}");
        }
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let text = error.to_string().replace(error.message(), &plain(error.message()));
            error!(Setting, "invalid configuration {name}:\n{text}")
        })
    }

    /// Reads the configuration of a run folder or a checkpoint, which version 0.1.0 may have written.
    ///
    /// # Errors
    /// Those of [`Config::parse`], except for old names.
    pub fn parse_run(text: &str, name: &str) -> Result<Self> {
        let Some(table) = renamed::migrated(text) else { return Self::parse(text, name) };
        table.try_into().map_err(|error: toml::de::Error| {
            error!(Setting, "invalid configuration {name}: {}", plain(error.message()))
        })
    }

    /// This configuration with `key=value` applied, the key dotted (`train.seed=7`), the value TOML or bare text.
    ///
    /// # Errors
    /// The setting has no `=`, its key is unknown, or its value has another type.
    pub fn with(self, setting: &str) -> Result<Self> {
        let Some((key, text)) = setting.split_once('=') else {
            bail!(Setting, "expected key=value, such as train.seed=7 (got {setting})");
        };
        if let Some(new) = renamed::with_value(key.trim(), text.trim()) {
            bail!(Setting, "{} was renamed: use {new}", key.trim());
        }
        let mut table = self.to_table();
        let parsed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok().and_then(|mut t| t.remove("value"));
        if let Some(name) = key.trim().strip_prefix("target.").filter(|name| !name.is_empty()) {
            // A target has the name of a metric and may be new.
            let targets = table.entry("target").or_insert_with(|| toml::Table::new().into());
            let targets = targets.as_table_mut().expect("targets are a table");
            targets.entry(name).or_insert_with(|| toml::Value::Array(Vec::new()));
        }
        let mut node = &mut table;
        let mut parts: Vec<&str> = key.trim().split('.').collect();
        let last = parts.pop().unwrap_or_default();
        for part in &parts {
            let section = node.get_mut(*part).and_then(toml::Value::as_table_mut);
            node = section.with_context(ErrorKind::Setting, || unknown_key(key, &self.to_table()))?;
        }
        let Some(slot) = node.get_mut(last) else { bail!(Setting, "{}", unknown_key(key, &self.to_table())) };
        let mut value = parsed.unwrap_or_else(|| toml::Value::String(text.into()));
        // A whole number is a fine value for a key that takes fractions.
        if let (toml::Value::Float(_), toml::Value::Integer(whole)) = (&*slot, &value) {
            value = toml::Value::Float(*whole as f64);
        }
        // Text that looks like something else, as the colour 000030 and a folder called 7 do, is still text.
        if slot.is_str() && !value.is_str() {
            value = toml::Value::String(text.into());
        }
        *slot = value;
        table.try_into().map_err(|error: toml::de::Error| {
            error!(Setting, "invalid value '{text}' for {key}: {}", plain(error.message()))
        })
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| error!(Setting, "cannot write the configuration: {error}"))
    }

    /// Checks the settings for data with `images` training images.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self, spec: &DataSpec, images: usize) -> Result<()> {
        let Train { epochs, batch_size, .. } = self.train;
        if epochs == 0 {
            bail!(Setting, "train.epochs must be at least 1 (got 0)");
        }
        if self.train.best_every == 0 {
            bail!(Setting, "train.best_every must be at least 1 (got 0)");
        }
        self.model.check_sets(spec)?;
        if batch_size == 0 {
            bail!(Setting, "train.batch_size must be at least 1 (got 0)");
        }
        let batches = self.batches();
        if batch_size.saturating_mul(batches) > images {
            let of = if batches > 1 { format!(" ({batches} batches per step)") } else { String::new() };
            bail!(
                Setting,
                hint: Hint::MaxBatchSize(images / batches.max(1)),
                "train.batch_size is {batch_size}{of}, but the training set has {images} {}s",
                if matches!(self.model, ModelConfig::Wavenet(_)) { "piece" } else { noun(spec.first().points) }
            );
        }
        let fewest = spec.sets.iter().map(|set| set.train).min().unwrap_or(images);
        if spec.sets.len() > 1 && batch_size > fewest {
            bail!(
                Setting,
                hint: Hint::MaxBatchSize(fewest),
                "train.batch_size is {batch_size}, but one of the two training sets has {fewest} images"
            );
        }
        // Steps are counted in a word on the device.
        let per_epoch = images.div_ceil(batch_size) as u64;
        if epochs.checked_mul(per_epoch).is_none_or(|steps| steps > u64::from(u32::MAX)) {
            bail!(Setting, "train.epochs is {epochs}, which makes 2³² steps or more; use fewer epochs");
        }
        if self.data.shard > 0 && !self.model.takes_shards() {
            bail!(Setting, "data.shard must be 0 for {} (got {})", self.name(), self.data.shard);
        }
        let [height, width, _] = spec.first().image;
        let crop = self.data.crop;
        if crop >= height.min(width) && crop > 0 {
            bail!(Setting, "data.crop is {crop}, but the images are {height}×{width}; use a few pixels, such as 4");
        }
        let parts = self.micro_batches();
        if parts.len() > MAX_MICRO_BATCHES {
            bail!(
                Setting,
                "train.micro_batch is {}: it splits a batch of {batch_size} into {} micro-batches (at most \
                 {MAX_MICRO_BATCHES}); use larger micro-batches",
                self.train.micro_batch,
                parts.len()
            );
        }
        self.check_model(spec, parts[0].rows)
    }

    /// The same configuration with micro-batches of `micro_batch` images; 0 for whole batches.
    pub fn with_micro_batch(&self, micro_batch: usize) -> Self {
        Self { train: Train { micro_batch, ..self.train.clone() }, ..self.clone() }
    }

    /// The micro-batches of a whole batch.
    pub fn micro_batches(&self) -> Vec<MicroBatch> {
        MicroBatch::of(self.train.batch_size, self.train.micro_batch)
    }

    /// Checks the settings of the model and the optimiser for such data, with micro-batches of `batch` images.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check_model(&self, spec: &DataSpec, batch: usize) -> Result<()> {
        let checked = self.model.validate(spec, self.train.batch_size, batch).and_then(|()| self.optimiser.validate());
        Ok(checked?)
    }

    /// Sets the steps over which the learning rate decays, where that is the rest of a run of `total`.
    ///
    /// # Errors
    /// The warm-up takes the whole run.
    pub fn resolve_decay(&mut self, total: u64) -> Result<()> {
        let Optimiser { lr_schedule, lr_warmup, lr_decay_steps, .. } = self.optimiser;
        if matches!(lr_schedule, LrSchedule::Linear | LrSchedule::Cosine) && lr_decay_steps == 0 {
            let left = (total as usize).saturating_sub(lr_warmup);
            if left == 0 && total > 0 {
                bail!(
                    Setting,
                    "optimiser.lr_warmup is {lr_warmup}, which leaves none of {total} steps for the decay of the \
                     learning rate; use a shorter warm-up, or set optimiser.lr_decay_steps"
                );
            }
            self.optimiser.lr_decay_steps = left.max(1);
        }
        Ok(())
    }

    /// Batches of images in a step.
    pub fn batches(&self) -> usize {
        self.model.batches()
    }

    /// A part of the step runs in every n-th step only: this n.
    pub fn period(&self) -> u64 {
        self.model.period()
    }

    /// True if images are sampled with the running average of the weights.
    pub fn draws_by_average(&self) -> bool {
        self.model.samples_with_average() && self.optimiser.average > 0.0
    }

    /// Checks that a run resumes with the settings it was started with. Its length, the path of its data and the size
    /// of micro-batches may change.
    ///
    /// # Errors
    /// Another setting differs.
    pub fn check_same_run(&self, started: &Self) -> Result<()> {
        let Train { epochs, steps, save_every, keep, patience, micro_batch, .. } = self.train;
        let train = Train { epochs, steps, save_every, keep, patience, micro_batch, ..started.train.clone() };
        let (source, b) = (self.data.source.clone(), self.data.b.clone());
        let data = DataOptions { source, b, ..started.data.clone() };
        if *self != (Self { train, data, ..started.clone() }) {
            bail!(
                Run,
                hint: Hint::Train,
                "the settings in config.toml changed since the run was started; restore them"
            );
        }
        Ok(())
    }

    /// The model for such data.
    pub fn build(&self, spec: &DataSpec) -> Box<dyn Model> {
        self.model.build(spec)
    }

    /// The family's name, which is also that of its section.
    pub fn name(&self) -> &'static str {
        self.model.family().name()
    }

    /// The dotted keys of all settings, without targets.
    pub fn keys(&self) -> Vec<String> {
        messages::keys(&self.to_table())
    }

    fn to_table(&self) -> toml::Table {
        toml::Table::try_from(self).expect("a configuration is TOML")
    }

    /// The key of the model's own settings with that name: `latent` as `vae.latent`.
    pub fn model_key(&self, key: &str) -> String {
        format!("{}.{key}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use self::data::Colour;
    use super::*;
    use models::SetSpec;

    const SPEC: SetSpec =
        SetSpec { train: 1000, test: 100, image: [28, 28, 1], classes: 10, variance: 0.1, points: None };

    #[test]
    fn every_recipe_resolves_and_is_its_own_recipe() {
        for (name, _) in recipes::RECIPES {
            let config = Config::load(name).unwrap();
            assert_eq!(Config::parse(&config.to_toml().unwrap(), "again").unwrap(), config);
            let image = if *name == "wavenet" { [1, 1024, 1] } else { SPEC.image };
            let sets = vec![SetSpec { image, ..SPEC }; config.model.sets()];
            config.check(&DataSpec { sets }, SPEC.train).unwrap();
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = Config::parse("family = \"vae\"\n[train]\nepoch = 3\n", "my.toml").unwrap_err().to_string();
        assert!(error.contains("my.toml") && error.contains("line 3") && error.contains("epoch"), "{error}");
    }

    #[test]
    fn a_section_of_another_family_is_refused() {
        for text in ["family = \"vae\"\n[vae]\nlatent = 3\n[ae]\nlatent = 3\n", "family = \"vae\"\n[ae]\n"] {
            let error = Config::parse(text, "my.toml").unwrap_err().to_string();
            assert!(error.contains("my.toml") && error.contains("[ae]") && error.contains("'vae'"), "{error}");
        }
        let error = Config::parse("family = \"vea\"", "my.toml").unwrap_err().to_string();
        assert!(error.contains("vea") && error.contains("vqvae"), "{error}");
        assert!(Config::parse("[vae]", "my.toml").unwrap_err().to_string().contains("family"));
    }

    #[test]
    fn settings_reach_every_section_and_nothing_else() {
        let config = Config::load("vae").unwrap();
        let set = |text: &str| config.clone().with(text);
        let ModelConfig::Vae(vae) = set("vae.hidden=[8, 4]").unwrap().model else { panic!("a VAE") };
        assert_eq!(vae.hidden, [8, 4]);
        assert_eq!(set("optimiser.lr=1").unwrap().optimiser.lr, 1.0);
        assert_eq!(set("data.source=pictures").unwrap().data.source, "pictures");
        assert_eq!(set("data.source=\"7\"").unwrap().data, set("data.source=7").unwrap().data);
        let target = set("target.neg_elbo=[118, 123.5]").unwrap().target;
        assert_eq!(target, [("neg_elbo".to_string(), [118.0, 123.5])].into());
        let ae = Config::parse("family = \"ae\"", "bare").unwrap();
        assert_eq!(ae.with("target.kl=[0,1]").unwrap().target, [("kl".to_string(), [0.0, 1.0])].into());
        assert_eq!(set("data.background=102030").unwrap().data.background, Colour([16, 32, 48]));
        for wrong in [
            "train.epoch=3",
            "epochs=3",
            "ae.latent=3",
            "train.seed",
            "train.seed=soon",
            "vae.likelihood=x",
            "target.kl=5",
            "target.a.b=[0,1]",
            "target.=[0,1]",
        ] {
            let error = set(wrong).unwrap_err().to_string();
            let key = wrong.split('=').next().unwrap_or_default();
            assert!(error.contains(key), "{wrong}: {error}");
        }
    }

    #[test]
    fn impossible_settings_are_refused() {
        let config = Config::load("vae").unwrap();
        let wrong = [
            "vae.latent=0",
            "vae.latent=100000",
            "vae.hidden=[60000,60000]",
            "train.batch_size=0",
            "optimiser.lr=-1",
            "vae.hidden=[]",
            "train.batch_size=2000",
        ];
        for wrong in wrong {
            assert!(config.clone().with(wrong).unwrap().check(&SPEC.into(), SPEC.train).is_err(), "{wrong}");
        }
    }
}
