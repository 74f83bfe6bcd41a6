//! `frit train DATA`: the recipe that suits the data, and the reason.

// The tests of the command line use the rest of it.
#[allow(dead_code)]
mod place;

use place::{Place, refusal, stderr};
use std::fs;

const SMALL: &str = "--set gan.width=2 --latent-dim 3 --batch-size 20 --steps 2 --device cpu";

#[test]
fn data_in_the_place_of_a_recipe_train_as_the_recipe_does() {
    let place = Place::new();
    let output = place.frit(&format!("train data {SMALL}"));
    let printed = stderr(&output);
    assert!(output.status.success(), "{printed}");
    let lines: Vec<&str> = printed.lines().take(2).collect();
    assert_eq!(lines[0], "data: 300 training images, 6×6 in grey, 10 classes");
    assert!(lines[1].starts_with("as `frit train dcgan-small --data data`: "), "{printed}");
    place.done(&format!("train dcgan-small --data data {SMALL} --out named"));
    let read = |run: &str, file: &str| fs::read(place.path(run).join(file)).unwrap();
    for file in ["config.toml", "checkpoints/latest.safetensors"] {
        assert!(read("runs/dcgan-small-001", file) == read("named", file), "{file}");
    }
}

#[test]
fn points_have_a_recipe() {
    let place = Place::new();
    let output = place.frit("train moons --dry-run --device cpu");
    let printed = stderr(&output);
    assert!(output.status.success() && printed.contains("as `frit train points-gan --data moons`"), "{printed}");
}

#[test]
fn flags_apply_to_the_recipe_of_the_data() {
    let place = Place::new();
    let printed = place.done("train data --size 8 --set data.mirror=true --dry-run --device cpu -v");
    for words in ["size = 8", "mirror = true", "minibatch_std = 4"] {
        assert!(printed.contains(words), "{words} in {printed}");
    }
    refusal(&place.frit("train data --set vae.beta=2 --dry-run"), &["vae.beta", "gan"]);
}

#[test]
fn a_recipe_a_run_and_a_typo_are_not_data() {
    let place = Place::new();
    fs::create_dir(place.path("vae")).unwrap();
    let output = place.frit("train vae --data data --hidden 4 --dry-run --device cpu");
    assert!(output.status.success() && !stderr(&output).contains("as `frit train"), "{}", stderr(&output));
    place.done("train vae --data data --hidden 4 --steps 1 --device cpu -q --out run");
    refusal(&place.frit("train run"), &["'run' is a run", "frit resume run", "frit train run/config.toml"]);
    refusal(&place.frit("train data --data digits"), &["'data' is data", "--data names data too", "frit recipes"]);
    refusal(&place.frit("train data --set data.source=digits"), &["'data' is data", "data.source names data too"]);
    refusal(&place.frit("train dcgam"), &["no recipe 'dcgam'", "did you mean 'dcgan'?"]);
    fs::create_dir(place.path("empty")).unwrap();
    refusal(&place.frit("train empty"), &["empty", "no images"]);
}
