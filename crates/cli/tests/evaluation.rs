//! Metrics of generated images: class agreement, distances from the data, folders, targets.

mod place;

use place::{Place, refusal, stderr};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn samples_have_the_requested_class() {
    let place = Place::new();
    // The classes in binary, which no two share.
    place.put_data("binary", |number, index| if (number % 10 + 1) >> (index % 4) & 1 == 1 { 230 } else { 10 });
    for (recipe, settings) in [("cvae", "--latent-dim 2 --lr 0.01"), ("cgan", "--latent-dim 4 --lr 0.002")] {
        let train = format!("train {recipe} {settings} --hidden 48 --batch-size 32 --epochs 60 -q");
        place.done(&format!("{train} --data binary --device cpu --out {recipe}"));
        let figures = json(&place.done(&format!("eval {recipe} --device cpu --json")));
        // Images that the classifier misclassifies cannot agree.
        let most = 1.0 - number(&figures, "classifier_errors");
        assert!(most > 0.5 && number(&figures, "class_agreement") > most - 0.05, "{recipe}: {figures}");
        place.done(&format!("sample {recipe} -n 30 --class 3 --device cpu --out three.png --files {recipe}-three"));
        place.done(&format!("sample {recipe} -n 30 --device cpu --out all.png"));
        assert!(fs::read(place.path("three.png")).unwrap() != fs::read(place.path("all.png")).unwrap());
        assert_eq!(fs::read_dir(place.path(&format!("{recipe}-three"))).unwrap().count(), 30);
        let output = place.frit(&format!("sample {recipe} --class eleven --device cpu"));
        refusal(&output, &["no class 'eleven'", "0, 1, 2"]);
    }
    place.done("train vae --data data --hidden 8 --latent-dim 2 --batch-size 32 --epochs 1 --device cpu --out plain");
    place.refused("sample plain --class 3 --device cpu", &["unconditional", "class_conditional is false"]);
}

#[test]
fn generative_metrics_have_a_floor_of_real_images() {
    let place = Place::new();
    let train = "train vae --data data --hidden 32 --latent-dim 4 --batch-size 32 --device cpu";
    place.done(&format!("{train} --lr 1e-6 --epochs 1 --out untrained"));
    place.done(&format!("{train} --lr 0.01 --epochs 60 --out trained"));
    let [worse, better] = ["untrained", "trained"].map(|run| {
        let figures = json(&place.done(&format!("eval {run} --generative --device cpu --json")));
        let kept = json(&fs::read_to_string(place.path(run).join("evaluation.json")).unwrap());
        // JSON on standard output names its schema as well.
        assert!(kept.as_object().unwrap().iter().all(|(key, value)| figures[key] == *value), "{kept} and {figures}");
        figures
    });
    assert!(number(&better, "frechet") < 0.5 * number(&worse, "frechet"), "{better} and {worse}");
    assert!(number(&better, "ssim") > number(&worse, "ssim") && number(&better, "psnr") > number(&worse, "psnr"));
    assert!(number(&better, "frechet_floor") <= number(&better, "frechet"), "{better}");
    assert_eq!((&better["drawn"], &better["classifier"]), (&worse["drawn"], &worse["classifier"]));
    let again = place.done("eval trained --generative --device cpu --json");
    assert_eq!(json(&again), better, "a seed fixes it all");
    refusal(&place.frit("eval trained --generative -n 41 --device cpu"), &["generated images 41", "expected 2 to 40"]);
    let table = place.done("eval trained --generative --device cpu");
    assert!(table.contains("Fréchet distance") && table.contains("coverage"), "{table}");
    assert!(!table.contains("not measured") && better["not_measured"].is_null(), "{table}");
}

/// Images of ten classes, and with some noise no two the same.
fn noisy(number: usize, index: usize) -> u8 {
    place::stripes(number, index) - (number * number * 31 + number * index * 17 + index * index) as u8 % 97 / 10
}

/// Sub-folders of classes give data that is sorted by class.
#[test]
fn data_sorted_by_class_has_the_floor_of_shuffled_data() {
    let place = Place::new();
    // One in ten images of each part is of a class: sorted, a class is a run of images.
    place.put_ordered("sorted", |position, count| position * 10 % count + position * 10 / count, noisy);
    place.put_ordered("shuffled", |position, count| position * 7 % count, noisy);
    let floors = ["sorted", "shuffled"].map(|data| {
        place.done(&format!(
            "train gan --data {data} --hidden 8 --batch-size 32 --epochs 1 --device cpu -q --out {data}-run"
        ));
        json(&place.done(&format!("eval {data}-run --generative -n 20 --device cpu --json")))
    });
    let [sorted, shuffled] = floors.each_ref().map(|figures| number(figures, "frechet_floor"));
    assert!((sorted - shuffled).abs() < 0.05, "{sorted} and {shuffled}");
    let [sorted, shuffled] = floors.each_ref().map(|figures| number(figures, "recall_floor"));
    assert!((sorted - shuffled).abs() < 0.15 && shuffled > 0.5, "{sorted} and {shuffled}");
}

#[test]
fn metrics_that_need_more_images_are_named() {
    let place = Place::new();
    place.done("train vae --data data --hidden 8 --latent-dim 2 --batch-size 32 --epochs 1 --device cpu --out run");
    let few = json(&place.done("eval run --generative -n 5 --device cpu --json"));
    assert!(few["precision"].is_null() && few["frechet"].is_f64() && few["kernel_distance"].is_f64(), "{few}");
    // Subsets that are all there is differ by rounding alone.
    let deviations = ["kernel_distance_deviation", "kernel_distance_deviation_floor"];
    assert!(deviations.iter().all(|key| few.get(*key).is_none()), "{few}");
    let table = place.done("eval run --generative -n 5 --device cpu");
    let line = table.lines().find(|line| line.starts_with("not measured")).expect("a line says so");
    assert!(line.contains("precision, recall, density and coverage, which need 6 images"), "{line}");
    place.done("report run -q");
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("coverage, which need 6 images") && !page.contains("deviation"));

    place.refused("eval run --iw 5 -n 10 --device cpu", &["-n requires --generative"]);
    place.done("train classifier --data data --hidden 8 --batch-size 32 --epochs 1 --device cpu --out classes");
    let output = place.frit("eval classes --generative --device cpu");
    refusal(&output, &["classifier has no prior"]);
    place.done("train ae --data data --hidden 8 --batch-size 32 --epochs 1 --device cpu --out ae");
    refusal(&place.frit("eval ae --generative --device cpu"), &["ae has no prior", "no generative metrics"]);
}

#[test]
fn folders_are_compared() {
    let place = Place::new();
    let train = "train vae --data data --hidden 32 --latent-dim 4 --batch-size 32 --lr 0.01 --device cpu";
    place.done(&format!("{train} --epochs 20 --out run"));
    for (seed, folder) in [(1, "one"), (2, "two")] {
        place.done(&format!("sample run -n 60 --seed {seed} --files {folder} --device cpu"));
    }
    let compare = |a: &str, b: &str| json(&place.done(&format!("compare {a} {b} --data data --device cpu --json")));
    let [same, alike, real] = [compare("one", "one"), compare("one", "two"), compare("data", "two")];
    assert!(number(&same, "frechet").abs() < 1e-6 && number(&same, "precision") == 1.0, "{same}");
    assert!(number(&alike, "frechet") > 0.0 && number(&real, "frechet") > 0.0, "{alike}");
    assert_eq!((&real["compared"], &real["resized"]), (&serde_json::json!([340, 60]), &serde_json::json!([0, 0])));
    let output = place.frit("compare data two --data data --device cpu");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for (name, unit) in [("precision", "two"), ("recall", "data"), ("coverage", "data")] {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.ends_with(&format!(" of the images of {unit}")), "{line}");
    }
    assert!(table.contains("340 and 60") && !table.contains("images generated"), "{table}");
    assert!(!stderr(&output).contains("resized"), "{}", stderr(&output));
    refusal(&place.frit("compare one nosuch --data data --device cpu"), &["nosuch"]);
}

#[test]
fn a_comparison_reports_its_classifier_and_resizing() {
    let place = Place::new();
    // Labels that the images do not show.
    place.put_data("noise", |number, index| (number * 7919 + index * 104_729 + number * index * 31) as u8);
    fs::create_dir(place.path("large")).unwrap();
    for number in 0..8 {
        let picture = image::GrayImage::from_fn(12, 9, |x, y| image::Luma([(x * 20 + y * number) as u8]));
        picture.save(place.path(&format!("large/{number}.png"))).unwrap();
    }
    let output = place.frit("compare noise large --data noise --device cpu");
    let printed = stderr(&output);
    for words in [
        "training a classifier on noise for its features",
        "resized 8 of 8 images of large (e.g. 9×12) to 6×6, the size of noise",
        "warning: the classifier's error rate on noise is ",
        "its metrics are unreliable",
    ] {
        assert!(printed.contains(words), "{words:?} is not in: {printed}");
    }
    assert!(!printed.contains("images of noise"), "{printed}");
}

#[test]
fn targets_pass_or_fail() {
    let place = Place::new();
    let recipe = place.done("recipes show vae");
    assert!(place.done("recipes").lines().count() >= 10 && recipe.contains("family = \"vae\""));
    refusal(&place.frit("recipes show nosuch"), &["no recipe 'nosuch'", "vae, conv-vae"]);
    let verify = |target: &str| {
        let head = recipe.split("[target]").next().unwrap();
        fs::write(place.path("my.toml"), format!("{head}\n[target]\n{target}\n")).unwrap();
        place.frit("verify my.toml --data data --hidden 16 --latent-dim 2 --set train.epochs=2 --device cpu")
    };
    let met = verify("recon = [1.0, 100.0]");
    assert_eq!(met.status.code(), Some(0), "{}", stderr(&met));
    assert!(String::from_utf8_lossy(&met.stdout).contains("target 1.000 to 100.00 nats/image passed"));
    let missed = verify("recon = [0.0, 0.5]\nkl = [0.0, 100.0]");
    assert_eq!(missed.status.code(), Some(1), "{}", stderr(&missed));
    assert!(String::from_utf8_lossy(&missed.stdout).contains("nats/image FAILED"));
    let set = "verify my.toml --data data --hidden 16 --set train.epochs=1 --set target.mse=[0,1] --device cpu --json";
    let verdicts = json(&place.frit(set).stdout.iter().map(|&byte| char::from(byte)).collect::<String>());
    let names: Vec<&str> =
        verdicts["targets"].as_array().unwrap().iter().map(|v| v["metric"].as_str().unwrap()).collect();
    assert_eq!(names, ["kl", "mse", "recon"], "one that the recipe does not have was added");
}

#[test]
fn invalid_targets_are_refused_before_training() {
    let place = Place::new();
    let verify = |recipe: &str, target: &str| {
        // Training for so long would not end within the day.
        let line = format!("verify {recipe} --data data --set train.epochs=1000000 --set target.{target} --device cpu");
        place.refused(&line, &["target."]);
        stderr(&place.frit(&line))
    };
    assert!(verify("vae", "kl=[300,200]").contains("target.kl must have the lower number first (got [300, 200])"));
    assert!(verify("vae", "kl=[0,inf]").contains("target.kl must be two finite numbers (got [0, inf])"));
    // Whatever `frit eval` measures can be a target, and nothing else: the list and the figures are the same.
    for recipe in ["vae", "cvae", "ae", "vqvae", "gan", "cgan", "classifier"] {
        let printed = verify(recipe, "nosuch=[0,1]");
        let listed = printed.trim_end().split("(available: ").nth(1).unwrap_or_else(|| panic!("{printed}"));
        let listed = listed.trim_end_matches(')');
        let listed: BTreeSet<String> = listed.split(", ").map(String::from).collect();
        let run = format!("{recipe}-run");
        place.done(&format!("train {recipe} --data data --batch-size 32 --epochs 1 --device cpu --out {run} -q"));
        let draws = if ["ae", "vqvae", "classifier"].contains(&recipe) { "" } else { "--generative" };
        let figures = json(&place.done(&format!("eval {run} {draws} --device cpu --json")));
        let other = [
            "images",
            "drawn",
            "counted",
            "seed",
            "step",
            "run_step",
            "codes",
            "classifier_errors",
            "feature_width",
            "version",
        ];
        let measured = figures.as_object().unwrap().iter().filter(|(_, value)| value.is_number());
        let measured = measured.map(|(name, _)| name.clone());
        let measured: BTreeSet<String> =
            measured.filter(|name| !other.contains(&name.as_str()) && !name.ends_with("_floor")).collect();
        assert_eq!(listed, measured, "{recipe}");
    }
}

/// Sends a signal to a process and waits for its end.
fn stopped(child: Child, signal: &str) -> Output {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    child.wait_with_output().unwrap()
}

#[test]
fn an_interrupted_verification_removes_its_temporary_run() {
    let place = Place::new();
    fs::create_dir(place.path("tmp")).unwrap();
    let verify = |line: &str| {
        let mut command = place.command(&format!("verify {line} --device cpu"));
        command.env("TMPDIR", place.path("tmp")).spawn().unwrap()
    };
    let left = || fs::read_dir(place.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let training = || left().first().is_some_and(|folder| folder.join("run/metrics.jsonl").exists());
    for signal in ["-INT", "-TERM"] {
        let child = verify("vae --data data --hidden 8 --batch-size 5 --set train.epochs=1000000");
        wait_until(training);
        let output = stopped(child, signal);
        assert_eq!((output.status.code(), left()), (Some(130), Vec::new()), "{signal}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("interrupted; start again with `frit verify vae`") && output.stdout.is_empty()
        );
    }
    // While it measures, which takes a classifier of all digits.
    let mut child = verify("gan --hidden 8 --set train.steps=2");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("training a classifier on digits")));
    let output = stopped(child, "-TERM");
    assert_eq!((output.status.code(), left()), (Some(130), Vec::new()));
    assert!(output.stdout.is_empty() && lines.any(|line| line == "interrupted"));

    let child = verify("vae --data data --hidden 8 --batch-size 5 --set train.epochs=1000000 --out run");
    wait_until(|| place.path("run/metrics.jsonl").exists());
    let output = stopped(child, "-TERM");
    assert_eq!((output.status.code(), left()), (Some(130), Vec::new()), "{}", stderr(&output));
    assert!(stderr(&output).contains("saved in run; continue with `frit resume run`"), "{}", stderr(&output));
    place.done("sample run -n 4 --device cpu --out p.png");
}

/// Waits for a condition, at most a minute.
#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(60), "it takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn verify_with_out_writes_a_complete_run() {
    let place = Place::new();
    let settings = "--data data --hidden 8 --batch-size 32 --set train.epochs=2 --device cpu";
    place.done(&format!("train vae {settings} --out trained -q"));
    let output = place.frit(&format!("verify vae {settings} --set target.neg_elbo=[0,1000] --out verified"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let read = |name: &str| fs::read_to_string(place.path(name)).unwrap();
    let environment = |name: &str| {
        let mut environment = json(&read(name));
        environment.as_object_mut().unwrap().remove("command").unwrap();
        environment
    };
    assert_eq!(environment("verified/env.json"), environment("trained/env.json"));
    let figures = json(&read("verified/evaluation.json"));
    assert_eq!((&figures["checkpoint"], number(&figures, "step")), (&Value::from("latest"), 20.0));
    place.done("report verified -q");
    let page = read("verified/report.html");
    assert!(page.contains("<h2>Environment</h2>") && page.contains("Checkpoint of step 20 (latest)."));
    place.refused(&format!("verify vae {settings} --out verified"), &["verified already holds a run"]);
}
