//! `frit show`: the training step of a model.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::Result;
use frit::config::Config;
use frit::data::DataSet;
use frit::export::step_plan;
use frit::run::layers::{Layer, layers, parameters};
use frit::run::planned::{Footprint, Planned, barriers_of, of_step, phases, schedules, slots};
use frit::run::session::spec;
use frit::train::{Inputs, Length};
use gpu_core::{Arena, Backend, Buf, Call, Schedule, Sharing, plan};
use models::{MicroBatch, Model, Phase, PhaseKind};
use serde_json::{Value, json};

pub(crate) fn show(args: &args::Show) -> Result<Ending> {
    let Inputs { config, data, .. } = Inputs::load(args.configuration()?, Length::default(), None)?;
    if args.plan {
        put_json("plan", json!(step_plan(&config, &data)))?;
        return Ok(Ending::Done);
    }
    let shown = Shown::new(&config, &data);
    if args.json {
        put_json("show", json_of(&shown))?;
        return Ok(Ending::Done);
    }
    print_layers(&shown)?;
    for planned in &shown.phases {
        let phase = &planned.phase;
        out!("")?;
        let times = if phase.times > 1 { format!(", {} times", phase.times) } else { String::new() };
        out!("{}{times}{}:", phase.name, part(phase, &shown.phases))?;
        out!("  #  {:48} {:26} {:>11} {:>13}  {}", "call", "kernel", "MFLOP", "KiB moved", "writes")?;
        for (index, call) in phase.schedule.calls().iter().enumerate() {
            out!("{}", line(index, call, planned, shown.optim))?;
        }
    }
    out!("")?;
    print_totals(&shown)?;
    Ok(Ending::Done)
}

/// The part of its round that a phase is.
fn part(phase: &Phase, phases: &[Planned]) -> String {
    let micro_batch = |planned: &Planned| match planned.phase.kind {
        PhaseKind::Backward(micro_batch) if planned.phase.name == phase.name => Some(micro_batch),
        _ => None,
    };
    let all: Vec<MicroBatch> = phases.iter().filter_map(micro_batch).collect();
    match phase.kind {
        PhaseKind::Update => ", update".into(),
        PhaseKind::Backward(this) if all.len() > 1 => {
            let number = all.iter().take_while(|micro_batch| micro_batch.first <= this.first).count();
            format!(", micro-batch {number} of {}", all.len())
        }
        PhaseKind::Accumulate(_) => ", sum".into(),
        PhaseKind::Clock if !all.is_empty() => ", clock".into(),
        PhaseKind::Clock | PhaseKind::Backward(_) => String::new(),
    }
}

/// Prints the data, the model and the memory.
pub(crate) fn summary(config: &Config, data: &DataSet, backend: Option<&Backend>) -> Result<()> {
    let shown = Shown::new(config, data);
    let (train, test) = (data.train.count, data.test.count);
    let (height, width, channels) = (data.height, data.width, data.channels);
    match data.points {
        Some(_) => out!("{}: {train} points in an epoch, new ones in each step, and {test} test points", data.name)?,
        None if data.sequence.is_some() => {
            let length = data.width;
            out!("{}: {train} training and {test} test pieces of {length} codes", data.name)?;
        }
        None if data.sides.is_some() => {
            let [a, b] = [0, 1].map(|side| data.side_size(side).map(|size| size.to_string()).join("×"));
            let sizes = if a == b { a } else { format!("{a} and {b}") };
            out!("training: {}, {sizes}", data.described(&data.train))?;
            out!("test: {}", data.described(&data.test))?;
        }
        None => out!("{}: {train} training and {test} test images of {height}×{width}×{channels}", data.name)?,
    }
    out!("")?;
    print_layers(&shown)?;
    out!("")?;
    print_totals(&shown)?;
    if let Some(Backend::Reference) = backend {
        let Shown { model, schedules, .. } = &shown;
        let bytes = Footprint::of(model.as_ref(), schedules, |dtype| Backend::Reference.element_bytes(dtype)).total();
        out!("memory on the reference executor (double precision): {:.1} MiB", mib(bytes))?;
    }
    Ok(())
}

/// Prints the layers of every network, in the order of the parameters.
fn print_layers(shown: &Shown) -> Result<()> {
    out!("{:28} {:12} {:16} {:>12} {:>10}", "layer", "operator", "output", "parameters", "MFLOP")?;
    for network in shown.model.networks() {
        for Layer { name, operator, output, parameters, flops } in layers(network, &shown.phases) {
            let output = output.to_string();
            out!("{name:28} {operator:12} {output:16} {parameters:12} {:10.3}", flops as f64 / 1e6)?;
        }
    }
    Ok(())
}

/// A model and its schedules.
struct Shown {
    /// Names of the optimiser's state tensors, by slot.
    optim: &'static [&'static str],
    model: Box<dyn Model>,
    /// The phases of a step on a full batch.
    phases: Vec<Planned>,
    /// Their schedules, and that of the initialisation.
    schedules: Vec<Schedule>,
}

impl Shown {
    fn new(config: &Config, data: &DataSet) -> Self {
        let model = config.build(&spec(config, data));
        let phases = phases(config, model.as_ref());
        let schedules = schedules(config, model.as_ref(), &phases);
        Self { optim: config.optimiser.slots(), model, phases, schedules }
    }
}

/// Number, label, kernel, cost, and the buffers written.
fn line(index: usize, call: &Call, planned: &Planned, optim: &[&str]) -> String {
    let writes = call.writes().map(|buf| {
        let slot = slot(buf, planned).map_or_else(String::new, |slot| format!(" {slot}"));
        format!("{} {}{slot}", buf.shape, memory(buf, optim))
    });
    format!(
        "{index:3}  {:48} {:26} {:11.3} {:13.1}  {}",
        call.label,
        call.kernel.name,
        call.flops as f64 / 1e6,
        call.bytes() as f64 / 1024.0,
        writes.collect::<Vec<_>>().join(", ")
    )
}

/// The memory of a buffer; `optim` names the optimiser's state tensors.
fn memory(buf: Buf, optim: &[&str]) -> String {
    match buf.id.arena {
        Arena::Scratch => "slot".into(),
        Arena::OptimSlot(slot) => format!("optim.{}", optim[usize::from(slot)]),
        arena => format!("{arena:?}").to_lowercase(),
    }
}

/// The slot of a scratch buffer.
fn slot(buf: Buf, planned: &Planned) -> Option<usize> {
    planned.slot(buf.id).filter(|_| buf.id.arena == Arena::Scratch)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn print_totals(Shown { model, phases, schedules, .. }: &Shown) -> Result<()> {
    for network in model.networks() {
        out!("network {}: {} parameters", network.weights.name(), network.weights.count())?;
    }
    let count = |count: fn(&Call) -> u64| of_step(phases, count);
    let (calls, flops, bytes) = (count(|_| 1), count(|call| call.flops), count(Call::bytes));
    out!("step: {calls} calls, {:.1} MFLOP, {:.1} MiB moved", flops as f64 / 1e6, mib(bytes))?;
    let waits = barriers_of(phases);
    out!(
        "barriers: before {} of {} dispatches, on {} buffers ({} in the first step of a pass)",
        waits.barriers,
        waits.dispatches,
        waits.buffers,
        waits.first
    )?;
    let memory = Footprint::on_a_device(model.as_ref(), schedules);
    let unshared: u64 = schedules.iter().map(|schedule| plan(schedule, Sharing::Off).bytes()).sum();
    out!(
        "memory: {:.1} MiB = {:.1} MiB persistent + {:.1} MiB scratch in {} slots ({:.1} MiB without sharing) + {:.1} \
         MiB uniforms and staging",
        mib(memory.total()),
        mib(memory.persistent),
        mib(memory.scratch),
        slots(schedules).len(),
        mib(unshared),
        mib(memory.other)
    )?;
    Ok(())
}

fn json_of(Shown { optim, model, phases, schedules }: &Shown) -> Value {
    let step = |planned: &Planned, call: &Call| {
        let phase = &planned.phase;
        let buf = |buf: &Buf| {
            let (slot, memory) = (slot(*buf, planned), memory(*buf, optim));
            json!({ "shape": buf.shape.dims(), "memory": memory, "slot": slot })
        };
        json!({
            "phase": phase.name,
            "times": phase.times,
            "label": call.label,
            "kernel": call.kernel.name,
            "buffers": call.bufs.iter().map(buf).collect::<Vec<_>>(),
            "flops": call.flops,
            "bytes": call.bytes(),
        })
    };
    let of_phase =
        |planned: &Planned| planned.phase.schedule.calls().iter().map(|of| step(planned, of)).collect::<Vec<_>>();
    let (memory, waits) = (Footprint::on_a_device(model.as_ref(), schedules), barriers_of(phases));
    let layer = |Layer { name, operator, output, parameters, flops }| {
        json!({
            "name": name,
            "operator": operator,
            "output": output.dims(),
            "parameters": parameters,
            "flops": flops,
        })
    };
    let layers = model.networks().into_iter().flat_map(|network| layers(network, phases)).map(layer);
    json!({
        "parameters": parameters(model.as_ref()),
        "layers": layers.collect::<Vec<_>>(),
        "steps": phases.iter().flat_map(of_phase).collect::<Vec<_>>(),
        "slots": slots(schedules).iter().map(|slot| slot.len * 4).collect::<Vec<_>>(),
        "scratch_bytes": memory.scratch,
        "persistent_bytes": memory.persistent,
        "other_bytes": memory.other,
        "dispatches": waits.dispatches,
        "barriers": waits.barriers,
        "first_barriers": waits.first,
        "barrier_buffers": waits.buffers,
    })
}
