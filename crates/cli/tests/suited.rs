//! `frit train DATA`: the recipe that suits the data, and the reason.

// The tests of the command line use the rest of it.
#[allow(dead_code)]
mod place;

use place::{Place, refusal, stderr};
use std::fs;

impl Place {
    /// Expects the same configuration and the same weights.
    #[track_caller]
    fn assert_same(&self, run: &str, other: &str) {
        let read = |run: &str, file: &str| fs::read(self.path(run).join(file)).unwrap();
        for file in ["config.toml", "checkpoints/latest.safetensors"] {
            assert!(read(run, file) == read(other, file), "{file} of {run} and {other}");
        }
    }
}

const SMALL: &str = "--set gan.width=2 --latent-dim 3 --batch-size 20 --steps 2 --device cpu";

#[test]
fn data_in_the_place_of_a_recipe_train_as_the_recipe_does() {
    let place = Place::new();
    let output = place.frit(&format!("train data {SMALL}"));
    let printed = stderr(&output);
    assert!(output.status.success(), "{printed}");
    let lines: Vec<&str> = printed.lines().take(2).collect();
    assert_eq!(lines[0], "data: 300 training images, 6×6 in grey, 10 classes");
    assert!(lines[1].starts_with("as `frit train dcgan-small --data data --steps 2 "), "{printed}");
    place.done(&format!("train dcgan-small --data data {SMALL} --out named"));
    place.assert_same("runs/dcgan-small-001", "named");
}

/// The printed command repeats the training, also where a flag takes the place of a setting that suits the data.
#[test]
fn the_printed_command_repeats_the_training() {
    let place = Place::new();
    fs::create_dir(place.path("few")).unwrap();
    for shade in 0..30u8 {
        image::GrayImage::from_pixel(8, 8, image::Luma([shade])).save(place.path(&format!("few/{shade}.png"))).unwrap();
    }
    let small = "--set gan.width=2 --steps 2 --seed 7 --device cpu";
    for (run, flags, batch) in [
        ("a", "", "--batch-size 16"),
        ("b", "--batch-size 12 --no-shuffle", "--batch-size 12"),
        ("c", "--set train.batch_size=8 --save-every 1", "--set train.batch_size=8"),
    ] {
        let printed = stderr(&place.frit(&format!("train few {small} {flags} --out {run}")));
        let command = printed.split('`').nth(1).unwrap_or_else(|| panic!("no command: {printed}"));
        assert!(command.contains(batch) && command.matches("batch").count() == 1, "{command}");
        place.done(&format!("{} --out {run}-again", command.strip_prefix("frit ").unwrap()));
        place.assert_same(run, &format!("{run}-again"));
    }
}

#[test]
fn points_have_a_recipe() {
    let place = Place::new();
    let output = place.frit("train moons --dry-run --device cpu");
    let printed = stderr(&output);
    assert!(
        output.status.success() && printed.contains("as `frit train points-flow --data moons --device cpu`"),
        "{printed}"
    );
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
    fs::create_dir(place.path("many")).unwrap();
    fs::rename(place.path("run"), place.path("many/run")).unwrap();
    refusal(&place.frit("train many"), &["'many' holds runs, such as many/run,"]);
    for source in ["many", "many/run"] {
        refusal(&place.frit(&format!("train vae --data {source}")), &["whose images are samples of a model"]);
    }
    fs::write(place.path("data/config.toml"), "title = \"mine\"").unwrap();
    place.done("train data --dry-run --device cpu");
    refusal(&place.frit("eval data"), &["no run at 'data' (config.toml is not one of frit)"]);
    refusal(&place.frit("train data --data digits"), &["'data' is data", "--data names data too", "frit recipes"]);
    refusal(&place.frit("train data --set data.source=digits"), &["'data' is data", "data.source names data too"]);
    refusal(&place.frit("train dcgam"), &["no recipe 'dcgam'", "did you mean 'dcgan'?"]);
    for path in ["photos/cats", "photos/", "cat.png"] {
        refusal(&place.frit(&format!("train {path}")), &[&format!("no file or folder '{path}'")]);
    }
    image::GrayImage::new(3, 3).save(place.path("cat.png")).unwrap();
    fs::write(place.path("cat.ppm"), "P3 1 1 255 0 0 0").unwrap();
    for command in ["train cat.png", "train cat.ppm", "show cat.png"] {
        refusal(&place.frit(command), &["is an image, not a recipe", "`frit train FOLDER`"]);
    }
    fs::create_dir(place.path("empty")).unwrap();
    refusal(&place.frit("train empty"), &["empty", "no images"]);
}
