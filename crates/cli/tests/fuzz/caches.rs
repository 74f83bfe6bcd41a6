//! The cache folder: variants, times of the product, and classifiers.

use crate::arrays::{archive, array};
use crate::checkpoints::with_length;
use crate::engine::{Reader, folder};
use frit::config::data::DataOptions;
use frit::data::DataSet;
use frit::eval::classifier::TrainedClassifier;
use frit::run::device;
use frit::{Backend, Terminal};
use gpu_core::{Caps, DeviceKind};
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// A cache folder, which the reader uses from here on.
fn cache() -> TempDir {
    let folder = folder();
    // SAFETY: readers are made and run one at a time, and nothing else reads the environment meanwhile.
    unsafe { std::env::set_var("FRIT_CACHE", folder.path()) };
    folder
}

fn caps() -> Caps {
    Caps {
        name: "card".into(),
        backend: "Vulkan".into(),
        driver: "1".into(),
        kind: DeviceKind::Other,
        max_buffer_bytes: 0,
        max_binding_bytes: 0,
        max_invocations: 256,
        workgroup_bytes: 0,
        storage_buffers: 8,
        subgroup: (32, 32),
        cooperative: Vec::new(),
        features: Vec::new(),
    }
}

/// The cache of measured variants.
pub(crate) fn tuned() -> Reader {
    let folder = cache();
    let caps = caps();
    let path = device::keep(&caps, false, &[("a".to_string(), "b".to_string())].into()).unwrap();
    let seed = fs::read(&path).unwrap();
    Reader::new(vec![seed], move |bytes| {
        let _folder = &folder;
        fs::write(&path, bytes).unwrap();
        device::tuned(&caps, false).is_some()
    })
}

/// The times by which the CPU executor is compared with a software adapter.
pub(crate) fn product_times() -> Reader {
    let folder = folder();
    let path = folder.path().join("product.json");
    let seed = r#"{"processor":"a","adapter_ms":12.25,"cpu_ms":3.5}"#;
    Reader::new(vec![seed.into()], move |bytes| {
        let _folder = &folder;
        fs::write(&path, bytes).unwrap();
        device::measured_once(Some(&path), "a", &|| Err(gpu_core::Error::NoAdapter)).is_ok()
    })
}

/// The classifier of four images. It is trained again if its file is damaged.
pub(crate) fn classifier() -> Reader {
    let folder = cache();
    let source = folder.path().join("data.npz");
    fs::write(&source, archive(array("|u1", "False", "4, 4, 4", &[200; 64]))).unwrap();
    let source = source.to_str().unwrap().into();
    let data = Arc::new(DataSet::load(&DataOptions { source, test: 0.5, ..DataOptions::default() }).unwrap());
    let read = move || TrainedClassifier::load_or_train(&data, &Backend::Cpu, "", &Terminal::new(true));
    assert!(read().unwrap().is_some());
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "safetensors")).unwrap();
    let seed = fs::read(&path).unwrap();
    let read = move |bytes: &[u8]| {
        let _folder = &folder;
        fs::write(&path, bytes).unwrap();
        read().is_ok()
    };
    Reader { wrap: with_length, ..Reader::new(vec![seed], read) }
}
