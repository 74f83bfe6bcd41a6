//! Command-line arguments.

mod export;
mod given;
mod help;
mod seeds;
mod settings;
mod trained;
mod translation;

pub(crate) use export::Export;
pub(crate) use given::given;
pub(crate) use help::command;
pub(crate) use seeds::Seeds;
pub(crate) use settings::{Device, MicroBatch, Settings, Sides};
pub(crate) use trained::{
    Animation, Compare, Decode, Encode, Eval, Interpolate, Own, Project, Reconstruct, Report, Sample, Trained, Traverse,
};

pub(crate) use translation::{Restore, To, Translate};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use frit::config::Config;
use frit::run::find::RUNS;
use std::path::PathBuf;

/// Version, commit and wgpu's version.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("FRIT_BUILD"));

/// Train and sample generative models on any GPU
#[derive(Debug, Parser)]
#[command(name = "frit", version = VERSION, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print more; repeat for debug output
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Print only errors and results
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model from a recipe or a configuration file
    Train(Train),
    /// List the built-in recipes, or print one with all settings (`frit recipes show NAME`)
    Recipes(Recipes),
    /// Train a recipe and check its metrics against target ranges
    Verify(Verify),
    /// Resume an interrupted run, or train for more epochs
    Resume(Resume),
    /// Sample images from a trained model
    Sample(Sample),
    /// Draw test images above their reconstructions
    Reconstruct(Reconstruct),
    /// Interpolate between latent codes
    Interpolate(Interpolate),
    /// Vary one latent dimension at a time
    Traverse(Traverse),
    /// Encode test images to a file of latent codes
    Encode(Encode),
    /// Decode a file of latent codes to images
    Decode(Decode),
    /// Find the latent codes whose images are nearest to given ones
    Project(Project),
    /// Translate images from one set to the other
    Translate(Translate),
    /// Restore corrupted images, or complete them
    Restore(Restore),
    /// Export a trained model: a web page that draws, an ONNX file
    Export(Export),
    /// List runs: model, data, epochs, best metric, state
    Runs(Runs),
    /// Evaluate a trained model on the test set
    Eval(Eval),
    /// Write an HTML report of a run, and an event file for TensorBoard
    Report(Report),
    /// Compare the images of two folders: Fréchet distance, precision, recall and more
    Compare(Compare),
    /// Check every kernel against its f64 reference on this device
    Check(Check),
    /// Print a model's training step: kernel calls, shapes, FLOPs, memory
    Show(Show),
    /// Profile a training step: time and memory of every kernel call
    Profile(Profile),
    /// Benchmark shader variants on this device and cache the fastest
    Tune(Tune),
    /// Inspect data sets
    #[command(subcommand)]
    Data(Data),
    /// List GPU adapters and the default choice
    Devices(Devices),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or write the pages of all commands to a folder
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Folder of runs
    #[arg(default_value = RUNS)]
    pub(crate) folder: PathBuf,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Folder to write frit.1, frit-train.1 and so on to [default: print frit.1]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Recipe name (see `frit recipes`), path of a TOML file, or data as of --data, for a recipe that suits them
    pub(crate) recipe: String,
    /// Training data: digits, shapes, outlines, or the path of a folder or file [default: the recipe's, digits]
    ///
    /// Digits, shapes and their outlines are built in. So are points of a density: 8gaussians, 25gaussians, moons,
    /// swissroll, checkerboard. A folder has images (sub-folders are classes), IDX files (MNIST,
    /// plain or gzipped) or CIFAR binaries. A file is an .npy or .npz. A folder with trainA and
    /// trainB has two sets of images. Of a prior over codes or latents it is the place of its run's data,
    /// if that has moved.
    #[arg(long, value_name = "SOURCE", help_heading = "Data")]
    pub(crate) data: Option<String>,
    /// Trained VQ-VAE, for the recipe prior: its run folder, or its name in runs/. Its data is the training data
    #[arg(long, value_name = "RUN", help_heading = "Data")]
    pub(crate) codes: Option<PathBuf>,
    /// Trained autoencoder or VAE, for the recipe realnvp: its run folder, or its name in runs/. Its data is the
    /// training data
    #[arg(long, value_name = "RUN", conflicts_with = "codes", help_heading = "Data")]
    pub(crate) latents: Option<PathBuf>,
    /// Run folder to create [default: runs/RECIPE-NNN]
    #[arg(long, value_name = "RUN", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// Epochs to train [default: the recipe's]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub(crate) epochs: Option<u64>,
    /// Stop after this many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Training")]
    pub(crate) steps: Option<u64>,
    /// Images per micro-batch, or auto [default: the whole batch]
    ///
    /// Gradients are accumulated over a step's batch. auto takes the largest that fits in memory.
    #[arg(long, value_name = "N", help_heading = "Training", hide_short_help = true)]
    pub(crate) micro_batch: Option<MicroBatch>,
    /// Steps between checkpoints, in addition to one after each epoch
    #[arg(long, value_name = "N", help_heading = "Training", hide_short_help = true)]
    pub(crate) save_every: Option<u64>,
    /// Steps between sample grids, in addition to one after each epoch
    #[arg(long, value_name = "N", help_heading = "Training", hide_short_help = true)]
    pub(crate) sample_every: Option<u64>,
    /// Initial weights, with PyTorch's names and layouts
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Training")]
    pub(crate) init: Option<PathBuf>,
    /// Do not shuffle the training data
    #[arg(long, help_heading = "Training")]
    pub(crate) no_shuffle: bool,
    /// Print the model, memory and estimated time without training
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub(crate) dry_run: bool,
    /// Print the final evaluation as JSON
    #[arg(long, help_heading = "Output")]
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
    /// Print a recipe as TOML: every setting with its value, meaning and allowed values
    Show {
        /// Recipe name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) show: Show,
    /// Run folder to create [default: a temporary folder]
    #[arg(long, value_name = "RUN", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Run folder, or its name in runs/ [default: the latest run in runs/]
    pub(crate) run: Option<PathBuf>,
    /// Total epochs, counted from the start of the run
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub(crate) epochs: Option<u64>,
    /// Total steps, counted from the start of the run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Training")]
    pub(crate) steps: Option<u64>,
    /// Images per micro-batch, as for `frit train` [default: as before]
    #[arg(long, value_name = "N", help_heading = "Training", hide_short_help = true)]
    pub(crate) micro_batch: Option<MicroBatch>,
    /// Path of the training data, if it has moved
    #[arg(long, value_name = "SOURCE", help_heading = "Data")]
    pub(crate) data: Option<String>,
    /// Path of the second set of images, if it has moved
    #[arg(long, value_name = "SOURCE", help_heading = "Data", hide_short_help = true)]
    pub(crate) data_b: Option<String>,
    /// Print the final evaluation as JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Operators to check [default: all]
    pub(crate) ops: Vec<String>,
    /// Check each kernel, variant and kind on small cases only
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Recipe name (see `frit recipes`) or path of a TOML file
    pub(crate) recipe: String,
    /// Data, as for `frit train`
    #[arg(long, value_name = "SOURCE", help_heading = "Data")]
    pub(crate) data: Option<String>,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print the planned schedule as JSON: buffers, shaders, pipelines and calls, for an interpreter of your own
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Show {
    /// The configuration: recipe, then settings, then flags.
    pub(crate) fn configuration(&self) -> Result<Config> {
        let mut config = self.settings.apply(Config::load(&self.recipe)?)?;
        if let Some(source) = &self.data {
            let keeps_b = self.settings.gives(&config, "data.b");
            config.data.take(source, keeps_b);
        }
        Ok(config)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// Number of steps to time [default: as many as take a few seconds, at least 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) steps: Option<u64>,
    #[command(flatten)]
    pub(crate) show: Show,
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
    /// Print counts, sizes and pixel statistics, and draw a contact sheet
    Inspect(Inspect),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Data, as for `frit train`
    pub(crate) source: String,
    /// Contact sheet of up to 64 training images, balanced over classes
    #[arg(long, value_name = "FILE.png", default_value = "contact-sheet.png", help_heading = "Output")]
    pub(crate) out: PathBuf,
    /// Image size: height and width in pixels [default: those of the images, if equal]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Data")]
    pub(crate) size: Option<usize>,
    #[command(flatten)]
    pub(crate) sides: Sides,
    /// Setting of the [data] section, e.g. data.size=64; can be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Data")]
    pub(crate) set: Vec<String>,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Devices {
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}
