//! What there is room for on a device: the largest batch, or the largest part of one.

use crate::config::{Config, MAX_PARTS};
use crate::data::DataSet;
use crate::run::session::{Session, spec};
use crate::train::training::Prepared;
use anyhow::{Result, anyhow};
use gpu_core::Backend;
use gpu_core::Error::{OutOfMemory, TooLarge};
use std::iter::successors;
use std::sync::Arc;

/// A run that may not fit.
pub struct Room<'a> {
    pub config: &'a Config,
    pub data: &'a Arc<DataSet>,
    pub backend: &'a Backend,
}

impl Room<'_> {
    /// The error, and the largest batch, or part of one that comes in parts, that there is room for, if that was
    /// missing. The session that it came from should hold nothing any more.
    pub fn advise(&self, error: anyhow::Error) -> anyhow::Error {
        if self.config.train.micro_batch > 0 {
            return self.advise_parts(error);
        }
        let set = |config: &mut Config, images| config.train.batch_size = images;
        match self.that_would_fit(&error, set) {
            Some(images) => anyhow!(
                "{error:#}; batches of {images} fit: pass --batch-size {images}, or --micro-batch auto to take larger \
                 ones in parts"
            ),
            None => error,
        }
    }

    /// The same where the batch is given, as a run's is.
    pub fn advise_parts(&self, error: anyhow::Error) -> anyhow::Error {
        let set = |config: &mut Config, images| config.train.micro_batch = images;
        match self.that_would_fit(&error, set) {
            Some(images) => anyhow!("{error:#}; parts of {images} images fit: pass --micro-batch {images}"),
            None => error,
        }
    }

    /// What of the images that go through the model at once would fit, where room for them was missing.
    fn that_would_fit(&self, error: &anyhow::Error, set: impl Fn(&mut Config, usize)) -> Option<usize> {
        let smaller = halves(self.config.micro_batches()[0].rows);
        is_missing(error).then(|| self.first_that_fits(smaller, set).ok()?.ok()).flatten()
    }

    /// How many images of a batch go through the model at once: zero where all of them fit, otherwise as many halves of
    /// halves as do.
    ///
    /// # Errors
    /// One sentence: not even the smallest part fits, or something else is in the way.
    pub fn micro_batch(&self) -> Result<usize> {
        let sizes = [0].into_iter().chain(parts_of(self.config.train.batch_size));
        let set = |config: &mut Config, images| config.train.micro_batch = images;
        self.first_that_fits(sizes, set)?.map_err(|error| {
            let smallest = smallest_part(self.config.train.batch_size);
            anyhow!("no part of a batch fits, not even one of {smallest}: {error:#}")
        })
    }

    /// The first of these sizes with which there is room, or what the last one was missing.
    fn first_that_fits(
        &self,
        sizes: impl Iterator<Item = usize>,
        set: impl Fn(&mut Config, usize),
    ) -> Result<Result<usize>> {
        let mut missing = anyhow!("there is nothing smaller");
        for size in sizes {
            let mut config = self.config.clone();
            set(&mut config, size);
            match self.attempt(config)? {
                Ok(()) => return Ok(Ok(size)),
                Err(error) => missing = error,
            }
        }
        Ok(Err(missing))
    }

    /// Prepares all that the run needs, and lets it go. Returns what there was no room for, if anything.
    fn attempt(&self, config: Config) -> Result<Result<()>> {
        // Sizes with which no model can be written down are too large for any device.
        if let Err(fault) = config.check(&spec(&config, self.data), self.data.train.count) {
            return Ok(Err(fault));
        }
        let mut session = Session::open(config, self.data.clone(), self.backend)?;
        let prepared = session.initialise().and_then(|()| Prepared::new(&mut session, 0)).map(drop);
        // wgpu holds what was written to until the next submit is done; of a device that is full that may fail too.
        let _ =
            session.set_side_clock(0).and_then(|()| Ok(session.executor.read(session.model.buffers().side_clock)?));
        match prepared {
            Err(error) if !is_missing(&error) => Err(error),
            prepared => Ok(prepared),
        }
    }
}

/// The smallest part that a batch can be tried in.
pub fn smallest_part(batch: usize) -> usize {
    parts_of(batch).last().unwrap_or(batch)
}

/// Parts of a batch, of which there are not too many, the largest first.
fn parts_of(batch: usize) -> impl Iterator<Item = usize> {
    halves(batch).take_while(move |&part| batch.div_ceil(part) <= MAX_PARTS)
}

/// Half, half of a half and so on, down to one.
fn halves(of: usize) -> impl Iterator<Item = usize> {
    successors(Some(of / 2), |half| Some(half / 2)).take_while(|&half| half > 0)
}

/// Whether it is room that is missing.
fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OutOfMemory { .. } | TooLarge { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_halves_and_not_too_many() {
        assert_eq!(parts_of(1000).collect::<Vec<_>>(), [500, 250, 125, 62, 31, 15, 7]);
        assert_eq!(parts_of(8).collect::<Vec<_>>(), [4, 2, 1]);
        assert_eq!((smallest_part(1000), smallest_part(1)), (7, 1));
    }
}
