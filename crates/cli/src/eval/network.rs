//! Networks on a device that map images to features, and a classifier's to logits.

use crate::config::Config;
use crate::data::DataSet;
use crate::io::error::Result;
use crate::run::session::Session;
use gpu_core::{Array, Backend, Buf, Executor, Program};
use models::capabilities::Extraction;
use models::metrics::Features;
use models::{Classifier, DataSpec, ModelConfig, Vae};
use std::sync::Arc;

/// Images in a batch.
const BATCH: usize = 100;

/// A prepared pass over images that the host writes, batch by batch.
pub(super) struct ImagePass {
    /// The images of a batch, [batch, width].
    pub(super) given: Buf,
    /// The pass.
    pub(super) program: Program,
    /// Images in a batch.
    pub(super) batch: usize,
}

impl ImagePass {
    /// The rows of `output` for all images.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub(super) fn rows(&self, executor: &mut dyn Executor, images: &[f32], output: Buf) -> Result<Vec<f32>> {
        let [width, columns] = [self.given.len(), output.len()].map(|numbers| numbers / self.batch);
        let mut rows = Vec::with_capacity(images.len() / width * columns);
        for batch in images.chunks(self.given.len()) {
            let mut given = batch.to_vec();
            given.resize(self.given.len(), 0.0);
            executor.write(self.given, &Array::F32(given))?;
            let ticket = executor.submit(&[self.program], 1, &[output])?;
            let found = executor.wait(ticket)?.remove(0).to_f32();
            rows.extend(&found[..batch.len() / width * columns]);
        }
        Ok(rows)
    }
}

/// A network whose inner layer gives the features of images: a classifier's, or the encoder of a VAE.
pub struct FeatureNetwork {
    pub(super) session: Session,
    pass: ImagePass,
    features: Buf,
    /// The logits of a classifier.
    logits: Option<Buf>,
}

impl FeatureNetwork {
    /// The network of a configuration, with weights still zero.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    ///
    /// # Panics
    /// If the configuration is of a family other than these two, or invalid for the data.
    pub(super) fn open(config: Config, data: Arc<DataSet>, spec: &DataSpec, backend: &Backend) -> Result<Self> {
        let (model, given, pass): (Box<dyn models::Model>, _, _) = match &config.model {
            ModelConfig::Classifier(settings) => {
                let model = Classifier::new(settings.clone(), spec, BATCH);
                let (given, pass) = (model.given(), model.classify());
                (Box::new(model), given, pass)
            }
            ModelConfig::Vae(settings) => {
                let model = Vae::new(settings.clone(), spec);
                let Extraction { given, pass } = model.features(BATCH);
                (Box::new(model), given, pass)
            }
            _ => unreachable!("the recipe of a classifier or a VAE"),
        };
        let mut session = Session::open_model(config, data, model, backend)?;
        let program = session.executor.prepare(&pass.schedule)?;
        let (logits, features) = match pass.outputs[..] {
            [logits, features] => (Some(logits), features),
            _ => (None, pass.outputs[0]),
        };
        Ok(Self { session, pass: ImagePass { given, program, batch: BATCH }, features, logits })
    }

    /// The logits of each image, given by values in [0, 1], with the number of classes.
    ///
    /// # Panics
    /// If the network is no classifier.
    pub(super) fn logits(&mut self, images: &[f32]) -> Result<(Vec<f32>, usize)> {
        let logits = self.logits.expect("the network of a classifier");
        Ok((self.pass.rows(self.session.executor.as_mut(), images, logits)?, logits.shape.cols()))
    }

    /// The features of each image, given by values in [0, 1].
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        let rows = self.pass.rows(self.session.executor.as_mut(), images, self.features)?;
        Ok(Features::from_f32(&rows, self.features.shape.cols()))
    }

    /// Numbers in an image's features.
    pub fn width(&self) -> usize {
        self.features.shape.cols()
    }

    /// A checksum of the weights: metrics of the same network can be compared.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn checksum(&mut self) -> Result<String> {
        let mut crc = flate2::Crc::new();
        for (name, buf) in self.session.parameter_bufs() {
            crc.update(name.as_bytes());
            let values = self.session.executor.read(buf)?.to_f32();
            crc.update(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        Ok(format!("{:08x}", crc.sum()))
    }
}
