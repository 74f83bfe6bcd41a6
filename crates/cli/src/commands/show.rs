//! `frit show`: the training step of a model.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::Result;
use frit::config::Config;
use frit::data::DataSet;
use frit::run::planned::{Footprint, Planned, barriers_of, of_step, phases, schedules, slots};
use frit::run::session::spec;
use frit::train::{Inputs, Length};
use gpu_core::{Arena, Backend, Buf, Call, Schedule, Sharing, plan};
use models::{MicroBatch, Model, Phase, PhaseKind};
use serde_json::{Value, json};

pub(crate) fn show(args: &args::Show) -> Result<Ending> {
    let Inputs { config, data, .. } = Inputs::load(args.configuration()?, Length::default(), None)?;
    let shown = Shown::new(&config, &data);
    if args.json {
        put_json("show", json_of(&shown))?;
        return Ok(Ending::Done);
    }
    for planned in &shown.phases {
        let phase = &planned.phase;
        let times = if phase.times > 1 { format!(", {} times", phase.times) } else { String::new() };
        out!("{}{times}{}:", phase.name, part(phase, &shown.phases))?;
        for (index, call) in phase.schedule.calls().iter().enumerate() {
            out!("{}", line(index, call, planned, shown.optim))?;
        }
    }
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
        PhaseKind::Clock | PhaseKind::Backward(_) => String::new(),
    }
}

/// Prints the configuration, the data and the memory for `frit train --dry-run`.
pub(crate) fn dry_run(config: &Config, data: &DataSet, backend: Option<&Backend>) -> Result<Ending> {
    let shown = Shown::new(config, data);
    out!("{}", config.to_toml()?.trim_end())?;
    out!("")?;
    out!(
        "{}: {} training and {} test images of {}×{}×{}",
        data.name,
        data.train.count,
        data.test.count,
        data.height,
        data.width,
        data.channels
    )?;
    print_totals(&shown)?;
    if let Some(Backend::Reference) = backend {
        let Shown { model, schedules, .. } = &shown;
        let bytes = Footprint::of(model.as_ref(), schedules, |dtype| Backend::Reference.element_bytes(dtype)).total();
        out!("memory on the reference executor (double precision): {:.1} MiB", mib(bytes))?;
    }
    Ok(Ending::Done)
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

/// Number, label, kernel, shapes, cost, and the buffers written.
fn line(index: usize, call: &Call, planned: &Planned, optim: &[&str]) -> String {
    let shapes: Vec<String> = call.writes().map(|buf| format!("{} {}", buf.shape, home(buf, planned, optim))).collect();
    format!(
        "{index:3}  {:32} {:24} {:28} {:9.3} MFLOP {:9.1} KiB",
        call.label,
        call.kernel.name,
        shapes.join(", "),
        call.flops as f64 / 1e6,
        call.bytes() as f64 / 1024.0
    )
}

/// The arena or slot of a buffer; `optim` names the optimiser's state tensors.
fn home(buf: Buf, planned: &Planned, optim: &[&str]) -> String {
    match (buf.id.arena, planned.slot(buf.id)) {
        (Arena::Scratch, Some(slot)) => format!("slot {slot}"),
        (Arena::OptimSlot(slot), _) => format!("optim.{}", optim[usize::from(slot)]),
        (arena, _) => format!("{arena:?}").to_lowercase(),
    }
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
        let buf = |buf: &Buf| json!({ "shape": buf.shape.to_string(), "home": home(*buf, planned, optim) });
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
    json!({
        "parameters": model.networks().iter().map(|network| network.weights.count()).sum::<usize>(),
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
