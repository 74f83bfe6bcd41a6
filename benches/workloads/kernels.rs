//! Products, a convolution, and the decoder of the linear VAE. Results are compared with the reference before timing.

use super::Workload;
use frit_harness::compare;
use gpu_core::DeviceKind;
use gpu_core::ops::activation::Activation;
use gpu_core::ops::conv2d::{self, Window};
use gpu_core::ops::matmul::{Form, PLAIN, product};
use gpu_core::{Arena, Array, Backend, Buf, Dtype, Memory, Schedule, Sharing, SubmitLoop};
use models::{Mode, Network, Sequence, Value};

/// Images of the convolution.
const IMAGES: usize = 32;
/// Latents to decode.
const LATENTS: usize = 10_000;

/// A schedule with its inputs and its number of operations.
struct Kernel {
    schedule: Schedule,
    memory: Memory,
    inputs: Vec<(Buf, Array)>,
    flops: Option<f64>,
    images: usize,
}

/// Builds the kernel called `name`.
pub(super) fn build(name: &str, backend: &Backend) -> Result<Workload, String> {
    let kernel = match name {
        "product-512" => square(512),
        "product-1024" => square(1024),
        "product-2048" => square(2048),
        "product-4096" if is_software(backend) => return Err("skipped on a software adapter".into()),
        "product-4096" => square(4096),
        "convolution" => convolution(),
        "decode" => decode(),
        _ => return Err(format!("no workload called {name}")),
    };
    prepared(kernel, backend)
}

fn is_software(backend: &Backend) -> bool {
    matches!(backend, Backend::Gpu(device) if device.caps.kind == DeviceKind::Software)
}

/// Prepares a kernel on an executor whose result agrees with the reference.
fn prepared(kernel: Kernel, backend: &Backend) -> Result<Workload, String> {
    let Kernel { schedule, mut memory, inputs, flops, images } = kernel;
    let ring = memory.add("ring", [models::RING_ROWS, 1], Dtype::F32);
    let mut executor = backend.executor(memory.clone(), Sharing::On);
    let comparisons =
        compare::call_by_call(executor.as_mut(), &memory, &schedule, &inputs).map_err(|e| e.to_string())?;
    if comparisons.iter().any(|comparison| comparison.error > 1e-3) {
        return Err(format!("not timed, wrong result: {comparisons:?}"));
    }
    let program = executor.prepare(&schedule).map_err(|e| e.to_string())?;
    let (programs, submit_loop) = (vec![program], SubmitLoop::default());
    Ok(Workload { executor, programs, ring, submit_loop, done: 0, parameters: None, flops, images })
}

/// Pseudo-random numbers between −½ and ½.
fn numbers(len: usize) -> Array {
    Array::F32((0..len).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect())
}

/// An input buffer, with numbers for it.
fn input<const D: usize>(s: &mut Schedule, shape: [usize; D]) -> (Buf, Array)
where
    gpu_core::Shape: From<[usize; D]>,
{
    let buf = s.scratch(shape);
    s.feed(buf);
    (buf, numbers(buf.len()))
}

/// [n, n] · [n, n]
fn square(side: usize) -> Kernel {
    let mut s = Schedule::new();
    let (a, b) = (input(&mut s, [side, side]), input(&mut s, [side, side]));
    let y = product(&mut s, "y", a.0, b.0, Form::NN, PLAIN);
    s.keep(y);
    let flops = Some(2.0 * (side as f64).powi(3));
    Kernel { schedule: s, memory: Memory::default(), inputs: vec![a, b], flops, images: 1 }
}

/// A convolution of 64 to 64 channels, 32×32 pixels, 3×3 taps.
fn convolution() -> Kernel {
    let mut s = Schedule::new();
    let (x, w) = (input(&mut s, [IMAGES, 32, 32, 64]), input(&mut s, [64, 3, 3, 64]));
    let y = conv2d::forward(&mut s, "y", x.0, w.0, Window::square(3, 1, 1), PLAIN);
    s.keep(y);
    let flops = Some(2.0 * (IMAGES * 32 * 32 * 64 * 64 * 9) as f64);
    Kernel { schedule: s, memory: Memory::default(), inputs: vec![x, w], flops, images: IMAGES }
}

/// Images from latents by layers of 20, 400 and 784.
fn decode() -> Kernel {
    let (mut s, mut memory) = (Schedule::new(), Memory::default());
    let mut network = Network::new(&mut memory, "decoder");
    let mut layers = Sequence::of_rows(&mut memory, &mut network, "decoder", 20);
    layers.linear(400, Activation::Relu);
    layers.linear_to_pixels([28, 28, 1], Activation::Sigmoid);
    let decoder = layers.finish();
    let z = input(&mut s, [LATENTS, 20]);
    let (y, _) = decoder.forward(&mut s, Value::plain(z.0), Mode::Use);
    s.keep(y.buf);
    let weights = memory.whole(network.weights.arena(Arena::Values));
    let inputs = vec![z, (weights, Array::F32(network.weights.initial(1)))];
    Kernel { schedule: s, memory, inputs, flops: None, images: LATENTS }
}
