//! A network on a device that maps images to logits and features.

use crate::config::Config;
use crate::data::DataSet;
use crate::io::error::Result;
use crate::run::session::Session;
use gpu_core::{Array, Backend, Buf, Program};
use models::metrics::Features;
use models::{Classifier, DataSpec, ModelConfig};
use std::sync::Arc;

/// Images in a batch.
const BATCH: usize = 100;

/// A classifier network whose last hidden layer gives the features of images.
pub struct FeatureNetwork {
    pub(super) session: Session,
    given: Buf,
    program: Program,
    logits: Buf,
    features: Buf,
}

impl FeatureNetwork {
    /// The network of a classifier configuration, with weights still zero.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    ///
    /// # Panics
    /// If the configuration is of another family, or invalid for the data.
    pub(super) fn open(config: Config, data: Arc<DataSet>, spec: &DataSpec, backend: &Backend) -> Result<Self> {
        let ModelConfig::Classifier(settings) = &config.model else { unreachable!("the recipe of a classifier") };
        let model = Classifier::new(settings.clone(), spec, BATCH);
        let (given, pass) = (model.given(), model.classify());
        let mut session = Session::open_model(config, data, Box::new(model), backend)?;
        let program = session.executor.prepare(&pass.schedule)?;
        Ok(Self { session, given, program, logits: pass.outputs[0], features: pass.outputs[1] })
    }

    /// The logits of each image, given by values in [0, 1], with the number of classes.
    pub(super) fn logits(&mut self, images: &[f32]) -> Result<(Vec<f32>, usize)> {
        Ok((self.run(images, self.logits)?, self.logits.shape.cols()))
    }

    /// The features of each image, given by values in [0, 1]: the input of the last layer.
    ///
    /// # Errors
    /// [`ErrorKind::Device`](crate::ErrorKind) if the device fails.
    pub fn features(&mut self, images: &[f32]) -> Result<Features> {
        Ok(Features::from_f32(&self.run(images, self.features)?, self.features.shape.cols()))
    }

    /// The rows of `output` for the images.
    fn run(&mut self, images: &[f32], output: Buf) -> Result<Vec<f32>> {
        let width = self.given.shape.cols();
        let mut rows = Vec::with_capacity(images.len() / width * output.shape.cols());
        for batch in images.chunks(BATCH * width) {
            let mut given = batch.to_vec();
            given.resize(BATCH * width, 0.0);
            self.session.executor.write(self.given, &Array::F32(given))?;
            let ticket = self.session.executor.submit(&[self.program], 1, &[output])?;
            let found = self.session.executor.wait(ticket)?.remove(0).to_f32();
            rows.extend(&found[..batch.len() / width * output.shape.cols()]);
        }
        Ok(rows)
    }
}
