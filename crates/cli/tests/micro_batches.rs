//! Micro-batches: the run of the whole batch, in less memory.

mod place;

use place::{Place, refusal, stderr};
use serde_json::Value;
use std::fs;

/// The final metrics of a training.
fn trained(place: &Place, line: &str) -> Value {
    serde_json::from_str(&place.done(&format!("train {line} --epochs 3 -q --json"))).unwrap()
}

/// Batches of 32 images in micro-batches of 12, 12 and 8; the last batch of 12 in one.
#[test]
fn a_run_in_micro_batches_is_the_run() {
    for (model, figures) in [
        ("vae --data data --hidden 16 --latent-dim 3 --set optimiser.clip=1", ["recon", "kl"]),
        ("cvae --data data --hidden 16 --latent-dim 3", ["recon", "kl"]),
        ("cgan --data data --hidden 8 --latent-dim 3 --set gan.discriminator_steps=2", ["d_loss", "g_loss"]),
        ("classifier --data data --hidden 8 --set classifier.channels=[3]", ["cross_entropy", "errors"]),
        ("points-flow --hidden 8 --set flow.steps=2 --set data.points=300", ["velocity_error", "velocity_error"]),
        ("points-realnvp --hidden 8 --set data.points=300", ["nll", "nll"]),
        ("points-gan --hidden 8 --latent-dim 3 --set data.points=300", ["d_loss", "g_loss"]),
    ] {
        for (device, near) in [("reference", 1e-6), ("cpu", 1e-3), ("gpu", 1e-3)] {
            let place = Place::new();
            let line = format!("{model} --batch-size 32 --device {device}");
            let whole = trained(&place, &format!("{line} --out whole"));
            let parts = trained(&place, &format!("{line} --micro-batch 12 --out parts"));
            let latest = |run: &str| fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
            assert!(latest("whole") != latest("parts"), "{line}: sums in parts are rounded elsewhere");
            for figure in figures {
                let [whole, parts] = [&whole, &parts].map(|figures| figures[figure].as_f64().unwrap());
                let far = (whole - parts).abs() / whole.abs().max(1e-3);
                assert!(far < near, "{line}: {figure} is {whole}, and {parts} in parts");
            }
        }
    }
}

/// The 8,000 images of a step, 112×112, are 383 MiB; devices may bind a quarter of that.
#[test]
fn auto_finds_the_largest_that_fits() {
    let place = Place::new();
    let devices: Value = serde_json::from_str(&place.done("devices --json --device gpu")).unwrap();
    let binds = devices["adapters"].as_array().unwrap().iter().map(|adapter| adapter["max_binding_bytes"].as_u64());
    if binds.flatten().any(|bytes| bytes >= 8000 * 112 * 112 * 4) {
        println!("skipped: a device here binds so much at once");
        return;
    }
    let ae = "train ae --hidden 4 --latent-dim 2 --set data.size=112 --batch-size 8000 --steps 1 --device gpu";
    let output = place.frit(&format!("{ae} --out whole"));
    refusal(&output, &["at most", "or --micro-batch auto"]);
    let output = place.frit(&format!("{ae} --micro-batch auto --out run"));
    let printed = stderr(&output);
    assert!(output.status.success() && printed.contains("a batch of 8000 does not fit in memory; using"), "{printed}");
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(config.contains("batch_size = 8000") && !config.contains("micro_batch = 0"), "{config}");
    // The batch size of a run is fixed, and its micro-batches may change.
    refusal(&place.frit("resume run --steps 2 --micro-batch 0"), &["at most", "use --micro-batch"]);
}

/// If the weights alone are too large, no micro-batch helps.
#[test]
fn a_model_that_never_fits_is_refused() {
    let place = Place::new();
    let vae = "train vae --hidden 65000 --latent-dim 2 --batch-size 8 --device gpu --micro-batch auto";
    let output = place.frit(vae);
    if output.status.success() {
        println!("skipped: this device binds so much at once");
        return;
    }
    refusal(&output, &["no micro-batch fits, not even one of 1", "encoder.0", "at most"]);
}

/// Each micro-batch has a phase, and a discriminator step has all of them before the next.
#[test]
fn a_schedule_has_all_micro_batches() {
    let place = Place::new();
    let show = |set: &str| place.done(&format!("show gan --batch-size 32 --set gan.discriminator_steps=3 {set}"));
    let parts = show("--set train.micro_batch=12");
    for words in [
        "clock:",
        "discriminator, 3 times, micro-batch 1 of 3:",
        "micro-batch 3 of 3:",
        "generator, micro-batch 2 of 3:",
        "discriminator, 3 times, update:",
    ] {
        assert!(parts.contains(words), "{words} is not in {parts}");
    }
    let whole = show("");
    assert!(whole.contains("discriminator, 3 times:") && !whole.contains("micro-batch "), "{whole}");
    let profile = place.done(
        "profile vae --data data --hidden 8 --batch-size 32 --set train.micro_batch=8 --device cpu --steps 1 --json",
    );
    let profile: Value = serde_json::from_str(&profile).unwrap();
    let calls = profile["calls"].as_array().unwrap().iter();
    assert_eq!(calls.filter(|call| call["label"] == "decoder.0.forward").count(), 1, "{profile}");
}

/// A run may resume with other micro-batches, but not bit for bit.
#[test]
fn a_run_resumes_with_other_micro_batches() {
    let place = Place::new();
    place.done("train vae --data data --hidden 16 --batch-size 32 --epochs 1 --device cpu --out run -q");
    let output = place.frit("resume run --epochs 2 --micro-batch 8");
    let printed = stderr(&output);
    assert!(output.status.success() && printed.contains("the micro-batch size changed"), "{printed}");
    let printed = stderr(&place.frit("resume run --epochs 3"));
    assert!(!printed.contains("micro-batch size changed"), "{printed}");
}

#[test]
fn invalid_micro_batches_are_refused() {
    let place = Place::new();
    let vae = "train vae --data data --hidden 16 --batch-size 32 --epochs 1 --device cpu";
    let output = place.frit(&format!("{vae} --micro-batch auto --out run"));
    assert!(stderr(&output).contains("a batch of 32 fits in memory"), "{}", stderr(&output));
    let printed = place.done(&format!("{vae} --micro-batch auto --dry-run"));
    assert!(printed.contains("memory: ") && printed.contains("ms per step"), "{printed}");
    for micro_batch in ["some", "-3"] {
        let output = place.frit(&format!("{vae} --micro-batch={micro_batch} --out b"));
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("expected a number of images (0 for the whole batch) or auto"),
            "{}",
            stderr(&output)
        );
    }
    let digits = "train vae --batch-size 3000 --device cpu --out b";
    place.refused(&format!("{digits} --micro-batch 2"), &["into 1500 micro-batches", "at most 256"]);
}
