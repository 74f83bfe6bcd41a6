//! `frit show`: a model's training step as it will run.

use crate::Ending;
use crate::args;
use crate::config::Config;
use crate::data::DataSet;
use crate::planned::{Footprint, Planned, hazards_of, of_step, phases, schedules, slots};
use crate::session::spec;
use crate::terminal::out;
use anyhow::Result;
use gpu_core::{Backend, Buf, Home, Schedule, Sharing, Step, plan};
use models::Model;
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
    for (planned, [part, parts]) in shown.phases.iter().zip(numbered(&shown.phases)) {
        let phase = &planned.phase;
        let times = if phase.times > 1 { format!(", {} times", phase.times) } else { String::new() };
        let part = if parts > 1 { format!(", part {part} of {parts}") } else { String::new() };
        out!("{}{times}{part}:", phase.name)?;
        for (index, step) in phase.schedule.steps().iter().enumerate() {
            out!("{}", line(index, step, planned))?;
        }
    }
    print_totals(&shown)?;
    Ok(Ending::Done)
}

/// For each phase, which part of its batch it is of how many.
fn numbered(phases: &[Planned]) -> Vec<[usize; 2]> {
    let parts = phases.chunk_by(|one, next| one.phase.name == next.phase.name).map(<[_]>::len);
    parts.flat_map(|parts| (1..=parts).map(move |part| [part, parts])).collect()
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
        let model = config.model(spec(config, data));
        let phases = phases(config, model.as_ref());
        let schedules = schedules(config, model.as_ref(), &phases);
        Self { model, phases, schedules }
    }
}

/// Number, label, kernel, shapes, cost, and the slot of what is written.
fn line(index: usize, step: &Step, planned: &Planned) -> String {
    let shapes: Vec<String> = step.writes().map(|buf| format!("{} {}", buf.shape, home(buf, planned))).collect();
    format!(
        "{index:3}  {:32} {:24} {:28} {:9.3} MFLOP {:9.1} KiB",
        step.label,
        step.kernel.name,
        shapes.join(", "),
        step.flops as f64 / 1e6,
        step.bytes() as f64 / 1024.0
    )
}

/// Where a buffer lies.
fn home(buf: Buf, planned: &Planned) -> String {
    match (buf.place.home, planned.slot(buf.place)) {
        (Home::Scratch, Some(slot)) => format!("in slot {slot}"),
        (home, _) => format!("in {home:?}").to_lowercase(),
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn print_totals(Shown { model, phases, schedules }: &Shown) -> Result<()> {
    for network in model.networks() {
        out!("network {}: {} parameters", network.weights.name(), network.weights.count())?;
    }
    let count = |count: fn(&Step) -> u64| of_step(phases, count);
    let (calls, flops, bytes) = (count(|_| 1), count(|step| step.flops), count(Step::bytes));
    out!("a step: {calls} calls, {:.1} MFLOP, {:.1} MiB moved", flops as f64 / 1e6, mib(bytes))?;
    let waits = hazards_of(phases);
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
    let step = |planned: &Planned, step: &Step| {
        let phase = &planned.phase;
        let buf = |buf: &Buf| json!({ "shape": buf.shape.to_string(), "home": home(*buf, planned) });
        json!({
            "phase": phase.name,
            "times": phase.times,
            "label": step.label,
            "kernel": step.kernel.name,
            "buffers": step.bufs.iter().map(buf).collect::<Vec<_>>(),
            "flops": step.flops,
            "bytes": step.bytes(),
        })
    };
    let of_phase =
        |planned: &Planned| planned.phase.schedule.steps().iter().map(|of| step(planned, of)).collect::<Vec<_>>();
    let (memory, waits) = (Footprint::on_a_device(model.as_ref(), schedules), hazards_of(phases));
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
