//! `frit show`: a model's training step as it will run.

use crate::Ending;
use crate::args;
use crate::config::Config;
use crate::data::DataSet;
use crate::session::spec;
use crate::terminal::out;
use anyhow::Result;
use gpu_core::{Buf, Home, Plan, Schedule, Sharing, Step, plan};
use models::Model;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn show(args: &args::Show) -> Result<Ending> {
    let config = args.settings.apply(Config::load(&args.recipe)?)?;
    let data = super::train::load(&config)?;
    config.check(spec(&data))?;
    let model = config.model(spec(&data));
    let schedule = model.train(config.train.batch_size, &config.training());
    let plan = plan(&schedule, Sharing::On);
    if args.json {
        out!("{}", json_of(model.as_ref(), &schedule, &plan))?;
        return Ok(Ending::Done);
    }
    for (index, step) in schedule.steps().iter().enumerate() {
        out!("{}", line(index, step, &plan))?;
    }
    print_totals(model.as_ref(), &schedule, &plan)?;
    Ok(Ending::Done)
}

/// What `frit train --dry-run` says: the model, the memory and the data.
pub(crate) fn dry_run(config: &Config, data: &DataSet) -> Result<Ending> {
    let model = config.model(spec(data));
    let schedule = model.train(config.train.batch_size, &config.training());
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
    print_totals(model.as_ref(), &schedule, &plan(&schedule, Sharing::On))?;
    Ok(Ending::Done)
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

fn print_totals(model: &dyn Model, schedule: &Schedule, plan: &Plan) -> Result<()> {
    for weights in model.networks() {
        out!("network {}: {} parameters", weights.name(), weights.count())?;
    }
    let steps = schedule.steps();
    let flops: u64 = steps.iter().map(|step| step.flops).sum();
    let bytes: u64 = steps.iter().map(Step::bytes).sum();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    out!("a step: {} calls, {:.1} MFLOP, {:.1} MiB moved", steps.len(), flops as f64 / 1e6, mib(bytes))?;
    out!(
        "memory of the step: {:.1} MiB = {:.1} MiB persistent + {:.1} MiB scratch in {} slots ({:.1} MiB without \
         sharing)",
        mib(persistent_bytes(model, schedule) + plan.bytes()),
        mib(persistent_bytes(model, schedule)),
        mib(plan.bytes()),
        plan.slots.len(),
        mib(gpu_core::plan(schedule, Sharing::Off).bytes())
    )?;
    Ok(())
}

/// What outlives the step: arenas, data, clocks, rings.
fn persistent_bytes(model: &dyn Model, schedule: &Schedule) -> u64 {
    let bufs = schedule.steps().iter().flat_map(|step| &step.bufs).filter(|buf| buf.place.home != Home::Scratch);
    let places: BTreeMap<_, _> = bufs.map(|buf| (buf.place, model.memory().whole(buf.place).bytes())).collect();
    places.values().sum()
}

fn json_of(model: &dyn Model, schedule: &Schedule, plan: &Plan) -> Value {
    let step = |step: &Step| {
        let buf = |buf: &Buf| json!({ "shape": buf.shape.to_string(), "home": home(*buf, plan) });
        json!({
            "label": step.label,
            "kernel": step.kernel.name,
            "grid": step.grid,
            "buffers": step.bufs.iter().map(buf).collect::<Vec<_>>(),
            "flops": step.flops,
            "bytes": step.bytes(),
        })
    };
    json!({
        "parameters": model.networks().iter().map(|weights| weights.count()).sum::<usize>(),
        "steps": schedule.steps().iter().map(step).collect::<Vec<_>>(),
        "slots": plan.slots.iter().map(|slot| slot.len * 4).collect::<Vec<_>>(),
        "scratch_bytes": plan.bytes(),
        "persistent_bytes": persistent_bytes(model, schedule),
    })
}
