//! `frit show`: a model's training step as it will run.

use crate::Ending;
use crate::args;
use crate::config::Config;
use crate::data::DataSet;
use crate::session::spec;
use crate::steps::whole;
use crate::terminal::out;
use anyhow::Result;
use gpu_core::{Buf, Home, Plan, Schedule, Sharing, Step, plan};
use models::{Model, Phase};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A phase of a step, and where its buffers lie.
struct Planned {
    phase: Phase,
    plan: Plan,
}

pub(crate) fn show(args: &args::Show) -> Result<Ending> {
    let mut config = args.settings.apply(Config::load(&args.recipe)?)?;
    if let Some(source) = &args.data {
        config.data.source.clone_from(source);
    }
    let data = super::train::load(&config)?;
    config.check(&spec(&config, &data), data.train.count)?;
    let (model, phases) = planned(&config, &data);
    if args.json {
        out!("{}", json_of(model.as_ref(), &phases))?;
        return Ok(Ending::Done);
    }
    for Planned { phase, plan } in &phases {
        match phase.times {
            1 => out!("{}:", phase.name)?,
            times => out!("{}, {times} times:", phase.name)?,
        }
        for (index, step) in phase.schedule.steps().iter().enumerate() {
            out!("{}", line(index, step, plan))?;
        }
    }
    print_totals(model.as_ref(), &phases)?;
    Ok(Ending::Done)
}

/// What `frit train --dry-run` says: the model, the memory and the data.
pub(crate) fn dry_run(config: &Config, data: &DataSet) -> Result<Ending> {
    let (model, phases) = planned(config, data);
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
    print_totals(model.as_ref(), &phases)?;
    Ok(Ending::Done)
}

/// The model, and the phases of a step on a whole batch.
fn planned(config: &Config, data: &DataSet) -> (Box<dyn Model>, Vec<Planned>) {
    let spec = spec(config, data);
    let model = config.model(spec);
    let phases = model.train(config.train.batch_size, &whole(config, &spec));
    let phases = phases.into_iter().map(|phase| Planned { plan: plan(&phase.schedule, Sharing::On), phase }).collect();
    (model, phases)
}

/// Number, label, kernel, shapes, cost, and the slot of what is written.
fn line(index: usize, step: &Step, plan: &Plan) -> String {
    let shapes: Vec<String> = step.writes().map(|buf| format!("{} {}", buf.shape, home(buf, plan))).collect();
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
fn home(buf: Buf, plan: &Plan) -> String {
    match (buf.place.home, plan.slot(buf.place)) {
        (Home::Scratch, Some(slot)) => format!("in slot {slot}"),
        (home, _) => format!("in {home:?}").to_lowercase(),
    }
}

fn print_totals(model: &dyn Model, phases: &[Planned]) -> Result<()> {
    for network in model.networks() {
        out!("network {}: {} parameters", network.weights.name(), network.weights.count())?;
    }
    let of_step = |count: &dyn Fn(&Step) -> u64| -> u64 {
        let of_phase = |phase: &Phase| phase.times as u64 * phase.schedule.steps().iter().map(count).sum::<u64>();
        phases.iter().map(|planned| of_phase(&planned.phase)).sum()
    };
    let (calls, flops, bytes) = (of_step(&|_| 1), of_step(&|step| step.flops), of_step(&Step::bytes));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    out!("a step: {calls} calls, {:.1} MFLOP, {:.1} MiB moved", flops as f64 / 1e6, mib(bytes))?;
    let (persistent, scratch) = (persistent_bytes(model, phases), scratch_bytes(phases));
    let unshared: u64 = phases.iter().map(|planned| plan(&planned.phase.schedule, Sharing::Off).bytes()).sum();
    out!(
        "memory of the step: {:.1} MiB = {:.1} MiB persistent + {:.1} MiB scratch in {} slots ({:.1} MiB without \
         sharing)",
        mib(persistent + scratch),
        mib(persistent),
        mib(scratch),
        phases.iter().map(|planned| planned.plan.slots.len()).sum::<usize>(),
        mib(unshared)
    )?;
    Ok(())
}

/// What lasts as long as a phase; each has its own.
fn scratch_bytes(phases: &[Planned]) -> u64 {
    phases.iter().map(|planned| planned.plan.bytes()).sum()
}

/// What outlives the step: arenas, data, clocks, rings.
fn persistent_bytes(model: &dyn Model, phases: &[Planned]) -> u64 {
    let schedules = phases.iter().map(|planned| &planned.phase.schedule);
    let bufs = schedules.flat_map(Schedule::steps).flat_map(|step| &step.bufs);
    let lasting = bufs.filter(|buf| buf.place.home != Home::Scratch);
    let places: BTreeMap<_, _> = lasting.map(|buf| (buf.place, model.memory().whole(buf.place).bytes())).collect();
    places.values().sum()
}

fn json_of(model: &dyn Model, phases: &[Planned]) -> Value {
    let step = |phase: &Phase, plan: &Plan, step: &Step| {
        let buf = |buf: &Buf| json!({ "shape": buf.shape.to_string(), "home": home(*buf, plan) });
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
    let of_phase = |Planned { phase, plan }: &Planned| {
        phase.schedule.steps().iter().map(|of| step(phase, plan, of)).collect::<Vec<_>>()
    };
    let slots = phases.iter().flat_map(|planned| &planned.plan.slots);
    json!({
        "parameters": model.networks().iter().map(|network| network.weights.count()).sum::<usize>(),
        "steps": phases.iter().flat_map(of_phase).collect::<Vec<_>>(),
        "slots": slots.map(|slot| slot.len * 4).collect::<Vec<_>>(),
        "scratch_bytes": scratch_bytes(phases),
        "persistent_bytes": persistent_bytes(model, phases),
    })
}
