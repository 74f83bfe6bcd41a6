//! A model on a device with its data, and the way of its state into checkpoints and back.

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data::DataSet;
use anyhow::{Result, ensure};
use gpu_core::ops::gather;
use gpu_core::{Array, Backend, Buf, Dtype, Executor, Home, Parameter, Sharing, Weights};
use models::{DataSpec, Model};

/// The arenas that a checkpoint keeps, and what it puts before the parameters' names. Gradients are zero
/// between steps.
const ARENAS: [(Home, &str); 3] =
    [(Home::Values, ""), (Home::FirstMoments, "adam.m/"), (Home::SecondMoments, "adam.v/")];
const AVERAGE: (Home, &str) = (Home::Average, "average/");

/// A model on a device, with its data there too.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) data: DataSet,
    pub(crate) model: Box<dyn Model>,
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) device: String,
}

impl Session {
    /// Puts model and data onto a device; the weights are still zero.
    pub(crate) fn open(config: Config, data: DataSet, backend: &Backend) -> Result<Self> {
        config.check_model(spec(&data), 1)?;
        let model = config.model(spec(&data));
        let mut executor = backend.executor(model.memory().clone(), Sharing::On);
        let pins = *model.pins();
        executor.write(pins.train, &Array::U32(gather::pack(&data.train.images)))?;
        executor.write(pins.test, &Array::U32(gather::pack(&data.test.images)))?;
        let device = executor.describe();
        Ok(Self { config, data, model, executor, device })
    }

    /// Fills the weights with their initial values.
    pub(crate) fn initialise(&mut self) -> Result<()> {
        for weights in self.model.networks() {
            let values = Array::F32(weights.initial(self.config.train.seed));
            let values_arena = self.model.memory().whole(weights.place(Home::Values));
            self.executor.write(values_arena, &values)?;
            if self.config.optimiser.average > 0.0 {
                self.executor.write(values_arena.sibling(Home::Average), &values)?;
            }
        }
        Ok(())
    }

    /// Replaces the weights by those of a file that anything may have written.
    pub(crate) fn initialise_from(&mut self, file: &mut Checkpoint) -> Result<()> {
        for (buf, parameter) in self.parameters(Home::Values) {
            let values = numbers(file, &parameter.name, &parameter)?;
            ensure!(
                values.to_f64().iter().all(|v| v.is_finite()),
                "{} in {} holds numbers that are not finite; give a file of sound weights",
                parameter.name,
                file.name
            );
            self.executor.write(buf, &values)?;
            if self.config.optimiser.average > 0.0 {
                self.executor.write(buf.sibling(Home::Average), &values)?;
            }
        }
        Ok(())
    }

    /// Everything that training goes on from, in the executor's own precision.
    pub(crate) fn checkpoint(&mut self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::default();
        for (home, prefix) in self.arenas() {
            for (buf, parameter) in self.parameters(home) {
                let name = format!("{prefix}{}", parameter.name);
                checkpoint.insert(&name, &dims(&parameter), self.executor.read(buf)?);
            }
        }
        for (name, buf) in self.state() {
            checkpoint.insert(name, &[4], self.executor.read(buf)?);
        }
        Ok(checkpoint)
    }

    /// Puts a checkpoint's contents back.
    pub(crate) fn restore(&mut self, checkpoint: &mut Checkpoint) -> Result<()> {
        for (home, prefix) in self.arenas() {
            for (buf, parameter) in self.parameters(home) {
                let values = numbers(checkpoint, &format!("{prefix}{}", parameter.name), &parameter)?;
                self.executor.write(buf, &values)?;
            }
        }
        for (name, buf) in self.state() {
            let values = checkpoint.take(name, &[4])?;
            let words = values.as_u32().is_some();
            ensure!(
                words == (buf.dtype == Dtype::U32),
                "{name} in {} is of another type; take another checkpoint",
                checkpoint.name
            );
            self.executor.write(buf, &values)?;
        }
        Ok(())
    }

    /// Puts a checkpoint's weights, or their running average, in place: all that drawing needs.
    pub(crate) fn restore_weights(&mut self, checkpoint: &mut Checkpoint, average: bool) -> Result<()> {
        let prefix = if average { AVERAGE.1 } else { "" };
        for (buf, parameter) in self.parameters(Home::Values) {
            let values = numbers(checkpoint, &format!("{prefix}{}", parameter.name), &parameter)?;
            self.executor.write(buf, &values)?;
        }
        Ok(())
    }

    /// Sets the clock of evaluation and drawing: the next batch is the first, or drawing is at `step`.
    pub(crate) fn set_side_clock(&mut self, step: u32) -> Result<()> {
        let clock = self.model.pins().side_clock;
        Ok(self.executor.write(clock, &Array::U32(vec![step, 0, 0, 0]))?)
    }

    fn state(&self) -> [(&'static str, Buf); 2] {
        let pins = self.model.pins();
        [("state/clock", pins.clock), ("state/rates", pins.rates)]
    }

    fn arenas(&self) -> Vec<(Home, &'static str)> {
        let average = (self.config.optimiser.average > 0.0).then_some(AVERAGE);
        ARENAS.into_iter().chain(average).collect()
    }

    /// The parameters of every network, each with its range of an arena.
    fn parameters(&self, home: Home) -> Vec<(Buf, Parameter)> {
        let of = |weights: &Weights| {
            let place = weights.place(home);
            let buf = move |p: &Parameter| Buf { place, offset: p.offset, shape: p.shape, dtype: Dtype::F32 };
            weights.parameters().iter().map(|p| (buf(p), p.clone())).collect::<Vec<_>>()
        };
        self.model.networks().into_iter().flat_map(of).collect()
    }
}

/// The size of a data set, for models.
pub(crate) fn spec(data: &DataSet) -> DataSpec {
    DataSpec { train: data.train.count, test: data.test.count, width: data.pixels() }
}

/// A parameter's shape as files have it.
fn dims(parameter: &Parameter) -> Vec<usize> {
    parameter.shape.dims().iter().map(|&d| d as usize).collect()
}

/// A parameter's elements from a file, which must be numbers.
fn numbers(file: &mut Checkpoint, name: &str, parameter: &Parameter) -> Result<Array> {
    let values = file.take(name, &dims(parameter))?;
    ensure!(values.as_u32().is_none(), "{name} in {} has the type U32; save it as float32", file.name);
    Ok(values)
}
