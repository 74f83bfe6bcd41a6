//! Arguments shared by several commands: device and settings.

use anyhow::{Result, bail};
use clap::Args;
use frit::config::Config;
use frit::config::data::DataOptions;
use frit::run::device::DeviceOptions;
use frit::train::MicroBatchSize;
use gpu_core::DeviceChoice;
use std::str::FromStr;

/// The device.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Device")]
pub(crate) struct Device {
    /// Device: auto, cpu, gpu (also a software adapter), gpu:N of `frit devices`, part of an adapter name, or reference
    /// (the CPU in double precision); `train` and `resume` take several, e.g. gpu:0,gpu:1 [default: auto]
    #[arg(long = "device", value_name = "NAME")]
    name: Option<String>,
    /// Compile shaders with bounds checks
    #[arg(long, hide_short_help = true)]
    pub(crate) checked: bool,
    /// Ignore tuned shader variants; use the built-in table
    #[arg(long, hide_short_help = true)]
    pub(crate) deterministic: bool,
    /// Use half precision for the operands of matrix products and convolutions; sums stay in single precision
    #[arg(long, hide_short_help = true)]
    pub(crate) half: bool,
}

impl Device {
    /// The options for opening it, with a default choice.
    pub(crate) fn options(&self, default: DeviceChoice) -> DeviceOptions {
        let Self { checked, deterministic, half, .. } = *self;
        let choice = self.choice().unwrap_or(default);
        DeviceOptions { choice, checked, deterministic, half, ..DeviceOptions::default() }
    }

    /// The same for training, which may run on several devices: `gpu:0,gpu:1`.
    pub(crate) fn all(&self, default: DeviceChoice) -> DeviceOptions {
        let parse = |name: &str| name.parse().unwrap_or_default();
        let names: Vec<DeviceChoice> = self.name.iter().flat_map(|names| names.split(',')).map(parse).collect();
        // The name of an adapter may have a comma.
        let several = names.iter().all(|name| !matches!(name, DeviceChoice::Named(_)));
        match &names[..] {
            [first, others @ ..] if several => {
                DeviceOptions { choice: first.clone(), others: others.to_vec(), ..self.options(default) }
            }
            _ => self.options(default),
        }
    }

    /// The requested device, if any.
    pub(crate) fn choice(&self) -> Option<DeviceChoice> {
        // Parsing a choice cannot fail: any other word is a part of a name.
        self.name.as_deref().map(|name| name.parse().unwrap_or_default())
    }
}

/// The second set of images, for image-to-image translation.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct Sides {
    /// Second set of images, B, as of --data, for image-to-image translation
    #[arg(long, value_name = "SOURCE")]
    data_b: Option<String>,
    /// Pairs of both sets: images of one name, the halves of each image (split), or none
    #[arg(long, value_name = "RULE", value_parser = ["name", "split", "none"])]
    pairs: Option<String>,
}

impl Sides {
    /// The flags: name, key of the setting, value in TOML if given.
    fn flags(&self) -> [(&'static str, String, Option<String>); 2] {
        let text = |text: &String| toml::Value::from(text.clone()).to_string();
        [
            ("--data-b", "data.b".into(), self.data_b.as_ref().map(text)),
            ("--pairs", "data.pairs".into(), self.pairs.as_ref().map(text)),
        ]
    }

    /// Applies these to `config`.
    pub(crate) fn apply(&self, config: Config) -> Result<Config> {
        let given = self.flags().into_iter().filter_map(|(_, key, value)| Some(format!("{key}={}", value?)));
        Ok(given.into_iter().try_fold(config, |config, setting| config.with(&setting))?)
    }
}

/// Settings on top of a recipe; flags override `--set`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Settings (the recipe's by default)")]
pub(crate) struct Settings {
    /// Batch size
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Learning rate
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr: Option<f32>,
    /// Latent dimensions
    #[arg(long, value_name = "N")]
    latent_dim: Option<usize>,
    /// Widths of the hidden layers, e.g. 400 or 512,256
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    hidden: Vec<usize>,
    /// Weight of the KL term (β)
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    beta: Option<f32>,
    /// Image size: height and width in pixels [default: those of the images, if equal]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    size: Option<usize>,
    #[command(flatten)]
    sides: Sides,
    /// Corruption to undo, for the recipe restoration: noise:0.2, mask:12, gray, down:2, blur:1.5, jpeg:20
    #[arg(long, value_name = "KIND")]
    corrupt: Option<String>,
    /// Random seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Any setting, e.g. train.keep=3; can be repeated (see `frit recipes show NAME`)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The value of `--micro-batch`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MicroBatch {
    /// The largest that fits in memory.
    Auto,
    /// A number of images; zero for the whole batch.
    Of(usize),
}

impl FromStr for MicroBatch {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(images)) => Ok(Self::Of(images)),
            _ => Err("expected a number of images (0 for the whole batch) or auto".into()),
        }
    }
}

impl From<MicroBatch> for MicroBatchSize {
    fn from(size: MicroBatch) -> Self {
        match size {
            MicroBatch::Auto => Self::Auto,
            MicroBatch::Of(images) => Self::Images(images),
        }
    }
}

/// A number in TOML's notation.
fn number(x: f32) -> String {
    // The shortest decimal: of 0.001, not the digits of its float64.
    toml::Value::from(x.to_string().parse::<f64>().unwrap_or(f64::NAN)).to_string()
}

impl Settings {
    /// The `[data]` section with those of these settings that belong to it.
    pub(crate) fn data(&self, options: DataOptions) -> Result<DataOptions> {
        // Any recipe has a [data] section.
        let mut config = Config { data: options, ..Config::load("vae")? };
        for setting in self.set.iter().filter(|setting| setting.trim_start().starts_with("data.")) {
            config = config.with(setting)?;
        }
        config = self.sides.apply(config)?;
        config.data.size = self.size.unwrap_or(config.data.size);
        Ok(config.data)
    }

    /// True if a flag or `--set` gives the setting of that key.
    pub(crate) fn gives(&self, config: &Config, key: &str) -> bool {
        let is_set = |set: &String| set.split_once('=').is_some_and(|(given, _)| given.trim() == key);
        self.flags(config).iter().any(|(_, of, value)| of == key && value.is_some()) || self.set.iter().any(is_set)
    }

    /// The flags: name, key in `config`, value if given.
    fn flags(&self, config: &Config) -> [(&'static str, String, Option<String>); 10] {
        let [b, pairs] = self.sides.flags();
        let hidden = (!self.hidden.is_empty()).then(|| format!("{:?}", self.hidden));
        [
            ("--batch-size", "train.batch_size".into(), self.batch_size.map(|n| n.to_string())),
            ("--lr", "optimiser.lr".into(), self.lr.map(number)),
            ("--latent-dim", config.model_key("latent"), self.latent_dim.map(|n| n.to_string())),
            ("--hidden", config.model_key("hidden"), hidden),
            ("--beta", config.model_key("beta"), self.beta.map(number)),
            ("--corrupt", config.model_key("corrupt"), self.corrupt.clone()),
            ("--size", "data.size".into(), self.size.map(|n| n.to_string())),
            ("--seed", "train.seed".into(), self.seed.map(|n| n.to_string())),
            b,
            pairs,
        ]
    }

    /// Applies these to `config`.
    pub(crate) fn apply(&self, mut config: Config) -> Result<Config> {
        for setting in &self.set {
            config = config.with(setting)?;
        }
        let known = config.keys();
        let mut given: Vec<(String, String)> = Vec::new();
        for (flag, key, value) in self.flags(&config) {
            let Some(value) = value else { continue };
            if !known.contains(&key) {
                let family = config.name();
                let own = known.iter().filter_map(|key| key.strip_prefix(&format!("{family}.")));
                let own: Vec<&str> = own.collect();
                bail!("{flag} is not available for {family} (available: {})", own.join(", "));
            }
            config = config.with(&format!("{key}={value}"))?;
            given.push((flag.into(), key));
        }
        let sets = self.set.iter().filter_map(|set| set.split_once('='));
        given.extend(sets.map(|(key, _)| (format!("--set {}", key.trim()), key.trim().into())));
        for (given, key) in given {
            if let Some(reason) = config.unused(&key) {
                bail!("{given} has no effect: {reason}");
            }
        }
        Ok(config)
    }
}
