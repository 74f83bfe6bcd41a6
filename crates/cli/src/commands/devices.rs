//! `frit devices`: the adapters, and the default choice.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::Result;
use frit::run::device::{choose, described};
use gpu_core::{Adapter, Caps};
use serde_json::{Value, json};

pub(crate) fn devices(args: &args::Devices) -> Result<Ending> {
    let adapters: Vec<Caps> = Adapter::all().into_iter().map(|adapter| adapter.caps).collect();
    let (backend, why, times) = choose(&args.device.choice().unwrap_or_default(), args.device.checked)?;
    if args.json {
        let adapters: Vec<Value> = adapters.iter().map(json_of).collect();
        put_json("devices", json!({ "adapters": adapters, "chosen": backend.name(), "why": why }))?;
        return Ok(Ending::Done);
    }
    if adapters.is_empty() {
        out!("no adapters found (on Debian, `apt-get install mesa-vulkan-drivers` installs a software one)")?;
    }
    for (number, caps) in adapters.iter().enumerate() {
        out!("gpu:{number} {}", caps.name)?;
        out!("  {}, {}, {}", caps.backend, caps.kind, caps.driver)?;
        out!(
            "  buffers to {} MiB, bindings to {} MiB, {} storage buffers in a kernel",
            caps.max_buffer_bytes >> 20,
            caps.max_binding_bytes >> 20,
            caps.storage_buffers
        )?;
        out!(
            "  {} invocations and {} KiB in a workgroup, subgroups of {} to {}; features: {}",
            caps.max_invocations,
            caps.workgroup_bytes >> 10,
            caps.subgroup.0,
            caps.subgroup.1,
            if caps.features.is_empty() { "none".into() } else { caps.features.join(", ") }
        )?;
    }
    out!("chosen: {why}")?;
    if let Some(times) = times {
        out!("  {}", described(times))?;
    }
    Ok(Ending::Done)
}

fn json_of(caps: &Caps) -> Value {
    json!({
        "name": caps.name,
        "backend": caps.backend,
        "kind": caps.kind.to_string(),
        "driver": caps.driver,
        "max_buffer_bytes": caps.max_buffer_bytes,
        "max_binding_bytes": caps.max_binding_bytes,
        "max_invocations": caps.max_invocations,
        "workgroup_bytes": caps.workgroup_bytes,
        "storage_buffers": caps.storage_buffers,
        "subgroup_min": caps.subgroup.0,
        "subgroup_max": caps.subgroup.1,
        "features": caps.features,
    })
}
