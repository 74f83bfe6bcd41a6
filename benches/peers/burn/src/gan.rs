//! A DCGAN on 32×32×1: one step of D, on real and on generated images, each normalised by its own batch, and one of G.

use crate::vae::{doubling, halving};
use crate::{Workload, normal, trained, uniform};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::{leaky_relu, relu, softplus, tanh};
use burn::tensor::{Device, Tensor};

const BATCH: usize = 64;
const LATENT: usize = 100;
const RATE: f64 = 2e-4;

/// Transposed convolutions from 1×1 to 4×4, 8×8, 16×16 and 32×32.
#[derive(Module, Debug)]
struct Generator {
    up: Vec<ConvTranspose2d>,
    norms: Vec<BatchNorm>,
    last: ConvTranspose2d,
}

impl Generator {
    fn new(device: &Device) -> Self {
        let window = |inputs, outputs| ConvTranspose2dConfig::new([inputs, outputs], [4, 4]).with_bias(false);
        let double = |inputs, outputs| window(inputs, outputs).with_stride([2, 2]).with_padding([1, 1]);
        Self {
            up: vec![window(LATENT, 256).init(device), double(256, 128).init(device), double(128, 64).init(device)],
            norms: [256, 128, 64].map(|channels| BatchNormConfig::new(channels).init(device)).into(),
            last: doubling(64, 1, device),
        }
    }

    fn forward(&self, z: Tensor<4>) -> Tensor<4> {
        let layers = self.up.iter().zip(&self.norms);
        tanh(self.last.forward(layers.fold(z, |h, (up, norm)| relu(norm.forward(up.forward(h))))))
    }
}

/// Convolutions from 32×32 to 16×16, 8×8, 4×4 and one score.
#[derive(Module, Debug)]
struct Discriminator {
    first: Conv2d,
    down: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    last: Conv2d,
}

impl Discriminator {
    fn new(device: &Device) -> Self {
        let half = |inputs, outputs| {
            let config = Conv2dConfig::new([inputs, outputs], [4, 4]).with_stride([2, 2]).with_bias(false);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        Self {
            first: halving(1, 64, device),
            down: vec![half(64, 128), half(128, 256)],
            norms: [128, 256].map(|channels| BatchNormConfig::new(channels).init(device)).into(),
            last: Conv2dConfig::new([256, 1], [4, 4]).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = leaky_relu(self.first.forward(x), 0.2);
        let layers = self.down.iter().zip(&self.norms);
        self.last.forward(layers.fold(h, |h, (down, norm)| leaky_relu(norm.forward(down.forward(h)), 0.2)))
    }
}

pub struct Gan {
    device: Device,
    /// Both are taken while a step moves them.
    players: Option<(Generator, Discriminator)>,
    optimisers: [ModuleOptimizer; 2],
    real: Tensor<4>,
    loss: Option<Tensor<1>>,
    parameters: usize,
}

impl Gan {
    pub fn new(device: &Device) -> Self {
        let (generator, discriminator) = (Generator::new(device), Discriminator::new(device));
        let parameters = trained(&generator) + trained(&discriminator);
        let optimiser = || AdamConfig::new().with_beta_1(0.5).with_epsilon(1e-8).init();
        Self {
            device: device.clone(),
            players: Some((generator, discriminator)),
            optimisers: [optimiser(), optimiser()],
            real: uniform([BATCH, 1, 32, 32], -1.0, 1.0, device),
            loss: None,
            parameters,
        }
    }
}

impl Workload for Gan {
    fn step(&mut self) {
        let (generator, discriminator) = self.players.take().expect("put back after each step");
        let latents = || normal([BATCH, LATENT, 1, 1], &self.device);

        let fake = generator.forward(latents()).detach();
        let (of_real, of_fake) = (discriminator.forward(self.real.clone()), discriminator.forward(fake));
        let d_loss = softplus(-of_real, 1.0).mean() + softplus(of_fake, 1.0).mean();
        let grads = GradientsParams::from_grads(d_loss.backward(), &discriminator);
        let discriminator = self.optimisers[1].step(RATE, discriminator, grads);

        // The gradient passes through D, whose parameters want none.
        let frozen = discriminator.clone().no_grad();
        let g_loss = softplus(-frozen.forward(generator.forward(latents())), 1.0).mean();
        let grads = GradientsParams::from_grads(g_loss.backward(), &generator);
        let generator = self.optimisers[0].step(RATE, generator, grads);

        self.players = Some((generator, discriminator));
        self.loss = Some(d_loss.detach());
    }

    fn loss(&self) -> Option<f32> {
        self.loss.clone().map(|loss| loss.into_scalar())
    }

    fn parameters(&self) -> Option<usize> {
        Some(self.parameters)
    }
}
