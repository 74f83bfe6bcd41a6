//! `frit show`: a model's training step as it will run.

use crate::Ending;
use crate::args;
use crate::output::out;
use anyhow::Result;
use frit::config::Config;
use frit::data::DataSet;
use frit::run::planned::{Footprint, Planned, barriers_of, of_step, phases, schedules, slots};
use frit::run::session::spec;
use gpu_core::{Arena, Backend, Buf, Call, Schedule, Sharing, plan};
use models::{MicroBatch, Model, Phase, PhaseKind};
use serde_json::{Value, json};

pub(crate) fn show(args: &args::Show) -> Result<Ending> {
    let config = args.configuration()?;
    let data = super::train::load(&config)?;
    config.check(&spec(&config, &data), data.train.count)?;
    let shown = Shown::new(&config, &data);
    if args.json {
        out!("{}", json_of(&shown))?;
        return Ok(Ending::Done);
    }
    for planned in &shown.phases {
        let phase = &planned.phase;
        let times = if phase.times > 1 { format!(", {} times", phase.times) } else { String::new() };
        out!("{}{times}{}:", phase.name, part(phase))?;
        for (index, call) in phase.schedule.calls().iter().enumerate() {
            out!("{}", line(index, call, planned))?;
        }
    }
    print_totals(&shown)?;
    Ok(Ending::Done)
}

/// The part of its round that a phase is.
fn part(phase: &Phase) -> String {
    match phase.kind {
        PhaseKind::Clock => String::new(),
        PhaseKind::Update => ", update".into(),
        PhaseKind::Backward(whole) if whole.rows == whole.batch => String::new(),
        PhaseKind::Backward(MicroBatch { first, rows, batch }) => {
            format!(", images {} to {} of {batch}", first + 1, first + rows)
        }
    }
}

/// What `frit train --dry-run` says: the model, the memory and the data.
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
    if let Some(Backend::Cpu) = backend {
        let Shown { model, schedules, .. } = &shown;
        let bytes = Footprint::of(model.as_ref(), schedules, |dtype| Backend::Cpu.element_bytes(dtype)).total();
        out!("the CPU executor takes {:.1} MiB for it: its numbers have double precision", mib(bytes))?;
    }
    Ok(Ending::Done)
}

/// What there is to show.
struct Shown {
    model: Box<dyn Model>,
    /// Of a step on a whole batch.
    phases: Vec<Planned>,
    /// Theirs, and what runs before the first.
    schedules: Vec<Schedule>,
}

impl Shown {
    fn new(config: &Config, data: &DataSet) -> Self {
        let model = config.build(&spec(config, data));
        let phases = phases(config, model.as_ref());
        let schedules = schedules(config, model.as_ref(), &phases);
        Self { model, phases, schedules }
    }
}

/// Number, label, kernel, shapes, cost, and the slot of what is written.
fn line(index: usize, call: &Call, planned: &Planned) -> String {
    let shapes: Vec<String> = call.writes().map(|buf| format!("{} {}", buf.shape, home(buf, planned))).collect();
    format!(
        "{index:3}  {:32} {:24} {:28} {:9.3} MFLOP {:9.1} KiB",
        call.label,
        call.kernel.name,
        shapes.join(", "),
        call.flops as f64 / 1e6,
        call.bytes() as f64 / 1024.0
    )
}

/// Where a buffer lies.
fn home(buf: Buf, planned: &Planned) -> String {
    match (buf.id.arena, planned.slot(buf.id)) {
        (Arena::Scratch, Some(slot)) => format!("in slot {slot}"),
        (arena, _) => format!("in {arena:?}").to_lowercase(),
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn print_totals(Shown { model, phases, schedules }: &Shown) -> Result<()> {
    for network in model.networks() {
        out!("network {}: {} parameters", network.weights.name(), network.weights.count())?;
    }
    let count = |count: fn(&Call) -> u64| of_step(phases, count);
    let (calls, flops, bytes) = (count(|_| 1), count(|call| call.flops), count(Call::bytes));
    out!("a step: {calls} calls, {:.1} MFLOP, {:.1} MiB moved", flops as f64 / 1e6, mib(bytes))?;
    let waits = barriers_of(phases);
    out!(
        "wgpu puts a barrier before {} of its {} dispatches, on {} buffers; before {} where nothing came before",
        waits.barriers,
        waits.dispatches,
        waits.buffers,
        waits.first
    )?;
    let memory = Footprint::on_a_device(model.as_ref(), schedules);
    let unshared: u64 = schedules.iter().map(|schedule| plan(schedule, Sharing::Off).bytes()).sum();
    out!(
        "memory of the step: {:.1} MiB = {:.1} MiB persistent + {:.1} MiB scratch in {} slots ({:.1} MiB without \
         sharing) + {:.1} MiB of parameters and staging",
        mib(memory.total()),
        mib(memory.persistent),
        mib(memory.scratch),
        slots(schedules).len(),
        mib(unshared),
        mib(memory.besides)
    )?;
    Ok(())
}

fn json_of(Shown { model, phases, schedules }: &Shown) -> Value {
    let step = |planned: &Planned, call: &Call| {
        let phase = &planned.phase;
        let buf = |buf: &Buf| json!({ "shape": buf.shape.to_string(), "home": home(*buf, planned) });
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
        "other_bytes": memory.besides,
        "dispatches": waits.dispatches,
        "barriers": waits.barriers,
        "first_barriers": waits.first,
        "barrier_buffers": waits.buffers,
    })
}
