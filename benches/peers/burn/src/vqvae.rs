//! A vector-quantised autoencoder on 32×32×3 whose codebook follows its gradient.

use crate::vae::{doubling, halving};
use crate::{Workload, trained, uniform};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Tensor};

const BATCH: usize = 32;
const WIDTH: usize = 128;
const RESIDUAL: usize = 32;
const LATENT: usize = 64;
const CODES: usize = 512;
/// Of numbers spread evenly over an interval of one.
const VARIANCE: f32 = 1.0 / 12.0;

fn same(inputs: usize, outputs: usize, device: &Device) -> Conv2d {
    let config = Conv2dConfig::new([inputs, outputs], [3, 3]);
    config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
}

fn pixelwise(inputs: usize, outputs: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([inputs, outputs], [1, 1]).init(device)
}

/// x + conv1×1(relu(conv3×3(relu(x))))
#[derive(Module, Debug)]
struct Residual {
    inner: Conv2d,
    outer: Conv2d,
}

impl Residual {
    fn new(device: &Device) -> Self {
        Self { inner: same(WIDTH, RESIDUAL, device), outer: pixelwise(RESIDUAL, WIDTH, device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.inner.forward(relu(x.clone()));
        x + self.outer.forward(relu(h))
    }
}

#[derive(Module, Debug)]
struct VqVae {
    down: Vec<Conv2d>,
    encoder: Conv2d,
    encoder_blocks: Vec<Residual>,
    to_code: Conv2d,
    codebook: Param<Tensor<2>>,
    decoder: Conv2d,
    decoder_blocks: Vec<Residual>,
    up: Vec<ConvTranspose2d>,
}

impl VqVae {
    fn new(device: &Device) -> Self {
        let blocks = || (0..2).map(|_| Residual::new(device)).collect();
        let bound = 1.0 / CODES as f64;
        let codes = Tensor::random([CODES, LATENT], Distribution::Uniform(-bound, bound), device);
        Self {
            down: vec![halving(3, WIDTH / 2, device), halving(WIDTH / 2, WIDTH, device)],
            encoder: same(WIDTH, WIDTH, device),
            encoder_blocks: blocks(),
            to_code: pixelwise(WIDTH, LATENT, device),
            codebook: Param::from_tensor(codes),
            decoder: same(LATENT, WIDTH, device),
            decoder_blocks: blocks(),
            up: vec![doubling(WIDTH, WIDTH / 2, device), doubling(WIDTH / 2, 3, device)],
        }
    }

    /// Images of codes: [n, latent, h, w].
    fn encode(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.down.iter().fold(x, |h, layer| relu(layer.forward(h)));
        let h = self.encoder_blocks.iter().fold(self.encoder.forward(h), |h, block| block.forward(h));
        self.to_code.forward(relu(h))
    }

    fn decode(&self, q: Tensor<4>) -> Tensor<4> {
        let h = self.decoder_blocks.iter().fold(self.decoder.forward(q), |h, block| block.forward(h));
        self.up[1].forward(relu(self.up[0].forward(relu(h))))
    }

    /// The nearest codes to rows z [n, latent].
    fn quantise(&self, z: Tensor<2>) -> Tensor<2> {
        let (z, codes) = (z.detach(), self.codebook.val().detach());
        // |z|² is the same for all codes.
        let distances = codes.clone().square().sum_dim(1).transpose() - z.matmul(codes.transpose()) * 2.0;
        self.codebook.val().select(0, distances.argmin(1).flatten::<1>(0, 1))
    }
}

pub struct Training {
    /// Taken while a step moves it.
    model: Option<VqVae>,
    optimiser: ModuleOptimizer,
    x: Tensor<4>,
    loss: Option<Tensor<1>>,
    parameters: usize,
}

impl Training {
    pub fn new(device: &Device) -> Self {
        let model = VqVae::new(device);
        let parameters = trained(&model);
        let optimiser = AdamConfig::new().with_epsilon(1e-8).init();
        let x = uniform([BATCH, 3, 32, 32], -0.5, 0.5, device);
        Self { model: Some(model), optimiser, x, loss: None, parameters }
    }
}

impl Workload for Training {
    fn step(&mut self) {
        let model = self.model.take().expect("put back after each step");
        let z = model.encode(self.x.clone()).permute([0, 2, 3, 1]);
        let [n, h, w, c] = z.dims();
        let z = z.reshape([n * h * w, c]);
        let q = model.quantise(z.clone());
        let codebook = (q.clone() - z.clone().detach()).square().mean();
        let commitment = (z.clone() - q.clone().detach()).square().mean();
        let straight = z.clone() + (q - z).detach();
        let output = model.decode(straight.reshape([n, h, w, c]).permute([0, 3, 1, 2]));
        let error = (output - self.x.clone()).square().mean() / VARIANCE;
        let loss = error.clone() + codebook + commitment * 0.25;
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimiser.step(1e-3, model, grads));
        self.loss = Some(error.detach());
    }

    fn loss(&self) -> Option<f32> {
        self.loss.clone().map(|loss| loss.into_scalar())
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.parameters)
    }
}
