//! The program from outside: exit codes, messages, and files.

mod place;

use flate2::{Compression, write::GzEncoder};
use place::{Place, TEST, refusal, stderr, stripes};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

/// A model that trains in a moment on the images of [`Place`].
const TINY: &str = "--data data --hidden 16 --latent-dim 3 --batch-size 32 --epochs 2";

impl Place {
    /// A place with a trained model of `family` in `run`.
    fn trained(family: &str) -> Self {
        let place = Self::new();
        place.done(&format!("train {family} {TINY} --out run --device cpu"));
        place
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn json(&self, line: &str) -> Value {
        let text = self.done(line);
        assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Shapes and raw elements by name.
    fn tensors(&self, name: &str) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
        let bytes = self.read(name);
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        tensors.into_iter().map(|(name, view)| (name, (view.shape().to_vec(), view.data().to_vec()))).collect()
    }

    fn picture(&self, name: &str) -> image::GrayImage {
        image::open(self.path(name)).unwrap().into_luma8()
    }
}

/// A float32 file without frit's metadata, as another program writes it.
fn plain_file(tensors: &BTreeMap<String, (Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let view = |shape: &Vec<usize>, raw| TensorView::new(Dtype::F32, shape.clone(), raw).unwrap();
    safetensors::serialize(tensors.iter().map(|(name, (shape, raw))| (name, view(shape, raw))), None).unwrap()
}

#[test]
fn training_on_the_built_in_digits_writes_a_complete_run() {
    let place = Place::new();
    let output = place.frit("train vae --steps 3 --out run --device cpu");
    let result = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(result.starts_with("run: test −ELBO ") && result.lines().count() == 1, "{result}");
    assert!(stderr(&output).contains("epoch 1/1 ") && stderr(&output).contains("images/s"), "{}", stderr(&output));

    let config: toml::Table = String::from_utf8(place.read("run/config.toml")).unwrap().parse().unwrap();
    assert_eq!((config["train"]["steps"].as_integer(), config["data"]["source"].as_str()), (Some(3), Some("digits")));
    let environment: Value = serde_json::from_slice(&place.read("run/env.json")).unwrap();
    assert_eq!(environment["device"], "cpu");
    let metrics = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["step"] == 3 && line["test_neg_elbo"].is_f64()), "{metrics}");
    // Eight by eight digits of twice 28 pixels, with two pixels between them.
    for name in ["run/reals.png", "run/samples/000001.png"] {
        assert_eq!(place.picture(name).dimensions(), (462, 462), "{name}");
    }
    for name in ["latest", "best"] {
        let tensors = place.tensors(&format!("run/checkpoints/{name}.safetensors"));
        assert_eq!(tensors["encoder.0.weight"].0, [400, 784]);
    }
    let summary = place.json("eval run --device cpu --json");
    assert_eq!(summary["images"], 2000);
    assert!((summary["neg_elbo"].as_f64().unwrap() - lines[0]["test_neg_elbo"].as_f64().unwrap()).abs() < 1e-9);
}

#[test]
fn a_saved_configuration_is_a_recipe() {
    let place = Place::new();
    place.done(&format!("train vae {TINY} --seed 5 --lr 0.003 --set optimiser.average=0.9 --out run --device cpu"));
    let output = place.frit("train run/config.toml --out again --device cpu -q --json");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "quiet means quiet");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["neg_elbo"].as_f64().unwrap() > 0.0 && summary["images"] == TEST, "{summary}");
    for name in ["config.toml", "checkpoints/latest.safetensors", "samples/000002.png"] {
        assert!(place.read(&format!("run/{name}")) == place.read(&format!("again/{name}")), "{name} differs");
    }
}

#[test]
fn flags_override_settings_and_settings_override_the_recipe() {
    let place = Place::new();
    place.put("my.toml", "family = \"vae\"\n[train]\nbatch_size = 20\nseed = 4\nepochs = 3\n[vae]\nlatent = 2\n");
    let before = place.files();
    let sets = "--set train.batch_size=30 --set train.seed=5 --set vae.beta=2";
    let printed =
        place.done(&format!("train my.toml {sets} --batch-size 40 --data data --device cpu --out run --dry-run -v"));
    for setting in ["batch_size = 40", "seed = 5", "beta = 2.0", "epochs = 3", "latent = 2", "hidden = [400]"] {
        assert!(printed.contains(setting), "{setting} is not in: {printed}");
    }
    // Except for the time of a product, which the choice of a device needs.
    let files = place.files().into_iter().filter(|(path, _)| !path.starts_with(place.path("cache")));
    assert!(files.eq(before), "a dry run leaves nothing: {:?}", place.files().keys());
}

#[test]
fn gzipped_data_is_read() {
    let place = Place::new();
    fs::create_dir(place.path("zipped")).unwrap();
    for entry in fs::read_dir(place.path("data")).unwrap().map(Result::unwrap) {
        let name = format!("zipped/{}.gz", entry.file_name().display());
        let mut encoder = GzEncoder::new(fs::File::create(place.path(&name)).unwrap(), Compression::fast());
        encoder.write_all(&fs::read(entry.path()).unwrap()).unwrap();
        encoder.finish().unwrap();
    }
    for data in ["data", "zipped"] {
        place.done(&format!("train vae --data {data} --hidden 4 --steps 2 --out from-{data} --device cpu"));
    }
    let [plain, zipped] = ["data", "zipped"].map(|data| format!("from-{data}/checkpoints/latest.safetensors"));
    assert!(place.tensors(&plain) == place.tensors(&zipped));
}

#[test]
fn without_shuffling_the_first_step_takes_the_first_images() {
    let place = Place::new();
    // The same first 32 images, and others after them.
    place.put_data("other", |number, index| if number < 32 { stripes(number, index) } else { 128 });
    let trained = |data: &str, flag: &str| {
        let out = format!("of-{data}{flag}");
        let line = format!("train vae --data {data} --hidden 4 --batch-size 32 --steps 1 {flag} --out {out}");
        place.done(&format!("{line} --device cpu"));
        place.tensors(&format!("{out}/checkpoints/latest.safetensors"))
    };
    assert!(trained("data", "--no-shuffle") == trained("other", "--no-shuffle"));
    assert!(trained("data", "") != trained("other", ""));
}

#[test]
fn init_sets_the_initial_weights() {
    let place = Place::trained("vae");
    let mut weights = place.tensors("run/checkpoints/latest.safetensors");
    weights.retain(|name, _| !name.contains('/'));
    assert_eq!(weights.len(), 10, "five layers: {:?}", weights.keys());
    place.put("init.safetensors", plain_file(&weights));
    let train = format!("train vae {TINY} --out second --device cpu --init");
    place.done(&format!("{train} init.safetensors --steps 1 --lr 1e-12"));
    let [first, second] = ["run", "second"]
        .map(|run| place.json(&format!("eval {run} --device cpu --json"))["neg_elbo"].as_f64().unwrap());
    assert!((first - second).abs() < 1e-5 * first, "{first} became {second}");
    fs::remove_dir_all(place.path("second")).unwrap();

    // The same from torch.compile, with a tensor of another model.
    let mut wrapped: BTreeMap<_, _> = weights.clone().into_iter().map(|(k, v)| (format!("_orig_mod.{k}"), v)).collect();
    wrapped.insert("extra.weight".into(), weights["mean.bias"].clone());
    place.put("wrapped.safetensors", plain_file(&wrapped));
    let output = place.frit(&format!("{train} wrapped.safetensors --steps 1"));
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("tensors of wrapped.safetensors not used: extra.weight\n"));
    fs::remove_dir_all(place.path("second")).unwrap();

    let bytes = place.read("init.safetensors");
    place.put("cut.safetensors", &bytes[..bytes.len() - 10]);
    place.put("pickle.pt", b"PK\x03\x04archive/data.pkl");
    let mut missing = weights.clone();
    missing.remove("mean.bias");
    place.put("missing.safetensors", plain_file(&missing));
    // The first tensor of the header becomes one of integers.
    let at = bytes.windows(5).position(|five| five == b"\"F32\"").unwrap() + 1;
    place.put("words.safetensors", [&bytes[..at], b"U", &bytes[at + 1..]].concat());
    place.refused(&format!("{train} cut.safetensors"), &["cut.safetensors is damaged"]);
    place.refused(&format!("{train} pickle.pt"), &["pickle.pt", "pickle", "safetensors"]);
    place.refused(&format!("{train} missing.safetensors"), &["missing.safetensors", "no tensor mean.bias"]);
    place.refused(&format!("{train} absent"), &["cannot read absent"]);
    let wider = train.replace("--hidden 16", "--hidden 17");
    place.refused(&format!("{wider} init.safetensors"), &["encoder.0.weight", "17×36", "16×36", "init.safetensors"]);
    place.refused(&format!("{train} words.safetensors"), &["words.safetensors", "float32"]);
    // A dry run checks the same.
    let dry = train.replace("train", "train --dry-run");
    place.done(&format!("{dry} init.safetensors"));
    place.refused(&format!("{dry} missing.safetensors"), &["missing.safetensors", "no tensor mean.bias"]);
    place.refused(&format!("{} init.safetensors", dry.replace("second", "run")), &["run already holds a run"]);
}

#[test]
fn an_autoencoder_reconstructs_and_has_nothing_to_sample() {
    let place = Place::trained("ae");
    assert!(place.done("reconstruct run -n 9 --out pairs.png --device cpu").ends_with("pairs.png\n"));
    // A row of originals over one of reconstructions; cells of 12 pixels with gaps of 2.
    assert_eq!(place.picture("pairs.png").dimensions(), (9 * 14 - 2, 2 * 14 - 2));
    let summary = place.json("eval run --device cpu --json");
    assert!(summary["recon"].as_f64().unwrap() > 0.0 && summary["kl"].is_null(), "{summary}");
    place.refused("sample run --device cpu", &["ae has no prior", "frit reconstruct"]);
    place.refused("eval run --iw 5 --device cpu", &["ae has no importance-weighted bound"]);
}

#[test]
fn a_seed_fixes_samples_whatever_their_number() {
    let place = Place::trained("vae");
    let draw = |n: usize, seed: usize, name: &str| {
        place.done(&format!("sample run -n {n} --seed {seed} --out {name} --device cpu"));
        place.read(name)
    };
    assert!(draw(5, 7, "a.png") == draw(5, 7, "b.png"));
    assert!(draw(5, 7, "a.png") != draw(5, 8, "b.png"));
    draw(9, 7, "nine.png");
    draw(4, 7, "four.png");
    let [nine, four] = ["nine.png", "four.png"].map(|name| place.picture(name));
    let cell = |grid: &image::GrayImage, number: u32, columns: u32| {
        let (x, y) = (number % columns * 14, number / columns * 14);
        image::imageops::crop_imm(grid, x, y, 12, 12).to_image()
    };
    for number in 0..4 {
        assert!(cell(&nine, number, 3) == cell(&four, number, 2), "picture {number}");
    }
    place.refused("sample run -n 0 --device cpu", &["'0' for -n"]);
    place.refused("sample run --out nosuch/a.png --device cpu", &["nosuch/a.png", "folder does not exist"]);
    place.refused("reconstruct run -n 41 --device cpu", &["'41' for -n", "1 to 40"]);
}

#[test]
fn evaluation_repeats_and_agrees_between_devices() {
    let place = Place::trained("vae");
    let [cpu, gpu] = ["cpu", "gpu"].map(|device| place.json(&format!("eval run --iw 20 --json --device {device}")));
    let number = |summary: &Value, key: &str| summary[key].as_f64().unwrap_or_else(|| panic!("{key} in {summary}"));
    for summary in [&cpu, &gpu] {
        let [neg_elbo, recon, kl, bound] = ["neg_elbo", "recon", "kl", "iw_nll"].map(|key| number(summary, key));
        assert!((neg_elbo - recon - kl).abs() < 1e-6 * neg_elbo, "{summary}");
        assert!(bound <= neg_elbo && kl >= 0.0, "{summary}");
        assert!(summary["images"] == TEST && summary["active_units"].as_u64().unwrap() <= 3, "{summary}");
    }
    for key in ["neg_elbo", "recon", "kl", "iw_nll", "active_units"] {
        let (cpu, gpu) = (number(&cpu, key), number(&gpu, key));
        assert!((cpu - gpu).abs() <= 1e-3 * cpu.abs(), "{key} is {cpu} on the CPU and {gpu} on the adapter");
    }
    assert!(cpu["device"].as_str().unwrap().contains("CPU") && cpu["device"] != gpu["device"]);
    assert!(place.done("eval run --device cpu").contains("−ELBO ↓"));
    place.refused("eval run --iw 0 --device cpu", &["importance samples 0", "expected 1 to"]);
}

#[test]
fn the_device_commands_describe_the_machine_and_the_model() {
    let place = Place::new();
    assert!(place.done("devices").contains("chosen: "));
    let devices = place.json("devices --json --device cpu");
    assert!(devices["adapters"].is_array() && devices["chosen"] == "cpu", "{devices}");

    let shown = place.json("show vae --json");
    let steps = shown["steps"].as_array().unwrap();
    assert_eq!(shown["parameters"], 652_824);
    assert!(steps.iter().map(|step| step["flops"].as_u64().unwrap()).sum::<u64>() > 0);
    let (layers, names) = (shown["layers"].as_array().unwrap(), ["encoder.0", "mean+logvar", "decoder.0", "decoder.2"]);
    assert!(layers.iter().map(|layer| layer["name"].as_str().unwrap()).eq(names), "{layers:?}");
    assert_eq!(layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum::<u64>(), 652_824);
    assert_eq!(layers[3]["output"], json!([128, 784]));
    let text = place.done("show vae");
    assert!(text.contains("652824 parameters") && text.contains(&format!("step: {} calls", steps.len())), "{text}");

    let checked = place.json("check fill tick --json");
    assert!(checked["failed"] == 0 && !checked["kernels"].as_array().unwrap().is_empty(), "{checked}");
    place.refused("check fill --device reference", &["reference executor", "--device cpu"]);
    place.refused("check nosuch", &["no operator 'nosuch'", "matmul"]);
}

/// Every call is timed and the sums agree, on the CPU executor and on the adapter.
#[test]
fn a_profile_times_every_call_of_a_step() {
    let place = Place::new();
    for (device, family) in [("cpu", "gan"), ("gpu", "vae")] {
        let line = format!("{family} --data data --hidden 16 --latent-dim 3 --batch-size 32");
        let profile = place.json(&format!("profile {line} --device {device} --steps 3 --json"));
        let number = |pointer: &str| {
            let found = profile.pointer(pointer).and_then(Value::as_f64);
            found.unwrap_or_else(|| panic!("{pointer} in {profile}"))
        };
        let shown = place.json(&format!("show {line} --json"));
        let (calls, steps) = (profile["calls"].as_array().unwrap(), shown["steps"].as_array().unwrap());
        assert_eq!(calls.len(), steps.len());
        for (call, step) in calls.iter().zip(steps) {
            assert!(call["label"] == step["label"] && call["kernel"] == step["kernel"], "{call} is not {step}");
            let (variant, kernel) = (call["variant"].as_str().unwrap(), step["kernel"].as_str().unwrap());
            assert!(variant.starts_with(kernel) && (device == "gpu" || variant == kernel), "{call} is no {step}");
        }
        for list in ["calls", "kernels"] {
            let sum: f64 = profile[list].as_array().unwrap().iter().map(|one| one["ms"].as_f64().unwrap()).sum();
            assert!((sum - number("/total/ms")).abs() < 1e-6 * sum, "{list} take {sum} of {profile}");
        }
        for positive in ["/roof/fma_gflops", "/roof/copy_gbps", "/roof/product_gflops", "/step/ms", "/total/ms"] {
            assert!(number(positive) > 0.0, "{positive} in {profile}");
        }
        assert_eq!((number("/timed_steps"), number("/step/other_waits")), (3.0, 0.0), "{profile}");
        let share = number("/memory/peak_bytes") / number("/memory/planned_bytes");
        assert!((0.9..1.1).contains(&share), "{share} of the memory planned was taken: {profile}");
        assert!((0.0..=1.0).contains(&number("/near_product_share")) && number("/first_step/total_ms") > 0.0);
        let clock = profile["clock"].as_str().unwrap();
        assert!(clock.contains("host's clock") || (device == "gpu" && clock.contains("timestamps")), "{clock}");
    }
    let printed = place.done("profile vae --data data --hidden 16 --device cpu --steps 1");
    for part in ["roofline: ", "total", "step: ", "MiB planned", "the first step was done"] {
        assert!(printed.contains(part), "{part} is not in: {printed}");
    }
    place.refused("profile nosuch", &["no recipe", "nosuch"]);
    let output = place.frit("profile vae --steps 0");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_dry_run_estimates_the_time_and_writes_nothing() {
    let place = Place::new();
    let before = place.files();
    let printed =
        place.done("train vae --data data --hidden 16 --batch-size 32 --epochs 3 --device reference --dry-run");
    for words in [
        "300 training and 40 test images",
        "memory: ",
        "memory on the reference executor (double precision)",
        "ms per step",
        "per epoch of 10 steps",
        "all 30 steps",
    ] {
        assert!(printed.contains(words), "{words} is not in {printed}");
    }
    assert!(place.files() == before);
}

/// The first layer of 8,000 images, 28×28 by 16 channels, is 383 MiB.
#[test]
fn a_batch_that_does_not_fit_names_one_that_does() {
    let place = Place::new();
    let output = place.frit("train pool-vae --device gpu --steps 1 --batch-size 8000 --out run");
    if output.status.success() {
        println!("skipped: this device binds so much at once");
        return;
    }
    refusal(&output, &["at most", "use --batch-size", "--micro-batch auto"]);
    assert!(!place.path("run").exists());
}

#[test]
fn verbose_training_reports_the_first_step() {
    let place = Place::new();
    let output = place.frit("train vae --data data --hidden 4 --steps 1 --out run --device cpu -v");
    assert!(stderr(&output).contains("the first step was done after"), "{}", stderr(&output));
}

#[test]
fn invalid_arguments_are_refused() {
    let place = Place::new();
    place.put("typo.toml", "family = \"vae\"\n[train]\nepoch = 3\n");
    place.refused("train nosuch", &["no recipe", "nosuch", "vae, ae"]);
    place.refused("train nosuch.toml", &["no file or folder 'nosuch.toml'"]);
    place.refused("train typo.toml", &["typo.toml", "line 3", "epoch"]);
    for (arguments, words) in [
        ("--set train.epoch=3", &["no setting train.epoch", "train.epochs"][..]),
        ("--set train.epochs", &["expected key=value", "train.epochs"]),
        ("--set train.seed=soon", &["train.seed", "soon"]),
        ("--set optimiser.lr=nan", &["optimiser.lr must be above 0", "got NaN"]),
        ("--set vae.activation=step", &["activation", "step", "relu"]),
        ("--device nosuchadapter", &["nosuchadapter"]),
        ("--data nosuch", &["no file or folder 'nosuch'", "digits, shapes, outlines, a folder of"]),
        ("--batch-size 0", &["batch_size must be at least 1"]),
        ("--batch-size 301", &["batch_size is 301", "has 300 images"]),
        ("--epochs 0", &["epochs must be at least 1"]),
        ("--latent-dim 0", &["vae.latent must be between 1 and 65536 (got 0)"]),
        ("--latent-dim 100000", &["vae.latent must be between", "got 100000"]),
        ("--lr=-1", &["optimiser.lr must be above 0", "got -1"]),
        ("--out data/train-labels-idx1-ubyte/run", &["train-labels-idx1-ubyte", "file, not a folder"]),
        ("--out data/train-labels-idx1-ubyte", &["is a file, not a folder"]),
    ] {
        let usual = [("--data", "data"), ("--out", "run"), ("--device", "cpu")];
        let usual =
            usual.iter().filter(|(flag, _)| !arguments.contains(flag)).map(|(flag, value)| format!("{flag} {value} "));
        place.refused(&format!("train vae {}{arguments}", usual.collect::<String>()), words);
    }
    for flag in ["--nosuch", "--epochs 99999999999999999999"] {
        let output = place.frit(&format!("train vae {flag} --out run"));
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).starts_with("error: ") && !place.path("run").exists(), "{}", stderr(&output));
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    let place = Place::new();
    for (arguments, words) in [
        ("--lr -1", &["optimiser.lr", "got -1"][..]),
        ("--lr nan", &["lr", "NaN"]),
        ("--beta -1", &["vae.beta must be at least 0", "got -1"]),
        ("--hidden 65536,65536", &["hidden"]),
        ("--set train.epochs=9000000000000000000", &["epochs"]),
    ] {
        place.refused(&format!("train vae --data data --device cpu --out run {arguments}"), words);
    }
    // A wild rate is a fine number.
    place.done(&format!("train vae {TINY} --device cpu --out run --lr 1e20 --dry-run"));
}

/// Tuned variants are cached, used, recorded in the run and used again on resume; --deterministic ignores them.
#[test]
fn tuned_variants_are_used_unless_deterministic() {
    let place = Place::new();
    let tuned = place.json("tune vae --data data --hidden 8 --latent-dim 3 --batch-size 32 --device gpu --json");
    let classes = tuned["classes"].as_array().unwrap();
    assert!(!classes.is_empty());
    for class in classes {
        let trials = class["trials"].as_array().unwrap();
        let ms =
            |name: &Value| trials.iter().find(|trial| trial["name"] == *name).and_then(|trial| trial["ms"].as_f64());
        let [fastest, chosen, table] = ["fastest", "chosen", "table"].map(|name| ms(&class[name]).unwrap());
        assert!(trials.len() > 1 && fastest <= chosen && chosen <= table, "{class}");
    }
    for variant in tuned["variants"].as_array().unwrap() {
        let ms = |key| variant[key].as_f64().unwrap();
        assert_eq!(variant["accepted"], 1.01 * ms("ms_with") <= ms("ms_without"), "{variant}");
        for class in classes.iter().filter(|class| variant["classes"].as_array().unwrap().contains(&class["class"])) {
            let key = if variant["accepted"] == true { "fastest" } else { "table" };
            assert_eq!(class["chosen"], class[key], "{class}");
        }
    }
    let kept = fs::read_to_string(tuned["file"].as_str().unwrap()).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept.as_object().unwrap().len(), classes.len());
    let environment = |run: &str| -> Value { serde_json::from_slice(&place.read(&format!("{run}/env.json"))).unwrap() };
    let tiny = "--data data --hidden 8 --latent-dim 3 --batch-size 32 --device gpu";
    place.done(&format!("train vae {tiny} --steps 2 --out tuned"));
    assert_eq!(environment("tuned")["variants"], kept);
    place.done(&format!("train vae {tiny} --steps 2 --out table --deterministic"));
    assert_eq!(environment("table")["variants"], "table");
    place.done("resume table --steps 3");
    assert_eq!(environment("table")["variants"], "table", "a resumed run uses the shaders that it began with");
    if place.done("devices").contains("f16") {
        // Who has not asked for half precision does not get it from those who have.
        let half =
            place.json("tune vae --data data --hidden 8 --latent-dim 3 --batch-size 32 --device gpu --half --json");
        assert_ne!(half["file"], tuned["file"]);
        place.done(&format!("train vae {tiny} --steps 1 --out whole"));
        assert_eq!(environment("whole")["variants"], kept);
    }
    fs::write(tuned["file"].as_str().unwrap(), "{").unwrap();
    place.done(&format!("train vae {tiny} --steps 1 --out damaged"));
    assert_eq!(environment("damaged")["variants"], "table");
    place.refused("tune vae --data data --device cpu", &["no shader variants", "--device gpu"]);
    place.refused("train vae --data data --device cpu --half", &["no half precision"]);
}
