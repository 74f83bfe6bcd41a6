//! The cache folder for measurements of a machine: `FRIT_CACHE`, or the user's cache folder.

use gpu_core::Caps;
use std::path::PathBuf;

/// The cache folder; `None` if the system has none. An empty `FRIT_CACHE` turns caches off.
pub fn folder() -> Option<PathBuf> {
    match std::env::var_os("FRIT_CACHE") {
        Some(path) if path.is_empty() => None,
        Some(path) => Some(path.into()),
        None => Some(dirs::cache_dir()?.join("frit")),
    }
}

/// The file of that name for a device: each adapter, driver and version of frit has its own.
pub fn file(caps: &Caps, name: &str) -> Option<PathBuf> {
    let key = [&caps.name, &caps.backend, &caps.driver, env!("CARGO_PKG_VERSION")].join(" ");
    let plain = |c: char| if c.is_alphanumeric() || c == '.' { c } else { '-' };
    Some(folder()?.join(key.chars().map(plain).collect::<String>()).join(name))
}
