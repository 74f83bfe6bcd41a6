//! The start of a training in several processes: everything that rank 0 sends to the others first.

use crate::config::Config;
use crate::config::data::DataOptions;
use crate::data::{DataSet, ImageList};
use crate::io::error::{Context, ErrorKind, Hint, Result, ensure};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::data::RunData;
use crate::run::device::{self, DeviceOptions};
use crate::run::folder::Run;
use crate::train::follow::{Follower, settings};
use crate::train::options::{ResumeOptions, TrainOptions};
use gpu_core::{Backend, DeviceChoice, DeviceKind, Exchange};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Everything that a process needs to follow rank 0.
#[derive(Serialize, Deserialize)]
pub(super) struct Start {
    /// The request, which is the same for all processes.
    request: String,
    /// The configuration, as TOML.
    config: String,
    /// The shader variants.
    variants: Value,
    /// True if the shaders have bounds checks.
    checked: bool,
    /// The device of rank 0, by a name that holds on other computers; `None` for a GPU.
    device: Option<String>,
    /// Of a resumed run, the rule by which its data is divided.
    resumed: Option<Resumed>,
}

/// The data of a run, as its folder describes it.
#[derive(Serialize, Deserialize)]
pub(super) struct Resumed {
    images: Option<ImageList>,
    /// The source that the run was trained on.
    source: String,
    metadata: BTreeMap<String, String>,
}

impl Resumed {
    pub(super) fn new(run: &Run, source: &str, checkpoint: &Checkpoint) -> Result<Self> {
        let metadata = checkpoint.metadata.clone();
        Ok(Self { images: run.read_images()?, source: source.into(), metadata })
    }
}

impl Start {
    /// The start of a training that is set up.
    pub(super) fn new(request: String, config: &Config, backend: &Backend, resumed: Option<Resumed>) -> Result<Self> {
        let device = match backend {
            Backend::Gpu(device) if device.caps.kind != DeviceKind::Software => None,
            other => Some(other.name()),
        };
        let (config, variants, checked) = (config.to_toml()?, device::note(backend), device::is_checked(backend));
        Ok(Self { request, config, variants, checked, device, resumed })
    }

    /// Sends it to the other ranks.
    ///
    /// # Errors
    /// Those of other ranks.
    pub(super) fn send(&self, exchange: &mut dyn Exchange) -> Result<(), gpu_core::Error> {
        exchange.broadcast(program().into_bytes())?;
        exchange.broadcast(serde_json::to_vec(self).expect("a start has no keys but names"))?;
        Ok(())
    }

    /// Receives it from rank 0.
    ///
    /// # Errors
    /// Rank 0 is another program or has another request, and those of other ranks.
    pub(super) fn receive(exchange: &mut dyn Exchange, request: &str) -> Result<Self> {
        let of_rank_0 = exchange.broadcast(Vec::new())?;
        ensure!(
            of_rank_0 == program().as_bytes(),
            Setting,
            "another build of frit than that of rank 0; start the same program on all computers"
        );
        let start: Self = serde_json::from_slice(&exchange.broadcast(Vec::new())?)
            .context(ErrorKind::Setting, "rank 0 sent something else than a training")?;
        ensure!(
            start.request == request,
            Setting,
            "other settings than those of rank 0; start frit with the same arguments everywhere"
        );
        Ok(start)
    }

    /// The configuration of rank 0, with the paths of the data on this computer.
    pub(super) fn config(&self, paths: &DataOptions) -> Result<Config> {
        let mut config = Config::parse_run(&self.config, "of rank 0")?;
        config.data.source.clone_from(&paths.source);
        config.data.b.clone_from(&paths.b);
        Ok(config)
    }

    /// The configuration of a resumed run, with the paths of this computer, and its data.
    pub(super) fn resumed(&self, paths: impl FnOnce(&mut DataOptions) -> Result<()>) -> Result<(Config, DataSet)> {
        let mut config = Config::parse_run(&self.config, "of rank 0")?;
        paths(&mut config.data)?;
        let resumed = self.resumed.as_ref().context(ErrorKind::Setting, "rank 0 starts a new run")?;
        let Resumed { images, source, metadata } = resumed;
        let data = RunData::listed(images.as_ref(), &config.data, source, metadata);
        Ok((config, data.and_then(RunData::unchanged).map_err(|error| error.or_hint(Hint::Data))?))
    }

    /// Follows rank 0 to the end.
    pub(super) fn follow(
        self,
        config: Config,
        data: Arc<DataSet>,
        device: DeviceOptions,
        exchange: Box<dyn Exchange>,
    ) -> Result<()> {
        let choice = match (&device.choice, &self.device) {
            (DeviceChoice::Auto, Some(name)) => name.parse().unwrap_or_default(),
            (DeviceChoice::Auto, None) => device::adapter_of(device.local),
            (choice, _) => choice.clone(),
        };
        let device = DeviceOptions { choice, checked: self.checked, ..device };
        Follower::prepare(config, data, &device, device::noted(&self.variants))?.run(exchange, true)
    }
}

/// The program, by version and content.
fn program() -> String {
    let file = std::env::current_exe().ok().and_then(|path| files::read(&path, files::BINARY).ok());
    format!("frit {}, {:016x}", env!("CARGO_PKG_VERSION"), file.map_or(0, |bytes| xxh3_64(&bytes)))
}

/// A new training in words that are the same for all processes of it: what is asked for, before any data is read.
pub(super) fn train_request(options: &TrainOptions) -> Result<String> {
    let TrainOptions { config, length, micro_batch, device, .. } = options;
    Ok(format!("train {length:?} {micro_batch:?} {}\n{}", flags(device), settings(config)?))
}

/// A continued training in such words.
pub(super) fn resume_request(options: &ResumeOptions) -> String {
    format!("resume {:?} {:?} {}", options.length, options.micro_batch, flags(&options.device))
}

fn flags(device: &DeviceOptions) -> String {
    let DeviceOptions { checked, deterministic, half, .. } = device;
    format!("{checked} {deterministic} {half}")
}
