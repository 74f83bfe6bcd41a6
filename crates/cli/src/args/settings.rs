//! What several commands take: a device, and settings of a configuration.

use anyhow::Result;
use clap::Args;
use frit::config::Config;
use frit::run::device::DeviceOptions;
use gpu_core::DeviceChoice;
use std::str::FromStr;

/// What to run on.
#[derive(Clone, Debug, Args)]
pub(crate) struct Device {
    /// auto, cpu, gpu (a software adapter too), or a part of an adapter's name
    #[arg(long = "device", value_name = "NAME")]
    name: Option<String>,
    /// Keep the shaders' bounds checks
    #[arg(long)]
    pub(crate) checked: bool,
    /// Choose shaders by the built-in table, whatever `frit tune` has measured
    #[arg(long)]
    pub(crate) deterministic: bool,
    /// Round the operands of products to half precision, where the device can; sums stay in single precision
    #[arg(long)]
    pub(crate) half: bool,
}

impl Device {
    /// The options for opening it, with a default choice.
    pub(crate) fn options(&self, default: DeviceChoice) -> DeviceOptions {
        let Self { checked, deterministic, half, .. } = *self;
        DeviceOptions { choice: self.choice().unwrap_or(default), checked, deterministic, half }
    }

    /// What was asked for, if anything.
    pub(crate) fn choice(&self) -> Option<DeviceChoice> {
        // Parsing a choice cannot fail: any other word is a part of a name.
        self.name.as_deref().map(|name| name.parse().unwrap_or_default())
    }
}

/// What a configuration is made from: a recipe, then settings, then flags, the later ones winning.
#[derive(Clone, Debug, Args)]
pub(crate) struct Settings {
    /// Images in a step
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Learning rate
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    lr: Option<f32>,
    /// Length of the latent code
    #[arg(long, value_name = "N")]
    latent_dim: Option<usize>,
    /// Widths of the hidden layers: 400 or 512,256
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    hidden: Vec<usize>,
    /// Weight of the KL term
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    beta: Option<f32>,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Any setting of the configuration; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// How many images go through the model at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MicroBatch {
    /// As many as the device has room for.
    Auto,
    /// So many; all of a batch where that is zero.
    Of(usize),
}

impl FromStr for MicroBatch {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(images)) => Ok(Self::Of(images)),
            _ => Err("give a number of images, 0 for a whole batch, or auto".into()),
        }
    }
}

/// As TOML writes it, whatever its size.
fn number(x: f32) -> String {
    toml::Value::from(f64::from(x)).to_string()
}

impl Settings {
    /// `config` with these on top.
    pub(crate) fn apply(&self, mut config: Config) -> Result<Config> {
        for setting in &self.set {
            config = config.with(setting)?;
        }
        let hidden = (!self.hidden.is_empty()).then(|| format!("{:?}", self.hidden));
        let flags = [
            ("train.batch_size".into(), self.batch_size.map(|n| n.to_string())),
            ("optimiser.lr".into(), self.lr.map(number)),
            (config.model_key("latent"), self.latent_dim.map(|n| n.to_string())),
            (config.model_key("hidden"), hidden),
            (config.model_key("beta"), self.beta.map(number)),
            ("train.seed".into(), self.seed.map(|n| n.to_string())),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                config = config.with(&format!("{key}={value}"))?;
            }
        }
        Ok(config)
    }
}
