//! frit's workloads on Burn: reads names on stdin, answers JSON lines, as benches/peers/README.md says.
//!
//!     frit-peer-burn <wgpu|flex> [--seconds S]

mod gan;
mod kernels;
mod vae;
mod vqvae;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, DeviceKind, Distribution, Tensor};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// The workloads that can be timed.
trait Workload {
    /// One step, which the device may finish later.
    fn step(&mut self);

    /// The last step's loss, where it has one; waits.
    fn loss(&self) -> Option<f32> {
        None
    }

    /// Numbers that are trained.
    fn parameters(&self) -> Option<usize> {
        None
    }

    /// Floating-point operations of a step, where that is what is asked.
    fn flops(&self) -> Option<f64> {
        None
    }
}

/// Uniform numbers, as synthetic data.
fn uniform<const D: usize>(shape: [usize; D], low: f64, high: f64, device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(low, high), device)
}

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

/// Numbers of a module that are trained: not those that batch normalisation keeps of its batches.
fn trained<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let values = parameter.val();
            self.0 += if values.is_require_grad() { values.dims().iter().product() } else { 0 };
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

fn build(name: &str, device: &Device) -> Result<Box<dyn Workload>, String> {
    let training = device.clone().autodiff();
    // A software rasteriser is not a card; there a product of 4096 takes minutes.
    let software = device.identity().is_some_and(|identity| identity.physical.is_none());
    Ok(match name {
        "mlp-vae" => Box::new(vae::training(vae::Mlp::new(&training), [128, 784], &training)),
        "conv-vae" => Box::new(vae::training(vae::Conv::new(&training), [128, 1, 28, 28], &training)),
        "dcgan" => Box::new(gan::Gan::new(&training)),
        "vqvae" => Box::new(vqvae::Training::new(&training)),
        "product-4096" if software => return Err("left out on a software adapter".into()),
        "product-512" => Box::new(kernels::Product::new(512, device)),
        "product-1024" => Box::new(kernels::Product::new(1024, device)),
        "product-2048" => Box::new(kernels::Product::new(2048, device)),
        "product-4096" => Box::new(kernels::Product::new(4096, device)),
        "convolution" => Box::new(kernels::Convolution::new(device)),
        "decode" => Box::new(kernels::Decode::new(device)),
        _ => return Err(format!("no workload is called {name}")),
    })
}

struct Engine {
    device: Device,
    device_name: String,
    seconds: f64,
    /// Warm workloads, with seconds per step.
    warm: HashMap<String, (Box<dyn Workload>, f64)>,
}

impl Engine {
    fn timed(device: &Device, workload: &mut dyn Workload, steps: u64) -> f64 {
        let start = Instant::now();
        (0..steps).for_each(|_| workload.step());
        device.sync().expect("the device answers");
        start.elapsed().as_secs_f64()
    }

    /// The first step, then more of them until what is compiled, tuned and cached has been.
    fn warm_up(&mut self, name: &str) -> Result<Value, String> {
        let asked = Instant::now();
        let mut workload = build(name, &self.device)?;
        let mut step = Self::timed(&self.device, workload.as_mut(), 1);
        let mut answer = json!({"first_ms": asked.elapsed().as_secs_f64() * 1e3, "first_loss": workload.loss()});
        answer["parameters"] = json!(workload.parameters());
        let (warming, mut steps) = (Instant::now(), 1);
        while warming.elapsed().as_secs_f64() < self.seconds {
            step = Self::timed(&self.device, workload.as_mut(), steps) / steps as f64;
            steps *= 2;
        }
        self.warm.insert(name.into(), (workload, step));
        Ok(answer)
    }

    fn block(&mut self, name: &str) -> Result<Value, String> {
        let mut answer = json!({});
        if !self.warm.contains_key(name) {
            answer = self.warm_up(name)?;
        }
        let (workload, step) = self.warm.get_mut(name).expect("warm by now");
        let steps = ((self.seconds / *step) as u64).max(1);
        let seconds = match self.seconds > 0.0 {
            true => Self::timed(&self.device, workload.as_mut(), steps),
            // Only the first step was asked for.
            false => *step,
        };
        *step = seconds / steps as f64;
        answer["ms"] = json!(*step * 1e3);
        answer["steps"] = json!(steps);
        answer["loss"] = json!(workload.loss());
        if let Some(flops) = workload.flops() {
            answer["gflops"] = json!(flops / *step / 1e9);
        }
        Ok(answer)
    }

    fn versions(&self) -> Value {
        // Its fingerprint says SPIR-V of every adapter; without Burn's feature `vulkan` the shaders are WGSL.
        let device = self.device.identity().map_or(self.device_name.clone(), |it| format!("{}, WGSL", it.name));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        json!({"burn": "0.22.1", "device": device, "threads": threads})
    }

    fn answer(&mut self, name: &str) -> Value {
        if name == "versions" {
            return self.versions();
        }
        let done = catch_unwind(AssertUnwindSafe(|| self.block(name)));
        let mut answer = match done.unwrap_or_else(|panic| Err(message(panic.as_ref()))) {
            Ok(answer) => answer,
            Err(error) => json!({"error": error}),
        };
        answer["workload"] = json!(name);
        answer
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or("it panicked".into())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let device_name = arguments.first().map_or("wgpu", String::as_str);
    let device = match device_name {
        "flex" => Device::flex(),
        _ => Device::wgpu(DeviceKind::default()),
    };
    let seconds = arguments.iter().position(|argument| argument == "--seconds").map(|at| &arguments[at + 1]);
    let seconds = seconds.map_or(2.0, |text| text.parse().expect("--seconds takes a number"));
    let mut engine = Engine { device, device_name: device_name.into(), seconds, warm: HashMap::new() };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("stdin is text");
        println!("{}", engine.answer(line.trim()));
        std::io::stdout().flush().expect("stdout is open");
    }
}
