//! Token files, safetensors and the notes of checkpoints.

use crate::engine::{Reader, folder};
use frit::Backend;
use frit::config::Config;
use frit::data::DataSet;
use frit::eval::step_of;
use frit::io::tokens::{Tokens, crc32};
use frit::run::checkpoint::Checkpoint;
use frit::run::session::{Session, spec};
use frit::run::tensors::check_tensors;
use gpu_core::Array;
use std::fs;

pub(crate) fn tokens() -> Reader {
    let file = |codes: usize, per_image: usize| {
        let tokens = (0..12).map(|token| (token % codes) as u32).collect();
        Tokens { per_image, codes, codebook: 7, tokens }.to_bytes()
    };
    let with_checksum = |mut file: Vec<u8>| {
        file.truncate(file.len().saturating_sub(4));
        let crc = crc32(&file);
        [file, crc.to_le_bytes().to_vec()].concat()
    };
    let read = |bytes: &[u8]| Tokens::parse(bytes, "codes").is_ok();
    let seeds = vec![file(512, 3), file(1, 4), file(3, 12)];
    // The codes of a codebook of one code take no bytes of the file.
    Reader { wrap: with_checksum, memory: 300 << 20, ..Reader::new(seeds, read) }
}

/// A VAE of three images of 2×2 in two classes.
pub(crate) fn model() -> (Config, Checkpoint) {
    let settings = ["vae.hidden=[2]", "vae.latent=2", "train.batch_size=1", "optimiser.average=0.5"];
    let config = settings.iter().fold(Config::load("cvae").unwrap(), |config, set| config.with(set).unwrap());
    let data = DataSet::black([2, 2, 1], vec!["a".into(), "b".into()]);
    let mut session = Session::open(config, data.into(), &Backend::Cpu).unwrap();
    session.initialise().unwrap();
    let mut checkpoint = session.checkpoint().unwrap();
    let config = session.config.clone();
    let notes = [
        ("frit", env!("CARGO_PKG_VERSION").to_string()),
        ("picture", "2x2x1".into()),
        ("classes", "[\"a\",\"b\"]".into()),
        ("progress", "{\"step\":3,\"sums\":[],\"images\":0,\"window\":[],\"window_steps\":0,\"best\":null}".into()),
        ("data", "1x2x2x1-00000000".into()),
        ("config", config.to_toml().unwrap()),
    ];
    checkpoint.metadata = notes.into_iter().map(|(key, note)| (key.to_string(), note)).collect();
    (config, checkpoint)
}

fn saved(checkpoint: &Checkpoint) -> Vec<u8> {
    let folder = folder();
    let path = folder.path().join("file");
    checkpoint.save(&path).unwrap();
    fs::read(path).unwrap()
}

/// Sets the length of the header right.
pub(crate) fn with_length(mut file: Vec<u8>) -> Vec<u8> {
    let header = file.iter().rposition(|&byte| byte == b'}').unwrap_or(0);
    let length = (header as u64).saturating_sub(7);
    if let Some(start) = file.first_chunk_mut() {
        *start = length.to_le_bytes();
    }
    file
}

pub(crate) fn safetensors() -> Reader {
    let folder = folder();
    let mut small = Checkpoint::default();
    small.insert("a", &[2], Array::F32(vec![0.5, -1.0]));
    small.insert("b", &[1, 1], Array::U32(vec![3]));
    let of_torch = |kind: &str| {
        let header = format!(r#"{{"module.w":{{"dtype":"{kind}","shape":[2,1],"data_offsets":[0,4]}}}}"#);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1; 4]].concat()
    };
    let (config, whole) = model();
    let whole_file = saved(&whole);
    // Under another name frit's note is none, and no checksum is compared.
    let note = whole_file.windows(6).position(|six| six == b"\"frit\"").unwrap();
    let mut unsigned = whole_file.clone();
    unsigned[note + 1..note + 5].copy_from_slice(b"note");
    let seeds = vec![saved(&small), of_torch("F16"), of_torch("BF16"), of_torch("I16"), whole_file, unsigned];
    let read = move |bytes: &[u8]| {
        let path = folder.path().join("file");
        fs::write(&path, bytes).unwrap();
        let Ok(mut file) = Checkpoint::load(&path) else { return false };
        let data = DataSet::black([2, 2, 1], vec!["a".into(), "b".into()]);
        let mut session = Session::open(config.clone(), data.into(), &Backend::Cpu).unwrap();
        drop(session.restore(&mut file.clone()));
        drop(session.initialise_from(&mut file));
        true
    };
    Reader { others: vec![b"PK\x03\x04".to_vec()], wrap: with_length, ..Reader::new(seeds, read) }
}

/// The notes of a checkpoint, with a checksum that is right: each on separate lines, below its name.
pub(crate) fn notes() -> Reader {
    let (_, whole) = model();
    let text: String = whole.metadata.iter().map(|(key, note)| format!("\u{1}{key}\u{2}{note}")).collect();
    let folder = folder();
    Reader::new(vec![text.into_bytes()], move |bytes| {
        let path = folder.path().join("file");
        let text = String::from_utf8_lossy(bytes);
        let notes = text.split('\u{1}').filter_map(|note| note.split_once('\u{2}'));
        let metadata = notes.map(|(key, note)| (key.to_string(), note.to_string())).collect();
        Checkpoint { metadata, ..whole.clone() }.save(&path).unwrap();
        // A newer version of frit may be noted.
        let Ok(file) = Checkpoint::load(&path) else { return false };
        let _ = step_of(&file);
        let (Ok(size), Ok(classes)) = (file.image_size(), file.classes()) else { return false };
        let Some(config) = file.metadata.get("config") else { return false };
        let Ok(config) = Config::parse_run(config, "notes") else { return false };
        let spec = spec(&config, &DataSet::black(size, classes));
        config.check(&spec, 1).is_ok() && check_tensors(config.build(&spec).as_ref(), &file).is_ok()
    })
}
