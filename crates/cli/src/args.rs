//! What can be typed.

use crate::config::Config;
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use gpu_core::Choice;
use std::path::PathBuf;

/// Trains and samples generative models on any GPU.
#[derive(Debug, Parser)]
#[command(name = "frit", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more (repeat for more still)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Say nothing but errors and results
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model from a recipe or a configuration file
    Train(Train),
    /// List the recipes that come with frit, or print one to copy
    Recipes(Recipes),
    /// Train a recipe and see whether what it reaches lies within its targets
    Verify(Verify),
    /// Go on with a run that was interrupted, or for more epochs
    Resume(Resume),
    /// Draw pictures from a trained model's prior
    Sample(Sample),
    /// Show test images over their reconstructions
    Reconstruct(Reconstruct),
    /// Draw the way from one code to another
    Interpolate(Interpolate),
    /// Draw what each number of a code does
    Traverse(Traverse),
    /// Write the codes of test images to a file
    Encode(Encode),
    /// Draw the pictures that codes of a file stand for
    Decode(Decode),
    /// Measure a trained model on the test set
    Eval(Eval),
    /// Put a run on one page with its curves, pictures and figures, and into a file for TensorBoard
    Report(Report),
    /// Measure how near the pictures of one folder are to those of another
    Compare(Compare),
    /// Compare every kernel with its reference on your own adapter
    Check(Check),
    /// Print a model's training step as it will run: calls, shapes, cost, memory
    Show(Show),
    /// Measure where the time and the memory of a training step go, call by call
    Profile(Profile),
    /// Measure on your own device which shaders are fastest for a model, and use these from now on
    Tune(Tune),
    /// Look at data before training on it
    #[command(subcommand)]
    Data(Data),
    /// List the adapters, and which one would be used and why
    Devices(Devices),
}

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
    /// What was asked for, if anything.
    pub(crate) fn choice(&self) -> Option<Choice> {
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

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// A recipe, of those that `frit recipes` lists, or the path of a configuration file
    pub(crate) recipe: String,
    /// digits or shapes, which are built in; a folder of pictures (PNG, JPEG, WebP; sub-folders are classes), of
    /// MNIST's IDX files, gzipped or not, or of CIFAR-10's binaries; or an .npy or .npz file [default: digits]
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    /// The run's folder [default: runs/RECIPE-NNN]
    #[arg(long, value_name = "RUN")]
    pub(crate) out: Option<PathBuf>,
    /// Passes over the training set
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u64>,
    /// End after this many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: Option<u64>,
    /// Steps between checkpoints within an epoch, besides the one at its end
    #[arg(long, value_name = "N")]
    pub(crate) save_every: Option<u64>,
    /// Steps between pictures within an epoch, besides the one at its end
    #[arg(long, value_name = "N")]
    pub(crate) sample_every: Option<u64>,
    /// Start from these weights, under PyTorch's names and layouts
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) init: Option<PathBuf>,
    /// Keep the file's order in every epoch
    #[arg(long)]
    pub(crate) no_shuffle: bool,
    /// Only say what would be trained, on what, in how much memory
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the last evaluation as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Recipes {
    #[command(subcommand)]
    pub(crate) command: Option<OneRecipe>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OneRecipe {
    /// Print a recipe
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) show: Show,
    /// The run's folder [default: one that goes after]
    #[arg(long, value_name = "RUN")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run's folder
    pub(crate) run: PathBuf,
    /// Passes over the training set, counted from the run's beginning
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u64>,
    /// Steps, counted from the run's beginning
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: Option<u64>,
    /// The training data, if it has moved
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    /// Print the last evaluation as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

/// A trained model.
#[derive(Debug, Args)]
pub(crate) struct Trained {
    /// The run's folder
    pub(crate) run: PathBuf,
    /// Use the checkpoint that did best on the test set, not the latest
    #[arg(long)]
    pub(crate) best: bool,
    /// Use the running average of the weights
    #[arg(long)]
    pub(crate) average: bool,
    /// The data, if it has moved
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// How many pictures
    #[arg(short, long, value_name = "N", default_value_t = 64)]
    pub(crate) n: usize,
    /// Seed of the latents
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write each picture to a file of its own in this folder, too: 00000.png, 00001.png …
    #[arg(long, value_name = "DIR")]
    pub(crate) files: Option<PathBuf>,
    /// Only of this class, by its name, where the model is told classes [default: each in turn]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// The picture [default: RUN/sample.png]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Reconstruct {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// How many test images [default: 32, or as many as there are]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// The picture [default: RUN/reconstructions.png]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Interpolate {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// Ways
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) rows: usize,
    /// Pictures on a way, its ends with it
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) steps: usize,
    /// Along arcs, not lines: on the way the code stays as long as one of the prior's
    #[arg(long)]
    pub(crate) spherical: bool,
    /// Between test images, not between draws from the prior
    #[arg(long)]
    pub(crate) images: bool,
    /// Seed of the draws
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The picture [default: RUN/interpolation.png]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Traverse {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// The test image, counted from 0, whose code is changed [default: the prior's mean]
    #[arg(long, value_name = "N")]
    pub(crate) image: Option<usize>,
    /// Numbers of the code, those that differ most between the test images
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) units: usize,
    /// Values of each
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub(crate) steps: usize,
    /// How far, to either side of zero
    #[arg(long, value_name = "X", default_value_t = 3.0)]
    pub(crate) reach: f32,
    /// The picture [default: RUN/traversal.png]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Encode {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// How many test images [default: all]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// The file: .npy, of a VAE means before log variances; of a VQ-VAE, packed codes
    /// [default: RUN/codes.npy or RUN/codes.frit]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// What `frit encode` wrote, or an .npy of latents
    #[arg(long, value_name = "FILE")]
    pub(crate) codes: PathBuf,
    /// The picture [default: RUN/decoded.png]
    #[arg(long, value_name = "FILE.png")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) trained: Trained,
    /// Draws per image for the importance-weighted bound
    #[arg(long, value_name = "K")]
    pub(crate) iw: Option<usize>,
    /// Measure pictures drawn, too, against the test images: Fréchet and kernel distance, precision, recall, density
    /// and coverage in a classifier's features, each beside that of real images
    #[arg(long)]
    pub(crate) generative: bool,
    /// How many pictures are drawn for these [default: as many as there are test images, at most 10000]
    #[arg(short, long, value_name = "N", requires = "generative")]
    pub(crate) n: Option<usize>,
    /// Seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run's folder
    pub(crate) run: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// A folder of pictures
    pub(crate) a: String,
    /// Another, which is measured against it
    pub(crate) b: String,
    /// Labelled data, whose classifier looks at the pictures [default: digits]
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    /// A setting of the section `data`, as in --set data.size=64; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Seed of the subsets that the kernel distance is taken over
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Only these operators
    pub(crate) ops: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A recipe, of those that `frit recipes` lists, or the path of a configuration file
    pub(crate) recipe: String,
    /// The data, as for `frit train`
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Show {
    /// Recipe, then settings, then flags.
    pub(crate) fn configuration(&self) -> Result<Config> {
        let mut config = self.settings.apply(Config::load(&self.recipe)?)?;
        if let Some(source) = &self.data {
            config.data.source.clone_from(source);
        }
        Ok(config)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Profile {
    #[command(flatten)]
    pub(crate) show: Show,
    /// Steps to run and take medians over [default: as many as take a few seconds, at least 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) steps: Option<u64>,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Tune {
    #[command(flatten)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Count, measure and show what a source holds
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// digits or shapes, which are built in; a folder of pictures, IDX files or CIFAR-10's binaries; .npy or .npz
    pub(crate) source: String,
    /// The contact sheet: up to 64 training pictures, spread over the classes
    #[arg(long, value_name = "FILE.png", default_value = "contact-sheet.png")]
    pub(crate) out: PathBuf,
    /// A setting of the section `data`, as in --set data.size=64; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Devices {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}
