//! Priors over codes from the command line: training on the codes of a VQ-VAE, samples, completions, refusals.

mod place;

use place::{Place, refusal, stderr};
use serde_json::Value;
use std::fs;

const VQVAE: &str = "train vqvae --data data --device cpu --batch-size 32 -q --lr 0.005 --latent-dim 3 \
                     --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1";
const PRIOR: &str = "train prior --device cpu --batch-size 32 -q --lr 0.01 --set prior.width=8 --set prior.layers=2 \
                     --set prior.output=12";

/// A place with a VQ-VAE and its prior.
fn trained() -> Place {
    let place = Place::new();
    place.done(&format!("{VQVAE} --epochs 12 --out vqvae"));
    place.done(&format!("{PRIOR} --codes vqvae --epochs 20 --out prior"));
    place
}

fn eval(place: &Place, run: &str) -> Value {
    serde_json::from_str(&place.done(&format!("eval {run} --device cpu --json"))).unwrap()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

/// The prior of stripes is far better than one by frequency, and on the adapter equal.
#[test]
fn a_prior_learns_the_codes() {
    let place = trained();
    let of_prior = eval(&place, "prior");
    let nats = number(&of_prior, "code_nats");
    // Nine codes an image.
    assert!((number(&of_prior, "code_bits") - 9.0 * nats / std::f64::consts::LN_2).abs() < 1e-4);
    let by_frequency = number(&eval(&place, "vqvae"), "perplexity").ln();
    assert!(nats < 0.6 * by_frequency, "{nats} nats a code, by frequency {by_frequency}");
    let gpu: Value = serde_json::from_str(&place.done("eval prior --device gpu --json")).unwrap();
    assert!((number(&gpu, "code_nats") - nats).abs() < 0.01, "{gpu}");
    place.done(&format!("{PRIOR} --codes vqvae --epochs 20 --out same"));
    let loud = PRIOR.replace(" -q", "");
    let printed = stderr(&place.frit(&format!("{loud} --codes vqvae --epochs 20 --seed 1 --out other")));
    assert_eq!(printed.matches("encoding the training images to codes").count(), 1, "{printed}");
    let latest = |run: &str| fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
    assert!(latest("prior") == latest("same") && latest("prior") != latest("other"));
    let config = fs::read_to_string(place.path("prior/config.toml")).unwrap();
    assert!(config.contains("[prior.vqvae]") && config.contains("codes = 12"), "{config}");
}

/// The codes of levels are as many as their combinations, more or fewer than a codebook would have.
#[test]
fn a_prior_over_levels_learns_and_draws() {
    for levels in ["[3,2]", "[8,8,9]"] {
        let place = Place::new();
        let vqvae = format!("train fsq-vae --data data --device cpu --batch-size 32 -q --set vqvae.levels={levels}");
        place.done(&format!("{vqvae} --set vqvae.width=8 --set vqvae.residual=4 --epochs 2 --out vqvae"));
        place.done(&format!("{PRIOR} --codes vqvae --epochs 2 --out prior"));
        assert!(number(&eval(&place, "prior"), "code_nats") > 0.0);
        place.done("sample prior --device cpu -n 4 --out sample.png");
        place.done("sample prior --device cpu -n 4 --complete --out completed.png");
    }
}

#[test]
fn samples_are_drawn_and_completed() {
    let place = trained();
    let sample = |more: &str| {
        place.done(&format!("sample prior --device cpu {more} --out sample.png"));
        fs::read(place.path("sample.png")).unwrap()
    };
    let plain = sample("-n 20 --seed 1");
    assert!(plain == sample("-n 20 --seed 1 --temperature 1") && plain != sample("-n 20 --seed 2"));
    assert!(plain != sample("-n 20 --seed 1 --temperature 0.2") && plain != sample("-n 20 --seed 1 --class 3"));
    // The likeliest code of every position depends on nothing else.
    assert!(sample("-n 20 --top-k 1 --class 3 --seed 1") == sample("-n 20 --top-k 1 --class 3 --seed 2"));
    assert!(sample("-n 20 --top-k 12 --seed 1") == plain, "all twelve codes take part");
    place.done("sample vqvae --prior prior --device cpu -n 20 --seed 1 --out by.png");
    assert!(fs::read(place.path("by.png")).unwrap() == plain);
    for device in ["cpu", "gpu"] {
        place.done(&format!("sample prior --complete --temperature 4 --device {device} -n 10 --out {device}.png"));
    }
    place.done("sample prior --complete --temperature 4 --device cpu -n 10 --seed 9 --out other.png");
    let [one, other] = ["cpu.png", "other.png"].map(|name| image::open(place.path(name)).unwrap().to_luma8());
    assert!(one != other && one.dimensions() == other.dimensions());
    // The first row has the originals.
    assert!((0..one.width()).all(|x| (0..6).all(|y| one.get_pixel(x, y) == other.get_pixel(x, y))));
    place.done("sample prior --complete --images cpu.png --class 3 --device cpu --out own.png");
    // The run has everything that it needs, also to encode the images of a shard again.
    let shorter = |run: &str, epochs: usize| {
        let settings = "--set data.shard=100 --set optimiser.lr_schedule=constant";
        place.done(&format!("{PRIOR} --codes vqvae {settings} --epochs {epochs} --out {run}"));
    };
    shorter("long", 2);
    shorter("short", 1);
    fs::remove_dir_all(place.path("vqvae")).unwrap();
    assert!(sample("-n 20 --seed 1") == plain);
    place.done("resume short --epochs 2 -q");
    let tensors = |run: &str| {
        let path = place.path(run).join("checkpoints/latest.safetensors");
        frit::run::checkpoint::Checkpoint::load(&path).unwrap().tensors
    };
    assert!(tensors("short") == tensors("long"));
    place.done("sample prior --files samples --by-class --device cpu -n 20 --out grid.png");
    assert!(place.path("samples/3").is_dir());
}

#[test]
fn a_prior_belongs_to_a_vqvae() {
    let place = trained();
    place.done("train ae --data data --hidden 8 --device cpu --epochs 1 --batch-size 32 -q --out ae");
    place.done(&format!("{VQVAE} --epochs 1 --seed 5 --out other"));
    place.put_data("moved", |number, index| (number * 7 + index) as u8);
    for (line, words) in [
        ("train prior --device cpu", &["prior.codes is empty", "--codes RUN"][..]),
        ("train prior --codes ae --device cpu", &["ae is a run of ae; name one of a VQ-VAE"]),
        ("train prior --codes nowhere --device cpu", &["no run at 'nowhere'"]),
        ("train vae --codes vqvae --device cpu", &["--codes is for the family prior"]),
        (
            "train prior --codes vqvae --data moved --device cpu",
            &["moved is not the data that the VQ-VAE was trained on", "only where that data is now"],
        ),
        (
            "train prior --codes vqvae --data digits --device cpu",
            &["digits is not the data that the VQ-VAE was trained"],
        ),
        ("train prior --codes vqvae --size 5 --device cpu", &["leave out the settings of data"]),
        ("train prior --codes vqvae --set prior.kernel=2 --device cpu", &["prior.kernel must be odd"]),
        (
            "train prior --codes vqvae --set prior.layers=0 --device cpu",
            &["prior.layers must be between 1 and 256 (got 0)"],
        ),
        ("train prior --codes vqvae --set prior.layers=257 --device cpu", &["between 1 and 256 (got 257)"]),
        ("sample vqvae --device cpu", &["vqvae has no prior", "frit train prior --codes RUN"]),
        ("sample other --prior prior --device cpu", &["whose weights are not those of other"]),
        ("sample vqvae --prior ae --device cpu", &["ae is a run of ae; name one of a prior"]),
        ("sample prior --temperature 0 --device cpu", &["--temperature"]),
        ("sample prior --top-k 0 --device cpu", &["--top-k"]),
        ("sample ae --top-k 3 --device cpu", &["ae has no prior"]),
        ("sample prior --seeds 1-3 --device cpu", &["does not sample from normal latents"]),
        ("sample prior --seeds 1-3 --top-k 3 --device cpu", &["use one or the other"]),
        ("sample ae --complete --device cpu", &["ae draws no codes"]),
        ("reconstruct prior --device cpu", &["prior has no encoder; use `frit sample`"]),
    ] {
        place.refused(line, words);
    }
    refusal(&place.frit("sample prior --complete --class 3"), &["--class is of your own images"]);
    fs::rename(place.path("vqvae"), place.path("elsewhere")).unwrap();
    fs::rename(place.path("data"), place.path("images")).unwrap();
    let again = "train prior/config.toml --device cpu -q --steps 1";
    refusal(&place.frit(again), &["vqvae is not a run folder", "--codes RUN", "--set prior.codes=RUN"]);
    place.done(&format!("{again} --codes elsewhere --data images --out moved-vqvae"));
    place.done(&format!("{again} --set prior.codes=elsewhere --data images --out set"));
    place.done("resume prior --data images --device cpu -q");
    let shown = place.frit("show prior --json");
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
}

/// A misspelt target is refused before a VQ-VAE is trained.
#[test]
fn targets_of_a_prior_are_checked_first() {
    let place = Place::new();
    let verify = "verify prior --data data --device cpu --out checked";
    for (set, words) in [
        ("target.code_natz=[0,9]", ["target.code_natz is not a metric", "did you mean 'code_nats'?"]),
        ("prior.kernel=2", ["prior.kernel must be odd", ""]),
    ] {
        place.refused(&format!("{verify} --set {set}"), &words);
    }
}

/// A PixelCNN of stripes is far better than pixels drawn alone, on the adapter too; it draws and completes images.
#[test]
fn a_pixelcnn_learns_the_pixels() {
    let place = Place::new();
    let sizes = "--set pixelcnn.width=8 --set pixelcnn.layers=2 --set pixelcnn.output=8";
    let train = format!("train pixelcnn --data data --device cpu --batch-size 32 -q --lr 0.01 {sizes}");
    place.done(&format!("{train} --set pixelcnn.levels=4 --set pixelcnn.dither=false --epochs 20 --out run"));
    let of_pixels = eval(&place, "run");
    let bits = number(&of_pixels, "pixel_bits");
    let pixels = 36.0;
    assert!((number(&of_pixels, "image_nats") - pixels * bits * std::f64::consts::LN_2).abs() < 1e-3, "{of_pixels}");
    assert!(bits < 1.2, "{bits} bits a pixel of four levels");
    let gpu: Value = serde_json::from_str(&place.done("eval run --device gpu --json")).unwrap();
    assert!((number(&gpu, "pixel_bits") - bits).abs() < 0.01, "{gpu}");
    for device in ["cpu", "gpu"] {
        place.done(&format!("sample run --device {device} -n 20 --temperature 0.9 --out {device}.png"));
        place.done(&format!("sample run --complete --device {device} -n 8 --out completed-{device}.png"));
    }
    let bytes = |name: &str| image::open(place.path(name)).unwrap().into_luma8().into_raw();
    assert_eq!(bytes("completed-cpu.png"), bytes("completed-gpu.png"));
    let drawn = bytes("cpu.png");
    let levels: std::collections::BTreeSet<u8> = drawn.iter().copied().collect();
    // Four levels, and the lines between images.
    assert!((2..=5).contains(&levels.len()), "{levels:?}");
    for (words, reason) in [
        ("--set pixelcnn.levels=1", "pixelcnn.levels must be between 2 and 255 (got 1)"),
        ("--set pixelcnn.kernel=4", "pixelcnn.kernel must be odd"),
        ("--data twemoji", "twemoji"),
    ] {
        refusal(&place.frit(&format!("train pixelcnn --device cpu {words}")), &[reason]);
    }
}
