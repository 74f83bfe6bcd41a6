//! The largest batch, or micro-batch, that fits the memory of a device.

use crate::config::{Config, MAX_MICRO_BATCHES};
use crate::data::DataSet;
use crate::io::error::{Error, ErrorKind, Hint, Result};
use crate::run::session::{Session, spec};
use crate::train::training::Prepared;
use gpu_core::Backend;
use gpu_core::Error::{OutOfMemory, TooLarge};
use std::iter::successors;
use std::sync::Arc;

/// A training that may not fit its device.
pub struct FitMemory<'a> {
    /// Configuration.
    pub config: &'a Config,
    /// Data set.
    pub data: &'a Arc<DataSet>,
    /// Device.
    pub backend: &'a Backend,
}

impl FitMemory<'_> {
    /// Adds a hint to an out-of-memory error: the largest batch that fits, or the largest micro-batch if the
    /// configuration uses micro-batches. The session that the error came from must have been dropped.
    pub fn with_hint(&self, error: Error) -> Error {
        if self.config.train.micro_batch > 0 {
            return self.with_micro_batch_hint(error);
        }
        let set = |config: &mut Config, images| config.train.batch_size = images;
        match self.that_fits(&error, set) {
            Some(images) => error.with_hint(Hint::BatchSize(images)),
            None => error,
        }
    }

    /// The same with the largest micro-batch: for a run, whose batch size is given.
    pub fn with_micro_batch_hint(&self, error: Error) -> Error {
        let set = |config: &mut Config, images| config.train.micro_batch = images;
        match self.that_fits(&error, set) {
            Some(images) => error.with_hint(Hint::MicroBatch(images)),
            None => error,
        }
    }

    /// The size that fits, if the error is one of memory.
    fn that_fits(&self, error: &Error, set: impl Fn(&mut Config, usize)) -> Option<usize> {
        let smaller = halves(self.config.micro_batches()[0].rows);
        is_memory(error).then(|| self.first_that_fits(smaller, set).ok()?.ok()).flatten()
    }

    /// The largest micro-batch that fits: 0 for a whole batch, else a half, a quarter and so on.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if not even the smallest one fits, or the device fails otherwise.
    pub fn micro_batch(&self) -> Result<usize> {
        let sizes = [0].into_iter().chain(micro_batches_of(self.config.train.batch_size));
        let set = |config: &mut Config, images| config.train.micro_batch = images;
        self.first_that_fits(sizes, set)?.map_err(|error| {
            let smallest = smallest_micro_batch(self.config.train.batch_size);
            let message = format!("no micro-batch fits, not even one of {smallest}: {error}");
            error.with_message(message)
        })
    }

    /// The first of `sizes` that fits, or the error of the last.
    fn first_that_fits(
        &self,
        sizes: impl Iterator<Item = usize>,
        set: impl Fn(&mut Config, usize),
    ) -> Result<Result<usize>> {
        let mut last = Error::new(ErrorKind::Device, "no smaller size is left");
        for size in sizes {
            let mut config = self.config.clone();
            set(&mut config, size);
            match self.attempt(config)? {
                Ok(()) => return Ok(Ok(size)),
                Err(error) => last = error,
            }
        }
        Ok(Err(last))
    }

    /// Prepares everything that the training needs, and drops it. The inner error is that of a size that does not fit.
    fn attempt(&self, config: Config) -> Result<Result<()>> {
        // A size that no model can have is too large for every device.
        if let Err(invalid) = config.check(&spec(&config, self.data), self.data.epoch_images()) {
            return Ok(Err(invalid));
        }
        let mut session = Session::open(config, self.data.clone(), self.backend)?;
        let started = session.initialise();
        let prepared = started.and_then(|()| Prepared::new(&mut session, 0)).map(drop);
        // wgpu holds written buffers until the next submit is done, and on a full device this may fail too.
        let _ = session.set_side_clock(0).map(|()| session.executor.read(session.model.buffers().side_clock));
        match prepared {
            Err(error) if !is_memory(&error) => Err(error),
            prepared => Ok(prepared),
        }
    }
}

/// The smallest micro-batch that is tried.
pub fn smallest_micro_batch(batch: usize) -> usize {
    micro_batches_of(batch).last().unwrap_or(batch)
}

/// Micro-batches of a batch, the largest first, as long as there are at most [`MAX_MICRO_BATCHES`] to a batch.
fn micro_batches_of(batch: usize) -> impl Iterator<Item = usize> {
    halves(batch).take_while(move |&rows| batch.div_ceil(rows) <= MAX_MICRO_BATCHES)
}

/// A half, a quarter and so on, down to one.
fn halves(of: usize) -> impl Iterator<Item = usize> {
    successors(Some(of / 2), |half| Some(half / 2)).take_while(|&half| half > 0)
}

/// True for an error of memory.
fn is_memory(error: &Error) -> bool {
    matches!(error.device_error(), Some(OutOfMemory { .. } | TooLarge { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_are_halves_and_not_too_many() {
        assert_eq!(micro_batches_of(1000).collect::<Vec<_>>(), [500, 250, 125, 62, 31, 15, 7]);
        assert_eq!(micro_batches_of(8).collect::<Vec<_>>(), [4, 2, 1]);
        assert_eq!((smallest_micro_batch(1000), smallest_micro_batch(1)), (7, 1));
    }
}
