//! Inception v3 with the weights that the Fréchet Inception distance is defined by, from images to 2,048 features.
//!
//! The network is frozen: it has no backward pass. Names, layers and preparation of images are those of
//! torch-fidelity's `FeatureExtractorInceptionV3`, a copy of TensorFlow's network: images resized to 299×299 by
//! TensorFlow 1's bilinear interpolation; average pooling that leaves out the padding; maxima instead of averages in
//! the last block.
//!
//! Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, 2016, *Rethinking the Inception architecture for computer vision*.

use crate::pass::Pass;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::{self, Window};
use gpu_core::ops::matmul::{Epilogue, PLAIN};
use gpu_core::ops::{channels, pool, resize};
use gpu_core::{Buf, Dtype, Memory, Schedule};

/// Features of an image.
pub const FEATURES: usize = 2048;
/// The side of the images that the network takes.
const SIDE: usize = 299;
/// The term that batch normalisation adds to a variance.
const EPSILON: f64 = 1e-3;

/// One convolution: `name.conv` and its batch normalisation `name.bn` in a file, which [`fold`] joins.
#[derive(Clone, Debug)]
pub struct FrozenConv {
    /// The name in torch-fidelity's files: `Mixed_5b.branch1x1`.
    pub name: String,
    /// The filters [co, kh, kw, ci], folded.
    pub weight: Buf,
    /// The bias `[co]`, folded.
    pub bias: Buf,
}

/// The network for a batch of images of one size.
#[derive(Clone, Debug)]
pub struct Inception {
    /// The weights, as persistent buffers.
    pub memory: Memory,
    /// The convolutions, in order.
    pub convs: Vec<FrozenConv>,
    /// The images, which the host writes: [n, h, w, 3], each byte as (byte − 128) / 128.
    pub given: Buf,
    /// The pass, whose output is the features [n, 2048].
    pub pass: Pass,
}

impl Inception {
    /// The network for `count` images of `size`: rows and columns.
    pub fn new(count: usize, [h, w]: [usize; 2]) -> Self {
        let mut schedule = Schedule::new();
        let given = schedule.scratch([count, h, w, 3]);
        schedule.feed(given);
        let mut net = Builder { memory: Memory::default(), schedule, convs: Vec::new() };
        let x = resize::bilinear(&mut net.schedule, "resize", given, [SIDE; 2]);
        let x = net.stem(x);
        let x = [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)]
            .into_iter()
            .fold(x, |x, (block, pooled)| net.block_a(x, block, pooled));
        let x = net.block_b(x, "Mixed_6a");
        let x = [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)]
            .into_iter()
            .fold(x, |x, (block, inner)| net.block_c(x, block, inner));
        let x = net.block_d(x, "Mixed_7a");
        let x = net.block_e(x, "Mixed_7b", Builder::average);
        let x = net.block_e(x, "Mixed_7c", |net, x, block| net.largest(x, block, 1, 1));
        let whole = pool::Window::square(x.shape.dims()[1] as usize, 1, 0);
        let features = pool::average_pool(&mut net.schedule, "mean", x, whole, true).reshape([count, FEATURES]);
        let Builder { memory, schedule, convs } = net;
        Self { memory, convs, given, pass: Pass::new(schedule, &[features]) }
    }
}

/// The statistics and the affine map of a batch normalisation, each `[co]`.
#[derive(Clone, Copy, Debug)]
pub struct Normalisation<'a> {
    /// The factor.
    pub weight: &'a [f32],
    /// The summand.
    pub bias: &'a [f32],
    /// The mean of the data.
    pub running_mean: &'a [f32],
    /// The variance of the data.
    pub running_var: &'a [f32],
}

/// Joins a convolution without a bias and the batch normalisation behind it, as it is at inference, to one convolution:
/// scales the filters [co, …] in place, and returns the bias `[co]`.
///
/// # Panics
/// If the filters are not one or more numbers for each of the channels.
pub fn fold(filters: &mut [f32], norm: Normalisation<'_>) -> Vec<f32> {
    let Normalisation { weight, bias, running_mean, running_var } = norm;
    let numbers = filters.len() / weight.len();
    assert!(numbers > 0 && numbers * weight.len() == filters.len(), "{} numbers in filters", filters.len());
    let rows = filters.chunks_exact_mut(numbers).enumerate();
    rows.map(|(channel, row)| {
        let scale = f64::from(weight[channel]) / (f64::from(running_var[channel]) + EPSILON).sqrt();
        row.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        (f64::from(bias[channel]) - f64::from(running_mean[channel]) * scale) as f32
    })
    .collect()
}

/// A convolution of a branch: name, channels, kernel. Its size stays as it is.
type Same = (&'static str, usize, [usize; 2]);

struct Builder {
    memory: Memory,
    schedule: Schedule,
    convs: Vec<FrozenConv>,
}

impl Builder {
    /// ReLU of a normalised convolution of x [n, h, w, ci].
    fn conv(&mut self, x: Buf, name: &str, outputs: usize, window: Window) -> Buf {
        let [kh, kw] = window.kernel;
        let weight = self.memory.add(&format!("{name}.weight"), [outputs, kh, kw, x.shape.cols()], Dtype::F32);
        let bias = self.memory.add(&format!("{name}.bias"), [outputs], Dtype::F32);
        self.convs.push(FrozenConv { name: name.into(), weight, bias });
        let epilogue = Epilogue { bias: Some(bias), activation: Activation::Relu, ..PLAIN };
        conv2d::forward(&mut self.schedule, name, x, weight, window, epilogue)
    }

    /// A square kernel without padding.
    fn inside(&mut self, x: Buf, name: &str, outputs: usize, kernel: usize, stride: usize) -> Buf {
        self.conv(x, name, outputs, Window::square(kernel, stride, 0))
    }

    /// Convolutions of a block, one after the other, that keep the size of images.
    fn branch(&mut self, x: Buf, block: &str, layers: &[Same]) -> Buf {
        layers.iter().fold(x, |x, &(name, outputs, kernel)| {
            let pad = kernel.map(|size| size / 2);
            self.conv(x, &format!("{block}.{name}"), outputs, Window { kernel, stride: [1; 2], pad, dilation: [1; 2] })
        })
    }

    /// Maxima of 3×3 pixels.
    fn largest(&mut self, x: Buf, block: &str, stride: usize, pad: usize) -> Buf {
        pool::max_pool(&mut self.schedule, &format!("{block}.pool"), x, pool::Window::square(3, stride, pad)).0
    }

    /// Averages of those of 3×3 pixels that are in the image.
    fn average(&mut self, x: Buf, block: &str) -> Buf {
        pool::average_pool(&mut self.schedule, &format!("{block}.pool"), x, pool::Window::square(3, 1, 1), false)
    }

    /// Branches side by side.
    fn beside(&mut self, block: &str, branches: &[Buf]) -> Buf {
        let joined = branches.iter().copied().reduce(|a, b| channels::concat(&mut self.schedule, block, a, b));
        joined.expect("a block has branches")
    }

    /// [n, 35, 35, 192] of [n, 299, 299, 3].
    fn stem(&mut self, x: Buf) -> Buf {
        let x = self.inside(x, "Conv2d_1a_3x3", 32, 3, 2);
        let x = self.inside(x, "Conv2d_2a_3x3", 32, 3, 1);
        let x = self.conv(x, "Conv2d_2b_3x3", 64, Window::square(3, 1, 1));
        let x = self.largest(x, "MaxPool_1", 2, 0);
        let x = self.inside(x, "Conv2d_3b_1x1", 80, 1, 1);
        let x = self.inside(x, "Conv2d_4a_3x3", 192, 3, 1);
        self.largest(x, "MaxPool_2", 2, 0)
    }

    /// 224 channels and `pooled` more, of the same size.
    fn block_a(&mut self, x: Buf, block: &str, pooled: usize) -> Buf {
        let one = self.branch(x, block, &[("branch1x1", 64, [1, 1])]);
        let five = self.branch(x, block, &[("branch5x5_1", 48, [1, 1]), ("branch5x5_2", 64, [5, 5])]);
        let threes = [("branch3x3dbl_1", 64, [1, 1]), ("branch3x3dbl_2", 96, [3, 3]), ("branch3x3dbl_3", 96, [3, 3])];
        let three = self.branch(x, block, &threes);
        let pool = self.average(x, block);
        let pool = self.branch(pool, block, &[("branch_pool", pooled, [1, 1])]);
        self.beside(block, &[one, five, three, pool])
    }

    /// 480 channels more, of half the size.
    fn block_b(&mut self, x: Buf, block: &str) -> Buf {
        let three = self.inside(x, &format!("{block}.branch3x3"), 384, 3, 2);
        let double = self.branch(x, block, &[("branch3x3dbl_1", 64, [1, 1]), ("branch3x3dbl_2", 96, [3, 3])]);
        let double = self.inside(double, &format!("{block}.branch3x3dbl_3"), 96, 3, 2);
        let pool = self.largest(x, block, 2, 0);
        self.beside(block, &[three, double, pool])
    }

    /// 768 channels of the same size, by filters of seven rows or columns.
    fn block_c(&mut self, x: Buf, block: &str, inner: usize) -> Buf {
        let one = self.branch(x, block, &[("branch1x1", 192, [1, 1])]);
        let sevens = [("branch7x7_1", inner, [1, 1]), ("branch7x7_2", inner, [1, 7]), ("branch7x7_3", 192, [7, 1])];
        let seven = self.branch(x, block, &sevens);
        let doubles = [
            ("branch7x7dbl_1", inner, [1, 1]),
            ("branch7x7dbl_2", inner, [7, 1]),
            ("branch7x7dbl_3", inner, [1, 7]),
            ("branch7x7dbl_4", inner, [7, 1]),
            ("branch7x7dbl_5", 192, [1, 7]),
        ];
        let double = self.branch(x, block, &doubles);
        let pool = self.average(x, block);
        let pool = self.branch(pool, block, &[("branch_pool", 192, [1, 1])]);
        self.beside(block, &[one, seven, double, pool])
    }

    /// 512 channels more, of half the size.
    fn block_d(&mut self, x: Buf, block: &str) -> Buf {
        let three = self.branch(x, block, &[("branch3x3_1", 192, [1, 1])]);
        let three = self.inside(three, &format!("{block}.branch3x3_2"), 320, 3, 2);
        let sevens = [("branch7x7x3_1", 192, [1, 1]), ("branch7x7x3_2", 192, [1, 7]), ("branch7x7x3_3", 192, [7, 1])];
        let seven = self.branch(x, block, &sevens);
        let seven = self.inside(seven, &format!("{block}.branch7x7x3_4"), 192, 3, 2);
        let pool = self.largest(x, block, 2, 0);
        self.beside(block, &[three, seven, pool])
    }

    /// 2,048 channels of the same size, by filters that part into rows and columns; `pool` keeps the size.
    fn block_e(&mut self, x: Buf, block: &str, pool: impl Fn(&mut Self, Buf, &str) -> Buf) -> Buf {
        let one = self.branch(x, block, &[("branch1x1", 320, [1, 1])]);
        let three = self.branch(x, block, &[("branch3x3_1", 384, [1, 1])]);
        let row = self.branch(three, block, &[("branch3x3_2a", 384, [1, 3])]);
        let column = self.branch(three, block, &[("branch3x3_2b", 384, [3, 1])]);
        let double = self.branch(x, block, &[("branch3x3dbl_1", 448, [1, 1]), ("branch3x3dbl_2", 384, [3, 3])]);
        let double_row = self.branch(double, block, &[("branch3x3dbl_3a", 384, [1, 3])]);
        let double_column = self.branch(double, block, &[("branch3x3dbl_3b", 384, [3, 1])]);
        let pooled = pool(self, x, block);
        let pooled = self.branch(pooled, block, &[("branch_pool", 192, [1, 1])]);
        self.beside(block, &[one, row, column, double_row, double_column, pooled])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_has_the_published_size() {
        let net = Inception::new(2, [32, 48]);
        assert_eq!(net.convs.len(), 94);
        let weights: usize = net.convs.iter().map(|conv| conv.weight.len()).sum();
        assert_eq!(weights, 21_751_136, "the filters of torchvision's inception_v3 without its classifiers");
        // 5.7 billion multiply-adds an image, as torchvision documents.
        let flops: u64 = net.pass.schedule.calls().iter().map(|call| call.flops).sum();
        assert!((11.3e9..11.7e9).contains(&(flops as f64 / 2.0)), "{flops}");
        assert_eq!(net.pass.outputs[0].shape.dims(), [2, 2048]);
    }

    #[test]
    fn folding_is_normalising() {
        let mut filters = vec![1.0, -2.0, 0.5, 4.0];
        let norm = Normalisation {
            weight: &[2.0, 0.5],
            bias: &[0.25, 1.0],
            running_mean: &[3.0, -1.0],
            running_var: &[3.999, 0.249],
        };
        let bias = fold(&mut filters, norm);
        // √(var + ε) is 2 and ½.
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&filters, &[1.0, -2.0, 0.5, 4.0]), "{filters:?}");
        assert!(near(&bias, &[-2.75, 2.0]), "{bias:?}");
    }
}
