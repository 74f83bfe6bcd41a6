//! Compares the reference with PyTorch for the operators of image networks, GAN losses, classification and codebooks.
//! tests/golden/README.md describes the files and the scripts that create them.

#[path = "golden/bench.rs"]
mod bench;
#[path = "golden/vectors.rs"]
mod vectors;

use bench::Bench;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::augment::{self, Augment};
use gpu_core::ops::batch_norm::{self, BatchNorm, Gradients};
use gpu_core::ops::codebook::{self, Averages};
use gpu_core::ops::conv2d;
use gpu_core::ops::gan_loss::{self, GanLoss, Loss};
use gpu_core::ops::gather::{Move, gather_moved, pack};
use gpu_core::ops::group_norm::{self, GroupNorm};
use gpu_core::ops::layer_norm::{self, LayerNorm};
use gpu_core::ops::matmul::{Epilogue, PLAIN};
use gpu_core::ops::pad::{self, Border, Margins};
use gpu_core::ops::spectral_norm::{self, SpectralNorm};
use gpu_core::ops::{channels, cross_entropy, elementwise, minibatch_std, pool, reduce, resize, upsample, vq};
use gpu_core::{Array, Buf, Dtype, Error, Shape};

#[test]
fn convolutions_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("conv", |bench, op, _| match op {
        "conv2d" => convolution(bench),
        "conv_transpose2d" => transposed(bench),
        _ => panic!("no test for {op}"),
    })
}

#[test]
fn normalisations_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("norms", |bench, op, kind| match op {
        "batch_norm" => batch_norm(bench, kind),
        "group_norm" => group_norm(bench),
        "layer_norm" => layer_norm(bench),
        "spectral_norm" => spectral_norm(bench, kind),
        _ => panic!("no test for {op}"),
    })
}

#[test]
fn resizing_agrees_with_pytorch() -> Result<(), Error> {
    bench::agree("images", |bench, op, kind| match op {
        "augment" => augmented(bench, kind),
        "average_pool" => average_pool(bench),
        "channels" => concat(bench),
        "gather_moved" => gathered(bench),
        "max_pool" => max_pool(bench),
        "minibatch_std" => deviation(bench),
        "pad" => pad(bench, kind),
        "resize" => resized(bench),
        "upsample" => upsample(bench, kind),
        _ => panic!("no test for {op}"),
    })
}

#[test]
fn gan_losses_classes_and_codes_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("discrete", |bench, op, kind| match (op, kind) {
        ("gan_loss", _) => gan_loss(bench, kind),
        ("cross_entropy", _) => cross_entropy(bench),
        ("vq", "embedding") => embedding(bench),
        ("vq", _) => straight_through(bench),
        ("codebook", "ema") => averages(bench),
        ("codebook", _) => perplexity(bench),
        _ => panic!("no test for {op}"),
    })
}

/// The integers of a tensor.
fn sizes<const N: usize>(bench: &Bench<'_>, name: &str) -> [usize; N] {
    let values = bench.tensor(name).values;
    let sizes: Vec<usize> = values.iter().map(|&value| value as usize).collect();
    sizes.try_into().unwrap_or_else(|_| panic!("{name} does not have {N} numbers"))
}

/// A zero buffer with the shape of a tensor, to which a gradient is added.
fn zeros(bench: &mut Bench<'_>, name: &str) -> Buf {
    let tensor = bench.tensor(name);
    bench.feed(&tensor.dims, vec![0.0; tensor.values.len()])
}

/// Expects that a buffer now holds part `part` of a tensor divided into equal parts; later writes do not matter.
fn expect_part(bench: &mut Bench<'_>, name: &str, buf: Buf, part: usize) {
    let values = bench.tensor(name).values[part * buf.len()..][..buf.len()].to_vec();
    let copy = elementwise::scale(&mut bench.s, name, buf, 1.0);
    bench.expect_values(&format!("{name} {part}"), copy, values);
}

/// The window of a case; its kernel size is that of the weights.
fn window(bench: &Bench<'_>) -> conv2d::Window {
    let dims = bench.tensor("w").dims;
    let [stride, pad, dilation] = ["stride", "padding", "dilation"].map(|name| sizes(bench, name));
    conv2d::Window { kernel: [dims[1], dims[2]], stride, pad, dilation }
}

fn convolution(bench: &mut Bench<'_>) {
    let window = window(bench);
    let [x, w, b, dy] = ["x", "w", "b", "dy"].map(|name| bench.input(name));
    let dw = zeros(bench, "dw");
    let size = [x.shape.dims()[1] as usize, x.shape.dims()[2] as usize];
    let s = &mut bench.s;
    let y = conv2d::forward(s, "y", x, w, window, Epilogue { bias: Some(b), ..PLAIN });
    let dx = conv2d::backward_input(s, "dx", dy, w, window, size, PLAIN);
    conv2d::backward_weight(s, "dw", x, dy, window, dw);
    expect_gradients(bench, y, dy, dx, dw);
}

fn transposed(bench: &mut Bench<'_>) {
    let (window, extra) = (window(bench), sizes(bench, "output_padding"));
    let [x, w, b, dy] = ["x", "w", "b", "dy"].map(|name| bench.input(name));
    let dw = zeros(bench, "dw");
    let s = &mut bench.s;
    let y = conv2d::transposed_forward(s, "y", x, w, window, extra, Epilogue { bias: Some(b), ..PLAIN });
    let dx = conv2d::transposed_backward_input(s, "dx", dy, w, window, PLAIN);
    conv2d::transposed_backward_weight(s, "dw", x, dy, window, dw);
    expect_gradients(bench, y, dy, dx, dw);
}

/// The gradient of the bias is the sum of dy over the pixels, as in a network.
fn expect_gradients(bench: &mut Bench<'_>, y: Buf, dy: Buf, dx: Buf, dw: Buf) {
    let rows = dy.reshape([dy.shape.rows(), dy.shape.cols()]);
    let db = reduce::columns(&mut bench.s, "db", rows, reduce::Kind::Sum);
    for (name, buf) in [("y", y), ("dx", dx), ("dw", dw), ("db", db)] {
        bench.expect(name, buf);
    }
}

/// Each step starts from the statistics after the one before.
fn batch_norm(bench: &mut Bench<'_>, kind: &str) {
    let before = match kind {
        "step1" => "start",
        "step2" => "step1",
        _ => "step2",
    };
    let golden = bench.golden;
    let at = |case: &str, name: &str| golden.tensor(&format!("batch_norm/{case}/{name}")).values.clone();
    let mut input = |case, name| {
        let values = at(case, name);
        bench.feed(&[values.len()], values)
    };
    let norm = BatchNorm {
        weight: input("start", "weight"),
        bias: input("start", "bias"),
        running_mean: input(before, "running_mean"),
        running_var: input(before, "running_var"),
        epsilon: at("start", "epsilon")[0] as f32,
        momentum: at("start", "momentum")[0] as f32,
    };
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let channels = norm.weight.len();
    let both = bench.feed(&[2, channels], vec![0.0; 2 * channels]);
    let [dweight, dbias] = [0, channels as u32].map(|offset| Buf { offset, shape: Shape::from([channels]), ..both });
    let (training, s) = (kind != "eval", &mut bench.s);
    let forward = if training { batch_norm::forward } else { batch_norm::inference };
    let (y, saved) = forward(s, "y", x, &norm, Activation::Identity);
    let gradients = Some(Gradients { weight: dweight, bias: dbias });
    let dx = batch_norm::backward(s, "dx", &saved, dy, norm.weight, gradients, None);
    expect_normalised(bench, y, dx, dweight, dbias);
    if training {
        bench.expect("running_mean", norm.running_mean);
        bench.expect("running_var", norm.running_var);
    }
}

fn group_norm(bench: &mut Bench<'_>) {
    let ([groups], epsilon) = (sizes(bench, "groups"), bench.scalar("epsilon"));
    let [x, dy, weight, bias] = ["x", "dy", "weight", "bias"].map(|name| bench.input(name));
    let (dweight, dbias) = (zeros(bench, "dweight"), zeros(bench, "dbias"));
    let norm = GroupNorm { groups, affine: Some((weight, bias)), epsilon };
    let s = &mut bench.s;
    let (y, saved) = group_norm::forward(s, "y", x, &norm, Activation::Identity);
    let sums = group_norm::backward_sums(s, "sums", &saved, dy);
    group_norm::backward_params(s, "params", sums, dweight, dbias);
    let dx = group_norm::backward_input(s, "dx", &saved, dy, sums, None);
    expect_normalised(bench, y, dx, dweight, dbias);
}

fn layer_norm(bench: &mut Bench<'_>) {
    let epsilon = bench.scalar("epsilon");
    let [x, dy, weight, bias] = ["x", "dy", "weight", "bias"].map(|name| bench.input(name));
    let (dweight, dbias) = (zeros(bench, "dweight"), zeros(bench, "dbias"));
    let s = &mut bench.s;
    let (y, saved) = layer_norm::forward(s, "y", x, &LayerNorm { weight, bias, epsilon }, Activation::Identity);
    layer_norm::backward_params(s, "params", &saved, dy, dweight, dbias);
    let dx = layer_norm::backward_input(s, "dx", &saved, dy, weight, None);
    expect_normalised(bench, y, dx, dweight, dbias);
}

fn expect_normalised(bench: &mut Bench<'_>, y: Buf, dx: Buf, dweight: Buf, dbias: Buf) {
    for (name, buf) in [("y", y), ("dx", dx), ("dweight", dweight), ("dbias", dbias)] {
        bench.expect(name, buf);
    }
}

/// Evaluation follows a training step, and leaves u and v unchanged.
fn spectral_norm(bench: &mut Bench<'_>, kind: &str) {
    let (training, golden) = (kind == "train", bench.golden);
    let before = if training { "start" } else { "train" };
    let mut input = |case, name| {
        let tensor = golden.tensor(&format!("spectral_norm/{case}/{name}"));
        bench.feed(&tensor.dims, tensor.values.clone())
    };
    let (w, norm) = (input("start", "w"), SpectralNorm { u: input(before, "u"), v: input(before, "v") });
    let (dy, dw) = (bench.input("dy"), zeros(bench, "dw"));
    let (y, saved) = spectral_norm::forward(&mut bench.s, "y", w, &norm, training);
    spectral_norm::backward(&mut bench.s, "dw", &saved, dy, dw);
    for (name, buf) in [("y", y), ("u", norm.u), ("v", norm.v), ("dw", dw)] {
        bench.expect(name, buf);
    }
}

fn pool_window(bench: &Bench<'_>) -> pool::Window {
    let [kernel, stride, pad] = ["kernel", "stride", "pad"].map(|name| sizes(bench, name));
    pool::Window { kernel, stride, pad }
}

fn max_pool(bench: &mut Bench<'_>) {
    let window = pool_window(bench);
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let (y, index) = pool::max_pool(&mut bench.s, "y", x, window);
    let dx = pool::max_pool_backward(&mut bench.s, "dx", dy, index, x.shape, window, None);
    for (name, buf) in [("y", y), ("index", index), ("dx", dx)] {
        bench.expect(name, buf);
    }
}

fn average_pool(bench: &mut Bench<'_>) {
    let (window, [count_pad]) = (pool_window(bench), sizes(bench, "count_pad"));
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let y = pool::average_pool(&mut bench.s, "y", x, window, count_pad != 0);
    let dx = pool::average_pool_backward(&mut bench.s, "dx", dy, x.shape, window, count_pad != 0, None);
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn upsample(bench: &mut Bench<'_>, kind: &str) {
    let mode = match kind.starts_with("nearest") {
        true => upsample::Mode::Nearest,
        false => upsample::Mode::Bilinear,
    };
    let factor = sizes(bench, "factor");
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let y = upsample::forward(&mut bench.s, "y", x, factor, mode);
    let dx = upsample::backward(&mut bench.s, "dx", dy, factor, mode, None);
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn pad(bench: &mut Bench<'_>, kind: &str) {
    let border = if kind == "zero" { Border::Zero } else { Border::Reflection };
    let [top, bottom, left, right] = sizes(bench, "margins");
    let margins = Margins { top, bottom, left, right };
    let (x, dy) = (bench.input("x"), bench.input("dy"));
    let y = pad::forward(&mut bench.s, "y", x, margins, border);
    let dx = pad::backward(&mut bench.s, "dx", dy, margins, border, None);
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn concat(bench: &mut Bench<'_>) {
    let [a, b, dy] = ["a", "b", "dy"].map(|name| bench.input(name));
    let (start, end) = (a.shape.cols(), dy.shape.cols());
    let y = channels::concat(&mut bench.s, "y", a, b);
    let da = channels::slice(&mut bench.s, "da", dy, 0..start);
    let db = channels::slice(&mut bench.s, "db", dy, start..end);
    for (name, buf) in [("y", y), ("da", da), ("db", db)] {
        bench.expect(name, buf);
    }
}

fn gan_loss(bench: &mut Bench<'_>, case: &str) {
    let of_kind = |&kind: &GanLoss| Some((case.strip_prefix(kind.name())?.strip_prefix('_')?, kind));
    let found = GanLoss::ALL.iter().find_map(of_kind);
    let (role, kind) = found.expect("kind_role");
    let role = match role.trim_end_matches("_smoothed") {
        "real" => gan_loss::Role::Real,
        "fake" => gan_loss::Role::Fake,
        "joint" => gan_loss::Role::RealThenFake(3),
        _ => gan_loss::Role::Generator,
    };
    let loss = Loss { kind, label_smoothing: bench.scalar("smoothing") };
    let (d, weight) = (bench.input("d"), bench.scalar("weight"));
    let alone = gan_loss::forward(&mut bench.s, "alone", d, role, loss);
    let (rows, dd, score) = gan_loss::with_gradient(&mut bench.s, "rows", d, role, loss, weight);
    for (name, buf) in [("y", alone), ("y", rows), ("dd", dd), ("score", score)] {
        bench.expect(name, buf);
    }
}

fn cross_entropy(bench: &mut Bench<'_>) {
    let (x, t, weight) = (bench.input("x"), bench.input("t"), bench.scalar("weight"));
    let alone = cross_entropy::forward(&mut bench.s, "alone", x, t);
    let (rows, dx) = cross_entropy::with_gradient(&mut bench.s, "rows", x, t, weight);
    let errors = cross_entropy::errors(&mut bench.s, "errors", x, t);
    for (name, buf) in [("y", alone), ("y", rows), ("dx", dx), ("errors", errors)] {
        bench.expect(name, buf);
    }
}

/// The gradient of z starts as that of the codes (straight-through).
fn straight_through(bench: &mut Bench<'_>) {
    let [scale, weight_codebook, weight_commitment] =
        ["scale", "weight_codebook", "weight_commitment"].map(|name| bench.scalar(name));
    let [z, codes, dz] = ["z", "codebook", "dq"].map(|name| bench.input(name));
    let dcodes = zeros(bench, "dcodebook");
    let s = &mut bench.s;
    let index = vq::nearest(s, "index", z, codes);
    let q = vq::lookup(s, "q", index, codes, z.shape);
    let alone = vq::loss(s, "alone", z, q, scale);
    let rows = vq::loss_with_gradient(s, "rows", z, q, scale, weight_commitment, dz);
    let assigned = vq::assign(s, "assigned", z, index, codes.shape.rows());
    vq::codebook_backward(s, "dcodebook", assigned, codes, weight_codebook, dcodes);
    let outputs = [("index", index), ("q", q), ("y", alone), ("y", rows), ("dz", dz), ("dcodebook", dcodes)];
    for (name, buf) in outputs {
        bench.expect(name, buf);
    }
}

fn embedding(bench: &mut Bench<'_>) {
    let (codes, dq) = (bench.input("codebook"), bench.input("dq"));
    let words: Vec<u32> = bench.tensor("index").values.iter().map(|&index| index as u32).collect();
    let index = bench.s.scratch_of([words.len()], Dtype::U32);
    bench.s.feed(index);
    bench.inputs.push((index, Array::U32(words)));
    let dcodes = zeros(bench, "dcodebook");
    let q = vq::lookup(&mut bench.s, "q", index, codes, dq.shape);
    let one_hot = vq::one_hot(&mut bench.s, "one_hot", index, codes.shape.rows());
    vq::lookup_backward(&mut bench.s, "dcodebook", one_hot, dq, dcodes);
    bench.expect("q", q);
    bench.expect("dcodebook", dcodes);
}

/// Each step uses the codes that the steps before have left.
fn averages(bench: &mut Bench<'_>) {
    let (gamma, epsilon) = (bench.scalar("gamma"), bench.scalar("epsilon"));
    let (codes, total) = (bench.input("initial"), bench.input("initial"));
    let k = codes.shape.rows();
    let size = bench.feed(&[k], vec![1.0; k]);
    let (batches, index) = (bench.tensor("z"), bench.tensor("index"));
    for (i, z) in batches.values.chunks(batches.values.len() / batches.dims[0]).enumerate() {
        let z = bench.feed(&batches.dims[1..], z.to_vec());
        let nearest = vq::nearest(&mut bench.s, "nearest", z, codes);
        let assigned = vq::assign(&mut bench.s, "assigned", z, nearest, k);
        let averages = Averages { size, total };
        codebook::ema(&mut bench.s, "ema", assigned, averages, gamma, true);
        codebook::smooth(&mut bench.s, "codes", averages, codes, epsilon);
        bench.expect_values(
            &format!("index {i}"),
            nearest,
            index.values[i * nearest.len()..][..nearest.len()].to_vec(),
        );
        for (name, buf) in [("size", size), ("total", total), ("codebook", codes)] {
            expect_part(bench, name, buf, i);
        }
    }
}

fn perplexity(bench: &mut Bench<'_>) {
    let histogram = bench.input("histogram");
    let (y, used) = codebook::perplexity(&mut bench.s, "y", histogram);
    bench.expect("y", y);
    bench.expect("used", used);
}

fn resized(bench: &mut Bench<'_>) {
    let (x, dy, size) = (bench.input("x"), bench.input("dy"), sizes(bench, "size"));
    let y = resize::bilinear(&mut bench.s, "y", x, size);
    let dx =
        resize::bilinear_backward(&mut bench.s, "dx", dy, [x.shape.dims()[1], x.shape.dims()[2]].map(|d| d as usize));
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn augmented(bench: &mut Bench<'_>, kind: &str) {
    let has = |change| kind.contains(change);
    let augment = Augment { colour: has("colour"), translation: has("translation"), cutout: has("cutout") };
    let (x, draws, dy) = (bench.input("x"), bench.input("draws"), bench.input("dy"));
    let y = augment::forward(&mut bench.s, "y", x, draws, augment);
    let dx = augment::backward(&mut bench.s, "dx", dy, draws, augment, None);
    bench.expect("y", y);
    bench.expect("dx", dx);
}

fn fed(bench: &mut Bench<'_>, words: Vec<u32>) -> Buf {
    let buf = bench.s.scratch_of([words.len()], Dtype::U32);
    bench.s.feed(buf);
    bench.inputs.push((buf, Array::U32(words)));
    buf
}

fn gathered(bench: &mut Bench<'_>) {
    let data = bench.tensor("data");
    let bytes: Vec<u8> = data.values.iter().map(|&byte| byte as u8).collect();
    let words = pack(&bytes);
    let &[n, h, w, c] = &data.dims[..] else { panic!("images") };
    let (packed, order) = (fed(bench, words), fed(bench, (0..n as u32).collect()));
    let draws = bench.input("draws");
    let by = Move { mirror: bench.scalar("mirror") != 0.0, crop: bench.scalar("crop") as usize };
    let y = gather_moved(&mut bench.s, "y", packed, order, draws, [h, w, c], by, [1.0, 0.0]);
    bench.expect("y", y);
}

fn deviation(bench: &mut Bench<'_>) {
    let size = bench.scalar("size") as usize;
    let [x, dy, u] = ["x", "dy", "u"].map(|name| bench.input(name));
    let s = &mut bench.s;
    let y = minibatch_std::forward(s, "y", x, size);
    let dx = minibatch_std::backward(s, "dx", x, dy, size, None);
    let along = minibatch_std::tangent(s, "along", x, u, size);
    let dx_along = minibatch_std::tangent_backward(s, "dx_along", [x, u], dy, size, None);
    for (name, buf) in [("y", y), ("dx", dx), ("along", along), ("dx_along", dx_along)] {
        bench.expect(name, buf);
    }
}
