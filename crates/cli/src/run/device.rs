//! The device that was asked for, with the shaders that were: by the table, as tuned, or in half precision.

use crate::io::cache;
use crate::io::error::{Context, ErrorKind, Hint, Result, bail, error};
use crate::io::files;
use gpu_core::Caps;
use gpu_core::{Backend, DeviceChoice, VariantPolicy, choose};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measured variants by class.
pub type Choices = BTreeMap<String, String>;

/// The file of measured variants; those in half precision have their own.
fn tuned_file(caps: &Caps, half: bool) -> Option<PathBuf> {
    cache::file(caps, if half { "tuned-half.json" } else { "tuned.json" })
}

/// The device to run on, and its shader variants.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DeviceOptions {
    /// The device.
    pub choice: DeviceChoice,
    /// Keeps the shaders' bounds checks.
    pub checked: bool,
    /// Chooses variants by the built-in table, not by tuned results.
    pub deterministic: bool,
    /// Rounds the operands of products to half precision.
    pub half: bool,
}

/// Opens a device, and returns the reason for the choice.
pub fn open(options: &DeviceOptions) -> Result<(Backend, String)> {
    let (backend, why) = choose(&options.choice, options.checked)?;
    let untuned = if options.half { VariantPolicy::Half } else { VariantPolicy::Table };
    let policy = match &backend {
        Backend::Cpu if options.half => {
            bail!(Device, hint: Hint::FullPrecision, "the CPU executor has no half precision")
        }
        Backend::Gpu(device) if options.half && !device.caps.features.contains(&"f16") => {
            bail!(Device, hint: Hint::FullPrecision, "{} has no half precision", device.caps.name)
        }
        Backend::Gpu(device) if !options.deterministic => {
            tuned(&device.caps, options.half).map_or(untuned, VariantPolicy::tuned)
        }
        _ => untuned,
    };
    Ok((backend.with_policy(policy), why))
}

/// The variants measured on this device. `None` without a file, or with one that cannot be read.
pub fn tuned(caps: &Caps, half: bool) -> Option<Choices> {
    let path = tuned_file(caps, half)?;
    let parse = |bytes: Vec<u8>| {
        serde_json::from_slice(&bytes)
            .map_err(|error| error!(File, "{} is not what frit tune writes: {error}", path.display()))
    };
    let read = files::read_if_exists(&path, files::TEXT).and_then(|bytes| bytes.map(parse).transpose());
    read.unwrap_or_else(|error| {
        log::warn!("tuned shader variants are not used: {error}");
        None
    })
}

/// Saves measured variants to the cache folder. Returns the path.
pub fn keep(caps: &Caps, half: bool, choices: &Choices) -> Result<PathBuf> {
    let path = tuned_file(caps, half).context(ErrorKind::File, "no cache folder; set FRIT_CACHE to one")?;
    let folder = path.parent().expect("a file has a folder");
    files::create_folder(folder)?;
    let text = serde_json::to_string_pretty(choices).expect("variants are JSON");
    files::write(&path, text.as_bytes())?;
    Ok(path)
}

/// The variant policy as JSON, for a run's environment: a resumed run uses the same.
pub fn note(backend: &Backend) -> Value {
    match backend {
        Backend::Cpu => json!(null),
        Backend::Gpu(device) => match device.policy() {
            VariantPolicy::Tuned(choices) => json!(**choices),
            VariantPolicy::Half => json!("half"),
            VariantPolicy::Table | VariantPolicy::Only(_) => json!("table"),
        },
    }
}

/// The variant policy that [`note`] wrote.
pub fn noted(note: &Value) -> Option<VariantPolicy> {
    match note {
        Value::Object(_) => Some(VariantPolicy::tuned(serde_json::from_value(note.clone()).ok()?)),
        Value::String(half) if half == "half" => Some(VariantPolicy::Half),
        Value::String(_) => Some(VariantPolicy::Table),
        _ => None,
    }
}
