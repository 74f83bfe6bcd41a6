//! What there is room for on a device: the largest batch, or the largest part of one.

use crate::config::{Config, MOST_PARTS};
use crate::data::DataSet;
use crate::session::{Session, spec};
use crate::training::Prepared;
use anyhow::{Result, anyhow, bail};
use gpu_core::Backend;
use gpu_core::Error::{OutOfMemory, TooLarge};
use std::iter::successors;
use std::sync::Arc;

/// A run that may not fit.
pub(crate) struct Room<'a> {
    pub(crate) config: &'a Config,
    pub(crate) data: &'a Arc<DataSet>,
    pub(crate) backend: &'a Backend,
}

impl Room<'_> {
    /// The error, and the largest batch that there is room for, if that was missing.
    pub(crate) fn advise(&self, error: anyhow::Error) -> anyhow::Error {
        if !is_missing(&error) {
            return error;
        }
        let halves = successors(Some(self.config.train.batch_size / 2), |batch| Some(batch / 2));
        let set = |config: &mut Config, batch| config.train.batch_size = batch;
        match self.first_that_fits(halves.take_while(|&batch| batch > 0), set) {
            Ok(Some(batch)) => anyhow!(
                "{error:#}; batches of {batch} fit: pass --batch-size {batch}, or --micro-batch auto to take larger \
                 ones in parts"
            ),
            _ => error,
        }
    }

    /// How many images of a batch go through the model at once: zero where all of them fit, otherwise as many halves of
    /// halves as do.
    ///
    /// # Errors
    /// One sentence: not even the smallest part fits, or something else is in the way.
    pub(crate) fn micro_batch(&self) -> Result<usize> {
        let batch = self.config.train.batch_size;
        let halves = successors(Some(batch / 2), |part| Some(part / 2));
        let parts = halves.take_while(|&part| part > 0 && batch.div_ceil(part) <= MOST_PARTS);
        let set = |config: &mut Config, part| config.train.micro_batch = part;
        match self.first_that_fits([0].into_iter().chain(parts), set)? {
            Some(part) => Ok(part),
            None => bail!(
                "a batch of {batch} does not fit in {MOST_PARTS} parts either; use a smaller --batch-size or a \
                 narrower model"
            ),
        }
    }

    fn first_that_fits(
        &self,
        sizes: impl Iterator<Item = usize>,
        set: impl Fn(&mut Config, usize),
    ) -> Result<Option<usize>> {
        for size in sizes {
            let mut config = self.config.clone();
            set(&mut config, size);
            if self.fits(config)? {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }

    /// Prepares all that the run needs, and lets it go.
    fn fits(&self, config: Config) -> Result<bool> {
        // Sizes with which no model can be written down are too large for any device.
        if config.check(&spec(&config, self.data), self.data.train.count).is_err() {
            return Ok(false);
        }
        let mut session = Session::open(config, self.data.clone(), self.backend)?;
        match session.initialise().and_then(|()| Prepared::new(&mut session, 0)) {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether it is room that is missing.
fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(OutOfMemory { .. } | TooLarge { .. }))
}
