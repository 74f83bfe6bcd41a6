//! Failing training: rollbacks, monitors, the tensor that broke, and the setting to try.

mod place;

use flate2::Crc;
use place::{Place, refusal, stderr};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const TINY: &str = "train vae --data data --hidden 16 --latent-dim 3 --batch-size 32 --device cpu";
const LATEST: &str = "run/checkpoints/latest.safetensors";

/// The monitors that warned in a run's metrics.
fn warnings(place: &Place) -> Vec<String> {
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some(line.get("monitor")?.as_str()?.to_string())).collect()
}

/// Trains and expects a number of warnings of one monitor, printed and recorded, and none while it is off.
fn warns(train: &str, monitor: &str, switch: &str, says: &[&str], times: usize) {
    let place = Place::new();
    let output = place.frit(&format!("{train} --out run --set monitors.after=0"));
    let printed = stderr(&output);
    assert!(output.status.success(), "{printed}");
    assert_eq!(warnings(&place), vec![monitor; times], "{printed}");
    assert_eq!(printed.matches("warning: ").count(), times, "{printed}");
    assert!(says.iter().all(|words| printed.contains(words)), "{printed}");
    let late = "after=200 --set monitors.after_epochs=100";
    for silent in [format!("{switch}=false --set monitors.after=0"), late.into()] {
        fs::remove_dir_all(place.path("run")).unwrap();
        place.done(&format!("{train} --out run --set monitors.{silent}"));
        assert_eq!(warnings(&place), [""; 0], "{silent}");
    }
}

#[test]
fn posterior_collapse_is_reported_at_most_three_times() {
    let train = format!("{TINY} --epochs 5 --beta 1000");
    warns(
        &train,
        "posterior_collapse",
        "posterior",
        &["0 of 3 latent dimensions are active", "vae.free_bits = 0.1"],
        3,
    );
}

#[test]
fn codebook_collapse_is_reported() {
    let train = "train vqvae --data data --latent-dim 2 --set vqvae.width=4 --set vqvae.residual=3 \
                 --set vqvae.codes=512 --batch-size 32 --epochs 1 --device cpu";
    warns(train, "codebook_collapse", "codes", &["codebook collapse", "more epochs, or fewer vqvae.codes"], 1);
}

#[test]
fn mode_collapse_is_reported() {
    let train = "train gan --data data --hidden 8 --latent-dim 3 --batch-size 32 --epochs 1 --lr 1e-9 --device cpu";
    warns(train, "mode_collapse", "modes", &["times as far from each other", "gan.spectral = true"], 1);
}

#[test]
fn a_strong_discriminator_is_reported() {
    let train = "train gan --data data --hidden 64 --latent-dim 3 --batch-size 32 --epochs 3 --lr 1e-9 --device cpu \
                 --set gan.discriminator_lr=0.02 --set monitors.modes=false";
    warns(
        train,
        "strong_discriminator",
        "discriminator",
        &["D(x) − D(G(z)) was", "with 300 training images", "dcgan-small"],
        2,
    );
}

/// A discriminator that wins within 45 steps, far fewer than `monitors.after`.
#[test]
fn monitors_check_in_a_short_run() {
    let place = Place::new();
    let train = "train gan --data data --hidden 64 --latent-dim 3 --batch-size 32 --lr 1e-9 --device cpu --out run \
                 --set gan.discriminator_lr=0.02";
    let output = place.frit(&format!("{train} --epochs 6"));
    assert_eq!(warnings(&place), ["strong_discriminator"; 2], "{}", stderr(&output));
}

#[test]
fn a_finite_loss_that_diverges_ends_the_run() {
    let place = Place::new();
    let ae = "train ae --data data --hidden 16 --latent-dim 3 --batch-size 32 --device cpu --lr 1000 --out run";
    for (settings, save_every) in [("", 0), (" --save-every 3", 3)] {
        let output = place.frit(&format!("{ae}{settings} --epochs 3"));
        refusal(&output, &["training diverged at step", "recon on the training set is", "after 3 retries"]);
        let printed = stderr(&output);
        assert!(printed.contains("continuing from step 0 at 1/8 of the learning rate"), "{save_every}: {printed}");
        assert_eq!(warnings(&place), ["divergence"; 4]);
        // The checkpoint is from before the divergence.
        let evaluation: Value = serde_json::from_str(&place.done("eval run --device cpu --json")).unwrap();
        assert!(evaluation["recon"].as_f64().unwrap() < 50.0, "{evaluation}");
        fs::remove_dir_all(place.path("run")).unwrap();
    }
    // One or two halvings are enough here.
    let output = place.frit(&format!("{} --epochs 3", ae.replace("1000", "1")));
    assert!(output.status.success() && stderr(&output).contains("1/2 of the learning rate"), "{}", stderr(&output));
    fs::remove_dir_all(place.path("run")).unwrap();
    place.done(&format!("{ae} --epochs 3 --set monitors.divergence=0"));
    assert_eq!(warnings(&place), [""; 0]);
}

/// Replaces the first number of a saved tensor by NaN.
fn poison(path: &Path, name: &str) {
    let bytes = fs::read(path).unwrap();
    let (header, contents) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut bytes = bytes.clone();
    let start = 8 + header + contents.info(name).unwrap().data_offsets.0;
    bytes[start..start + 8].copy_from_slice(&f64::NAN.to_le_bytes());
    let notes: Value = serde_json::from_str(&contents.metadata().as_ref().unwrap()["frit"]).unwrap();
    let mut crc = Crc::new();
    crc.update(notes["metadata"].to_string().as_bytes());
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut sorted: Vec<_> = tensors.tensors();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, tensor) in &sorted {
        crc.update(format!("{name} {:?} {:?}", tensor.dtype(), tensor.shape()).as_bytes());
        crc.update(tensor.data());
    }
    let notes = serde_json::json!({ "crc32": crc.sum(), "metadata": notes["metadata"] }).to_string();
    let file = safetensors::serialize(sorted, Some(HashMap::from([("frit".to_string(), notes)]))).unwrap();
    fs::write(path, file).unwrap();
}

#[test]
fn a_nan_weight_is_named() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 1 --out run"));
    poison(&place.path(LATEST), "mean.weight");
    let output = place.frit("resume run --epochs 2");
    refusal(&output, &["not finite at step 11", "mean.weight is not finite in the checkpoint", "optimiser.lr"]);
}

#[test]
fn divergence_lowers_the_learning_rate_three_times_and_names_the_tensor() {
    let place = Place::new();
    let output = place.frit(&format!("{} --set optimiser.lr=1e20 --out run", TINY.replace("cpu", "gpu")));
    refusal(&output, &["not finite at step", "after 3 retries", "the first tensor is", "saved in run; train again"]);
    let printed = stderr(&output);
    assert_eq!(printed.matches(" of the learning rate").count(), 3, "{printed}");
    // Three that training continues, and one that it stops.
    assert_eq!(warnings(&place), ["non_finite"; 4]);
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    assert!(metrics.lines().last().unwrap().contains("the first tensor is"), "{metrics}");
    // The files that are left are sound.
    place.done("sample run -n 4 --device cpu --out p.png");
    let place = Place::new();
    let train = format!("{} --set optimiser.lr=1e20 --set monitors.non_finite=0 --out run", TINY.replace("cpu", "gpu"));
    let output = place.frit(&train);
    refusal(&output, &["not finite at step", "the first tensor is"]);
    assert!(!stderr(&output).contains("of the learning rate"), "{}", stderr(&output));
}

#[test]
fn invalid_settings_are_refused() {
    let place = Place::new();
    for (line, words) in [
        ("train gan --data data --set train.patience=3", ["train.patience", "train.best"]),
        (
            "train vae --data data --set train.best=perplexity",
            ["invalid value 'perplexity' for train.best", "recon, kl, neg_elbo"],
        ),
        (
            "train vae --data data --set vae.free_bits=1 --set vae.capacity=2",
            ["vae.free_bits cannot be combined with vae.capacity", "set one"],
        ),
        (
            "train vae --data data --set optimiser.lr_schedule=step",
            ["optimiser.lr_schedule = step needs", "optimiser.lr_decay_steps"],
        ),
        (
            "train vae --data data --steps 9 --set optimiser.lr_schedule=cosine --set optimiser.lr_warmup=9",
            ["leaves none of 9 steps for the decay", "optimiser.lr_warmup"],
        ),
        (
            "train vae --data data --set optimiser.lr_schedule=cosine --set optimiser.lr_final=2",
            ["optimiser.lr_final must be between 0 and 1", "got 2"],
        ),
        (
            "train vae --data data --set optimiser.lr_schedule=linear --set optimiser.lr_hold=1",
            ["optimiser.lr_hold must be at least 0 and below 1", "got 1"],
        ),
    ] {
        place.refused(&format!("{line} --device cpu"), &words);
    }
}

/// The names in a folder of the run, sorted.
fn names(place: &Place, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(place.path("run").join(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn checkpoints_are_kept_and_samples_drawn_by_steps() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 2 --save-every 3 --sample-every 4 --set train.keep=3 --out run"));
    // Saved at 3, 6, 9, 10, 12, 15, 18 and 20.
    let kept = ["best", "latest", "step-00000015", "step-00000018", "step-00000020"];
    assert_eq!(names(&place, "checkpoints"), kept.map(|name| format!("{name}.safetensors")));
    let drawn: Vec<String> = [4, 8, 10, 12, 16, 20].map(|step| format!("{step:06}.png")).into();
    assert_eq!(names(&place, "samples"), drawn);
    let last = fs::read(place.path(LATEST)).unwrap();
    assert!(last == fs::read(place.path("run/checkpoints/step-00000020.safetensors")).unwrap());

    // Any of them draws, and training resumes from one in the latest's place.
    let drawn = |which: &str| {
        place.done(&format!("sample run -n 4 --device cpu --out p.png {which}"));
        fs::read(place.path("p.png")).unwrap()
    };
    assert!(drawn("--checkpoint 20") == drawn("") && drawn("--checkpoint 15") != drawn(""));
    place.refused("sample run --checkpoint 4 --device cpu", &["no checkpoint of step 4", "kept: 15, 18, 20"]);
    fs::copy(place.path("run/checkpoints/step-00000015.safetensors"), place.path(LATEST)).unwrap();
    place.done("resume run");
    assert!(last == fs::read(place.path(LATEST)).unwrap());
}

#[test]
fn a_model_without_an_objective_has_no_best_checkpoint() {
    let place = Place::new();
    place.done("train gan --data data --hidden 8 --latent-dim 3 --batch-size 32 --epochs 1 --device cpu --out run -q");
    place.refused("sample run --best --device cpu", &["run has no best checkpoint", "train.best"]);
}

#[test]
fn training_stops_early_without_improvement() {
    let place = Place::new();
    // A reconstruction error that is to become large: the first epoch is the best.
    let train = format!("{TINY} --epochs 9 --set train.best=-recon --set train.patience=2 --out run");
    let output = place.frit(&train);
    assert!(
        output.status.success()
            && stderr(&output).contains("no improvement for 2 epochs since epoch 1 (to continue, raise train.patience")
    );
    assert_eq!(names(&place, "samples"), ["000001.png", "000002.png", "000003.png"]);
    assert!(place.done("runs .").contains(" finished "));
    // So it stays when it is asked to go on, until it is given more patience.
    place.done("resume run");
    assert_eq!(names(&place, "samples").len(), 3);
}
