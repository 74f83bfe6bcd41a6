//! A model and its data on a device; its state is saved to checkpoints and restored from them.

use crate::config::{Config, renamed};
use crate::data::{DataSet, Split};
use crate::io::error::{Hint, Result, ensure};
use crate::run::checkpoint::Checkpoint;
use crate::run::epoch_plan::{EpochPlan, StepPosition, binding_bytes, whole};
pub use crate::run::spec::spec;
use crate::run::tensors::{self, AVERAGE, Tensor, map, numbers};
use crate::run::upload::{one_hot, put};
use gpu_core::ops::gather;
use gpu_core::random::Stream;
use gpu_core::reference::permute::permutation;
use gpu_core::{Arena, Array, Backend, Buf, Dtype, Executor, Layout, Program, Sharing};
use models::{ASKED_ROWS, Model, initial_values};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A model and its data on a device.
///
/// ```
/// use frit::config::Config;
/// use frit::data::DataSet;
/// use frit::run::session::Session;
/// use frit::Backend;
/// use std::sync::Arc;
///
/// let config = Config::load("vae")?.with("vae.hidden=[8]")?;
/// let digits = Arc::new(DataSet::load(&config.data)?);
/// let mut session = Session::open(config, digits, &Backend::Cpu)?;
/// session.initialise()?;
/// let checkpoint = session.checkpoint()?;
/// assert_eq!(checkpoint.tensors["encoder.0.weight"].0, [8, 784]);
/// # Ok::<(), frit::Error>(())
/// ```
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// The data.
    pub data: Arc<DataSet>,
    /// The model.
    pub model: Box<dyn Model>,
    /// The executor that holds its buffers.
    pub executor: Box<dyn Executor>,
    /// The executor's description of its device.
    pub device: String,
    /// The epoch and number of the shard on the device, if any; both are 0 if the whole set is one shard.
    pub(super) shard: Option<(u64, u64)>,
    /// The programs that encode the training images on the device, and their runs; prepared when first needed.
    pub(super) encoding: Option<Vec<(Program, usize)>>,
}

impl Session {
    /// Puts a model and its test images onto a device; the weights are still zero.
    ///
    /// # Errors
    /// A setting is invalid for the data, or the device lacks memory.
    pub fn open(config: Config, data: Arc<DataSet>, backend: &Backend) -> Result<Self> {
        let spec = spec(&config, &data);
        config.check_model(&spec, 1)?;
        let model = config.build(&spec);
        Self::open_model(config, data, model, backend)
    }

    /// The same with a model that was built for the data.
    ///
    /// # Errors
    /// The device lacks memory.
    pub fn open_model(config: Config, data: Arc<DataSet>, model: Box<dyn Model>, backend: &Backend) -> Result<Self> {
        for side in 0..data.side_total() {
            let tests = data.side_count(&data.test, side);
            let most = binding_bytes(backend).saturating_sub(4) / data.side_size(side).iter().product::<usize>();
            ensure!(
                tests <= most,
                Device,
                hint: Hint::Set("data.size".into()),
                "the test set of {} has {tests} images, but this device binds at most {most} of this size",
                data.name
            );
        }
        let executor = backend.executor(model.memory().clone(), Sharing::On);
        let device = executor.describe();
        let mut session = Self { config, data, model, executor, device, shard: None, encoding: None };
        session.put_test(None)?;
        Ok(session)
    }

    /// Puts training images onto the device: these, or these rows of the data, or all. Points are drawn there. Calls
    /// `encoded` as [`Session::put_shard_counted`] does.
    fn put_train(
        &mut self,
        images: Option<&Split>,
        rows: Option<&[usize]>,
        encoded: &mut dyn FnMut(usize, bool),
    ) -> Result<()> {
        if self.data.points.is_some() {
            return Ok(());
        }
        for (side, set) in self.model.buffers().sets.iter().enumerate() {
            let labels = set.labels.map(|labels| (labels.train, set.spec.classes));
            let images = images.unwrap_or(&self.data.train);
            put(self.executor.as_mut(), &self.data, images, side, rows, set.train, labels)?;
        }
        self.encode_train(encoded)
    }

    /// Puts test images onto the device, at the start of the test set: these rows, or all. Of two sides, the same rows
    /// of both.
    fn put_test(&mut self, rows: Option<&[usize]>) -> Result<()> {
        if self.data.points.is_some() {
            let buffers = self.model.buffers().first();
            let all = || (0..self.data.test.count).collect();
            let rows: Vec<usize> = rows.map_or_else(all, <[usize]>::to_vec);
            let to = Buf { shape: [rows.len(), buffers.spec.width()].into(), ..buffers.test };
            return Ok(self.executor.write(to, &Array::F32(self.data.values(&self.data.test, &rows)))?);
        }
        for (side, set) in self.model.buffers().sets.iter().enumerate() {
            let labels = set.labels.map(|labels| (labels.test, set.spec.classes));
            put(self.executor.as_mut(), &self.data, &self.data.test, side, rows, set.test, labels)?;
        }
        Ok(())
    }

    /// Calls `run` with these rows of the test set as the first test images on the device.
    ///
    /// # Errors
    /// Those of `run`, and those of the device.
    pub fn with_test_rows<T>(&mut self, rows: &[usize], run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let first: Vec<usize> = (0..rows.len()).collect();
        if rows == first {
            return run(self);
        }
        self.put_test(Some(rows))?;
        let result = run(self)?;
        self.put_test(Some(&first))?;
        Ok(result)
    }

    /// Replaces the bytes of the test images, on the device too.
    ///
    /// # Errors
    /// Those of the device.
    ///
    /// # Panics
    /// If there are not as many bytes.
    pub fn replace_tests(&mut self, images: Vec<u8>) -> Result<()> {
        assert_eq!(images.len(), self.data.test.images.len(), "bytes of the test images");
        Arc::make_mut(&mut self.data).test.images = images.into();
        self.put_test(None)
    }

    /// Uploads the images of a step, unless they are on the device. A new shard's order starts with its first step.
    ///
    /// # Errors
    /// Those of the device.
    pub fn put_shard(&mut self, steps: &EpochPlan, position: &StepPosition) -> Result<()> {
        self.put_shard_counted(steps, position, &mut |_, _| {})
    }

    /// The same. A frozen network encodes the images in batches: `encoded` is called after each with their number, and
    /// true if no images were encoded before.
    ///
    /// # Errors
    /// Those of the device.
    pub fn put_shard_counted(
        &mut self,
        steps: &EpochPlan,
        position: &StepPosition,
        encoded: &mut dyn FnMut(usize, bool),
    ) -> Result<()> {
        let wanted = if steps.sharded() { (position.epoch, position.shard) } else { (0, 0) };
        if self.shard != Some(wanted) {
            let rows = steps.sharded().then(|| self.rows(steps.shard(position.shard), position.epoch));
            self.put_train(None, rows.as_deref(), encoded)?;
            self.shard = Some(wanted);
        }
        if steps.sharded() && position.first {
            self.restart_order()?;
        }
        Ok(())
    }

    /// Puts the images of a shard onto the device, which are given: those of [`Session::rows`].
    ///
    /// # Errors
    /// Those of the device.
    pub(crate) fn put_given(&mut self, position: &StepPosition, images: &Split) -> Result<()> {
        self.put_train(Some(images), None, &mut |_, _| {})?;
        self.shard = Some((position.epoch, position.shard));
        Ok(())
    }

    /// Starts a new order of the images on the device with the next step.
    ///
    /// # Errors
    /// Those of the device.
    pub fn restart_order(&mut self) -> Result<()> {
        for clock in self.model.clocks() {
            let mut words = self.executor.read(clock)?.as_u32().expect("a clock is words").to_vec();
            // Past every end, whatever the size of the shard before.
            words[3] = u32::MAX;
            self.executor.write(clock, &Array::U32(words))?;
        }
        Ok(())
    }

    /// The images at such positions of an epoch's order over all shards.
    pub(crate) fn rows(&self, positions: Range<usize>, epoch: u64) -> Vec<usize> {
        let (count, seed) = (self.data.train.count as u32, self.config.train.seed);
        let row = |position: usize| match self.config.train.shuffle {
            true => permutation(Stream::Shards, count, seed, epoch as u32, position as u32) as usize,
            false => position,
        };
        positions.map(row).collect()
    }

    /// Initialises the weights and the networks' state, and runs the model's schedule before the first step.
    ///
    /// # Errors
    /// Those of the device.
    pub fn initialise(&mut self) -> Result<()> {
        self.write_initial()?;
        self.start()
    }

    /// Initialises the weights and the networks' state.
    pub(super) fn write_initial(&mut self) -> Result<()> {
        let average = self.config.optimiser.average > 0.0;
        for (buf, values) in initial_values(self.model.as_ref(), self.config.train.seed, average) {
            self.executor.write(buf, &Array::F32(values))?;
        }
        Ok(())
    }

    /// Runs the schedule that a model has before its first step.
    pub(super) fn start(&mut self) -> Result<()> {
        let steps = EpochPlan::new(&self.config, self.data.epoch_images());
        let training = whole(&self.config, self.model.buffers().first().spec.train);
        let Some(schedule) = self.model.start(&training) else { return Ok(()) };
        let position = StepPosition { first: false, ..steps.at(0) };
        self.put_shard(&steps, &position)?;
        self.set_side_clock(0)?;
        let program = self.executor.prepare(&schedule)?;
        let ticket = self.executor.submit(&[program], 1, &[])?;
        self.executor.wait(ticket)?;
        Ok(())
    }

    /// Replaces the weights by those of a file, which another program may have written. Returns the names of the file's
    /// tensors that are not used, without those of a checkpoint's training state.
    ///
    /// # Errors
    /// A tensor is missing, has another shape or type, or is not finite; or those of the device.
    pub fn initialise_from(&mut self, file: &mut Checkpoint) -> Result<Vec<String>> {
        let averages = self.averages().into_iter().map(|tensor| (tensor.name, tensor.buf));
        let mut averages: BTreeMap<_, _> = averages.collect();
        for Tensor { name, buf, layout } in self.parameters(Arena::Values).into_iter().chain(self.network_states()) {
            let values = numbers(file, &name, buf, &layout)?;
            ensure!(
                values.to_f64().iter().all(|v| v.is_finite()),
                Checkpoint,
                "{name} in {} contains NaN or infinite values",
                file.name
            );
            self.executor.write(buf, &values)?;
            if let Some(average) = averages.remove(&name) {
                self.executor.write(average, &values)?;
            }
        }
        // Optimiser state, averages and clocks are apart from every network's tensors.
        let rest = file.tensors.keys().chain(file.foreign.keys());
        Ok(rest.filter(|name| !name.contains('/')).cloned().collect())
    }

    /// The state that training resumes from, in the executor's precision.
    ///
    /// # Errors
    /// Those of the device.
    pub fn checkpoint(&mut self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::default();
        for Tensor { name, buf, layout } in self.tensors() {
            let values = map(&self.executor.read(buf)?, |x| layout.to_file(x), |x| layout.to_file(x));
            checkpoint.insert(&name, &layout.file_shape(buf.shape), values);
        }
        for (name, buf) in self.model.states() {
            checkpoint.insert(name, &Layout::Same.file_shape(buf.shape), self.executor.read(buf)?);
        }
        Ok(checkpoint)
    }

    /// Restores the state of a checkpoint, also of one that version 0.1.0 wrote.
    ///
    /// # Errors
    /// A tensor is missing or has another shape or type; or those of the device.
    pub fn restore(&mut self, checkpoint: &mut Checkpoint) -> Result<()> {
        checkpoint.rename(renamed::TENSORS);
        self.add_averages(checkpoint);
        for Tensor { name, buf, layout } in self.tensors() {
            let values = numbers(checkpoint, &name, buf, &layout)?;
            self.executor.write(buf, &values)?;
        }
        for (name, buf) in self.model.states() {
            let values = checkpoint.take(name, &Layout::Same.file_shape(buf.shape))?;
            let words = values.as_u32().is_some();
            ensure!(
                words == (buf.dtype == Dtype::U32),
                Checkpoint,
                "{name} in {} has another data type",
                checkpoint.name
            );
            self.executor.write(buf, &values)?;
        }
        Ok(())
    }

    /// Restores the state that evaluation and sampling need: weights, or their running average in their place, and the
    /// networks' state.
    ///
    /// # Errors
    /// Those of [`Session::restore`].
    pub fn restore_weights(&mut self, checkpoint: &mut Checkpoint, average: bool) -> Result<()> {
        self.add_averages(checkpoint);
        let mut averages = BTreeMap::new();
        for Tensor { name, buf, layout } in self.averages() {
            let values = numbers(checkpoint, &format!("{AVERAGE}{name}"), buf, &layout)?;
            self.executor.write(buf, &values)?;
            averages.insert(name, values);
        }
        for Tensor { name, buf, layout } in self.parameters(Arena::Values).into_iter().chain(self.network_states()) {
            let values = match averages.remove(&name).filter(|_| average) {
                Some(values) => values,
                None => numbers(checkpoint, &name, buf, &layout)?,
            };
            self.executor.write(buf, &values)?;
        }
        for Tensor { name, buf, layout } in tensors::frozen_of_run(self.model.as_ref()) {
            let values = numbers(checkpoint, &name, buf, &layout)?;
            self.executor.write(buf, &values)?;
        }
        Ok(())
    }

    /// Adds the running averages that a checkpoint of an earlier version lacks: those of statistics.
    fn add_averages(&self, checkpoint: &mut Checkpoint) {
        if self.config.optimiser.average > 0.0 {
            let states = tensors::averaged_states(self.model.as_ref());
            states.iter().for_each(|tensor| checkpoint.add_average(AVERAGE, &tensor.name));
        }
    }

    /// Sets the clock of evaluation and sampling: at 0, the next batch is the first.
    ///
    /// # Errors
    /// Those of the device.
    pub fn set_side_clock(&mut self, step: u32) -> Result<()> {
        let clock = self.model.buffers().side_clock;
        Ok(self.executor.write(clock, &Array::U32(vec![step, 0, 0, 0]))?)
    }

    /// Sets the classes of the next samples: one class, or each in turn, after `drawn` samples.
    ///
    /// # Errors
    /// Those of the device.
    pub fn ask(&mut self, drawn: usize, class: Option<usize>) -> Result<()> {
        let classes = self.model.buffers().first().spec.classes;
        let asked: Vec<u8> = (drawn..drawn + ASKED_ROWS).map(|row| class.unwrap_or(row % classes) as u8).collect();
        self.ask_for(&asked)
    }

    /// Sets the class of each of the next samples, at most [`ASKED_ROWS`].
    ///
    /// # Errors
    /// Those of the device.
    pub fn ask_for(&mut self, asked: &[u8]) -> Result<()> {
        let set = self.model.buffers().first();
        let (Some(labels), classes) = (set.labels, set.spec.classes) else { return Ok(()) };
        let mut rows = one_hot(asked, classes);
        rows.resize(ASKED_ROWS * classes, 0);
        Ok(self.executor.write(labels.asked, &Array::U32(gather::pack(&rows)))?)
    }

    /// The networks' tensors that a checkpoint keeps.
    fn tensors(&self) -> Vec<Tensor> {
        tensors::of_checkpoint(self.model.as_ref(), self.config.optimiser)
    }

    /// The running averages of the networks' parameters and statistics, under their names, if they are kept.
    fn averages(&self) -> Vec<Tensor> {
        tensors::averages(self.model.as_ref(), self.config.optimiser)
    }

    /// The weights and other state of every network, by name.
    pub fn parameter_bufs(&self) -> Vec<(String, Buf)> {
        let tensors = self.parameters(Arena::Values).into_iter().chain(self.network_states());
        tensors.map(|Tensor { name, buf, .. }| (name, buf)).collect()
    }

    /// The parameters of every network, each with its range of an arena.
    fn parameters(&self, arena: Arena) -> Vec<Tensor> {
        tensors::parameters(self.model.as_ref(), arena)
    }

    /// The state of the networks other than parameters.
    fn network_states(&self) -> Vec<Tensor> {
        tensors::network_states(self.model.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::DataOptions;
    use crate::run::upload::UPLOAD_BYTES;

    /// The shapes are larger than one piece of an upload.
    #[test]
    fn a_data_set_is_uploaded_whole_in_pieces() {
        let data = Arc::new(DataSet::load(&DataOptions { source: "shapes".into(), ..DataOptions::default() }).unwrap());
        assert!(data.train.images.len() > UPLOAD_BYTES && !data.train.images.len().is_multiple_of(UPLOAD_BYTES));
        let config = Config::load("ae").unwrap().with("ae.hidden=[2]").unwrap();
        let mut session = Session::open(config, data.clone(), &Backend::Cpu).unwrap();
        let steps = EpochPlan::new(&session.config, data.epoch_images());
        session.put_shard(&steps, &steps.at(0)).unwrap();
        let train = session.model.buffers().first().train;
        let words = session.executor.read(train).unwrap();
        assert!(words.as_u32().unwrap() == gather::pack(&data.train.images));
    }

    /// Version 0.1.0 kept no averages of statistics; that of a weight is missing in a damaged file alone.
    #[test]
    fn only_averages_of_statistics_may_be_missing() {
        let config = Config::load("dcgan").unwrap().with("gan.width=2").unwrap();
        let data = DataSet::black([8, 8, 1], vec!["0".into()]);
        let mut session = Session::open(config, data.into(), &Backend::Cpu).unwrap();
        session.initialise().unwrap();
        let whole = session.checkpoint().unwrap();
        let states = tensors::averaged_states(session.model.as_ref());
        assert!(!states.is_empty());
        for Tensor { name, .. } in session.averages() {
            let mut file = whole.clone();
            file.tensors.remove(&format!("{AVERAGE}{name}")).unwrap();
            let is_state = states.iter().any(|state| state.name == name);
            assert_eq!(session.restore(&mut file.clone()).is_ok(), is_state, "{name}");
            assert_eq!(session.restore_weights(&mut file, true).is_ok(), is_state, "{name}");
        }
    }
}
