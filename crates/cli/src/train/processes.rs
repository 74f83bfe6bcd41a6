//! Processes that follow rank 0, which trains as a single process does.

use crate::io::error::{Error, ErrorKind, Result};
use crate::run::data::absolute;
use crate::train::options::{ResumeOptions, TrainOptions};
use crate::train::setup::Inputs;
use crate::train::start_message::{Start, resume_request, train_request};
use gpu_core::Exchange;
use std::sync::Arc;

fn exchange(exchange: Option<Box<dyn Exchange>>) -> Result<Box<dyn Exchange>> {
    exchange.ok_or_else(|| Error::new(ErrorKind::Setting, "a process that follows rank 0 needs an exchange with it"))
}

/// Trains with rank 0, which calls [`train`](crate::train::train) with the same options. Nothing is written or printed.
///
/// # Errors
/// Those of [`train`](crate::train::train), and [`gpu_core::Error::Rank`] as the device error if another rank has
/// ended.
pub fn follow(options: TrainOptions) -> Result<()> {
    let request = train_request(&options)?;
    let TrainOptions { config, length, micro_batch, device, exchange: connection, .. } = options;
    let mut exchange = exchange(connection)?;
    let inputs = Inputs::load(config, length, micro_batch)?;
    let start = Start::receive(exchange.as_mut(), &request)?;
    let config = start.config(&inputs.config.data)?;
    start.follow(config, inputs.data, device, exchange)
}

/// Trains with rank 0, which calls [`resume`](crate::train::resume()) with the same options. The run folder is needed
/// on the computer of rank 0 only.
///
/// # Errors
/// Those of [`follow`].
pub fn follow_resumed(options: ResumeOptions) -> Result<()> {
    let request = resume_request(&options);
    let mut exchange = exchange(options.exchange)?;
    let start = Start::receive(exchange.as_mut(), &request)?;
    let (config, data) = start.resumed(|paths| {
        if let Some(source) = &options.data {
            paths.source = absolute(source);
        }
        options.data_b.iter().try_for_each(|b| paths.move_b(&absolute(b)))
    })?;
    start.follow(config, Arc::new(data), options.device, exchange)
}
