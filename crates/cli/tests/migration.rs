//! Runs of frit 0.1.0: their settings and checkpoints have old names, and they resume to the same numbers.
//!
//! Each fixture is the run folder of 20 steps on `shapes`, and `end.safetensors`, which 0.1.0 wrote when it resumed the
//! run to 40 steps on the CPU executor: `frit resume RUN --steps 40`.

mod place;

use frit::config::renamed::TENSORS;
use frit::run::checkpoint::Checkpoint;
use place::Place;
use std::fs;
use std::path::Path;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/0.1.0");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, copied).unwrap();
        }
    }
}

#[test]
fn runs_of_0_1_0_resume_to_the_same_numbers() {
    for recipe in ["vae", "dcgan", "vqvae"] {
        let place = Place::new();
        copy(&Path::new(FIXTURES).join(recipe), &place.path("run"));
        place.done("resume run --steps 40 --device cpu -q");
        let mut expected = Checkpoint::load(&place.path("run/end.safetensors")).unwrap();
        let found = Checkpoint::load(&place.path("run/checkpoints/latest.safetensors")).unwrap();
        assert!(expected.tensors.keys().any(|name| name.starts_with("adam.m/")), "{recipe}: the fixture has new names");
        expected.rename(TENSORS);
        assert!(expected.tensors.keys().eq(found.tensors.keys()), "{recipe}: other tensors");
        for (name, (shape, values)) in &expected.tensors {
            let (found_shape, found_values) = &found.tensors[name];
            assert_eq!(shape, found_shape, "{recipe}: {name}");
            assert!(values == found_values, "{recipe}: {name} differs");
        }
        assert!(expected.tensors.len() > 20, "{recipe}: only {} tensors", expected.tensors.len());
        // The losses since the last epoch as well.
        assert_eq!(expected.metadata["progress"], found.metadata["progress"], "{recipe}");
        println!("{recipe}: {} tensors equal", expected.tensors.len());
    }
}

#[test]
fn runs_of_0_1_0_are_evaluated_and_sampled() {
    let place = Place::new();
    copy(&Path::new(FIXTURES).join("dcgan"), &place.path("run"));
    place.done("sample run -n 4 --device cpu --out drawn.png");
    place.done("eval run --device cpu");
    place.refused("train dcgan --set gan.critic_steps=2 --out other", &["it is now gan.discriminator_steps"]);
}
