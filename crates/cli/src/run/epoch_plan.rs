//! The division of training into steps.

use crate::config::{Config, Train};
use crate::data::{DataSet, Sides};
use crate::io::error::{Hint, Result, ensure};
use gpu_core::Backend;
use gpu_core::ops::gather::Move;
use models::{CycleGanConfig, ModelConfig, Training};

/// The steps of a run. An epoch takes the training set shard by shard, and a shard batch by batch; the last batch may
/// be smaller. Without shards, the whole set is one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochPlan {
    /// Training images.
    images: usize,
    /// Images in a batch.
    batch: usize,
    /// Batches that one step takes.
    batches: usize,
    /// Steps of which one is periodic.
    period: u64,
    /// Steps to a whole shard.
    per_shard: u64,
    /// Steps to an epoch.
    pub per_epoch: u64,
    /// Steps to the run.
    pub total: u64,
}

/// The position of a step in training.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepPosition {
    /// The epoch, from zero.
    pub epoch: u64,
    /// The shard.
    pub shard: u64,
    /// True for the first step of a shard.
    pub first: bool,
    /// The size of the step.
    pub size: StepSize,
    /// Steps of this size and shard from here on.
    pub runs: u64,
}

/// The size of a step, which selects its schedules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StepSize {
    /// Images in a batch.
    pub batch: usize,
    /// Images of the shard.
    pub resident: usize,
    /// Images of the shard that its steps take.
    pub taken: usize,
    /// True for every n-th step, which includes what runs only then.
    pub periodic: bool,
}

/// Epochs of a run that end with a preview, at most, beside the last.
const PREVIEWS: u64 = 100;

impl EpochPlan {
    /// The steps of a run on `images` training images.
    pub fn new(config: &Config, images: usize) -> Self {
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
        Self { images, batch, batches, period: config.period(), per_shard, per_epoch, total }
    }

    /// Images in a whole shard: those on the device at once.
    pub fn shard_images(&self) -> usize {
        if self.sharded() { self.per_shard as usize * self.of_step() } else { self.images }
    }

    /// True if the epoch that ends with this step has a preview: of a run of few images and many epochs, not each has.
    pub fn has_preview(&self, step: u64) -> bool {
        let every = self.total.div_ceil(self.per_epoch.max(1)).div_ceil(PREVIEWS).max(1);
        step == self.total || step.div_ceil(self.per_epoch.max(1)).is_multiple_of(every)
    }

    /// True if the training set is more than one shard.
    pub fn sharded(&self) -> bool {
        self.per_shard < self.per_epoch
    }

    /// The images of a shard, by their positions in the epoch's order.
    pub fn shard(&self, shard: u64) -> std::ops::Range<usize> {
        let size = self.shard_images();
        let start = shard as usize * size;
        start..(start + size).min(self.images)
    }

    /// Images that a step of that size takes.
    pub fn images_of(&self, size: StepSize) -> u64 {
        (size.batch * self.batches) as u64
    }

    /// The position of the step after `step` steps.
    pub fn at(&self, step: u64) -> StepPosition {
        let (epoch, within) = (step / self.per_epoch, step % self.per_epoch);
        let (shard, within) = (within / self.per_shard, within % self.per_shard);
        let resident = self.shard(shard).len();
        let full = (resident / self.of_step()) as u64;
        let tail = resident % self.of_step() / self.batches;
        let taken = full as usize * self.of_step() + tail * self.batches;
        let (batch, runs) = if within < full { (self.batch, full - within) } else { (tail, 1) };
        let periodic = step.is_multiple_of(self.period);
        let runs = match self.period {
            1 => runs,
            _ if periodic => 1,
            period => runs.min(period - step % period),
        };
        StepPosition { epoch, shard, first: within == 0, size: StepSize { batch, resident, taken, periodic }, runs }
    }

    /// Every size that a step of the run has.
    pub fn sizes(&self) -> Vec<StepSize> {
        let mut sizes: Vec<StepSize> = Vec::new();
        let mut step = 0;
        while step < self.per_epoch {
            let position = self.at(step);
            // A step of an epoch may be periodic in another epoch.
            let both = if self.period > 1 { &[true, false][..] } else { &[true] };
            for &periodic in both {
                let size = StepSize { periodic, ..position.size };
                if !sizes.contains(&size) {
                    sizes.push(size);
                }
            }
            step += position.runs;
        }
        sizes
    }

    fn of_step(&self) -> usize {
        self.batch.saturating_mul(self.batches)
    }
}

/// Bytes that a device binds at once.
pub fn binding_bytes(backend: &Backend) -> usize {
    let bytes = match backend {
        Backend::Cpu | Backend::Reference => u64::MAX,
        Backend::Gpu(device) => device.caps.max_binding_bytes.min(device.caps.max_buffer_bytes),
    };
    bytes.min(i32::MAX as u64) as usize
}

/// Sets the largest shard that fits into `bytes`, the largest binding of a device, if the training set does not fit and
/// the configuration has no shards. Returns the images of a shard if it set one.
///
/// # Errors
/// The images of a single step do not fit.
pub fn fit_shard(config: &mut Config, data: &DataSet, bytes: usize) -> Result<Option<usize>> {
    check_pool(config, data, bytes)?;
    let sides = 0..data.side_total();
    let largest = sides.clone().map(|side| data.side_size(side).iter().product::<usize>()).max().unwrap_or_default();
    let of_image = largest.max(data.classes.len());
    // The last word is filled up with zeros.
    let most = bytes.saturating_sub(4) / of_image;
    let images = sides.map(|side| data.side_count(&data.train, side)).max().unwrap_or_default();
    if config.data.shard > 0 || images <= most {
        return Ok(None);
    }
    ensure!(
        config.model.takes_shards() && !matches!(data.sides, Some(Sides::Unpaired { .. })),
        Device,
        hint: Hint::Set("data.size".into()),
        "a set has {images} images, but this device binds at most {most} of this size, and {} takes no shards",
        config.name()
    );
    config.data.shard = most.max(1);
    let images = EpochPlan::new(config, data.epoch_images()).shard_images();
    ensure!(
        images <= most,
        Device,
        hint: Hint::BatchSize(most / config.batches().max(1)),
        "a step has {images} images, but this device binds at most {most} of this size"
    );
    Ok(Some(images))
}

/// Refuses a pool of earlier translations that does not fit.
fn check_pool(config: &Config, data: &DataSet, bytes: usize) -> Result<()> {
    let ModelConfig::CycleGan(CycleGanConfig { pool, .. }) = &config.model else { return Ok(()) };
    let pixels = (0..data.side_total()).map(|side| data.side_size(side).iter().product::<usize>()).max();
    let most = bytes / (4 * pixels.unwrap_or(1).max(1));
    ensure!(
        *pool <= most,
        Device,
        hint: Hint::Set("cyclegan.pool".into()),
        "cyclegan.pool is {pool}, but this device binds at most {most} images of this size at once"
    );
    Ok(())
}

/// The training settings of steps of one size, with the learning rate halved `lowered` times.
pub fn training(config: &Config, size: StepSize, lowered: u32) -> Training {
    let Train { seed, shuffle, micro_batch, .. } = config.train;
    let (optimiser, rate) = (config.optimiser, 0.5f32.powi(lowered as i32));
    Training {
        seed,
        shuffle,
        moves: moves(config),
        optimiser,
        rate,
        resident: size.resident,
        taken: size.taken,
        micro_batch,
        periodic: size.periodic,
    }
}

/// The same for steps on whole batches of `images` training images, without a tail.
pub fn whole(config: &Config, images: usize) -> Training {
    let Train { seed, shuffle, micro_batch, .. } = config.train;
    Training { micro_batch, moves: moves(config), ..Training::whole(seed, shuffle, config.optimiser, images) }
}

fn moves(config: &Config) -> Move {
    Move { mirror: config.data.mirror, crop: config.data.crop }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of them in a short run, every third of 300, and the last.
    #[test]
    fn long_runs_have_about_a_hundred_previews() {
        let ends = |epochs: u64, most: &str| {
            let plan = steps(64 * 9, &[&format!("train.epochs={epochs}"), most]);
            (1..=plan.total)
                .filter(|step| step % 9 == 0 || *step == plan.total)
                .filter(|&step| plan.has_preview(step))
                .count()
        };
        assert_eq!([20, 100, 300].map(|epochs| ends(epochs, "train.steps=0")), [20, 100, 100]);
        assert_eq!(ends(1000, "train.steps=2000"), 75);
    }

    fn steps(images: usize, settings: &[&str]) -> EpochPlan {
        let config = Config::load("gan").unwrap();
        let config = settings.iter().fold(config, |config, setting| config.with(setting).unwrap());
        EpochPlan::new(&config, images)
    }

    /// Every image is taken once in an epoch, except for fewer than a step has batches.
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
                format!("gan.discriminator_steps={batches}"),
                format!("data.shard={shard}"),
                "train.epochs=2".into(),
            ];
            let steps = steps(images, &set.each_ref().map(String::as_str));
            let (mut step, mut taken, mut shards) = (0, 0, Vec::new());
            while step < steps.per_epoch {
                let position = steps.at(step);
                assert!(position.runs > 0 && position.size.batch > 0 && steps.sizes().contains(&position.size));
                taken += position.runs * steps.images_of(position.size);
                if position.first {
                    shards.push(steps.shard(position.shard));
                }
                step += position.runs;
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
        let data = DataSet::load(&crate::config::data::DataOptions::default()).unwrap();
        let mut config = Config::load("vae").unwrap();
        assert_eq!(fit_shard(&mut config, &data, 10_000 * 784 + 4).unwrap(), None);
        let error = fit_shard(&mut config.clone(), &data, 127 * 784 + 4).unwrap_err();
        assert!(error.to_string().starts_with("a step has 128 images, but this device binds at most 127"), "{error}");
        assert_eq!(error.hint(), Some(&Hint::BatchSize(127)));
        assert_eq!(fit_shard(&mut config, &data, 10_000 * 784 - 1).unwrap(), Some(78 * 128));
        assert_eq!(config.data.shard, 9_999);
        assert_eq!(fit_shard(&mut config, &data, 5).unwrap(), None, "those asked for position");
    }

    #[test]
    fn a_shard_is_whole_steps() {
        let steps = steps(1000, &["train.batch_size=64", "data.shard=300"]);
        assert_eq!((steps.shard_images(), steps.per_epoch), (256, 16));
        let last = steps.at(15);
        assert_eq!((last.shard, last.size), (3, StepSize { batch: 40, resident: 232, taken: 232, periodic: true }));
    }
}
