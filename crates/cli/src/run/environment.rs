//! The environment of a run: the file env.json.

use crate::run::device;
use crate::run::session::Session;
use gpu_core::Backend;
use serde_json::{Value, json};

/// Program, device, executor and data, by name.
pub fn environment(backend: &Backend, session: &Session) -> Value {
    json!({
        "frit": env!("CARGO_PKG_VERSION"),
        "device": backend.name(),
        "adapter": adapter(backend),
        "checked": matches!(backend, Backend::Gpu(device) if device.checked),
        "variants": device::note(backend),
        "executor": session.executor.describe(),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "data": session.data.fingerprint(),
    })
}

/// Backend, driver and kind of a device.
pub fn adapter(backend: &Backend) -> Value {
    match backend {
        Backend::Cpu => json!(null),
        Backend::Gpu(device) => {
            let caps = &device.caps;
            json!({ "backend": caps.backend, "driver": caps.driver, "kind": caps.kind.to_string() })
        }
    }
}
