//! The classifier of a data set, trained by frit: it counts the classes of generated images, and its features compare
//! them with real ones.

use crate::config::Config;
use crate::data::DataSet;
use crate::eval::network::FeatureNetwork;
use crate::eval::passes::TestLoss;
use crate::io::error::{Result, ensure};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::epoch_plan::{EpochPlan, binding_bytes, fit_shard};
use crate::run::programs::Programs;
use crate::run::session::{Session, spec};
use crate::terminal::{Status, Terminal};
use gpu_core::{Backend, SubmitLoop};
use models::metrics::Features;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A trained classifier on a device.
pub struct TrainedClassifier {
    network: FeatureNetwork,
    /// Error rate on the test images.
    pub errors: f64,
}

impl TrainedClassifier {
    /// The configuration of a data set's classifier; `None` if the data has one class, or its images are too small.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind) if the device cannot hold the images of a step.
    pub fn recipe(data: &DataSet, backend: &Backend) -> Result<Option<Config>> {
        let mut config = Config::load("classifier")?;
        config.train.batch_size = config.train.batch_size.min(data.train.count);
        fit_shard(&mut config, data, binding_bytes(backend))?;
        let sound = config.check(&spec(&config, data), data.train.count).is_ok();
        Ok(sound.then_some(config))
    }

    /// The classifier of a data set, from the cache or newly trained; `None` as for [`Self::recipe`]. The terminal
    /// shows `purpose`: `to count classes`.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails, [`ErrorKind::Training`](crate::ErrorKind) if the
    /// loss is not finite.
    pub fn load_or_train(
        data: &Arc<DataSet>,
        backend: &Backend,
        purpose: &str,
        terminal: &Terminal,
    ) -> Result<Option<Self>> {
        let Some(config) = Self::recipe(data, backend)? else { return Ok(None) };
        let spec = spec(&config, data);
        let mut network = FeatureNetwork::open(config, data.clone(), &spec, backend)?;
        let session = &mut network.session;
        let path = cache(session);
        let restored = path.as_deref().map_or(Ok(false), |path| restore(session, path));
        let restored = restored.unwrap_or_else(|error| {
            terminal.say(&format!("warning: {error}; the cached classifier is trained again"));
            false
        });
        if !restored {
            terminal.say(&format!("training a classifier on {} {purpose}", data.name));
            train(session, terminal)?;
        }
        let tested = TestLoss::prepare(session, 0)?.run(session)?;
        ensure!(
            tested.means.iter().all(|mean| mean.is_finite()),
            Training,
            "the classifier of {} did not train: its loss is not finite",
            data.name
        );
        if !restored {
            keep(session, path, terminal);
        }
        Ok(Some(Self { network, errors: tested.means[1] }))
    }

    /// The data set that it was trained on.
    pub fn data(&self) -> &DataSet {
        &self.network.session.data
    }

    /// The class of each image, given by values in [0, 1].
    pub fn classes(&mut self, images: &[f32]) -> Result<Vec<usize>> {
        let (logits, classes) = self.network.logits(images)?;
        Ok(logits.chunks_exact(classes).map(largest).collect())
    }

    /// The features of each image, given by values in [0, 1]: the input of the classifier's last layer.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        self.network.features(images)
    }

    /// A checksum of the weights: metrics of the same classifier can be compared.
    pub fn checksum(&mut self) -> Result<String> {
        let mut crc = flate2::Crc::new();
        let session = &mut self.network.session;
        for (name, buf) in session.parameter_bufs() {
            crc.update(name.as_bytes());
            let values = session.executor.read(buf)?.to_f32();
            crc.update(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        Ok(format!("{:08x}", crc.sum()))
    }
}

/// The index of the largest value; of equal ones, the first.
fn largest(row: &[f32]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0)
}

/// Trains all epochs of the recipe, with a bar and without checkpoints.
fn train(session: &mut Session, terminal: &Terminal) -> Result<()> {
    session.initialise()?;
    let steps = EpochPlan::new(&session.config, session.data.train.count);
    let ring = session.model.buffers().ring;
    let programs = Programs::prepare(session, &steps, 0)?;
    let (mut submit_loop, mut step) = (SubmitLoop::default(), 0);
    let bar = terminal.bar(steps.total, 0);
    while step < steps.total {
        let stand = steps.at(step);
        session.put_shard(&steps, &stand)?;
        let runs = stand.runs.min(steps.total - step);
        let mut seen = |_| {
            bar.step(Status::default);
            ControlFlow::Continue(())
        };
        submit_loop.drive(session.executor.as_mut(), programs.of(stand.size)?, step + 1, runs, ring, &mut seen)?;
        step += runs;
    }
    Ok(())
}

/// The cached file of this data, recipe, version and executor; `None` without a cache folder.
fn cache(session: &Session) -> Option<PathBuf> {
    let folder = crate::io::cache::folder()?;
    let mut crc = flate2::Crc::new();
    for part in [&session.config.to_toml().ok()?, &session.device, env!("CARGO_PKG_VERSION")] {
        crc.update(part.as_bytes());
    }
    Some(folder.join(format!("classifier-{}-{:08x}.safetensors", session.data.fingerprint(), crc.sum())))
}

/// Restores the classifier from the cache; false if it is not there.
fn restore(session: &mut Session, path: &Path) -> Result<bool> {
    if !files::exists(path)? {
        return Ok(false);
    }
    session.restore_weights(&mut Checkpoint::load(path)?, false)?;
    Ok(true)
}

/// Saves the classifier in the cache. If that fails, the next evaluation trains again.
fn keep(session: &mut Session, path: Option<PathBuf>, terminal: &Terminal) {
    let Some(path) = path else { return };
    let folder = path.parent().map_or(Ok(()), files::create_folder);
    if let Err(error) = folder.and_then(|()| session.checkpoint()?.save(&path)) {
        terminal.say(&format!("warning: the classifier was not cached: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_values_is_the_largest() {
        assert_eq!(largest(&[0.5, 2.0, -1.0, 2.0]), 1);
        assert_eq!(largest(&[-3.0]), 0);
    }
}
