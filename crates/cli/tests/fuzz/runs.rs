//! Run folders.

use crate::checkpoints::model;
use crate::engine::{Reader, folder};
use frit::config::Config;
use frit::eval::{OpenOptions, Weights, open, sample};
use frit::run::checkpoint::Checkpoint;
use frit::run::device::{self, DeviceOptions};
use frit::run::folder::Run;
use frit::run::metrics;
use frit::train::{ResumeOptions, TrainOptions, resume, train};
use frit::{DeviceChoice, Terminal, report};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// The files of a run: configuration, environment, metrics, evaluation, in this order.
const FILES: [&str; 4] = ["config.toml", "env.json", "metrics.jsonl", "evaluation.json"];

/// A run folder with a checkpoint that is right and four files that are given. Its page is made, and it is opened to
/// sample.
pub(crate) fn run_folder() -> Reader {
    let (config, checkpoint) = model();
    let folder = folder();
    let path = folder.path().join("run");
    for inner in ["samples", "checkpoints"] {
        fs::create_dir_all(path.join(inner)).unwrap();
    }
    checkpoint.save(&path.join("checkpoints/latest.safetensors")).unwrap();
    let environment = r#"{"device":"cpu","adapter":null,"checked":false,"variants":{"a":"b"},"data":"1x2x2x1-0"}"#;
    let lines = concat!(
        r#"{"recon":3.5,"kl":1e-3,"step":50}"#,
        "\n",
        r#"{"epoch":1,"step":120,"train_recon":3,"test_recon":2}"#,
        "\n",
        r#"{"epoch":1,"step":120,"monitor":"collapse","seen":"a","try":"b"}"#,
        "\n"
    );
    let evaluation = r#"{"neg_elbo":105.5,"images":100,"step":120,"generative":{"frechet":3.5}}"#;
    let toml = config.to_toml().unwrap();
    let with = |environment: &str| [&toml, environment, lines, evaluation].join("\u{1}").into_bytes();
    let seeds = [environment, r#"{"variants":"half"}"#, r#"{"variants":"table"}"#, ""].map(with);
    let options = OpenOptions {
        weights: Weights::Latest,
        device: DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() },
        without_data: true,
        ..OpenOptions::default()
    };
    let read = move |bytes: &[u8]| {
        drop(unpack(&path, &FILES, bytes));
        drop(report::write(&path));
        drop(report::tensorboard::write(&path));
        drop(metrics::read(&path));
        drop(report::runs::runs(folder.path()));
        let Ok(run) = Run::open_to_read(&path) else { return false };
        if let Ok(Some(environment)) = run.read_environment() {
            let _ = device::noted(&environment["variants"]);
        }
        open(&path, &options, &Terminal::new(true)).is_ok_and(|mut opened| sample(&mut opened.session, 2, 0).is_ok())
    };
    // The model's buffers for a batch of the configuration.
    Reader { memory: 1 << 30, ..Reader::new(seeds.into(), read) }
}

/// Writes the parts of an input, which are separated, to files. A file whose part is empty is removed.
fn unpack<'a>(folder: &Path, names: &[&str], bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut parts = bytes.split(|&byte| byte == 1);
    for name in names {
        match parts.next() {
            Some(part) if !part.is_empty() => fs::write(folder.join(name), part).unwrap(),
            _ => drop(fs::remove_file(folder.join(name))),
        }
    }
    parts
}

/// The files that training continues from, beside the checkpoint; its notes follow, each after its name.
const RESUMED: [&str; 4] = ["config.toml", "env.json", "metrics.jsonl", "images.json"];

/// A run that is resumed for a step, with a checkpoint whose weights and checksum are right.
pub(crate) fn resumed() -> Reader {
    let folder = folder();
    let [data, path] = ["data", "run"].map(|name| folder.path().join(name));
    fs::create_dir(&data).unwrap();
    // The corpus has the hashes of these bytes.
    for number in 0..4 {
        fs::write(data.join(format!("{number}.pgm")), [b"P5 2 2 255\n", &[60 * number; 4][..]].concat()).unwrap();
    }
    let data = data.to_str().unwrap().to_string();
    let source = format!("data.source={data}");
    let settings = ["vae.hidden=[2]", "vae.latent=2", "train.batch_size=1", "data.test=0.5", "train.epochs=3", &source];
    let config = settings.iter().fold(Config::load("vae").unwrap(), |config, set| config.with(set).unwrap());
    let device = || DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
    let started = TrainOptions::new(config).out(&path).device(device()).observe(|_| ControlFlow::Break(()));
    drop(train(started).unwrap());
    let latest = path.join("checkpoints/latest.safetensors");
    let checkpoint = Checkpoint::load(&latest).unwrap();
    let files = RESUMED.map(|name| fs::read(path.join(name)).unwrap());
    // As it was stopped, at the end of its last epoch, and without its environment and its list of images.
    let seed = |files: &[Vec<u8>], step: &str| {
        let note =
            |(key, note): (&String, &String)| format!("{key}\u{2}{note}").replace("\"step\":1", step).into_bytes();
        [files, &checkpoint.metadata.iter().map(note).collect::<Vec<_>>()].concat().join(&1)
    };
    let [config, _, metrics, _] = files.clone();
    let seeds = vec![seed(&files, "\"step\":1"), seed(&files, "\"step\":3")];
    let others = vec![seed(&[config, Vec::new(), metrics, Vec::new()], "\"step\":1")];
    let read = move |bytes: &[u8]| {
        let _folder = &folder;
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(path.join("checkpoints")).unwrap();
        fs::create_dir(path.join("samples")).unwrap();
        let text = |note: &[u8]| {
            let note = String::from_utf8_lossy(note);
            note.split_once('\u{2}').map(|(key, note)| (key.to_string(), note.to_string()))
        };
        let metadata = unpack(&path, &RESUMED, bytes).filter_map(text).collect();
        Checkpoint { metadata, ..checkpoint.clone() }.save(&latest).unwrap();
        let options = ResumeOptions {
            data: Some(data.clone()),
            device: device(),
            same_device: false,
            observer: Some(Box::new(|_| ControlFlow::Break(()))),
            ..ResumeOptions::new(&path)
        };
        resume(options).is_ok()
    };
    Reader { others, memory: 1 << 30, ..Reader::new(seeds, read) }
}

/// A run folder whose images are given. Its page shows them.
pub(crate) fn previews() -> Reader {
    let (config, _) = model();
    let folder = folder();
    fs::create_dir(folder.path().join("samples")).unwrap();
    fs::write(folder.path().join("config.toml"), config.to_toml().unwrap()).unwrap();
    let Reader { seeds, others, wrap, .. } = crate::images::png();
    let read = move |bytes: &[u8]| {
        for name in ["samples/000001.png", "reals.png", "reconstructions.png"] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        report::write(folder.path()).is_ok()
    };
    Reader { others, wrap, ..Reader::new(seeds, read) }
}
