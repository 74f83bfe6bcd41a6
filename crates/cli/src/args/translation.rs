//! Arguments of image-to-image translation and restoration.

use super::Trained;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The set whose kind images get.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum To {
    /// The first set
    A,
    /// The second set
    B,
}

#[derive(Debug, Args)]
pub(crate) struct Translate {
    /// Your own images to translate: files and folders [default: test images, in one grid]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) images: Vec<String>,
    /// The set to translate to
    #[arg(long, value_enum, default_value_t = To::B)]
    pub(crate) to: To,
    /// Write the images with their translations as opacity, of a model that makes grey masks
    #[arg(long, requires = "images", help_heading = "Output")]
    pub(crate) alpha: bool,
    /// Number of test images [default: 16]
    #[arg(short, long, value_name = "N", conflicts_with = "images")]
    pub(crate) n: Option<usize>,
    /// Folder of the translations, or with test images the grid, FILE.png [default: RUN/translated or
    /// RUN/translations.png]
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Your own images to restore: files and folders [default: corrupted test images, in one grid]
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) images: Vec<String>,
    /// Image that is white where pixels are unknown, of every image alike; for a model that completes images
    #[arg(long, value_name = "MASK.png", requires = "images")]
    pub(crate) mask: Option<String>,
    /// Class of your images, for class-conditional models
    #[arg(long, value_name = "NAME", requires = "images")]
    pub(crate) class: Option<String>,
    /// Number of test images [default: 16]
    #[arg(short, long, value_name = "N", conflicts_with = "images")]
    pub(crate) n: Option<usize>,
    /// Folder of the restored images, or with test images the grid, FILE.png [default: RUN/restored or
    /// RUN/restorations.png]
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) trained: Trained,
}
