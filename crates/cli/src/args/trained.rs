//! Arguments of the commands on trained models and images.

use super::{Device, Seeds};
use clap::Args;
use frit::eval::ProjectOptions;
use std::path::PathBuf;

/// A trained model and its checkpoint.
#[derive(Clone, Debug, Args)]
pub(crate) struct Trained {
    /// Run folder, or its name in runs/ [default: the latest run in runs/]
    pub(crate) run: Option<PathBuf>,
    /// Use the best checkpoint instead of the latest
    #[arg(long, help_heading = "Model")]
    pub(crate) best: bool,
    /// Use the kept checkpoint of this step
    #[arg(long, value_name = "STEP", conflicts_with = "best", help_heading = "Model")]
    pub(crate) checkpoint: Option<u64>,
    /// Use the averaged weights (EMA)
    #[arg(long, help_heading = "Model")]
    pub(crate) average: bool,
    /// Path of the data, if it has moved
    #[arg(long, value_name = "SOURCE", help_heading = "Data")]
    pub(crate) data: Option<String>,
    /// Path of the second set of images, if it has moved
    #[arg(long, value_name = "SOURCE", help_heading = "Data", hide_short_help = true)]
    pub(crate) data_b: Option<String>,
    #[command(flatten)]
    pub(crate) device: Device,
}

/// A user's images in place of the test images.
#[derive(Debug, Args)]
pub(crate) struct Own {
    /// Your own images instead of the test images: files and folders, resized as the run's data
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) images: Vec<String>,
    /// Class of your images, for class-conditional models [default: the name of their folder]
    #[arg(long, value_name = "NAME", requires = "images")]
    pub(crate) class: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// Number of images, points or sequences [default: 64 images, 2000 points, 1 sequence]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// One image per seed, the first of each: seeds and ranges, such as 0-35 or 1,5,9-12
    #[arg(long, value_name = "SEEDS", conflicts_with_all = ["n", "seed"])]
    pub(crate) seeds: Option<Seeds>,
    /// Truncate latents: numbers beyond ±X are drawn again; less variety, often better images
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) trunc: Option<f32>,
    /// Steps from noise to an image, for flow matching [default: the run's flow.steps]
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<usize>,
    /// Guidance by the class, for flow matching: above 1, clearer and less varied [default: the run's flow.guidance]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) guidance: Option<f32>,
    /// Also write each image to this folder: 00000.png, 00001.png, …, or its seed; existing numbered files are refused
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) files: Option<PathBuf>,
    /// With --files, write to a sub-folder for each class, which `--data DIR` reads
    #[arg(long, requires = "files", help_heading = "Output")]
    pub(crate) by_class: bool,
    /// Class to sample, for class-conditional models [default: each class in turn]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Trained prior of a VQ-VAE or an autoencoder, which draws its codes: run folder, or its name in runs/
    #[arg(long, value_name = "RUN", help_heading = "Codes")]
    pub(crate) prior: Option<PathBuf>,
    /// Temperature of codes: below 1, likely ones are drawn more often
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = "Codes")]
    pub(crate) temperature: Option<f32>,
    /// Draw each code among the K likeliest ones
    #[arg(long, value_name = "K", help_heading = "Codes")]
    pub(crate) top_k: Option<usize>,
    /// Complete images: keep the upper half of the codes of test images, and draw the lower
    #[arg(long, conflicts_with_all = ["seeds", "trunc", "files", "steps", "guidance"], help_heading = "Codes")]
    pub(crate) complete: bool,
    /// Your own images to complete: files and folders, resized as the run's data
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "complete", help_heading = "Codes")]
    pub(crate) images: Vec<String>,
    /// Codes to draw for each sequence: bytes of text, or samples of sound [default: a piece of the run's data]
    #[arg(long, value_name = "N", help_heading = "Sequences")]
    pub(crate) length: Option<usize>,
    /// Beginning of every sequence: a text, or a sound in a .wav file
    #[arg(long, value_name = "TEXT|FILE.wav", help_heading = "Sequences")]
    pub(crate) prompt: Option<String>,
    /// Output file [default: RUN/sample.png; of text RUN/sample.txt, of sound RUN/sample.wav]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Reconstruct {
    #[command(flatten)]
    pub(crate) own: Own,
    /// Number of images [default: 32 test images, or all of --images]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// Output image [default: RUN/reconstructions.png]
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Interpolate {
    /// Number of interpolations, one per row
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) rows: usize,
    /// Images per interpolation, including both ends
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) steps: usize,
    /// Interpolate spherically (slerp), which keeps the length of the latent code
    #[arg(long)]
    pub(crate) spherical: bool,
    /// Interpolate between test images instead of samples; the default for models without a prior
    #[arg(long)]
    pub(crate) test_images: bool,
    /// Interpolate from your own image
    #[arg(long, value_name = "FILE", requires = "to", conflicts_with_all = ["test_images", "rows", "seed"])]
    pub(crate) from: Option<String>,
    /// Interpolate to your own image
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(crate) to: Option<String>,
    /// Interpolate from each of your own images to the next: files and folders, resized as the run's data
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["from", "test_images", "rows", "seed"])]
    pub(crate) images: Vec<String>,
    /// Interpolate from the first sample of each seed to the next: seeds and ranges, such as 3,17,5 or 0-7
    #[arg(long, value_name = "SEEDS", conflicts_with_all = ["from", "images", "test_images", "rows", "seed"])]
    pub(crate) seeds: Option<Seeds>,
    /// Interpolate from each latent code of a file to the next, as `frit encode` and `frit project` write them
    #[arg(
        long,
        value_name = "FILE.npy",
        conflicts_with_all = ["from", "images", "seeds", "test_images", "rows", "seed"]
    )]
    pub(crate) codes: Option<PathBuf>,
    /// Truncate the latents of samples: numbers beyond ±X are drawn again
    #[arg(
        long,
        value_name = "X",
        allow_negative_numbers = true,
        conflicts_with_all = ["from", "images", "codes", "test_images"]
    )]
    pub(crate) trunc: Option<f32>,
    /// Class, for class-conditional models [default: the class of each row's first image, or each class in turn]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Output image [default: RUN/interpolation.png]
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) animation: Animation,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

/// Animations of interpolations.
#[derive(Debug, Args)]
pub(crate) struct Animation {
    /// Also write an animated GIF, which loops: all rows at once, there and back. With --images, --seeds and --codes,
    /// one image that passes each and returns to the first
    #[arg(long, value_name = "FILE.gif", help_heading = "Output")]
    pub(crate) gif: Option<PathBuf>,
    /// Also write the animation as APNG, in all colours
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub(crate) apng: Option<PathBuf>,
    /// Frames of the animation from one image to the next [default: 20]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(crate) frames: Option<usize>,
    /// Frames per second [default: 20]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub(crate) fps: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Traverse {
    /// Index of the test image to start from [default: the mean of the prior, or image 0 without a prior]
    #[arg(long, value_name = "N")]
    pub(crate) image: Option<usize>,
    /// Class, for class-conditional models [default: the class of the image, or the first class]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Number of latent dimensions to vary; those with the largest variance on the test set
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) units: usize,
    /// Number of values per dimension
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub(crate) steps: usize,
    /// Range on each side, in standard deviations
    #[arg(long, value_name = "X", default_value_t = 3.0, allow_negative_numbers = true)]
    pub(crate) reach: f32,
    /// Output image [default: RUN/traversal.png]
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Encode {
    #[command(flatten)]
    pub(crate) own: Own,
    /// Number of images, from the first [default: all]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// Output file: .npy of latents (a VAE: means, then log variances), or packed codes of a VQ-VAE. Class-conditional
    /// models also write the classes, to codes.classes.npy [default: RUN/codes.npy or RUN/codes.frit]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// File written by `frit encode`, or an .npy of latents
    #[arg(long, value_name = "FILE")]
    pub(crate) codes: PathBuf,
    /// Class index of each code, for class-conditional models, as `frit encode` writes them
    #[arg(long, value_name = "FILE.npy")]
    pub(crate) classes: Option<PathBuf>,
    /// One class for all codes, instead of --classes
    #[arg(long, value_name = "NAME", conflicts_with = "classes")]
    pub(crate) class: Option<String>,
    /// Output image [default: RUN/decoded.png]
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Project {
    #[command(flatten)]
    pub(crate) own: Own,
    /// Number of images [default: 16 test images, or all of --images]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// Gradient steps
    #[arg(long, value_name = "N", default_value_t = ProjectOptions::default().steps)]
    pub(crate) steps: usize,
    /// Learning rate of Adam at the first step; it falls to zero
    #[arg(long, value_name = "X", default_value_t = ProjectOptions::default().lr, allow_negative_numbers = true)]
    pub(crate) lr: f32,
    /// Starts per image, of which the best result counts: the image's own code, then samples [default: 1, or 8 without
    /// an encoder]
    #[arg(long, value_name = "N")]
    pub(crate) starts: Option<usize>,
    /// Random seed of the starts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Output image: originals above the images of their latents [default: RUN/projections.png]
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// Output file of the latents. Class-conditional models also write the classes, to projections.classes.npy
    /// [default: RUN/projections.npy]
    #[arg(long, value_name = "FILE.npy", help_heading = "Output")]
    pub(crate) codes: Option<PathBuf>,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// Samples per image for the importance-weighted bound
    #[arg(long, value_name = "K")]
    pub(crate) iw: Option<usize>,
    /// Also compare generated images with test images: Fréchet and kernel distance, precision, recall, density,
    /// coverage. Each metric is printed with its value for training images
    #[arg(long)]
    pub(crate) generative: bool,
    /// Features for --generative: classifier, autoencoder, random, or Inception's weights as FILE.safetensors [default:
    /// those of a classifier trained on the data, or of an autoencoder if the data has no labels]
    #[arg(long, value_name = "FEATURES")]
    pub(crate) features: Option<String>,
    /// Number of generated images for --generative [default: the number of test images, at most 10000]
    #[arg(short, long, value_name = "N")]
    pub(crate) n: Option<usize>,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Run folder, or its name in runs/ [default: the latest run in runs/]
    pub(crate) run: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Reference images: a folder or file
    pub(crate) a: String,
    /// Images to compare with it
    pub(crate) b: String,
    /// Data that a classifier or an autoencoder is trained on, in whose features the images are compared
    #[arg(long, value_name = "SOURCE", help_heading = "Data")]
    pub(crate) data: Option<String>,
    /// Features: classifier (of --data), autoencoder (of --data or A), random, or Inception's weights as
    /// FILE.safetensors [default: with --data a classifier or an autoencoder of it, else random]
    #[arg(long, value_name = "FEATURES")]
    pub(crate) features: Option<String>,
    /// Image size: height and width in pixels [default: those of the images, if equal]
    #[arg(long, value_name = "N", help_heading = "Data", allow_negative_numbers = true)]
    pub(crate) size: Option<usize>,
    /// Setting of the [data] section, e.g. data.fit=pad; can be repeated
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Data")]
    pub(crate) set: Vec<String>,
    /// Random seed for the subsets of the kernel distance
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: Device,
}
