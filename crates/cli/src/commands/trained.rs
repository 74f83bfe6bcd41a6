//! Opens trained models.

use crate::args::{Own, Trained};
use anyhow::{Result, bail, ensure};
use frit::eval::{OpenOptions, Opened, OwnImages, Weights};
use frit::run::find::{RUNS, find};
use frit::run::frozen::check_prior;
use frit::terminal::Terminal;
use gpu_core::DeviceChoice;
use std::path::{Path, PathBuf};

/// The advice for a model that makes no images.
pub(crate) const MEASURE: &str = "use `frit eval` for its accuracy";

impl Trained {
    /// The requested checkpoint.
    pub(crate) fn weights(&self) -> Weights {
        match self.checkpoint {
            Some(step) => Weights::Step(step),
            None if self.best => Weights::Best,
            None => Weights::Latest,
        }
    }

    fn options(&self) -> OpenOptions {
        OpenOptions {
            weights: self.weights(),
            average: self.average,
            data: self.data.clone(),
            data_b: self.data_b.clone(),
            device: self.device.options(DeviceChoice::Auto),
            without_data: false,
            images: None,
        }
    }
}

impl Own {
    /// The images, if there are any.
    pub(crate) fn given(&self) -> Option<OwnImages> {
        let Self { images, class } = self;
        (!images.is_empty()).then(|| OwnImages { sources: images.clone(), class: class.clone() })
    }
}

/// Refuses a truncation of latents that is not a positive number.
pub(crate) fn check_truncation(truncation: Option<f32>) -> Result<()> {
    let Some(bound) = truncation else { return Ok(()) };
    let valid = bound > 0.0 && bound.is_finite();
    ensure!(valid, "invalid value '{bound}' for --trunc: expected a positive, finite number");
    Ok(())
}

/// The folder of the run that is meant; names it if it is not the one given.
pub(crate) fn run_folder(given: Option<&Path>, terminal: &Terminal) -> Result<PathBuf> {
    let path = find(given, RUNS.as_ref())?;
    if given != Some(&path) {
        terminal.say(&format!("using the run {}", path.display()));
    }
    Ok(path)
}

/// Opens a trained model with its data.
pub(crate) fn open(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    let run = run_folder(args.run.as_deref(), terminal)?;
    Ok(frit::eval::open(&run, &args.options(), terminal)?)
}

/// Opens a trained model with its data, or with a user's images in the place of the test images.
pub(crate) fn open_on(args: &Trained, images: Option<OwnImages>, terminal: &Terminal) -> Result<Opened> {
    let run = run_folder(args.run.as_deref(), terminal)?;
    Ok(frit::eval::open(&run, &OpenOptions { images, ..args.options() }, terminal)?)
}

/// Opens a trained model without its data, to decode: only the image size and the classes are needed.
pub(crate) fn open_to_decode(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    let run = run_folder(args.run.as_deref(), terminal)?;
    Ok(frit::eval::open(&run, &OpenOptions { without_data: true, ..args.options() }, terminal)?)
}

/// Opens a trained model without its data, to sample from it: only the image size is needed.
pub(crate) fn open_to_draw(args: &Trained, terminal: &Terminal) -> Result<Opened> {
    let opened = open_to_decode(args, terminal)?;
    let model = &opened.session.model;
    if model.sampler().is_none() && model.sequencer().is_none() {
        let instead = match (model.quantiser(), model.reconstructor()) {
            (Some(_), _) => "name the run of one with --prior, or train one with `frit train prior --codes RUN`",
            (None, Some(_)) if opened.session.config.name() == "ae" => {
                "use `frit reconstruct`, or train a prior with `frit train realnvp --latents RUN`"
            }
            (None, Some(_)) => "use `frit reconstruct`",
            (None, None) => MEASURE,
        };
        bail!("{} has no prior to sample from; {instead}", opened.session.config.name());
    }
    Ok(opened)
}

/// The run of a prior instead of that of its VQ-VAE or autoencoder, if one is given.
pub(crate) fn with_prior(args: &Trained, prior: Option<&Path>, terminal: &Terminal) -> Result<Trained> {
    let Some(prior) = prior else { return Ok(args.clone()) };
    let other = run_folder(args.run.as_deref(), terminal)?;
    let prior = find(Some(prior), RUNS.as_ref())?;
    check_prior(&prior, &other)?;
    Ok(Trained { run: Some(prior), ..args.clone() })
}
