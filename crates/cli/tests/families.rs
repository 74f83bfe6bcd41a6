//! Every model family from the command line: metrics, samples, determinism by seed, refusals.

mod place;

use gpu_core::ops::activation::Activation;
use gpu_core::ops::gan_loss::GanLoss;
use place::{Place, refusal, stderr};
use serde_json::Value;
use std::fs;

/// Small models of each family, for the images of [`Place`].
const FAMILIES: [(&str, &str); 12] = [
    ("conv-vae", "--hidden 12 --latent-dim 3 --set vae.channels=[4,6]"),
    ("pool-vae", "--hidden 12 --latent-dim 3 --set vae.channels=[4]"),
    ("cvae", "--hidden 24 --latent-dim 3"),
    ("gan", "--hidden 16 --latent-dim 5"),
    ("cgan", "--hidden 24 --latent-dim 5"),
    ("dcgan", "--latent-dim 5 --set gan.width=4"),
    ("dcgan-small", "--latent-dim 5 --set gan.width=4 --set gan.penalty_every=2"),
    ("wgan-gp", "--latent-dim 5 --set gan.width=4 --set gan.discriminator_steps=2 --set gan.penalty_every=3"),
    ("flow-matching", "--set flow.width=4 --set flow.halvings=1 --set flow.steps=3"),
    ("vqvae", "--latent-dim 3 --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1"),
    ("fsq-vae", "--set vqvae.width=8 --set vqvae.residual=4 --set vqvae.levels=[4,3] --set vqvae.halvings=1"),
    ("classifier", "--hidden 16 --set classifier.channels=[6]"),
];

impl Place {
    /// Trains a family into `run` and returns standard error.
    fn train(&self, family: &str, more: &str, run: &str) -> String {
        let (_, settings) = FAMILIES.iter().find(|(name, _)| *name == family).unwrap();
        let batch = if more.contains("--batch-size") { "" } else { "--batch-size 32" };
        let line = format!("train {family} {settings} --data data --device cpu --out {run} {batch} {more}");
        let output = self.frit(&line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        stderr(&output)
    }

    fn eval(&self, run: &str) -> Value {
        serde_json::from_str(&self.done(&format!("eval {run} --device cpu --json"))).unwrap()
    }

    /// The metrics line of the last epoch.
    fn metrics(&self, run: &str) -> Value {
        let metrics = fs::read_to_string(self.path(run).join("metrics.jsonl")).unwrap();
        serde_json::from_str(metrics.lines().rfind(|line| line.contains("\"images_per_second\"")).unwrap()).unwrap()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

#[test]
fn a_seed_fixes_a_run_of_every_family() {
    let place = Place::new();
    for (family, _) in FAMILIES {
        for (run, seed) in [("once", 3), ("again", 3), ("other", 4)] {
            place.train(family, &format!("--epochs 1 --seed {seed} -q"), &format!("{family}-{run}"));
        }
        let latest = |run: &str| place.read(&format!("{family}-{run}/checkpoints/latest.safetensors"));
        assert!(latest("once") == latest("again"), "{family}: the same seed, the same bytes");
        assert!(latest("once") != latest("other"), "{family}: another seed, other bytes");
        let [cpu, gpu] = ["cpu", "gpu"].map(|device| {
            let line = format!("eval {family}-once --json --device {device}");
            serde_json::from_str::<Value>(&place.done(&line)).unwrap()
        });
        for (key, value) in cpu.as_object().unwrap().iter().filter(|(_, value)| value.is_f64()) {
            let (cpu, gpu) = (value.as_f64().unwrap(), number(&gpu, key));
            // A code between two, or a class, may go to the other one.
            let allowed =
                if ["perplexity", "errors", "classifier_errors"].contains(&key.as_str()) { 0.1 } else { 2e-3 };
            assert!((cpu - gpu).abs() <= allowed * cpu.abs().max(0.1), "{family}: {key} is {cpu} and {gpu}");
        }
    }
}

#[test]
fn a_convolutional_vae_learns() {
    let place = Place::new();
    for family in ["conv-vae", "pool-vae"] {
        place.train(family, "--epochs 1", &format!("{family}-1"));
        place.train(family, "--epochs 20 --lr 0.01", &format!("{family}-20"));
        let [first, last] = [1, 20].map(|epochs| number(&place.eval(&format!("{family}-{epochs}")), "neg_elbo"));
        assert!(last < 0.8 * first, "{family}: {first} after one epoch, {last} after twenty");
    }
    place.done("sample conv-vae-20 -n 9 --device cpu --out nine.png");
    place.done("reconstruct pool-vae-20 -n 9 --device cpu --out pairs.png");
}

#[test]
fn a_gan_reports_scores_and_class_counts() {
    let place = Place::new();
    for (run, family, more) in [
        ("averaged", "gan", "--set optimiser.average=0.9"),
        ("plain", "dcgan", ""),
        ("hinge", "dcgan", "--set gan.loss=hinge"),
    ] {
        let printed = place.train(family, &format!("--epochs 3 --seed 7 {more}"), run);
        assert!(["d_loss", "g_loss", "d_real", "d_fake"].iter().all(|column| printed.contains(column)), "{printed}");
        let line = place.metrics(run);
        for key in ["train_d_loss", "train_g_loss", "test_d_loss", "test_g_loss"] {
            assert!(number(&line, key).is_finite(), "{line}");
        }
        for key in ["train_d_real", "train_d_fake", "test_d_real", "test_d_fake"] {
            assert!((0.0..=1.0).contains(&number(&line, key)), "{line}");
        }
        // The grid of the last epoch is what the run draws under its seed: by the average, where there is one.
        place.done(&format!("sample {run} -n 64 --seed 7 --device cpu --out grid.png"));
        assert!(place.read("grid.png") == place.read(&format!("{run}/samples/000003.png")), "{run}");
        refusal(&place.frit(&format!("reconstruct {run} --device cpu")), &["gan has no encoder", "frit sample"]);
        assert!(!place.path(run).join("checkpoints/best.safetensors").exists(), "a GAN has no best checkpoint");
    }
    let output = place.frit("eval averaged --device cpu");
    assert!(stderr(&output).contains("training a classifier"), "{}", stderr(&output));
    let summary = place.eval("averaged");
    let counts = summary["class_counts"].as_object().unwrap();
    assert_eq!(counts.len(), 10);
    assert_eq!(counts.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 1000, "{summary}");
    let again = place.frit("eval averaged --device cpu");
    assert!(!stderr(&again).contains("training a classifier"), "it was kept: {}", stderr(&again));
    assert!(String::from_utf8_lossy(&again.stdout).contains("generated images by class"));
}

#[test]
fn a_vq_vae_reports_code_usage() {
    let place = Place::new();
    for (run, more) in [("averages", ""), ("gradient", "--lr 0.01 --set vqvae.ema=0 --set vqvae.restart=0")] {
        let printed = place.train("vqvae", &format!("--epochs 12 {more}"), run);
        assert!(["nmse", "commitment", "perplexity", "codes "].iter().all(|word| printed.contains(word)), "{printed}");
        let summary = place.eval(run);
        let [nmse, perplexity, used] = ["nmse", "perplexity", "used_codes"].map(|key| number(&summary, key));
        assert!(nmse > 0.0 && nmse < 0.5, "{run}: stripes are easy: {summary}");
        assert!(summary["codes"] == 12 && perplexity > 1.5 && perplexity <= used && used <= 12.0, "{summary}");
        let line = place.metrics(run);
        assert!(number(&line, "train_perplexity") <= number(&line, "train_used_codes"), "{line}");
        place.done(&format!("reconstruct {run} --device cpu --out pairs.png"));
        refusal(&place.frit(&format!("sample {run} --device cpu")), &["vqvae has no prior", "--prior"]);
    }
}

#[test]
fn finite_scalar_quantisation_has_no_codebook() {
    let place = Place::new();
    let printed = place.train("fsq-vae", "--epochs 12 --lr 0.01", "run");
    assert!(printed.contains("perplexity") && !printed.contains("commitment"), "{printed}");
    let summary = place.eval("run");
    let [nmse, perplexity, used] = ["nmse", "perplexity", "used_codes"].map(|key| number(&summary, key));
    assert!(nmse > 0.0 && nmse < 0.5, "stripes are easy: {summary}");
    assert!(summary["codes"] == 12 && perplexity > 1.5 && perplexity <= used && used <= 12.0, "{summary}");
    for (setting, words) in [
        ("--latent-dim 3", &["--latent-dim has no effect", "vqvae.levels"][..]),
        ("--set vqvae.codes=64", &["no effect", "vqvae.quantiser is fsq"]),
        ("--set vqvae.levels=[]", &["vqvae.levels must have 1 to 8 numbers (got 0)"]),
        ("--set vqvae.levels=[4,1]", &["vqvae.levels must have numbers between 2 and 255 (got 1)"]),
        ("--set vqvae.levels=[255,255]", &["vqvae.levels must combine to at most 8192 codes (got 65025)"]),
        ("--set vqvae.quantiser=vsq", &["vqvae.quantiser", "codebook", "fsq"]),
    ] {
        refusal(&place.frit(&format!("train fsq-vae --data data {setting}")), words);
    }
    let output = place.frit("train vqvae --data data --set vqvae.levels=[4]");
    refusal(&output, &["no effect", "set vqvae.quantiser to fsq"]);
}

/// Samples are of their class with guidance or without, and differ.
#[test]
fn guidance_moves_samples() {
    let place = Place::new();
    place.train("flow-matching", "--epochs 8 --lr 0.01 --set flow.guidance=1", "run");
    place.done("sample run --device cpu --out plain.png --class 1");
    place.done("sample run --device cpu --out again.png --class 1 --guidance 1");
    place.done("sample run --device cpu --out guided.png --class 1 --guidance 3");
    let [plain, again, guided] = ["plain.png", "again.png", "guided.png"].map(|name| place.read(name));
    assert!(plain == again && plain != guided);
    refusal(
        &place.frit("sample run --device cpu --guidance -1"),
        &["flow.guidance must be between 0 and 100 (got -1)"],
    );
    place.train("flow-matching", "--steps 2 --set flow.guidance=1 --set flow.class_dropout=0", "without");
    let output = place.frit("sample without --device cpu --guidance 2");
    refusal(&output, &["flow.guidance must be 1 if flow.class_dropout is 0"]);
    place.train("flow-matching", "--steps 2 --set flow.class_conditional=false", "unconditional");
    let output = place.frit("sample unconditional --device cpu --guidance 2");
    refusal(&output, &["--guidance needs a class-conditional model"]);
}

#[test]
fn a_classifier_tells_stripes_apart() {
    let place = Place::new();
    place.train("classifier", "--epochs 25 --lr 0.01", "run");
    let summary = place.eval("run");
    // Of the ten, three look like one of the others: whichever is named, three in ten are wrong.
    assert!(number(&summary, "errors") < 0.31 && number(&summary, "cross_entropy") < 0.5, "{summary}");
}

/// In the order of the data, shards change nothing but the resident images.
#[test]
fn shards_take_the_same_images() {
    let place = Place::new();
    for family in ["conv-vae", "classifier", "dcgan"] {
        let whole = format!("{family}-whole");
        place.train(family, "--epochs 2 --no-shuffle -q", &whole);
        for shard in [33, 100, 299, 1000] {
            let run = format!("{family}-{shard}");
            place.train(family, &format!("--epochs 2 --no-shuffle -q --set data.shard={shard}"), &run);
            assert_eq!(place.eval(&run), place.eval(&whole), "{run}");
        }
        let shuffled = format!("{family}-shuffled");
        place.train(family, "--epochs 2 -q --set data.shard=100", &shuffled);
        assert_ne!(place.eval(&shuffled), place.eval(&whole));
    }
    // Thirteen batches to a step, which leave one image over.
    let odd = "--batch-size 23 --set gan.discriminator_steps=13 --epochs 2 --no-shuffle -q";
    place.train("gan", odd, "odd");
    place.train("gan", &format!("{odd} --set data.shard=299"), "odd-299");
    assert_eq!(place.eval("odd-299"), place.eval("odd"));
    let bytes = |shard: usize| {
        let line = format!("show conv-vae --data data --batch-size 32 --json --set data.shard={shard}");
        number(&serde_json::from_str(&place.done(&line)).unwrap(), "persistent_bytes")
    };
    // 300 images of 36 bytes, and 96 of them.
    assert_eq!(bytes(0) - bytes(100), 36.0 * (300.0 - 96.0));
}

#[test]
fn invalid_settings_are_refused() {
    let place = Place::new();
    place.train("gan", "--epochs 1 -q", "g");
    // Images without labels.
    place.done("sample g -n 20 --device cpu --files one");
    fs::remove_dir_all(place.path("g")).unwrap();
    for (line, words) in [
        ("dcgan --set gan.loss=wasserstein", &["bounded slope", "gan.penalty = gp or gan.spectral = true"][..]),
        ("dcgan --set gan.penalty=r1", &["= r1 needs gan.discriminator_norm = false", "no tangent"]),
        ("gan --set gan.penalty=r1 --set gan.penalty_every=0", &["gan.penalty_every must be at least 1 (got 0)"]),
        ("gan --set gan.penalty=r1 --set gan.penalty_weight=-1", &["gan.penalty_weight must be"]),
        (
            "gan --set gan.loss=hinge --set gan.label_smoothing=0.1",
            &["no labels to smooth", "gan.label_smoothing must be 0"],
        ),
        ("gan --set gan.label_smoothing=0.9", &["below 0.5 (got 0.9)", "0.1 makes the label of real images 0.9"]),
        ("gan --set gan.discriminator_steps=0", &["gan.discriminator_steps must be between 1", "(got 0)"]),
        ("gan --set gan.discriminator_steps=9", &["train.batch_size is 64 (9 batches per step)"]),
        ("dcgan --set gan.width=70000", &["gan.width must be between 1", "(got 70000)"]),
        ("vqvae --set vqvae.ema=0", &["vqvae.restart needs running averages"]),
        ("vqvae --set vqvae.codes=0", &["vqvae.codes must be between 1"]),
        ("vqvae --set vqvae.halvings=9", &["vqvae.halvings halves images of 6×6 too often (9 times)", "fewer"]),
        ("flow-matching --set flow.heads=5", &["flow.heads must divide the 64 channels", "(got 5)"]),
        ("pool-vae", &["vae.channels with pool = true halves images of 6×6 2 times", "a remainder"]),
        ("conv-vae --set vae.channels=[0]", &["vae.channels must have widths", "a layer of 0"]),
        ("dcgan --set gan.class_conditional=true", &["gan.class_conditional needs linear layers"]),
        ("cvae --data one --batch-size 8", &["vae.class_conditional needs labelled data", "has 1"]),
        ("gan --set vae.latent=3", &["no setting vae.latent"]),
    ] {
        let data = if line.contains("--data") { "" } else { "--data data" };
        place.refused(&format!("train {line} {data} --device cpu --out run"), words);
    }
}

/// Every enumerated setting of every family builds, trains a step and evaluates to finite numbers.
#[test]
fn every_enumerated_setting_trains() {
    let small = ["vae --hidden 6", "cvae --hidden 6", "conv-vae --set vae.channels=[3] --hidden 6", "ae --hidden 6"];
    let pooled = "pool-vae --set vae.channels=[3] --hidden 6";
    let mut lines: Vec<String> = Vec::new();
    for name in Activation::names() {
        let models = small.iter().chain([&pooled]);
        lines.extend(models.map(|model| format!("{model} --set {}.activation={name}", section(model))));
    }
    for likelihood in ["bernoulli", "gaussian"] {
        lines.extend(small.iter().map(|model| format!("{model} --set {}.likelihood={likelihood}", section(model))));
    }
    for loss in GanLoss::ALL.iter().map(|loss| loss.name()) {
        for model in ["gan --hidden 6", "cgan --hidden 6", "dcgan --set gan.width=3"] {
            let bounded = "--set gan.spectral=true --set gan.discriminator_norm=false --set gan.label_smoothing=0";
            lines.push(format!("{model} --set gan.loss={loss} {bounded}"));
        }
    }
    lines.extend(["0", "0.9"].map(|ema| {
        format!("vqvae --set vqvae.width=8 --set vqvae.codes=8 --set vqvae.restart=0 --set vqvae.ema={ema}")
    }));
    let place = Place::new();
    for (number, line) in lines.iter().enumerate() {
        let train = format!("train {line} --latent-dim 3 --data data --batch-size 16 --steps 1 --device cpu -q --json");
        let metrics: Value = serde_json::from_str(&place.done(&format!("{train} --out run-{number}"))).unwrap();
        let numbers: Vec<f64> = metrics.as_object().unwrap().values().filter_map(Value::as_f64).collect();
        assert!(numbers.len() > 1 && numbers.iter().all(|number| number.is_finite()), "{line}: {metrics}");
    }
}

/// The section of a recipe's model.
fn section(line: &str) -> &'static str {
    if line.starts_with("ae") { "ae" } else { "vae" }
}

/// A learning rate that reaches zero before the end is noted. The data has ten steps to an epoch.
#[test]
fn a_decay_that_ends_early_is_noted() {
    let place = Place::new();
    let train = "train vae --data data --hidden 8 --latent-dim 2 --batch-size 30 --device cpu \
                 --set optimiser.lr_schedule=linear --set optimiser.lr_decay_steps=20";
    for (epochs, noted) in [(2, false), (3, true)] {
        let printed = stderr(&place.frit(&format!("{train} --epochs {epochs} --out run-{epochs}")));
        assert_eq!(printed.contains("falls to zero at step 20 of 30"), noted, "{printed}");
    }
}
