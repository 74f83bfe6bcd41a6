//! Arguments of `frit export`.

use super::Trained;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[group(id = "kind", required = true, multiple = true, args = ["html", "onnx", "card"])]
pub(crate) struct Export {
    /// Write a web page that draws, in one file that needs no network
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
    /// Train in the page too: from the run's latest checkpoint, on its training images or on images of a visitor
    #[arg(long, requires = "html", conflicts_with_all = ["best", "checkpoint", "average"], help_heading = "Output")]
    pub(crate) train: bool,
    /// Write a network as an ONNX file of opset 17
    #[arg(long, value_name = "FILE.onnx", help_heading = "Output")]
    pub(crate) onnx: Option<PathBuf>,
    /// Network for --onnx: decoder, encoder, generator, classifier, to-a or to-b [default: the model's first]
    #[arg(long, value_name = "NAME", requires = "onnx", help_heading = "Output")]
    pub(crate) network: Option<String>,
    /// Write a model card, README.md with front matter, to the run folder
    #[arg(long, help_heading = "Output")]
    pub(crate) card: bool,
    #[command(flatten)]
    pub(crate) trained: Trained,
}
