//! Configurations, run folders and caches.

use crate::checkpoints::model;
use crate::engine::{Reader, folder};
use frit::config::{Config, recipes};
use frit::eval::{OpenOptions, Weights, open, sample};
use frit::run::device::{self, DeviceOptions};
use frit::run::folder::Run;
use frit::run::metrics;
use frit::{DeviceChoice, Terminal, report};
use gpu_core::Caps;
use gpu_core::DeviceKind;
use models::SetSpec;
use std::fs;

const SPEC: SetSpec = SetSpec { train: 1000, test: 100, image: [16, 16, 1], classes: 10, variance: 0.1 };

fn recipe_texts() -> Vec<Vec<u8>> {
    recipes::RECIPES.iter().map(|(name, _)| Config::load(name).unwrap().to_toml().unwrap().into_bytes()).collect()
}

/// Recipes, configurations of runs, and the checks before training.
pub(crate) fn config() -> Reader {
    Reader::new(recipe_texts(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut valid = false;
        for config in [Config::parse(&text, "recipe"), Config::parse_run(&text, "run")].into_iter().flatten() {
            drop(config.data.check());
            if config.check(&SPEC.into(), SPEC.train).is_ok() {
                drop(config.build(&SPEC.into()));
                let mut config = config;
                valid |= config.resolve_decay(1000).is_ok();
            }
        }
        valid
    })
}

/// Settings as `--set` gives them.
pub(crate) fn setting() -> Reader {
    let config = Config::load("vqvae").unwrap();
    let seeds = ["train.seed=7", "vqvae.codes=64", "target.kl=[0, 1]", "data.background=102030", "optimiser.lr=1"];
    Reader::new(seeds.map(|seed| seed.as_bytes().to_vec()).into(), move |bytes| {
        let set = config.clone().with(&String::from_utf8_lossy(bytes));
        set.is_ok_and(|config| config.check(&SPEC.into(), SPEC.train).is_ok())
    })
}

/// The files of a run: configuration, environment, metrics, evaluation, in this order.
const FILES: [&str; 4] = ["config.toml", "env.json", "metrics.jsonl", "evaluation.json"];

/// A run folder with a checkpoint that is right and four files that are given. Its page is made, and it is opened to
/// sample.
pub(crate) fn run_folder() -> Reader {
    let (config, checkpoint) = model();
    let folder = folder();
    for inner in ["samples", "checkpoints"] {
        fs::create_dir(folder.path().join(inner)).unwrap();
    }
    checkpoint.save(&folder.path().join("checkpoints/latest.safetensors")).unwrap();
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
    let seed = [toml.as_str(), environment, lines, evaluation].join("\u{1}").into_bytes();
    let options = OpenOptions {
        weights: Weights::Latest,
        device: DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() },
        without_data: true,
        ..OpenOptions::default()
    };
    let read = move |bytes: &[u8]| {
        let path = folder.path();
        let mut parts = bytes.split(|&byte| byte == 1);
        for name in FILES {
            match parts.next() {
                Some(part) => fs::write(path.join(name), part).unwrap(),
                None => drop(fs::remove_file(path.join(name))),
            }
        }
        drop(report::write(path));
        drop(report::tensorboard::write(path));
        drop(metrics::read(path));
        let Ok(run) = Run::open_to_read(path) else { return false };
        if let Ok(Some(environment)) = run.read_environment() {
            let _ = device::noted(&environment["variants"]);
        }
        open(path, &options, &Terminal::new(true)).is_ok_and(|mut opened| sample(&mut opened.session, 2, 0).is_ok())
    };
    // The model's buffers for a batch of the configuration.
    Reader { memory: 1 << 30, ..Reader::new(vec![seed], read) }
}

/// The cache of measured variants.
pub(crate) fn tuned() -> Reader {
    let folder = folder();
    // SAFETY: readers run one at a time, and no other reads the environment's cache folder.
    unsafe { std::env::set_var("FRIT_CACHE", folder.path()) };
    let caps = Caps {
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
        features: Vec::new(),
    };
    let path = device::keep(&caps, false, &[("a".to_string(), "b".to_string())].into()).unwrap();
    let seed = fs::read(&path).unwrap();
    Reader::new(vec![seed], move |bytes| {
        let _folder = &folder;
        fs::write(&path, bytes).unwrap();
        device::tuned(&caps, false).is_some()
    })
}
