//! Training steps on noise: forward, loss, backward and Adam, with batches drawn on the device.

use super::Workload;
use gpu_core::{Array, Backend, Error, Sharing, SubmitLoop};
use models::{
    DataSpec, Flow, FlowConfig, Gan, GanConfig, Model, Optimiser, SetSpec, Training, Vae, VaeConfig, VqVae,
    VqVaeConfig, in_order, initial_values,
};

/// The variance of uniform bytes, scaled to [0, 1].
const VARIANCE: f32 = 1.0 / 12.0;

fn spec(image: [usize; 3]) -> DataSpec {
    SetSpec { train: 1024, test: 128, image, classes: 10, variance: VARIANCE, points: None }.into()
}

/// The model, its batch size, and its optimiser.
fn model(name: &str) -> (Box<dyn Model>, usize, Optimiser) {
    let adam = Optimiser::default();
    match name {
        "mlp-vae" => (Box::new(Vae::new(VaeConfig::default(), &spec([28, 28, 1]))), 128, adam),
        "conv-vae" => {
            let config = VaeConfig { channels: vec![32, 64], hidden: vec![256], latent: 32, ..VaeConfig::default() };
            (Box::new(Vae::new(config, &spec([28, 28, 1]))), 128, adam)
        }
        "dcgan" => {
            let config = GanConfig { width: 64, latent: 100, ..GanConfig::default() };
            let adam = Optimiser { lr: 2e-4, beta1: 0.5, ..adam };
            (Box::new(Gan::new(config, &spec([32, 32, 1]))), 64, adam)
        }
        "flow-matching" => {
            let config = FlowConfig { width: 12, class_conditional: false, ..FlowConfig::default() };
            (Box::new(Flow::new(config, &spec([28, 28, 1]))), 64, adam)
        }
        "vqvae" => {
            let config = VqVaeConfig { ema: 0.0, ..VqVaeConfig::default() };
            (Box::new(VqVae::new(config, &spec([32, 32, 3]))), 32, adam)
        }
        _ => unreachable!("{name} is not a training step"),
    }
}

/// Prepares a model for its first step.
pub(super) fn build(name: &str, backend: &Backend) -> Result<Workload, Error> {
    let (model, batch, optimiser) = model(name);
    let (images, ring) = (*model.buffers().first(), model.buffers().ring);
    let training = Training::whole(1, true, optimiser, images.spec.train);
    let mut executor = backend.executor(model.memory().clone(), Sharing::On);
    let noise = (0..images.train.len() as u32).map(|i| i.wrapping_mul(0x9E37_79B9)).collect();
    executor.write(images.train, &Array::U32(noise))?;
    for (buf, values) in initial_values(&*model, 1, false) {
        executor.write(buf, &Array::F32(values))?;
    }
    let phases = model.train(batch, &training);
    let prepared = phases.iter().map(|phase| executor.prepare(&phase.schedule)).collect::<Result<Vec<_>, _>>()?;
    let programs = in_order(&phases).into_iter().map(|phase| prepared[phase]).collect();
    let lengths = |network: &&models::Network| {
        network.weights.parameters().iter().map(|parameter| parameter.shape.len()).sum::<usize>()
    };
    let parameters = Some(model.networks().iter().map(lengths).sum());
    let (submit_loop, images) = (SubmitLoop::default(), batch * model.batches());
    Ok(Workload { executor, programs, ring, submit_loop, done: 0, parameters, flops: None, images })
}
