//! The requested device and its shader variants: built-in, tuned, or in half precision.
//!
//! The cache folder has the measurements of a device: tuned variants, and the times of a matrix product on the CPU
//! executor and on a software adapter.

use crate::io::cache;
use crate::io::error::{Context, ErrorKind, Hint, Result, bail, error};
use crate::io::files;
use gpu_core::{Backend, Caps, DeviceChoice, ProductTimes, VariantPolicy, choose_by};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    /// Further devices, of the same kind, on which training runs as well.
    pub others: Vec<DeviceChoice>,
    /// Processes that train together, each on one device; 0 if there is only this one.
    pub processes: usize,
    /// The number of this process on its computer, from zero.
    pub local: usize,
    /// Keeps the shaders' bounds checks.
    pub checked: bool,
    /// Chooses variants by the built-in table, not by tuned results.
    pub deterministic: bool,
    /// Rounds the operands of products to half precision.
    pub half: bool,
}

impl DeviceOptions {
    /// The devices in a sentence; `reason` is that of the choice of the first.
    pub fn running(&self, reason: &str) -> String {
        let others = self.others.iter().map(|other| format!(", and on {other}"));
        let others: String = others.collect();
        match self.processes {
            0 => format!("running on {reason}{others}"),
            processes => format!("running on {reason}, in {processes} processes"),
        }
    }

    /// The number of devices.
    pub fn ranks(&self) -> usize {
        self.processes.max(self.others.len() + 1)
    }

    /// The same for one of several processes, which is number `local` of those on its computer: its place in a list of
    /// devices, or the adapter of its number.
    ///
    /// # Errors
    /// The list is too short.
    pub fn of_process(self, local: usize, processes: usize) -> Result<Self> {
        let list: Vec<_> = [self.choice].into_iter().chain(self.others).collect();
        let choice = match &list[..] {
            [DeviceChoice::Gpu] => adapter_of(local),
            [choice] => choice.clone(),
            list => list.get(local).cloned().with_context(ErrorKind::Setting, || {
                format!("{} devices are named, but this is process {} of its computer", list.len(), local + 1)
            })?,
        };
        Ok(Self { choice, others: Vec::new(), processes, local, ..self })
    }
}

/// The adapter of a process by its number on its computer, unless the environment names one for all.
pub fn adapter_of(local: usize) -> DeviceChoice {
    match std::env::var_os("WGPU_ADAPTER_NAME") {
        Some(_) => DeviceChoice::Gpu,
        None => DeviceChoice::Number(local),
    }
}

/// True if the shaders have bounds checks.
pub fn is_checked(backend: &Backend) -> bool {
    matches!(backend, Backend::Gpu(device) if device.checked)
}

/// Opens a device, and returns the reason for the choice.
pub fn open(options: &DeviceOptions) -> Result<(Backend, String)> {
    let (backend, why, times) = choose(&options.choice, options.checked)?;
    if let Some(times) = times {
        log::info!("{}", described(times));
    }
    let untuned = if options.half { VariantPolicy::Half } else { VariantPolicy::Table };
    let policy = match &backend {
        Backend::Cpu | Backend::Reference if options.half => {
            bail!(Device, hint: Hint::FullPrecision, "the CPU has no half precision")
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

/// Chooses a device, and returns the reason for the choice, with the times that decided it, if any did. They are
/// measured once for each adapter, driver and processor.
///
/// # Errors
/// There is no such adapter, or it does not open.
pub fn choose(choice: &DeviceChoice, checked: bool) -> Result<(Backend, String, Option<ProductTimes>)> {
    let file = if checked { "product-checked.json" } else { "product.json" };
    let mut found = None;
    let mut times = |caps: &Caps, measure: &dyn Fn() -> Result<ProductTimes, gpu_core::Error>| {
        let times = measured_once(cache::file(caps, file).as_deref(), &processor(), measure)?;
        found = Some(times);
        Ok(times)
    };
    let (backend, why) = choose_by(choice, checked, &mut times)?;
    Ok((backend, why, found))
}

/// The times in words.
pub fn described(times: ProductTimes) -> String {
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    format!("matrix product: {} on the CPU executor, {} on the adapter", ms(times.cpu), ms(times.adapter))
}

/// The times in a cache file, if it has them for this processor; otherwise measures and saves them. A file that cannot
/// be read or written costs a measurement, and is not an error.
///
/// # Errors
/// Those of the measurement.
pub fn measured_once(
    path: Option<&Path>,
    processor: &str,
    measure: &dyn Fn() -> Result<ProductTimes, gpu_core::Error>,
) -> Result<ProductTimes, gpu_core::Error> {
    let known = path.and_then(|path| files::read_if_exists(path, files::TEXT).ok().flatten());
    if let Some(times) = known.and_then(|bytes| parsed(&bytes, processor)) {
        return Ok(times);
    }
    let times = measure()?;
    if let Some(path) = path {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let text = json!({ "processor": processor, "adapter_ms": ms(times.adapter), "cpu_ms": ms(times.cpu) });
        let folder = path.parent().expect("a file has a folder");
        let saved = files::create_folder(folder).and_then(|()| files::write(path, text.to_string().as_bytes()));
        saved.unwrap_or_else(|error| log::info!("{error}"));
    }
    Ok(times)
}

/// The times that [`measured_once`] wrote; `None` for those of another processor, and for a damaged file.
fn parsed(bytes: &[u8], processor: &str) -> Option<ProductTimes> {
    let note: Value = serde_json::from_slice(bytes).ok()?;
    let time = |key: &str| Duration::try_from_secs_f64(note[key].as_f64()? / 1e3).ok().filter(|time| !time.is_zero());
    (note["processor"] == processor).then_some(())?;
    Some(ProductTimes { adapter: time("adapter_ms")?, cpu: time("cpu_ms")? })
}

/// The processor: its model where the system tells it, and the threads and the precision that the CPU executor uses.
fn processor() -> String {
    let info = files::read_text(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    format!("{}, {threads} threads, f32", model.map_or(std::env::consts::ARCH, |(_, model)| model))
}

/// The variants measured on this device. `None` without a file, or with one that cannot be read.
pub fn tuned(caps: &Caps, half: bool) -> Option<Choices> {
    let path = tuned_file(caps, half)?;
    let parse = |bytes: Vec<u8>| {
        serde_json::from_slice(&bytes)
            .map_err(|error| error!(File, "{} is not a file of frit tune: {error}", path.display()))
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
        Backend::Cpu | Backend::Reference => json!(null),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn times_are_measured_once_for_a_processor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device").join("product.json");
        let measured = Cell::new(0);
        let times = |processor: &str| {
            let measure = || {
                measured.set(measured.get() + 1);
                Ok(ProductTimes { adapter: Duration::from_millis(6), cpu: Duration::from_micros(4250) })
            };
            measured_once(Some(&path), processor, &measure).unwrap()
        };
        let first = times("a");
        assert_eq!((first, times("a"), measured.get()), (first, first, 1));
        times("b");
        assert_eq!((times("b"), measured.get()), (first, 2), "those of another processor are not used");
        for damaged in ["", "{", "{}", r#"{"processor": "b", "adapter_ms": -1, "cpu_ms": 1e300}"#] {
            std::fs::write(&path, damaged).unwrap();
            let before = measured.get();
            assert_eq!((times("b"), times("b"), measured.get()), (first, first, before + 1), "{damaged}");
        }
    }

    #[test]
    fn processes_have_devices_by_their_number() {
        use DeviceChoice::{Auto, Cpu, Gpu, Number};
        let options =
            |choice, others: &[DeviceChoice]| DeviceOptions { choice, others: others.to_vec(), ..Default::default() };
        let of = |options: DeviceOptions, local| options.of_process(local, 6).unwrap();
        for (choice, expected) in [(Cpu, Cpu), (Number(0), Number(0)), (Auto, Auto)] {
            assert_eq!(of(options(choice, &[]), 2).choice, expected);
        }
        assert_eq!(of(options(Gpu, &[]), 2).choice, adapter_of(2));
        let list = options(Number(3), &[Number(5)]);
        assert_eq!([0, 1].map(|local| of(list.clone(), local).choice), [Number(3), Number(5)]);
        assert!(list.clone().of_process(2, 6).unwrap_err().to_string().contains("2 devices are named"));
        assert_eq!((list.ranks(), of(list, 1).ranks(), DeviceOptions::default().ranks()), (2, 6, 1));
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("device"), "a file where the folder should be").unwrap();
        let times = ProductTimes { adapter: Duration::from_millis(2), cpu: Duration::from_millis(1) };
        let path = folder.path().join("device").join("product.json");
        assert_eq!(measured_once(Some(&path), "a", &|| Ok(times)).unwrap(), times);
        assert_eq!(measured_once(None, "a", &|| Ok(times)).unwrap(), times);
    }
}
