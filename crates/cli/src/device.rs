//! The device that was asked for, with the shaders that were: by the table, as tuned, or in half precision.

use crate::args;
use crate::cache;
use crate::safe_file;
use anyhow::{Context, Result, bail};
use gpu_core::device::Caps;
use gpu_core::{Backend, Choice, Picking, choose};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variants by class, as `frit tune` measured them.
pub(crate) type Choices = BTreeMap<String, String>;

/// The file of what was measured: what was allowed to round to half precision is for those who ask for that.
fn tuned_file(caps: &Caps, half: bool) -> Option<PathBuf> {
    cache::file(caps, if half { "tuned-half.json" } else { "tuned.json" })
}

/// The device for a command, and why it is that one.
pub(crate) fn open(args: &args::Device) -> Result<(Backend, String)> {
    open_choice(args, &args.choice().unwrap_or_default(), args.checked)
}

/// The same where the run has decided already which it is.
pub(crate) fn open_choice(args: &args::Device, choice: &Choice, checked: bool) -> Result<(Backend, String)> {
    let (backend, why) = choose(choice, checked)?;
    let untuned = if args.half { Picking::Half } else { Picking::Table };
    let picking = match &backend {
        Backend::Cpu if args.half => {
            bail!("the CPU executor has no half precision; leave --half out, or name an adapter")
        }
        Backend::Gpu(device) if args.half && !device.caps.features.contains(&"f16") => {
            bail!("{} has no half precision; leave --half out", device.caps.name)
        }
        Backend::Gpu(device) if !args.deterministic => tuned(&device.caps, args.half).map_or(untuned, Picking::tuned),
        _ => untuned,
    };
    Ok((backend.picking(picking), why))
}

/// What has been measured on such a device; nothing where there is no file, or one that cannot be read.
pub(crate) fn tuned(caps: &Caps, half: bool) -> Option<Choices> {
    let path = tuned_file(caps, half)?;
    let text = std::fs::read_to_string(&path).ok()?;
    match serde_json::from_str(&text) {
        Ok(choices) => Some(choices),
        Err(error) => {
            log::warn!("{} is not what frit tune writes ({error}) and is not used", path.display());
            None
        }
    }
}

/// Keeps what has been measured. Returns where.
pub(crate) fn keep(caps: &Caps, half: bool, choices: &Choices) -> Result<PathBuf> {
    let path = tuned_file(caps, half).context("there is no cache folder; name one with FRIT_CACHE")?;
    let folder = path.parent().expect("a file has a folder");
    std::fs::create_dir_all(folder).map_err(|error| safe_file::could_not_save(folder, &error))?;
    safe_file::write(&path, serde_json::to_string_pretty(choices)?.as_bytes())?;
    Ok(path)
}

/// How variants are chosen, for a run's environment: whoever goes on with it chooses the same.
pub(crate) fn note(backend: &Backend) -> Value {
    match backend {
        Backend::Cpu => json!(null),
        Backend::Gpu(device) => match device.how_picked() {
            Picking::Tuned(choices) => json!(**choices),
            Picking::Half => json!("half"),
            Picking::Table | Picking::Only(_) => json!("table"),
        },
    }
}

/// What [`note`] noted.
pub(crate) fn noted(note: &Value) -> Option<Picking> {
    match note {
        Value::Object(_) => Some(Picking::tuned(serde_json::from_value(note.clone()).ok()?)),
        Value::String(half) if half == "half" => Some(Picking::Half),
        Value::String(_) => Some(Picking::Table),
        _ => None,
    }
}
