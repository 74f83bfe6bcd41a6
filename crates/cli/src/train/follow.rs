//! A rank that follows rank 0: it runs the steps of a training, and neither writes nor speaks.

use crate::config::Config;
use crate::config::data::DataOptions;
use crate::data::DataSet;
use crate::io::error::{Error, ErrorKind, Result};
use crate::run::checkpoint::Checkpoint;
use crate::run::device::{self, DeviceOptions};
use crate::run::environment::adapter;
use crate::run::epoch_plan::EpochPlan;
use crate::run::programs::Programs;
use crate::run::ranks::Rank;
use crate::run::session::Session;
use crate::train::kept_images::{free_images, gather, part};
use gpu_core::{Backend, Exchange, VariantPolicy, rounding};
use models::ModelConfig;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The name of a state in errors.
pub(super) const STATE: &str = "the state of rank 0";

/// An order of rank 0 to the others.
pub(super) enum Order {
    /// Run the step after this many.
    Step(u64),
    /// Take part in the exchange of the images of the shard of the step after this many.
    Shard(u64),
    /// Take this state, with the learning rate halved this often.
    State(u32, Vec<u8>),
    /// End.
    End,
}

impl Order {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Step(step) => [&[0][..], &step.to_le_bytes()].concat(),
            Self::State(lowered, state) => [&[1][..], &lowered.to_le_bytes(), state].concat(),
            Self::Shard(step) => [&[2][..], &step.to_le_bytes()].concat(),
            Self::End => vec![3],
        }
    }

    /// The order in such bytes, which rank 0 made.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (kind, rest) = bytes.split_first().expect("an order has a kind");
        let step = || u64::from_le_bytes(rest.try_into().expect("a step has eight bytes"));
        match kind {
            0 => Self::Step(step()),
            1 => {
                let (lowered, state) = rest.split_first_chunk().expect("a state has a count");
                Self::State(u32::from_le_bytes(*lowered), state.to_vec())
            }
            2 => Self::Shard(step()),
            _ => Self::End,
        }
    }
}

/// A model on a device, ready for orders.
pub(super) struct Follower {
    session: Session,
    backend: Backend,
    steps: EpochPlan,
    /// The programs, and the number of halvings of their learning rate.
    programs: (u32, Programs),
}

impl Follower {
    /// Opens the device, with the shader variants of rank 0 if they are given, and prepares the programs.
    ///
    /// # Errors
    /// Those of the device and of the settings.
    pub(super) fn prepare(
        config: Config,
        data: Arc<DataSet>,
        options: &DeviceOptions,
        policy: Option<VariantPolicy>,
    ) -> Result<Self> {
        let (mut backend, _) = device::open(options)?;
        if let Some(policy) = policy {
            backend = backend.with_policy(policy);
        }
        let mut session = Session::open(config, data, &backend)?;
        let steps = EpochPlan::new(&session.config, session.data.epoch_images());
        let programs = (0, Programs::prepare(&mut session, &steps, 0)?);
        Ok(Self { session, backend, steps, programs })
    }

    /// Runs orders to the last. A process, which has its own data, keeps only the images that it needs.
    ///
    /// # Errors
    /// Those of the device, and those of other ranks.
    pub(super) fn run(&mut self, mut exchange: Box<dyn Exchange>, is_process: bool) -> Result<()> {
        agree(exchange.as_mut(), &self.session, &self.backend)?;
        let in_parts = is_process && self.steps.sharded();
        let own = in_parts.then(|| part(&self.session.data, exchange.rank(), exchange.ranks())).transpose()?;
        if in_parts {
            free_images(&mut self.session.data);
        }
        let Self { session, steps, programs, .. } = self;
        let ring = session.model.buffers().ring;
        let mut rank = Rank::new(exchange, session.executor.as_mut(), ring)?;
        loop {
            match Order::of(&rank.exchange.broadcast(Vec::new())?) {
                Order::Step(step) => {
                    let position = steps.at(step);
                    if step.is_multiple_of(steps.per_epoch) {
                        session.clear_usage()?;
                    }
                    session.put_shard(steps, &position)?;
                    if is_process && !session.data.train.images.is_empty() {
                        // They are on the device.
                        free_images(&mut session.data);
                    }
                    let parts = programs.1.parts(position.size);
                    rank.step(session.executor.as_mut(), parts, ring, step + 1)?;
                }
                Order::Shard(step) => {
                    let position = steps.at(step);
                    let rows = session.rows(steps.shard(position.shard), position.epoch);
                    let own = own.as_ref().expect("only processes exchange images");
                    let images = gather(own, session.data.train.count, &rows, rank.exchange.as_mut())?;
                    session.put_given(&position, &images)?;
                }
                Order::State(lowered, state) => {
                    session.restore(&mut Checkpoint::parse(&state, STATE.into())?)?;
                    if programs.0 != lowered {
                        *programs = (lowered, Programs::prepare(session, steps, lowered)?);
                    }
                }
                Order::End => return Ok(()),
            }
        }
    }
}

/// Compares the ranks: program, kind of device, shaders, data, settings.
///
/// # Errors
/// The first difference; on a rank other than 0, only that there is one.
pub(super) fn agree(exchange: &mut dyn Exchange, session: &Session, backend: &Backend) -> Result<()> {
    let device = match backend {
        Backend::Cpu => format!("{} {:016x}", backend.name(), xxh3_64(&rounding::<f32>())),
        Backend::Reference => format!("{} {:016x}", backend.name(), xxh3_64(&rounding::<f64>())),
        Backend::Gpu(_) => format!("{} {}", backend.name(), adapter(backend)),
    };
    let shaders = format!("{} {}", device::is_checked(backend), device::note(backend));
    let own = [
        ("another program", env!("CARGO_PKG_VERSION").into(), ErrorKind::Setting),
        ("another kind of device", device, ErrorKind::Device),
        ("other shaders", shaders, ErrorKind::Device),
        ("other data", session.data.fingerprint(), ErrorKind::Data),
        ("other settings", settings(&session.config)?, ErrorKind::Setting),
    ];
    for (differs, own, kind) in own {
        let all = exchange.all_gather(own.into_bytes())?;
        if let Some(other) = all.iter().position(|of| *of != all[0]) {
            if exchange.rank() > 0 {
                // Rank 0 says it.
                return Err(gpu_core::Error::Rank { rank: 0, why: None }.into());
            }
            let [other, first] = [other, 0].map(|rank| exchange.name(rank));
            let message = format!("{other} has {differs} than {first}; all devices must train alike");
            return Err(Error::new(kind, message));
        }
    }
    Ok(())
}

/// The settings without the paths of the data and of another run, which are a computer's own.
pub(super) fn settings(config: &Config) -> Result<String> {
    let data = DataOptions { source: String::new(), b: String::new(), ..config.data.clone() };
    let mut model = config.model.clone();
    match &mut model {
        ModelConfig::Prior(prior) => prior.codes.clear(),
        ModelConfig::RealNvp(flow) => flow.latents.clear(),
        _ => {}
    }
    Config { data, model, ..config.clone() }.to_toml()
}
