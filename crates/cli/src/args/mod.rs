//! What can be typed.

mod settings;
mod trained;

pub(crate) use settings::{Device, MicroBatch, Settings};
pub(crate) use trained::{Compare, Decode, Encode, Eval, Interpolate, Reconstruct, Report, Sample, Trained, Traverse};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use frit::config::Config;
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
    /// Images that go through the model at once, the gradients of a step's being added up: a number, or auto for as
    /// many as fit
    #[arg(long, value_name = "N")]
    pub(crate) micro_batch: Option<MicroBatch>,
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
    /// Only say what would be trained, on what, in how much memory and time
    #[arg(long, conflicts_with = "json")]
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
    /// Images that go through the model at once, as for `frit train`, if they are to be others
    #[arg(long, value_name = "N")]
    pub(crate) micro_batch: Option<MicroBatch>,
    /// The training data, if it has moved
    #[arg(long, value_name = "SOURCE")]
    pub(crate) data: Option<String>,
    /// Print the last evaluation as one JSON object
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
