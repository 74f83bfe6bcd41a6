//! An operator of one's own, compared with its reference: `cargo run --release --example own_op`.

use gpu_core::{Args, Array, DeviceChoice, Element, Gradient, Grid, Kernel, Memory, Params, Schedule, Sharing};
use gpu_core::{choose, functions, params, read, write};

params! { struct SquareplusParams { len: u32, b: f32 } }

const WGSL: &str = "
struct Params { len: u32, b: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: Params;

// y = (x + sqrt(x² + b)) / 2; one invocation per element.
@compute @workgroup_size(64)
fn squareplus(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < p.len { y[id.x] = 0.5 * (x[id.x] + sqrt(x[id.x] * x[id.x] + p.b)); }
}";

fn reference<E: Element>(args: &mut Args<'_, E>) {
    let SquareplusParams { b, .. } = args.params();
    let y = args.write("y").iter_mut();
    y.zip(args.read("x")).for_each(|(y, &x)| *y = E::of(0.5) * (x + (x * x + E::of(b)).sqrt()));
}

static SQUAREPLUS: Kernel = Kernel {
    name: "squareplus",
    op: "squareplus",
    source: &[WGSL],
    bindings: &[read("x"), write("y")],
    params: SquareplusParams::FIELDS,
    overrides: &[],
    workgroup: [64, 1, 1],
    variants: &[],
    reference: functions!(reference),
    gradient: Gradient::Forward,
};

/// Runs the operator on a device, for values from −5 to 5.
pub(crate) fn run(device: &DeviceChoice) -> Result<Vec<f64>, gpu_core::Error> {
    let mut schedule = Schedule::new();
    let [x, y] = [schedule.scratch([1000]), schedule.scratch([1000])];
    schedule.feed(x);
    schedule.keep(y);
    let params = SquareplusParams { len: 1000, b: 4.0 };
    schedule.push(&SQUAREPLUS, "squareplus", &[x, y], &params, Grid::Linear(1000_usize.div_ceil(64)), 5000);
    let mut executor = choose(device, false)?.0.executor(Memory::default(), Sharing::On);
    let program = executor.prepare(&schedule)?;
    executor.write(x, &Array::F32((-500..500).map(|i| i as f32 / 100.0).collect()))?;
    let ticket = executor.submit(&[program], 1, &[y])?;
    Ok(executor.wait(ticket)?.remove(0).to_f64())
}

fn main() -> Result<(), gpu_core::Error> {
    let pairs = run(&DeviceChoice::Reference)?.into_iter().zip(run(&DeviceChoice::Auto)?);
    println!("largest difference: {:.1e}", pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max));
    Ok(())
}
