//! What can be done with a trained model, and with what it drew.

use super::Device;
use clap::Args;
use std::path::PathBuf;

/// A trained model.
#[derive(Debug, Args)]
pub(crate) struct Trained {
    /// The run's folder
    pub(crate) run: PathBuf,
    /// Use the checkpoint that did best on the test set, not the latest
    #[arg(long)]
    pub(crate) best: bool,
    /// Use the checkpoint that is kept of this step, not the latest
    #[arg(long, value_name = "STEP", conflicts_with = "best")]
    pub(crate) checkpoint: Option<u64>,
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
    /// Write each picture to a file of its own in this folder, too: 00000.png, 00001.png …; it may hold no such files
    /// yet
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
    /// Between test images, not between draws from the prior; always so of a model without a prior, as ae
    #[arg(long)]
    pub(crate) images: bool,
    /// All of this class, by its name, where the model is told classes [default: of each way that of its first image,
    /// or each class in turn between draws from the prior]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
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
    /// The test image, counted from 0, whose code is changed [default: the prior's mean, or of a model without a
    /// prior, as ae, image 0]
    #[arg(long, value_name = "N")]
    pub(crate) image: Option<usize>,
    /// All of this class, by its name, where the model is told classes [default: the image's, or without an image the
    /// first, which is 0 of the digits]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Numbers of the code, those that differ most between the test images
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) units: usize,
    /// Values of each
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub(crate) steps: usize,
    /// How far, to either side of zero; of a model without a prior to either side of the image's own number, in
    /// standard deviations of that number over the test images
    #[arg(long, value_name = "X", default_value_t = 3.0, allow_negative_numbers = true)]
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
    /// The file: .npy, of a VAE means before log variances; of a VQ-VAE, packed codes. Of a model that is told classes
    /// those of the images go beside it, into codes.classes.npy [default: RUN/codes.npy or RUN/codes.frit]
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
    /// The class of each code, counted from 0, which a model that is told classes needs: whole numbers, as `frit
    /// encode` writes them beside the codes
    #[arg(long, value_name = "FILE.npy")]
    pub(crate) classes: Option<PathBuf>,
    /// All of this class, by its name, in their place
    #[arg(long, value_name = "NAME", conflicts_with = "classes")]
    pub(crate) class: Option<String>,
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
    #[arg(short, long, value_name = "N")]
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
