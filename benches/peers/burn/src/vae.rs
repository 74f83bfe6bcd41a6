//! Both variational autoencoders: −ELBO with Bernoulli pixels from logits.

use crate::{Workload, normal, trained, uniform};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

pub trait Vae<const D: usize>: Module {
    /// Mean and log variance.
    fn encode(&self, x: Tensor<D>) -> [Tensor<2>; 2];
    /// Logits.
    fn decode(&self, z: Tensor<2>) -> Tensor<D>;
}

/// 784-400-(20, 20)-400-784
#[derive(Module, Debug)]
pub struct Mlp {
    encoder: Linear,
    mean: Linear,
    logvar: Linear,
    inner: Linear,
    outer: Linear,
}

impl Mlp {
    pub fn new(device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self {
            encoder: linear(784, 400),
            mean: linear(400, 20),
            logvar: linear(400, 20),
            inner: linear(20, 400),
            outer: linear(400, 784),
        }
    }
}

impl Vae<2> for Mlp {
    fn encode(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let h = relu(self.encoder.forward(x));
        [self.mean.forward(h.clone()), self.logvar.forward(h)]
    }

    fn decode(&self, z: Tensor<2>) -> Tensor<2> {
        self.outer.forward(relu(self.inner.forward(z)))
    }
}

/// 28×28 → 32 channels → 64 channels of 7×7 → 256 → (32, 32), and back.
#[derive(Module, Debug)]
pub struct Conv {
    down: Vec<Conv2d>,
    encoder: Linear,
    mean: Linear,
    logvar: Linear,
    decoder: Vec<Linear>,
    up: Vec<ConvTranspose2d>,
}

impl Conv {
    pub fn new(device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self {
            down: vec![halving(1, 32, device), halving(32, 64, device)],
            encoder: linear(3136, 256),
            mean: linear(256, 32),
            logvar: linear(256, 32),
            decoder: vec![linear(32, 256), linear(256, 3136)],
            up: vec![doubling(64, 32, device), doubling(32, 1, device)],
        }
    }
}

pub fn halving(inputs: usize, outputs: usize, device: &Device) -> Conv2d {
    let config = Conv2dConfig::new([inputs, outputs], [4, 4]).with_stride([2, 2]);
    config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
}

pub fn doubling(inputs: usize, outputs: usize, device: &Device) -> ConvTranspose2d {
    ConvTranspose2dConfig::new([inputs, outputs], [4, 4]).with_stride([2, 2]).with_padding([1, 1]).init(device)
}

impl Vae<4> for Conv {
    fn encode(&self, x: Tensor<4>) -> [Tensor<2>; 2] {
        let h = self.down.iter().fold(x, |h, layer| relu(layer.forward(h)));
        let h = relu(self.encoder.forward(h.flatten::<2>(1, 3)));
        [self.mean.forward(h.clone()), self.logvar.forward(h)]
    }

    fn decode(&self, z: Tensor<2>) -> Tensor<4> {
        let h = self.decoder.iter().fold(z, |h, layer| relu(layer.forward(h)));
        let h = h.reshape([-1, 64, 7, 7]);
        self.up[1].forward(relu(self.up[0].forward(h)))
    }
}

pub struct Training<const D: usize, V: Vae<D>> {
    /// Taken while a step moves it.
    model: Option<V>,
    optimiser: ModuleOptimizer,
    x: Tensor<D>,
    loss: Option<Tensor<1>>,
    parameters: usize,
}

pub fn training<const D: usize, V: Vae<D>>(model: V, shape: [usize; D], device: &Device) -> Training<D, V> {
    let parameters = trained(&model);
    let optimiser = AdamConfig::new().with_epsilon(1e-8).init();
    Training { model: Some(model), optimiser, x: uniform(shape, 0.0, 1.0, device), loss: None, parameters }
}

impl<const D: usize, V: Vae<D>> Workload for Training<D, V> {
    fn step(&mut self) {
        let model = self.model.take().expect("put back after each step");
        let x = self.x.clone();
        let batch = x.dims()[0] as f32;
        let [mean, logvar] = model.encode(x.clone());
        let noise = normal(mean.dims(), &x.device());
        let z = mean.clone() + (logvar.clone() * 0.5).exp() * noise;
        let logits = model.decode(z);
        // log(1 + exp(l)) − x·l, in the form that does not overflow.
        let recon = relu(logits.clone()) - x * logits.clone() + (-logits.abs()).exp().log1p();
        let kl = (mean.square() + logvar.clone().exp() - logvar - 1.0) * 0.5;
        let loss = (recon.sum() + kl.sum()) / batch;
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimiser.step(1e-3, model, grads));
        self.loss = Some(loss.detach());
    }

    fn loss(&self) -> Option<f32> {
        self.loss.clone().map(|loss| loss.into_scalar())
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.parameters)
    }
}
