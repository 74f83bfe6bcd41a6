//! Configurations and settings.

use crate::engine::Reader;
use frit::config::{Config, recipes};
use models::SetSpec;

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
