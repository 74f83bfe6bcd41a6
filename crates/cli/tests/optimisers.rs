//! Every kind of optimiser in whole runs on the CPU executor: falling loss, named state, exact resume.
#![cfg(unix)]

mod place;

use frit::run::checkpoint::Checkpoint;
use place::{Place, stderr};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const TRAIN: &str = "train vae --data data --hidden 16 --latent-dim 3 --batch-size 32 --save-every 3 --device cpu -q";
const LATEST: &str = "checkpoints/latest.safetensors";

/// Settings of the kinds, and the state tensors that a checkpoint holds for each parameter.
const KINDS: [(&str, &[&str]); 6] = [
    ("--set optimiser.kind=adam --lr 0.01 --set optimiser.weight_decay=0.01", &["m", "v"]),
    ("--set optimiser.kind=adamw --lr 0.01 --set optimiser.weight_decay=0.01 --set optimiser.average=0.9", &["m", "v"]),
    ("--set optimiser.kind=sgd --lr 0.03", &[]),
    ("--set optimiser.kind=sgd --lr 0.01 --set optimiser.momentum=0.9 --set optimiser.clip=5", &["momentum"]),
    ("--set optimiser.kind=sgd --lr 0.01 --set optimiser.momentum=0.9 --set optimiser.nesterov=true", &["momentum"]),
    ("--set optimiser.kind=lion --lr 0.003 --set optimiser.beta2=0.99 --set optimiser.weight_decay=0.1", &["m"]),
];

impl Place {
    fn latest(&self, run: &str) -> Checkpoint {
        Checkpoint::load(&self.path(run).join(LATEST)).unwrap()
    }

    fn bytes(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(run).join(LATEST)).unwrap()
    }

    /// A figure of every epoch.
    fn figures(&self, run: &str, name: &str) -> Vec<f64> {
        let metrics = fs::read_to_string(self.path(run).join("metrics.jsonl")).unwrap();
        let figure = |line: &str| serde_json::from_str::<Value>(line).unwrap()[name].as_f64();
        metrics.lines().filter_map(figure).collect()
    }
}

#[test]
fn every_kind_lowers_the_loss_and_saves_its_state() {
    for (settings, slots) in KINDS {
        let place = Place::new();
        place.done(&format!("{TRAIN} {settings} --epochs 10 --out run"));
        let losses = place.figures("run", "test_neg_elbo");
        assert!(losses.len() == 10 && losses[9] < 0.9 * losses[0], "{settings}: {losses:?}");
        let names: Vec<String> = place.latest("run").tensors.into_keys().collect();
        let state = |slot: &str| names.iter().filter(|name| name.starts_with(&format!("optim.{slot}/"))).count();
        let parameters = names.iter().filter(|name| name.ends_with(".weight") && !name.contains('/')).count();
        assert!(parameters > 0 && slots.iter().all(|slot| state(slot) == 2 * parameters), "{settings}: {names:?}");
        let all = names.iter().filter(|name| name.starts_with("optim.")).count();
        assert_eq!(all, 2 * parameters * slots.len(), "{settings}: {names:?}");
    }
}

/// An interrupted run that is resumed ends with the bytes of an uninterrupted one.
#[test]
fn every_kind_resumes_byte_for_byte() {
    for (settings, _) in KINDS {
        let place = Place::new();
        let train = format!("{TRAIN} {settings} --epochs 60");
        place.done(&format!("{train} --out whole"));
        let mut child = place.command(&format!("{train} --out run")).spawn().unwrap();
        let since = Instant::now();
        while !place.path("run/metrics.jsonl").exists() {
            assert!(since.elapsed() < Duration::from_secs(60), "{settings}: no epoch has ended");
            sleep(Duration::from_millis(2));
        }
        assert!(child.try_wait().unwrap().is_none(), "{settings}: the run ended before it was interrupted");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{settings}: {}", stderr(&output));
        assert!(place.bytes("run") != place.bytes("whole"), "{settings}: nothing is left to train");
        place.done("resume run -q");
        assert!(place.bytes("run") == place.bytes("whole"), "{settings}: the resumed run differs");
    }
}

/// Version 0.1.0 named the state of Adam `adam.m/…` and `adam.v/…`.
#[test]
fn old_names_of_adam_s_state_are_read() {
    for settings in [KINDS[0].0, KINDS[1].0] {
        let place = Place::new();
        place.done(&format!("{TRAIN} {settings} --epochs 4 --out whole"));
        place.done(&format!("{TRAIN} {settings} --epochs 2 --out run"));
        let mut old = place.latest("run");
        old.rename(&[("optim.m/", "adam.m/"), ("optim.v/", "adam.v/")]);
        assert!(old.tensors.keys().any(|name| name.starts_with("adam.v/")));
        assert!(!old.tensors.keys().any(|name| name.starts_with("optim.")));
        old.save(&place.path("run").join(LATEST)).unwrap();
        place.done("resume run --epochs 4 -q");
        assert!(place.bytes("run") == place.bytes("whole"), "{settings}: the resumed run differs");
    }
}

/// `frit show` has the state in the memory of a step, and by its name.
#[test]
fn show_counts_the_state_of_each_kind() {
    let place = Place::new();
    let shown = |settings: &str| -> Value {
        let line = format!("show vae --data data --hidden 16 --latent-dim 3 {settings} --json");
        serde_json::from_str(&place.done(&line)).unwrap()
    };
    let bytes: Vec<u64> =
        KINDS.iter().map(|(settings, _)| shown(settings)["persistent_bytes"].as_u64().unwrap()).collect();
    let [adam, averaged, plain, momentum, nesterov, lion] = bytes[..] else { panic!("{bytes:?}") };
    let arena = momentum - plain;
    assert!(arena > 0 && adam == plain + 2 * arena && averaged == plain + 3 * arena, "{bytes:?}");
    assert!(nesterov == momentum && lion == momentum, "{bytes:?}");
    for (settings, slots) in KINDS {
        let printed = shown(settings).to_string();
        let named = |slot: &str| printed.contains(&format!("\"optim.{slot}\""));
        assert!(["m", "v", "momentum"].iter().all(|slot| named(slot) == slots.contains(slot)), "{settings}: {printed}");
    }
}

#[test]
fn settings_that_the_kind_cannot_use_are_refused() {
    let place = Place::new();
    for (settings, words) in [
        (
            "--set optimiser.kind=sgd --set optimiser.nesterov=true",
            ["optimiser.nesterov needs optimiser.momentum", "momentum = 0.9"],
        ),
        ("--set optimiser.momentum=0.9", ["optimiser.momentum has no effect", "optimiser.kind is adam"]),
        (
            "--set optimiser.kind=lion --set optimiser.nesterov=true",
            ["optimiser.nesterov has no effect", "optimiser.kind is lion"],
        ),
        ("--set optimiser.kind=sgd --set optimiser.momentum=1", ["optimiser.momentum must be", "got 1"]),
        ("--set optimiser.kind=rprop", ["optimiser.kind", "rprop"]),
    ] {
        place.refused(&format!("{TRAIN} {settings} --out run"), &words);
    }
}
