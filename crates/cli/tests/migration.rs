//! Runs of frit 0.1.0: their settings and checkpoints have old names, and they resume to the same numbers.
//!
//! Each fixture is the run folder of 20 steps on `shapes`, and `end.safetensors`, which 0.1.0 wrote when it resumed the
//! run to 40 steps on its CPU executor, now the reference executor: `frit resume RUN --steps 40`.

mod place;

use frit::config::renamed::TENSORS;
use frit::run::checkpoint::Checkpoint;
use gpu_core::Array;
use place::{Place, stderr};
use serde_json::Value;
use std::fs;
use std::path::Path;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/0.1.0");

/// Largest error relative to max(1, |expected|). Products are summed in an order that depends on the CPU's vector
/// instructions, so that another machine need not reach the same bits.
const TOLERANCE: f64 = 1e-9;

/// Prefix of running averages.
const AVERAGE: &str = "average/";

fn is_averaged(checkpoint: &Checkpoint) -> bool {
    checkpoint.tensors.keys().any(|name| name.starts_with(AVERAGE))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &copied),
            false => assert!(fs::copy(&path, copied).is_ok(), "{}", path.display()),
        }
    }
}

fn latest(place: &Place, run: &str) -> Checkpoint {
    Checkpoint::load(&place.path(run).join("checkpoints/latest.safetensors")).unwrap()
}

#[track_caller]
fn assert_close(found: &Array, expected: &Array, name: &str) {
    assert_eq!(found.as_u32(), expected.as_u32(), "{name}");
    for (found, expected) in found.to_f64().iter().zip(expected.to_f64()) {
        let error = (found - expected).abs();
        assert!(error <= TOLERANCE * expected.abs().max(1.0), "{name}: {found} instead of {expected}");
    }
}

#[test]
fn runs_of_0_1_0_resume_to_the_same_numbers() {
    for recipe in ["vae", "dcgan", "vqvae"] {
        let place = Place::new();
        copy(&Path::new(FIXTURES).join(recipe), &place.path("run"));
        place.done("resume run --steps 40 -q");
        let mut expected = Checkpoint::load(&place.path("run/end.safetensors")).unwrap();
        let found = latest(&place, "run");
        assert!(expected.tensors.keys().any(|name| name.starts_with("adam.m/")), "{recipe}: the fixture has new names");
        expected.rename(TENSORS);
        // The decay of averages now rises to its value, and statistics have averages too.
        assert_eq!(is_averaged(&expected), is_averaged(&found), "{recipe}: averages");
        expected.tensors.retain(|name, _| !name.starts_with(AVERAGE));
        let names = found.tensors.keys().filter(|name| !name.starts_with(AVERAGE));
        assert!(expected.tensors.keys().eq(names), "{recipe}: other tensors");
        let mut equal = 0;
        for (name, (shape, values)) in &expected.tensors {
            let (found_shape, found_values) = &found.tensors[name];
            assert_eq!(shape, found_shape, "{recipe}: {name}");
            assert_close(found_values, values, &format!("{recipe}: {name}"));
            equal += usize::from(found_values == values);
        }
        assert!(expected.tensors.len() > 20, "{recipe}: only {} tensors", expected.tensors.len());
        let sums = |checkpoint: &Checkpoint| {
            let progress: Value = serde_json::from_str(&checkpoint.metadata["progress"]).unwrap();
            assert_eq!(progress["step"], 40, "{recipe}");
            Array::F64(serde_json::from_value(progress["sums"].clone()).unwrap())
        };
        assert_close(&sums(&found), &sums(&expected), &format!("{recipe}: losses of the epoch"));
        println!("{recipe}: {equal} of {} tensors are equal to the bit", expected.tensors.len());
    }
}

#[test]
fn a_migrated_run_resumes_to_the_same_bytes_in_one_go_or_two() {
    for recipe in ["vae", "dcgan", "vqvae"] {
        let place = Place::new();
        for run in ["once", "again", "twice"] {
            copy(&Path::new(FIXTURES).join(recipe), &place.path(run));
        }
        place.done("resume once --steps 40 -q");
        place.done("resume again --steps 40 -q");
        place.done("resume twice --steps 30 -q");
        // The first resume wrote the new names.
        let config = fs::read_to_string(place.path("twice/config.toml")).unwrap();
        assert!(config.contains("[monitors]") && !config.contains("[guards]"), "{config}");
        assert!(latest(&place, "twice").tensors.keys().any(|name| name.starts_with("optim.m/")));
        place.done("resume twice --steps 40 -q");
        let file = |run: &str| fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
        assert!(file("once") == file("again"), "{recipe}");
        let (once, twice) = (latest(&place, "once"), latest(&place, "twice"));
        assert!(once.tensors == twice.tensors, "{recipe}");
        assert_eq!(once.metadata["config"], twice.metadata["config"], "{recipe}");
    }
}

#[test]
fn old_names_are_refused_in_recipes_and_read_in_runs() {
    let place = Place::new();
    copy(&Path::new(FIXTURES).join("dcgan"), &place.path("run"));
    place.done("sample run -n 4 --device cpu --out drawn.png");
    place.done("eval run --device cpu");
    let new = "gan.critic_steps was renamed: use gan.discriminator_steps";
    place.refused("train dcgan --set gan.critic_steps=2 --out other", &[new]);
    fs::copy(place.path("run/config.toml"), place.path("old.toml")).unwrap();
    place.refused("train old.toml --out other", &["old.toml", "was renamed: use"]);
}

#[test]
fn the_cpu_of_0_1_0_is_the_reference_executor() {
    let place = Place::new();
    copy(&Path::new(FIXTURES).join("vae"), &place.path("run"));
    let device = || {
        let text = fs::read_to_string(place.path("run/env.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["device"].clone()
    };
    assert_eq!(device(), "cpu");
    let output = place.frit("resume run --steps 21");
    assert!(!stderr(&output).contains("driver changed"), "{}", stderr(&output));
    assert_eq!(device(), "reference");
    let output = place.frit("resume run --steps 22 --device cpu");
    assert!(stderr(&output).contains("the device or driver changed"), "{}", stderr(&output));
    assert_eq!(device(), "cpu");
}
