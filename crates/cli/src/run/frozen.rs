//! The frozen network of a model: a VQ-VAE of another run, whose codes a prior is trained on.

use crate::config::Config;
use crate::config::data::DataOptions;
use crate::io::error::{Error, Hint, Result, bail, ensure, error};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::Run;
use crate::run::session::Session;
use crate::run::tensors::{self, Tensor, named, numbers};
use flate2::Crc;
use gpu_core::{Array, Program};
use models::{ModelConfig, PriorConfig};
use std::path::Path;

/// Training images that are encoded at once, at most.
const BATCH: usize = 500;
/// Elements of the largest buffer of such a batch, at most: 64 MiB.
const NUMBERS: usize = 1 << 24;

/// The settings and the weights of the VQ-VAE that a configuration of a prior names, with the data that it was trained
/// on: they are filled into the configuration. `None` for another family, and if no run is named.
///
/// # Errors
/// [`ErrorKind::Run`](crate::ErrorKind) if the run is not one of a VQ-VAE or its weights changed, and
/// [`ErrorKind::Setting`](crate::ErrorKind) for settings of other data.
pub(crate) fn resolve(config: &mut Config) -> Result<Option<Checkpoint>> {
    let ModelConfig::Prior(prior) = &mut config.model else { return Ok(None) };
    if prior.codes.is_empty() {
        return Ok(None);
    }
    let path = Path::new(&prior.codes);
    let path = files::absolute(path).unwrap_or_else(|| path.into());
    let run = run_of_codes(&path)?;
    let found = run.config()?;
    let ModelConfig::VqVae(vqvae) = &found.model else {
        bail!(Run, "{} is a run of {}; name one of a VQ-VAE", path.display(), found.name());
    };
    let checkpoint = run.load(&run.latest())?;
    let checksum = checksum(&checkpoint);
    let again = PriorConfig { checksum: checksum.clone(), ..prior.clone() };
    ensure!(
        prior.checksum.is_empty() || *prior == again,
        Run,
        "the weights of {} changed: their checksum is {checksum}, not {}",
        path.display(),
        prior.checksum
    );
    prior.codes = path.display().to_string();
    prior.checksum = checksum;
    prior.vqvae = vqvae.clone();
    let source = match &config.data.source {
        source if *source == DataOptions::default().source => found.data.source.clone(),
        source => source.clone(),
    };
    // Images are encoded once, so they are not moved. Shards are a matter of the device.
    let data = DataOptions { source, shard: config.data.shard, mirror: false, crop: 0, ..found.data };
    let given = DataOptions { source: data.source.clone(), ..config.data.clone() };
    let plain = DataOptions { source: data.source.clone(), shard: data.shard, ..DataOptions::default() };
    ensure!(
        given == data || given == plain,
        Setting,
        "the data of a prior is prepared as that of its VQ-VAE; leave out the settings of data"
    );
    config.data = data;
    Ok(Some(checkpoint))
}

fn run_of_codes(path: &Path) -> Result<Run> {
    Run::open_to_read(path).map_err(|error| error.with_hint(Hint::MovedCodes))
}

/// Refuses a prior that is to be trained on no run's codes.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind) for such a prior.
pub(crate) fn require(config: &Config) -> Result<()> {
    match &config.model {
        ModelConfig::Prior(prior) if prior.codes.is_empty() => bail!(
            Setting,
            hint: Hint::Codes,
            "prior.codes is empty; name the run of a VQ-VAE, whose codes the prior is trained on"
        ),
        _ => Ok(()),
    }
}

/// Checks that data of that name is that of the VQ-VAE.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) if it has other images or labels.
pub(crate) fn check_data(checkpoint: &Checkpoint, fingerprint: &str, name: &str) -> Result<()> {
    match checkpoint.metadata.get("data") {
        Some(of_run) if of_run != fingerprint => Err(other_data(name)),
        _ => Ok(()),
    }
}

/// Refuses the default data where it was asked for and the VQ-VAE of a prior has other data: in a configuration, the
/// default means the data of the VQ-VAE.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) for such a configuration, and those of [`Run::config`].
pub fn refuse_default_data(config: &Config) -> Result<()> {
    let default = DataOptions::default().source;
    match &config.model {
        ModelConfig::Prior(prior) if config.data.source == default && !prior.codes.is_empty() => {
            let of_run = run_of_codes(Path::new(&prior.codes))?.config()?.data.source;
            if of_run == default { Ok(()) } else { Err(other_data(&default)) }
        }
        _ => Ok(()),
    }
}

fn other_data(name: &str) -> Error {
    error!(
        Data,
        hint: Hint::CodesData,
        "{name} is not the data that the VQ-VAE was trained on, or it changed since; a prior needs that data"
    )
}

/// Checks that the run `prior` is one of a prior over the codes of the run `vqvae`.
///
/// # Errors
/// [`ErrorKind::Run`](crate::ErrorKind) if it is not.
pub fn check_prior(prior: &Path, vqvae: &Path) -> Result<()> {
    let config = Run::open_to_read(prior)?.config()?;
    let ModelConfig::Prior(settings) = &config.model else {
        bail!(Run, "{} is a run of {}; name one of a prior", prior.display(), config.name());
    };
    let run = Run::open_to_read(vqvae)?;
    let of_run = checksum(&run.load(&run.latest())?);
    ensure!(
        settings.checksum == of_run,
        Run,
        "{} is a prior of {}, whose weights are not those of {}",
        prior.display(),
        settings.codes,
        vqvae.display()
    );
    Ok(())
}

/// A checksum of the weights and the codebook in a checkpoint.
pub fn checksum(checkpoint: &Checkpoint) -> String {
    let mut crc = Crc::new();
    for (name, (_, values)) in checkpoint.tensors.iter().filter(|(name, _)| !name.contains('/')) {
        crc.update(name.as_bytes());
        crc.update(&bytes(values));
    }
    format!("{:08x}", crc.sum())
}

fn bytes(values: &Array) -> Vec<u8> {
    match values {
        Array::F32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Array::F64(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Array::U32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

impl Session {
    /// Runs the schedule that a model has for the training images on the device, in batches. Calls `encoded` after each
    /// as [`Session::put_shard_counted`] does.
    pub(super) fn encode_train(&mut self, encoded: &mut dyn FnMut(usize, bool)) -> Result<()> {
        let is_first = self.encoding.is_none();
        let programs = match self.encoding.take() {
            Some(programs) => programs,
            None => encoding(self)?,
        };
        self.set_side_clock(0)?;
        let batches = programs.iter().map(|(_, runs)| runs).sum();
        for &(program, runs) in &programs {
            for _ in 0..runs {
                let ticket = self.executor.submit(&[program], 1, &[])?;
                self.executor.wait(ticket)?;
                encoded(batches, is_first);
            }
        }
        self.encoding = Some(programs);
        Ok(())
    }

    /// Gives the frozen network of a model its weights, from a checkpoint of the run that trained them.
    ///
    /// # Errors
    /// A tensor is missing or has another shape or type; or those of the device.
    pub fn freeze(&mut self, mut checkpoint: Checkpoint) -> Result<()> {
        for Tensor { name, buf, layout } in tensors::frozen(self.model.as_ref()) {
            let values = numbers(&mut checkpoint, &name, buf, &layout)?;
            self.executor.write(buf, &values)?;
        }
        self.shard = None;
        Ok(())
    }

    /// The tensors of the frozen network, under the name of the network.
    pub(super) fn frozen(&self) -> Vec<Tensor> {
        let network = self.model.frozen().map(|network| format!("{}/", network.weights.name()));
        named(&network.unwrap_or_default(), tensors::frozen(self.model.as_ref()))
    }
}

/// The programs that encode the training images on the device, and the runs of each; none for most models.
fn encoding(session: &mut Session) -> Result<Vec<(Program, usize)>> {
    let Some(one) = session.model.encode_train(1) else { return Ok(Vec::new()) };
    let count = session.model.buffers().first().spec.train;
    let widest = one.scratch_bufs().iter().map(|buf| buf.len()).max().unwrap_or(1);
    let batch = (NUMBERS / widest).clamp(1, BATCH).min(count);
    let mut programs = Vec::new();
    for (rows, runs) in [(batch, count / batch), (count % batch, 1)].into_iter().filter(|(rows, _)| *rows > 0) {
        let schedule = session.model.encode_train(rows).expect("it has one for a single image");
        programs.push((session.executor.prepare(&schedule)?, runs));
    }
    Ok(programs)
}
