//! The environment of a run: the file env.json.

use crate::io::format::quoted;
use crate::run::device::{self, DeviceOptions};
use crate::run::session::Session;
use gpu_core::Backend;
use serde_json::{Value, json};
use std::path::Path;

/// Program, device, executor and data, by name, and the further devices or processes of a training on several.
pub fn environment(backend: &Backend, options: &DeviceOptions, session: &Session) -> Value {
    let mut environment = json!({
        "frit": env!("CARGO_PKG_VERSION"),
        "device": backend.name(),
        "adapter": adapter(backend),
        "checked": device::is_checked(backend),
        "variants": device::note(backend),
        "executor": session.executor.describe(),
        "system": system(),
        "command": command(),
        "data": session.data.fingerprint(),
    });
    if !options.others.is_empty() {
        environment["others"] = options.others.iter().map(ToString::to_string).collect();
    }
    if options.processes > 0 {
        environment["processes"] = json!(options.processes);
    }
    environment
}

/// `linux x86_64, 8 processors`
fn system() -> String {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
    let of = if processors == 1 { "processor" } else { "processors" };
    format!("{} {}, {processors} {of}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The command line of the process: the program's name and its arguments.
fn command() -> String {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map_or_else(Default::default, |name| name.to_string_lossy());
    let quoted = words.map(|word| quoted(Path::new(&word)));
    [name.into_owned()].into_iter().chain(quoted).collect::<Vec<_>>().join(" ")
}

/// Backend, driver and kind of a device.
pub fn adapter(backend: &Backend) -> Value {
    match backend {
        Backend::Cpu | Backend::Reference => json!(null),
        Backend::Gpu(device) => {
            let caps = &device.caps;
            json!({ "backend": caps.backend, "driver": caps.driver, "kind": caps.kind.to_string() })
        }
    }
}
