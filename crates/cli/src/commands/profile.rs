//! `frit profile`: time and memory of a training step.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::Result;
use frit::run::profile::{Call, NEAR_PRODUCT, Profile, Work};
use frit::run::session::Session;
use frit::run::startup::Startup;
use frit::terminal::Terminal;
use frit::train::{Inputs, Length};
use gpu_core::DeviceChoice;
use serde_json::{Value, json};
use std::time::Duration;

/// The number of calls in the table.
const TOP: usize = 15;

pub(crate) fn profile(args: &args::Profile, terminal: &Terminal) -> Result<Ending> {
    let mut startup = Startup::default();
    let inputs = Inputs::load(args.show.configuration()?, Length::default(), None)?;
    startup.lap("data");
    let setup = inputs.open(&args.device.options(DeviceChoice::Auto), terminal)?;
    startup.lap("device");
    let mut session = setup.start()?;
    startup.lap("weights");
    let profile = Profile::measure(&mut session, &setup.backend, args.steps, startup)?;
    match args.show.json {
        true => put_json("profile", json_of(&profile, &session))?,
        false => print(&profile, &session)?,
    }
    Ok(Ending::Done)
}

fn print(profile: &Profile, session: &Session) -> Result<()> {
    out!("{}; timed by {}, medians over {} steps", session.device, profile.clock, profile.timed)?;
    print_roof(profile)?;
    print_kernels(profile)?;
    print_calls(profile)?;
    print_step(profile)?;
    print_memory(profile)?;
    out!("{}", profile.startup)
}

fn print_roof(profile: &Profile) -> Result<()> {
    let rates = &profile.rates;
    out!(
        "roofline: {} GFLOP/s multiply-add, {} GB/s copy; a {side}×{side} matrix product reaches {} GFLOP/s",
        figure(rates.fma / 1e9),
        figure(rates.copy / 1e9),
        figure(rates.product / 1e9),
        side = rates.side
    )
}

fn print_kernels(profile: &Profile) -> Result<()> {
    let total = profile.total();
    out!("")?;
    out!("{:24} {}", "kernel", HEAD)?;
    for (kernel, work) in profile.kernels() {
        out!("{kernel:24} {}", row(&work, &total))?;
    }
    out!("{:24} {}", "total", row(&total, &total))
}

fn print_calls(profile: &Profile) -> Result<()> {
    let total = profile.total();
    let mut calls: Vec<&Call> = profile.calls.iter().collect();
    calls.sort_by_key(|call| std::cmp::Reverse(call.work.time));
    out!("")?;
    out!("{:40} {:34} {}", "call", "kernel or variant", HEAD)?;
    for call in calls.iter().take(TOP) {
        let name = format!("{}: {}", call.phase, call.label);
        out!("{name:40} {:34} {}", call.variant, row(&call.work, &total))?;
    }
    if let Some(rest) = calls.len().checked_sub(TOP).filter(|&rest| rest > 0) {
        let work = calls[TOP..].iter().fold(Work::default(), |all, call| all.and(&call.work));
        out!("{:40} {:34} {}", format!("{rest} more"), "", row(&work, &total))?;
    }
    Ok(())
}

const HEAD: &str = "calls         ms  share    GFLOP/s      GB/s  of roof";

/// Calls, milliseconds, share of the step, rates, share of the roofline.
fn row(work: &Work, total: &Work) -> String {
    format!(
        "{:5} {:10.3} {:5.1}% {:>10} {:>9} {:>8}",
        work.calls,
        ms(work.time),
        100.0 * work.time.as_secs_f64() / total.time.as_secs_f64().max(1e-9),
        figure(work.flop_rate() / 1e9),
        figure(work.byte_rate() / 1e9),
        roof_share(work)
    )
}

/// The share of the roofline. Data that comes from a cache is faster than the memory that the roofline measures.
fn roof_share(work: &Work) -> String {
    match work.roof_share() {
        share if share > 1.0 => "cache".into(),
        share => format!("{:.1}%", 100.0 * share),
    }
}

fn print_step(profile: &Profile) -> Result<()> {
    let (whole, calls) = (&profile.whole, profile.total());
    out!("")?;
    out!(
        "step: {:.3} ms in training (median of {} steps in {} submits); sum of its calls: {:.3} ms",
        ms(whole.step),
        whole.steps,
        whole.submits,
        ms(calls.time)
    )?;
    out!(
        "{:.1} % of the time is in calls that reach {:.0} % of the matrix product's rate",
        100.0 * profile.near_product(),
        100.0 * NEAR_PRODUCT
    )?;
    out!(
        "dispatches per step: {}, {} of them after a barrier; submits per step: {:.3}",
        profile.barriers.dispatches,
        profile.barriers.barriers,
        whole.submits as f64 / whole.steps as f64,
    )?;
    out!(
        "host per step: {:.3} ms encoding ({:.2} µs per dispatch), {:.3} ms submitting; waits: {} unexpected, {} at \
         the end, in {} steps",
        ms(whole.encoding),
        1e3 * ms(whole.encoding) / profile.barriers.dispatches as f64,
        ms(whole.submitting),
        whole.other_waits,
        whole.waits.end,
        whole.steps
    )
}

fn print_memory(profile: &Profile) -> Result<()> {
    let (planned, counters) = (&profile.planned, &profile.counters);
    out!(
        "memory: {:.2} MiB planned ({:.2} persistent, {:.2} scratch, {:.2} uniforms and staging), {:.2} MiB peak \
         ({:.3} of the plan), {:.2} MiB upload staging{}",
        mib(planned.total()),
        mib(planned.persistent),
        mib(planned.scratch),
        mib(planned.other),
        mib(counters.peak_bytes),
        counters.peak_bytes as f64 / planned.total() as f64,
        mib(counters.upload_bytes),
        counters
            .allocator_bytes
            .map_or_else(String::new, |bytes| { format!(", {:.2} MiB in use by wgpu's allocator", mib(bytes)) })
    )
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Three significant digits, or a dash for zero.
fn figure(x: f64) -> String {
    match x {
        0.0 => "-".into(),
        x if x >= 100.0 => format!("{x:.0}"),
        x if x >= 10.0 => format!("{x:.1}"),
        x => format!("{x:.2}"),
    }
}

fn json_of(profile: &Profile, session: &Session) -> Value {
    let (whole, planned, counters, rates) = (&profile.whole, &profile.planned, &profile.counters, &profile.rates);
    let calls = profile.calls.iter().map(|call| {
        let mut line = json_of_work(&call.work);
        line["phase"] = json!(call.phase);
        line["label"] = json!(call.label);
        line["kernel"] = json!(call.kernel);
        line["variant"] = json!(call.variant);
        line
    });
    let kernels = profile.kernels().into_iter().map(|(kernel, work)| {
        let mut line = json_of_work(&work);
        line["kernel"] = json!(kernel);
        line
    });
    let waits = &profile.barriers;
    json!({
        "device": session.device,
        "clock": profile.clock.to_string(),
        "timed_steps": profile.timed,
        "roof": {
            "fma_gflops": rates.fma / 1e9,
            "copy_gbps": rates.copy / 1e9,
            "product_gflops": rates.product / 1e9,
            "product_side": rates.side,
        },
        "calls": calls.collect::<Vec<_>>(),
        "kernels": kernels.collect::<Vec<_>>(),
        "total": json_of_work(&profile.total()),
        "near_product_share": profile.near_product(),
        "step": {
            "ms": ms(whole.step),
            "steps": whole.steps,
            "dispatches": waits.dispatches,
            "barriers": waits.barriers,
            "barrier_buffers": waits.buffers,
            "submits": whole.submits as f64 / whole.steps as f64,
            "encoding_ms": ms(whole.encoding),
            "submitting_ms": ms(whole.submitting),
            "waits_for_bound": whole.waits.bound,
            "waits_at_end": whole.waits.end,
            "other_waits": whole.other_waits,
        },
        "memory": {
            "planned_bytes": planned.total(),
            "persistent_bytes": planned.persistent,
            "scratch_bytes": planned.scratch,
            "other_bytes": planned.other,
            "peak_bytes": counters.peak_bytes,
            "upload_bytes": counters.upload_bytes,
            "allocator_bytes": counters.allocator_bytes,
        },
        "first_step": profile.startup.to_json(),
    })
}

fn json_of_work(work: &Work) -> Value {
    json!({
        "calls": work.calls,
        "ms": ms(work.time),
        "flops": work.flops,
        "bytes": work.bytes,
        "gflops": work.flop_rate() / 1e9,
        "gbps": work.byte_rate() / 1e9,
        "roof_share": work.roof_share(),
    })
}
