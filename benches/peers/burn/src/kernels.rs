//! Products, a convolution, and the decoder of the linear VAE: nothing is differentiated.

use crate::vae::{Mlp, Vae};
use crate::{Workload, normal, uniform};
use burn::tensor::activation::sigmoid;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

/// [n, n] · [n, n]
pub struct Product {
    a: Tensor<2>,
    b: Tensor<2>,
    /// Kept, so that no lazy engine leaves it out.
    y: Option<Tensor<2>>,
}

impl Product {
    pub fn new(side: usize, device: &Device) -> Self {
        let matrix = || uniform([side, side], -0.5, 0.5, device);
        Self { a: matrix(), b: matrix(), y: None }
    }
}

impl Workload for Product {
    fn step(&mut self) {
        self.y = Some(self.a.clone().matmul(self.b.clone()));
    }

    fn flops(&self) -> Option<f64> {
        Some(2.0 * (self.a.dims()[0] as f64).powi(3))
    }
}

/// 64 channels of 32×32 to 64, by 3×3, 32 images.
pub struct Convolution {
    x: Tensor<4>,
    w: Tensor<4>,
    y: Option<Tensor<4>>,
}

impl Convolution {
    pub fn new(device: &Device) -> Self {
        let x = uniform([32, 64, 32, 32], -0.5, 0.5, device);
        Self { x, w: uniform([64, 64, 3, 3], -0.5, 0.5, device), y: None }
    }
}

impl Workload for Convolution {
    fn step(&mut self) {
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        self.y = Some(conv2d(self.x.clone(), self.w.clone(), None, options));
    }

    fn flops(&self) -> Option<f64> {
        Some(2.0 * (32 * 32 * 32 * 64 * 64 * 9) as f64)
    }
}

/// Images of 10,000 latents.
pub struct Decode {
    model: Mlp,
    z: Tensor<2>,
    y: Option<Tensor<2>>,
}

impl Decode {
    pub fn new(device: &Device) -> Self {
        Self { model: Mlp::new(device), z: normal([10_000, 20], device), y: None }
    }
}

impl Workload for Decode {
    fn step(&mut self) {
        self.y = Some(sigmoid(self.model.decode(self.z.clone())));
    }
}
