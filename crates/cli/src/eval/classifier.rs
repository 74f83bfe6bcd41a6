//! A small classifier, trained in the engine on the data of a model, that counts the classes of what the model draws
//! and whose features tell how near that is to the data.

use crate::config::Config;
use crate::data::DataSet;
use crate::eval::passes::TestLoss;
use crate::run::checkpoint::Checkpoint;
use crate::run::epoch_plan::{EpochPlan, binding_bytes, fit_shard};
use crate::run::programs::Programs;
use crate::run::session::{Session, spec};
use crate::terminal::Terminal;
use anyhow::{Result, ensure};
use gpu_core::{Array, Backend, Buf, Program, SubmitLoop};
use models::metrics::Features;
use models::{Classifier, ModelConfig};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Pictures that are judged at once.
const BATCH: usize = 100;

/// A trained classifier on a device.
pub struct TrainedClassifier {
    session: Session,
    given: Buf,
    program: Program,
    logits: Buf,
    features: Buf,
    /// The share of the test images that it takes for another class.
    pub errors: f64,
}

impl TrainedClassifier {
    /// How the classifier of a data set is trained; `None` where there are no classes, or the images are too small.
    ///
    /// # Errors
    /// One sentence: the device has no room.
    pub fn recipe(data: &DataSet, backend: &Backend) -> Result<Option<Config>> {
        let mut config = Config::load("classifier")?;
        config.train.batch_size = config.train.batch_size.min(data.train.count);
        fit_shard(&mut config, data, binding_bytes(backend))?;
        let sound = config.check(&spec(&config, data), data.train.count).is_ok();
        Ok(sound.then_some(config))
    }

    /// The classifier of a data set, from the cache or trained by its recipe; `None` where it has none. `purpose` says
    /// what for: `to count classes with`.
    ///
    /// # Errors
    /// One sentence: the device has no room, or the training failed.
    pub fn of(data: &Arc<DataSet>, backend: &Backend, purpose: &str, terminal: &Terminal) -> Result<Option<Self>> {
        let Some(config) = Self::recipe(data, backend)? else { return Ok(None) };
        let spec = spec(&config, data);
        let ModelConfig::Classifier(settings) = &config.model else { unreachable!("the recipe of a classifier") };
        let model = Classifier::new(settings.clone(), &spec, BATCH);
        let (given, pass) = (model.given(), model.classify());
        let mut session = Session::open_model(config, data.clone(), Box::new(model), backend)?;
        let program = session.executor.prepare(&pass.schedule)?;
        let place = cache(&session);
        let stored = place.as_ref().filter(|path| path.exists()).and_then(|path| Checkpoint::load(path).ok());
        // A file that does not fit is made anew.
        let restored = stored.is_some_and(|mut stored| session.restore_weights(&mut stored, false).is_ok());
        if !restored {
            terminal.say(&format!("training a classifier on {} {purpose}", data.name));
            train(&mut session)?;
        }
        let tested = TestLoss::prepare(&mut session, 0)?.run(&mut session)?;
        ensure!(
            tested.means.iter().all(|mean| mean.is_finite()),
            "the classifier did not learn these images; count classes by hand from `frit sample`"
        );
        if !restored {
            keep(&mut session, place, terminal);
        }
        Ok(Some(Self {
            session,
            given,
            program,
            logits: pass.outputs[0],
            features: pass.outputs[1],
            errors: tested.means[1],
        }))
    }

    /// What it was trained on.
    pub fn data(&self) -> &DataSet {
        &self.session.data
    }

    /// The class of each picture of numbers in [0, 1].
    pub fn classes(&mut self, pictures: &[f32]) -> Result<Vec<usize>> {
        let logits = self.look(pictures, self.logits)?;
        Ok(logits.chunks_exact(self.logits.shape.cols()).map(largest).collect())
    }

    /// The features of each picture of numbers in [0, 1]: what the classifier's last layer sees of it.
    pub fn features(&mut self, pictures: &[f32]) -> Result<Features> {
        Ok(Features::from_f32(&self.look(pictures, self.features)?, self.features.shape.cols()))
    }

    /// Rows of `output` for the pictures.
    fn look(&mut self, pictures: &[f32], output: Buf) -> Result<Vec<f32>> {
        let width = self.given.shape.cols();
        let mut rows = Vec::with_capacity(pictures.len() / width * output.shape.cols());
        for batch in pictures.chunks(BATCH * width) {
            let mut given = batch.to_vec();
            given.resize(BATCH * width, 0.0);
            self.session.executor.write(self.given, &Array::F32(given))?;
            let ticket = self.session.executor.submit(&[self.program], 1, &[output])?;
            let found = self.session.executor.wait(ticket)?.remove(0).to_f32();
            rows.extend(&found[..batch.len() / width * output.shape.cols()]);
        }
        Ok(rows)
    }

    /// A mark of its weights: figures made with the same ones can be compared.
    pub fn mark(&mut self) -> Result<String> {
        let mut crc = flate2::Crc::new();
        for (name, buf) in self.session.parameter_bufs() {
            crc.update(name.as_bytes());
            let values = self.session.executor.read(buf)?.to_f32();
            crc.update(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        Ok(format!("{:08x}", crc.sum()))
    }
}

/// Where the largest number is; of equal ones, the first.
fn largest(row: &[f32]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
}

/// All epochs of the recipe, without anything said or saved between.
fn train(session: &mut Session) -> Result<()> {
    session.initialise()?;
    let steps = EpochPlan::new(&session.config, session.data.train.count);
    let ring = session.model.buffers().ring;
    let programs = Programs::prepare(session, &steps, 0)?;
    let (mut pace, mut step) = (SubmitLoop::default(), 0);
    while step < steps.total {
        let stand = steps.at(step);
        session.put_shard(&steps, &stand)?;
        let runs = stand.runs.min(steps.total - step);
        let mut seen = |_| ControlFlow::Continue(());
        pace.drive(session.executor.as_mut(), programs.of(stand.size)?, step + 1, runs, ring, &mut seen)?;
        step += runs;
    }
    Ok(())
}

/// The file that keeps the classifier of this data, recipe, version and kind of executor; none without a home.
fn cache(session: &Session) -> Option<PathBuf> {
    let folder = crate::io::cache::folder()?;
    let mut crc = flate2::Crc::new();
    for part in [&session.config.to_toml().ok()?, &session.device, env!("CARGO_PKG_VERSION")] {
        crc.update(part.as_bytes());
    }
    Some(folder.join(format!("classifier-{}-{:08x}.safetensors", session.data.fingerprint(), crc.sum())))
}

/// Keeps it for the next time. Where that cannot be done, the next time trains again.
fn keep(session: &mut Session, place: Option<PathBuf>, terminal: &Terminal) {
    let Some(path) = place else { return };
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let kept = folder.map_err(anyhow::Error::from).and_then(|()| session.checkpoint()?.save(&path));
    if let Err(error) = kept {
        terminal.say(&format!("the classifier was not kept: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_ones_is_the_largest() {
        assert_eq!(largest(&[0.5, 2.0, -1.0, 2.0]), 1);
        assert_eq!(largest(&[-3.0]), 0);
    }
}
