//! frit's side of benches/peers: reads names of workloads from stdin and answers with JSON lines.
//!
//!     cargo bench --bench peer -- --device <cpu|reference|gpu|part of an adapter's name> [--seconds S]

mod workloads;

use gpu_core::{Backend, DeviceChoice, choose};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};
use workloads::{Block, Workload};

struct Engine {
    backend: Backend,
    seconds: f64,
    /// The peak of memory before the first workload.
    idle_mib: Option<f64>,
    warm: HashMap<String, Workload>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| arguments.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1].as_str());
    let Ok(choice) = after("--device").unwrap_or("auto").parse::<DeviceChoice>();
    let seconds = after("--seconds").unwrap_or("2").parse().expect("--seconds takes a number");
    let (backend, _) = choose(&choice, false).unwrap_or_else(|error| panic!("{error}"));
    let mut engine = Engine { backend, seconds, idle_mib: peak_mib(), warm: HashMap::new() };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("stdin is UTF-8");
        println!("{}", engine.answer(line.trim()));
        std::io::stdout().flush().expect("stdout is open");
    }
}

impl Engine {
    fn answer(&mut self, name: &str) -> Value {
        let mut answer = match name {
            "versions" => return self.versions(),
            _ => self.block(name).unwrap_or_else(|error| json!({"error": error})),
        };
        if let (Some(idle), Some(peak)) = (self.idle_mib, peak_mib()) {
            (answer["idle_mib"], answer["peak_mib"]) = (json!(idle), json!(peak));
        }
        answer["workload"] = json!(name);
        answer
    }

    fn versions(&self) -> Value {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let device = match &self.backend {
            Backend::Cpu => "CPU executor, f32".into(),
            Backend::Reference => "CPU reference executor, f64".into(),
            Backend::Gpu(device) => format!("{}, {}, {}", device.caps.name, device.caps.backend, device.caps.driver),
        };
        json!({"frit": env!("CARGO_PKG_VERSION"), "device": device, "threads": threads})
    }

    /// Runs one block. The first time, a first step and a warm-up block run before it.
    fn block(&mut self, name: &str) -> Result<Value, String> {
        let time = Duration::from_secs_f64(self.seconds);
        let run = |workload: &mut Workload, time| workload.run_for(time).map_err(|error| error.to_string());
        let mut answer = json!({});
        if !self.warm.contains_key(name) {
            let asked = Instant::now();
            let mut workload = Workload::new(name, &self.backend)?;
            let first = workload.run(1).map_err(|error| error.to_string())?;
            answer["first_ms"] = json!(asked.elapsed().as_secs_f64() * 1e3);
            if let Some(loss) = loss(name, &first) {
                answer["parameters"] = json!(workload.parameters);
                answer["first_loss"] = json!(loss);
            }
            if time.is_zero() {
                // Only the first step is requested.
                return Ok(merged(answer, name, &workload, &first));
            }
            run(&mut workload, time)?;
            self.warm.insert(name.into(), workload);
        }
        let workload = self.warm.get_mut(name).expect("the workload is warm");
        let block = run(workload, time)?;
        Ok(merged(answer, name, workload, &block))
    }
}

/// The largest resident set of this process so far, in MiB; `None` where the system does not say.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<f64>().ok()? / 1024.0)
}

/// The loss that other engines report: −ELBO, the discriminator's loss, the error of the VQ-VAE, that of the velocity.
fn loss(name: &str, block: &Block) -> Option<f64> {
    match name {
        "mlp-vae" | "conv-vae" => Some(block.losses.iter().sum()),
        "dcgan" | "vqvae" | "flow-matching" => Some(block.losses[0]),
        _ => None,
    }
}

fn merged(mut answer: Value, name: &str, workload: &Workload, block: &Block) -> Value {
    let step = block.took.as_secs_f64() / block.steps as f64;
    answer["ms"] = json!(step * 1e3);
    answer["steps"] = json!(block.steps);
    answer["images"] = json!(workload.images);
    if let Some(loss) = loss(name, block) {
        answer["loss"] = json!(loss);
    }
    if let Some(flops) = workload.flops {
        answer["gflops"] = json!(flops / step / 1e9);
    }
    answer
}
