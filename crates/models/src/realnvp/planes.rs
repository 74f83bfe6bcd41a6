//! Planar functions of all numbers of a row, the same for every row, in place of couplings: the planar flow of Rezende
//! and Mohamed, *Variational inference with normalizing flows*, 2015, from data to normal numbers.

use crate::network::Network;
use gpu_core::ops::{elementwise, fill, planar, reduce};
use gpu_core::{Buf, Init, Memory, Schedule};

/// Planar functions one after another.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// u | w | b of each function: [1, layers · width].
    numbers: Buf,
    layers: usize,
}

impl Planes {
    /// `layers` functions of rows of `width`. PyTorch's name: `planes` [layers, 2 · width + 1].
    pub(super) fn new(memory: &mut Memory, network: &mut Network, layers: usize, width: usize) -> Self {
        let numbers = network.weights.add(memory, "planes", [layers, planar::width(width)], Init::Normal(0.0, 0.3));
        Self { numbers: numbers.reshape([1, numbers.len()]), layers }
    }

    /// The arguments of all functions and the value of the last, of x [m, width], and log |det| of all, [m, 1].
    pub(super) fn forward(&self, s: &mut Schedule, x: Buf) -> (Vec<Buf>, Buf) {
        let mut values = vec![x];
        let mut sum: Option<Buf> = None;
        for step in 0..self.layers {
            let (y, log_slope) = planar::forward(s, &format!("planar{step}"), values[step], self.numbers, step);
            values.push(y);
            sum = Some(sum.map_or(log_slope, |sum| elementwise::add(s, "log_slope", sum, log_slope)));
        }
        (values, sum.expect("there are functions").reshape([x.shape.rows(), 1]))
    }

    /// dx [m, width] from dz and the gradient of log |det|, [m, 1]; adds those of the numbers.
    pub(super) fn backward(&self, s: &mut Schedule, values: &[Buf], mut dz: Buf, dslope: Buf) -> Buf {
        let dnumbers = s.scratch([dz.shape.rows(), self.numbers.len()]);
        fill::fill(s, "zero_numbers", dnumbers, 0.0);
        let dslope = dslope.reshape([dslope.len()]);
        for (step, &x) in values[..self.layers].iter().enumerate().rev() {
            let label = format!("planar{step}.backward");
            dz = planar::backward(s, &label, [x, self.numbers], [dz, dslope], step, dnumbers);
        }
        reduce::columns_add(s, "backward_numbers", dnumbers, self.numbers.grad());
        dz
    }

    /// x [m, width] of z [m, width].
    pub(super) fn inverse(&self, s: &mut Schedule, z: Buf) -> Buf {
        (0..self.layers)
            .rev()
            .fold(z, |value, step| planar::inverse(s, &format!("planar{step}.inverse"), value, self.numbers, step))
    }
}
