//! Configurations and settings.

use crate::engine::Reader;
use frit::config::{Config, recipes};
use models::{DataSpec, ModelConfig, SetSpec};
use std::fs;

const SPEC: SetSpec = SetSpec { train: 1000, test: 100, image: [16, 16, 1], classes: 10, variance: 0.1, points: None };

fn recipe_texts() -> Vec<Vec<u8>> {
    recipes::RECIPES.iter().map(|(name, _)| Config::load(name).unwrap().to_toml().unwrap().into_bytes()).collect()
}

/// Configurations of runs of version 0.1.0, which have old names, and those whose learning rate falls.
fn other_texts() -> Vec<Vec<u8>> {
    let old = ["vae", "dcgan", "vqvae"]
        .map(|run| format!("{}/tests/fixtures/0.1.0/{run}/config.toml", env!("CARGO_MANIFEST_DIR")));
    let falling = ["optimiser.lr_schedule=cosine", "optimiser.lr_warmup=7"];
    let falling = falling.iter().fold(Config::load("dcgan").unwrap(), |config, set| config.with(set).unwrap());
    old.iter().map(|path| fs::read(path).unwrap()).chain([falling.to_toml().unwrap().into_bytes()]).collect()
}

/// Data that the family takes: sequences or images.
fn suited(model: &ModelConfig) -> SetSpec {
    let image = if matches!(model, ModelConfig::Wavenet(_)) { [1, 1024, 1] } else { SPEC.image };
    SetSpec { image, ..SPEC }
}

/// Recipes, configurations of runs, and the checks before training.
pub(crate) fn config() -> Reader {
    let read = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let mut valid = false;
        for config in [Config::parse(&text, "recipe"), Config::parse_run(&text, "run")].into_iter().flatten() {
            drop(config.data.check());
            let spec = DataSpec { sets: vec![suited(&config.model); config.model.sets()] };
            if config.check(&spec, SPEC.train).is_ok() {
                drop(config.build(&spec));
                let mut config = config;
                valid |= config.resolve_decay(1000).is_ok();
            }
        }
        valid
    };
    Reader { others: other_texts(), ..Reader::new(recipe_texts(), read) }
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
