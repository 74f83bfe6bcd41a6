//! The division of training into steps.

use crate::config::{Config, Train};
use crate::data::DataSet;
use crate::session::Session;
use anyhow::{Context, Result, ensure};
use gpu_core::{Backend, Pace, Program};
use models::{DataSpec, Training, in_order};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// An epoch goes through the training set shard by shard, and through a shard batch by batch; the last batch is as
/// small as it is. Without shards the whole set is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Steps {
    /// Training images.
    images: usize,
    /// Images in a batch.
    batch: usize,
    /// Batches that one step takes.
    batches: usize,
    /// Steps to a whole shard.
    per_shard: u64,
    /// Steps to an epoch.
    pub(crate) per_epoch: u64,
    /// Steps to the run.
    pub(crate) total: u64,
}

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stand {
    /// The epoch, from zero.
    pub(crate) epoch: u64,
    /// The shard.
    pub(crate) shard: u64,
    /// Whether the step is the shard's first.
    pub(crate) first: bool,
    /// What size the step has.
    pub(crate) size: Size,
    /// Steps from here on that are of this size and of this shard.
    pub(crate) runs: u64,
}

/// What decides what schedules a step takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Size {
    /// Images in a batch.
    pub(crate) batch: usize,
    /// Images of the shard.
    pub(crate) resident: usize,
    /// How many of these are taken.
    pub(crate) taken: usize,
}

impl Steps {
    /// The steps of a run on `images` training images.
    pub(crate) fn new(config: &Config, images: usize) -> Self {
        let Train { epochs, batch_size: batch, steps, .. } = config.train;
        let batches = config.batches();
        let of_step = batch.max(1).saturating_mul(batches);
        let shard = if config.data.shard == 0 { images } else { config.data.shard.min(images) };
        let tail = images % of_step >= batches;
        let per_epoch = (images / of_step) as u64 + u64::from(tail);
        let all = per_epoch.saturating_mul(epochs);
        let total = if steps > 0 { all.min(steps) } else { all };
        // A shard of less than the whole set is whole steps.
        let per_shard = if shard == images { per_epoch } else { (shard / of_step).max(1) as u64 };
        Self { images, batch, batches, per_shard, per_epoch, total }
    }

    /// Images in a whole shard: those on the device at once.
    pub(crate) fn shard_images(&self) -> usize {
        if self.sharded() { self.per_shard as usize * self.of_step() } else { self.images }
    }

    /// Whether the training set is more than one shard.
    pub(crate) fn sharded(&self) -> bool {
        self.per_shard < self.per_epoch
    }

    /// The images of a shard, by their positions in the epoch's order.
    pub(crate) fn shard(&self, shard: u64) -> std::ops::Range<usize> {
        let size = self.shard_images();
        let start = shard as usize * size;
        start..(start + size).min(self.images)
    }

    /// Images that a step of that size takes.
    pub(crate) fn images_of(&self, size: Size) -> u64 {
        (size.batch * self.batches) as u64
    }

    /// Where the step after `step` steps stands.
    pub(crate) fn at(&self, step: u64) -> Stand {
        let (epoch, within) = (step / self.per_epoch, step % self.per_epoch);
        let (shard, within) = (within / self.per_shard, within % self.per_shard);
        let resident = self.shard(shard).len();
        let full = (resident / self.of_step()) as u64;
        let tail = resident % self.of_step() / self.batches;
        let taken = full as usize * self.of_step() + tail * self.batches;
        let (batch, runs) = if within < full { (self.batch, full - within) } else { (tail, 1) };
        Stand { epoch, shard, first: within == 0, size: Size { batch, resident, taken }, runs }
    }

    /// Every size that a step of the run has.
    pub(crate) fn sizes(&self) -> Vec<Size> {
        let mut sizes: Vec<Size> = Vec::new();
        let mut step = 0;
        while step < self.per_epoch {
            let stand = self.at(step);
            if !sizes.contains(&stand.size) {
                sizes.push(stand.size);
            }
            step += stand.runs;
        }
        sizes
    }

    fn of_step(&self) -> usize {
        self.batch.saturating_mul(self.batches)
    }
}

/// Bytes that a device binds at once.
pub(crate) fn binding_bytes(backend: &Backend) -> usize {
    let bytes = match backend {
        Backend::Cpu => u64::MAX,
        Backend::Gpu(device) => device.caps.max_binding_bytes.min(device.caps.max_buffer_bytes),
    };
    bytes.min(i32::MAX as u64) as usize
}

/// Where no shards are asked for and the training set is larger than `bytes`, what a device binds at once, asks for as
/// large ones as fit. Returns the images of one, if so.
///
/// # Errors
/// One sentence: the images of a single step do not fit.
pub(crate) fn fit_shard(config: &mut Config, data: &DataSet, bytes: usize) -> Result<Option<usize>> {
    let of_image = data.pixels().max(data.classes.len());
    // The last word is filled up with zeros.
    let most = bytes.saturating_sub(4) / of_image;
    if config.data.shard > 0 || data.train.count <= most {
        return Ok(None);
    }
    config.data.shard = most.max(1);
    let images = Steps::new(config, data.train.count).shard_images();
    ensure!(
        images <= most,
        "the {images} images of a step are more than the {most} that this device binds at once; use a smaller \
         --batch-size, or smaller images with --set data.size"
    );
    Ok(Some(images))
}

/// The programs of a step of every size that a run has, each as often as it runs.
#[derive(Default)]
pub(crate) struct Programs(HashMap<Size, Vec<Program>>);

impl Programs {
    /// Prepares them, with the learning rate halved `lowered` times.
    pub(crate) fn prepare(session: &mut Session, steps: &Steps, lowered: u32) -> Result<Self> {
        let mut programs = HashMap::new();
        for size in steps.sizes() {
            let phases = session.model.train(size.batch, &training(&session.config, size, lowered));
            let of_phase = phases.iter().map(|phase| session.executor.prepare(&phase.schedule));
            let of_phase = of_phase.collect::<Result<Vec<_>, _>>()?;
            programs.insert(size, in_order(&phases).into_iter().map(|phase| of_phase[phase]).collect());
        }
        Ok(Self(programs))
    }

    /// Those of a step of that size.
    pub(crate) fn of(&self, size: Size) -> Result<&[Program]> {
        Ok(self.0.get(&size).context("there is a program for every size of step")?)
    }
}

/// How long a step on a whole batch takes, the mean of as many as run in about a second after the first.
pub(crate) fn measured_step(session: &mut Session, steps: &Steps) -> Result<Duration> {
    let programs = Programs::prepare(session, steps, 0)?;
    let stand = steps.at(0);
    session.put_shard(steps, &stand)?;
    let ring = session.model.pins().ring;
    let mut drive = |first: u64, runs: u64| -> Result<Duration> {
        // So many steps have whole batches; the next one would reach past the images.
        session.restart_order()?;
        let since = Instant::now();
        let mut seen = |_| ControlFlow::Continue(());
        let programs = programs.of(stand.size)?;
        Pace::default().drive(session.executor.as_mut(), programs, first, runs, ring, &mut seen)?;
        Ok(since.elapsed())
    };
    // Shaders are compiled in the first.
    drive(1, 1)?;
    let once = drive(2, 1)?.as_secs_f64().max(1e-6);
    let runs = ((1.0 / once) as u64).clamp(1, stand.runs);
    Ok(drive(3, runs)? / runs as u32)
}

/// What the schedules of steps of one size need besides the model, with the learning rate halved `lowered` times.
pub(crate) fn training(config: &Config, size: Size, lowered: u32) -> Training {
    let Train { seed, shuffle, micro_batch, .. } = config.train;
    let (optimiser, rate) = (config.optimiser, 0.5f32.powi(lowered as i32));
    Training { seed, shuffle, optimiser, rate, resident: size.resident, taken: size.taken, micro_batch }
}

/// The same for steps on whole batches, without a tail.
pub(crate) fn whole(config: &Config, spec: &DataSpec) -> Training {
    let Train { seed, shuffle, micro_batch, .. } = config.train;
    Training { micro_batch, ..Training::whole(seed, shuffle, config.optimiser, spec) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(images: usize, settings: &[&str]) -> Steps {
        let config = Config::load("gan").unwrap();
        let config = settings.iter().fold(config, |config, setting| config.with(setting).unwrap());
        Steps::new(&config, images)
    }

    /// Every image is taken once in an epoch, but for fewer than there are batches to a step.
    #[test]
    fn an_epoch_takes_every_image() {
        for (images, batch, batches, shard) in [
            (1000, 64, 1, 0),
            (1000, 100, 1, 0),
            (1000, 64, 1, 300),
            (1000, 7, 3, 0),
            (1000, 7, 3, 50),
            (1000, 37, 3, 0),
        ] {
            let set = [
                format!("train.batch_size={batch}"),
                format!("gan.critic_steps={batches}"),
                format!("data.shard={shard}"),
                "train.epochs=2".into(),
            ];
            let steps = steps(images, &set.each_ref().map(String::as_str));
            let (mut step, mut taken, mut shards) = (0, 0, Vec::new());
            while step < steps.per_epoch {
                let stand = steps.at(step);
                assert!(stand.runs > 0 && stand.size.batch > 0 && steps.sizes().contains(&stand.size));
                taken += stand.runs * steps.images_of(stand.size);
                if stand.first {
                    shards.push(steps.shard(stand.shard));
                }
                step += stand.runs;
            }
            assert_eq!(step, steps.per_epoch);
            assert!(taken as usize <= images && images - (taken as usize) < batches, "{steps:?} takes {taken}");
            assert_eq!(steps.at(step).epoch, 1);
            assert_eq!(shards.iter().map(ExactSizeIterator::len).sum::<usize>(), images);
            assert_eq!(shards[0].len(), steps.shard_images());
            assert_eq!(steps.sharded(), shards.len() > 1);
        }
    }

    #[test]
    fn what_is_larger_than_a_device_is_put_there_in_shards() {
        let data = DataSet::load(&crate::data::Options::default()).unwrap();
        let mut config = Config::load("vae").unwrap();
        assert_eq!(fit_shard(&mut config, &data, 10_000 * 784 + 4).unwrap(), None);
        assert_eq!(
            fit_shard(&mut config.clone(), &data, 127 * 784 + 4).unwrap_err().to_string().find("the 128"),
            Some(0)
        );
        assert_eq!(fit_shard(&mut config, &data, 10_000 * 784 - 1).unwrap(), Some(78 * 128));
        assert_eq!(config.data.shard, 9_999);
        assert_eq!(fit_shard(&mut config, &data, 5).unwrap(), None, "those asked for stand");
    }

    #[test]
    fn a_shard_is_whole_steps() {
        let steps = steps(1000, &["train.batch_size=64", "data.shard=300"]);
        assert_eq!((steps.shard_images(), steps.per_epoch), (256, 16));
        let last = steps.at(15);
        assert_eq!((last.shard, last.size), (3, Size { batch: 40, resident: 232, taken: 232 }));
    }
}
