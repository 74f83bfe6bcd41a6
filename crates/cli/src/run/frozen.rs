//! The frozen network of a model: a VQ-VAE of another run, whose codes a prior is trained on, or an autoencoder, on
//! whose latents a normalising flow is.

use crate::config::Config;
use crate::config::data::DataOptions;
use crate::data::DataSet;
use crate::io::error::{Error, Hint, Result, bail, ensure, error};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::Run;
use crate::run::session::Session;
use crate::run::tensors::{self, Tensor, numbers};
use flate2::Crc;
use gpu_core::ops::density::Density;
use gpu_core::{Array, Program};
use models::{ModelConfig, PriorConfig, RealNvpConfig};
use std::path::Path;

/// Training images that are encoded at once, at most.
const BATCH: usize = 500;
/// Elements of the largest buffer of such a batch, at most: 64 MiB.
const NUMBERS: usize = 1 << 24;

/// The run of another model that a model is trained on.
struct Source<'a> {
    /// The setting that names it.
    key: &'static str,
    /// The run; empty if none is named.
    run: &'a str,
    /// The checksum of its weights; empty if none is noted.
    checksum: &'a str,
    /// The model, and the other one, in prose.
    model: &'static str,
    other: &'static str,
    /// Things of the other model.
    things: &'static str,
    hint: Hint,
    moved: Hint,
}

impl<'a> Source<'a> {
    /// The source of a prior, and of a normalising flow, whose run is empty if it models points.
    fn of(model: &'a ModelConfig) -> Option<Self> {
        match model {
            ModelConfig::Prior(prior) => Some(Self {
                key: "prior.codes",
                run: &prior.codes,
                checksum: &prior.checksum,
                model: "prior",
                other: "VQ-VAE",
                things: "codes",
                hint: Hint::Codes,
                moved: Hint::MovedCodes,
            }),
            ModelConfig::RealNvp(flow) => Some(Self {
                key: "realnvp.latents",
                run: &flow.latents,
                checksum: &flow.checksum,
                model: "normalising flow",
                other: "autoencoder",
                things: "latents",
                hint: Hint::Latents,
                moved: Hint::MovedLatents,
            }),
            _ => None,
        }
    }

    fn open(&self, path: &Path) -> Result<Run> {
        Run::open_to_read(path).map_err(|error| error.with_hint(self.moved.clone()))
    }

    fn other_data(&self, name: &str) -> Error {
        let Self { model, other, .. } = self;
        error!(
            Data,
            hint: Hint::CodesData,
            "{name} is not the data that the {other} was trained on, or it changed since; a {model} needs that data"
        )
    }
}

/// The settings of a model that is trained on the run at a path, with those of that run's model; `None` if it is of
/// another family.
fn trained_on(model: &ModelConfig, other: &ModelConfig, path: &Path, checksum: &str) -> Option<ModelConfig> {
    let (run, checksum) = (path.display().to_string(), checksum.to_string());
    match (model, other) {
        (ModelConfig::Prior(prior), ModelConfig::VqVae(vqvae)) => {
            let vqvae = vqvae.clone();
            Some(ModelConfig::Prior(PriorConfig { codes: run, checksum, vqvae, ..prior.clone() }))
        }
        (ModelConfig::RealNvp(flow), ModelConfig::Autoencoder(_) | ModelConfig::Vae(_)) => {
            let (mut ae, mut vae) = (None, None);
            match other {
                ModelConfig::Vae(settings) => vae = Some(settings.clone()),
                ModelConfig::Autoencoder(settings) => ae = Some(settings.clone()),
                _ => {}
            }
            Some(ModelConfig::RealNvp(RealNvpConfig { latents: run, checksum, ae, vae, ..flow.clone() }))
        }
        _ => None,
    }
}

/// The settings and the weights of the model that a configuration of a prior or a normalising flow names, with the data
/// that it was trained on: they are filled into the configuration. `None` for another family, and if no run is named.
///
/// # Errors
/// [`ErrorKind::Run`](crate::ErrorKind) if the run is one of another family or its weights changed, and
/// [`ErrorKind::Setting`](crate::ErrorKind) for settings of other data.
pub(crate) fn resolve(config: &mut Config) -> Result<Option<Checkpoint>> {
    let Some(source) = Source::of(&config.model).filter(|source| !source.run.is_empty()) else { return Ok(None) };
    let Source { model, other, .. } = source;
    let path = Path::new(source.run);
    let path = files::absolute(path).unwrap_or_else(|| path.into());
    let run = source.open(&path)?;
    let found = run.config()?;
    let checkpoint = run.load(&run.latest())?;
    let checksum = checksum(&checkpoint);
    let Some(resolved) = trained_on(&config.model, &found.model, &path, &checksum) else {
        let article = if other.starts_with('a') { "an" } else { "a" };
        bail!(Run, "{} is a run of {}; name one of {article} {other}", path.display(), found.name());
    };
    ensure!(
        source.checksum.is_empty() || source.checksum == checksum,
        Run,
        "the weights of {} changed: their checksum is {checksum}, not {}",
        path.display(),
        source.checksum
    );
    ensure!(
        Density::find(&found.data.source).is_none(),
        Run,
        "{} is a run on points; a {model} needs one on images",
        path.display()
    );
    let source = match &config.data.source {
        source if *source == DataOptions::default().source => found.data.source.clone(),
        source => source.clone(),
    };
    // Images are encoded as they are, so they are not moved. Shards are a matter of the device.
    let data = DataOptions { source, shard: config.data.shard, mirror: false, crop: 0, ..found.data };
    let given = DataOptions { source: data.source.clone(), ..config.data.clone() };
    let plain = DataOptions { source: data.source.clone(), shard: data.shard, ..DataOptions::default() };
    ensure!(
        given == data || given == plain,
        Setting,
        "the data of a {model} is prepared as that of its {other}; leave out the settings of data"
    );
    config.model = resolved;
    config.data = data;
    Ok(Some(checkpoint))
}

/// Refuses a model that is to be trained on no run: a prior without codes, a normalising flow of images without
/// latents.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind) for such a model.
pub(crate) fn require(config: &Config) -> Result<()> {
    let Some(Source { key, run, model, other, things, hint, .. }) = Source::of(&config.model) else { return Ok(()) };
    let of_points = matches!(config.model, ModelConfig::RealNvp(_)) && Density::find(&config.data.source).is_some();
    if !run.is_empty() || of_points {
        return Ok(());
    }
    let article = if other.starts_with('a') { "an" } else { "a" };
    bail!(
        Setting,
        hint: hint,
        "{key} is empty; name the run of {article} {other}, whose {things} the {model} is trained on"
    )
}

/// Checks that data is that of the frozen network.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) if it has other images or labels.
pub(crate) fn check_data(model: &ModelConfig, checkpoint: &Checkpoint, data: &DataSet) -> Result<()> {
    match (checkpoint.metadata.get("data"), Source::of(model)) {
        (Some(of_run), Some(source)) if *of_run != data.fingerprint() => Err(source.other_data(&data.name)),
        _ => Ok(()),
    }
}

/// Refuses the default data where it was asked for and the frozen network has other data: in a configuration, the
/// default means the data of that network.
///
/// # Errors
/// [`ErrorKind::Data`](crate::ErrorKind) for such a configuration, and those of [`Run::config`].
pub fn refuse_default_data(config: &Config) -> Result<()> {
    let default = DataOptions::default().source;
    match Source::of(&config.model).filter(|source| !source.run.is_empty()) {
        Some(source) if config.data.source == default => {
            let of_run = source.open(Path::new(source.run))?.config()?.data.source;
            if of_run == default { Ok(()) } else { Err(source.other_data(&default)) }
        }
        _ => Ok(()),
    }
}

/// Checks that the run `prior` is one of a prior over the codes of the run `other`, or of a normalising flow over its
/// latents.
///
/// # Errors
/// [`ErrorKind::Run`](crate::ErrorKind) if it is not.
pub fn check_prior(prior: &Path, other: &Path) -> Result<()> {
    let config = Run::open_to_read(prior)?.config()?;
    let Some(source) = Source::of(&config.model).filter(|source| !source.run.is_empty()) else {
        bail!(Run, "{} is a run of {}; name one of a prior", prior.display(), config.name());
    };
    let run = Run::open_to_read(other)?;
    let of_run = checksum(&run.load(&run.latest())?);
    ensure!(
        source.checksum == of_run,
        Run,
        "{} is a {} of {}, whose weights are not those of {}",
        prior.display(),
        source.model,
        source.run,
        other.display()
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

    /// Initialises a new model as [`initialise`](Session::initialise) does, whose frozen network has the weights of a
    /// checkpoint of the run that trained it.
    ///
    /// # Errors
    /// A tensor is missing or has another shape or type; or those of the device.
    pub fn initialise_with(&mut self, mut frozen: Checkpoint) -> Result<()> {
        self.write_initial()?;
        for Tensor { name, buf, layout } in tensors::frozen(self.model.as_ref()) {
            let values = numbers(&mut frozen, &name, buf, &layout)?;
            self.executor.write(buf, &values)?;
        }
        self.start()
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
