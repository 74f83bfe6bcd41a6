//! Feature spaces of images without labels, and checkpoints selected by generative metrics.

#[allow(dead_code, reason = "its main is that of the example")]
#[path = "../examples/feature_distances.rs"]
mod feature_distances;
mod place;

use frit::config::data::DataOptions;
use frit::data::{DataSet, Split};
use frit::eval::{FeatureChoice, FeatureSpace};
use frit::run::checkpoint::Checkpoint;
use frit::{Backend, Terminal};
use place::{Place, refusal, stderr, stripes};
use serde_json::Value;
use std::fs;
use std::sync::Arc;

const SIDE: usize = 6;

impl Place {
    /// A folder of `count` PNG files in colour, without classes, with `pixel(number, index)` in red, the other channels
    /// constant.
    fn put_pictures(&self, name: &str, count: usize, pixel: impl Fn(usize, usize) -> u8) {
        fs::create_dir_all(self.path(name)).unwrap();
        for number in 0..count {
            let picture = image::RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
                image::Rgb([pixel(number, y as usize * SIDE + x as usize), 60, 200])
            });
            picture.save(self.path(&format!("{name}/{number:03}.png"))).unwrap();
        }
    }
}

/// Stripes with some noise, no two images the same.
fn noisy(number: usize, index: usize) -> u8 {
    stripes(number, index) - (number * number * 31 + number * index * 17 + index * index) as u8 % 97 / 10
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn images_without_labels_are_compared_by_an_autoencoder_of_them() {
    let place = Place::new();
    place.put_pictures("colour", 200, noisy);
    place.done("train gan --data colour --hidden 8 --batch-size 8 --epochs 1 --device cpu -q --out run");
    let output = place.frit("eval run --generative --device cpu --json");
    let printed = stderr(&output);
    let figures = json(&String::from_utf8_lossy(&output.stdout));
    assert!(printed.contains("/colour to compare images in its features (400 steps)"), "{printed}");
    assert!(figures["features"].as_str().unwrap().starts_with("autoencoder ") && !printed.contains("classifier"));
    // 27 test images have 16 features, as 32 would be too many.
    assert_eq!([&figures["feature_width"], &figures["drawn"]], [16, 27], "{figures}");
    assert!(number(&figures, "frechet") > number(&figures, "frechet_floor"), "{figures}");
    assert_eq!((figures.get("classifier"), figures.get("caution")), (None, Some(&Value::Null)), "{figures}");
    let cached = place.frit("eval run --generative -n 16 --device cpu");
    let table = String::from_utf8_lossy(&cached.stdout).into_owned();
    assert!(!stderr(&cached).contains("training"), "{}", stderr(&cached));
    assert!(table.contains("features                         autoencoder ") && table.contains("per image"), "{table}");
    let caution = "the Fréchet distance of 16 images in 16 features is far above that of many images";
    assert!(table.contains(caution), "{table}");
    place.done("report run -q");
    let page = fs::read_to_string(place.path("run/report.html")).unwrap();
    assert!(page.contains("<td>autoencoder ") && page.contains(caution));

    let random = json(&place.done("eval run --generative --features random --device cpu --json"));
    assert_eq!((&random["features"], &random["feature_width"]), (&"random network 1 of 6×6×3".into(), &128.into()));
    let refused = |line: &str, words: &[&str]| refusal(&place.frit(line), words);
    let classifier = "eval run --generative --features classifier --device cpu";
    refused(classifier, &["colour has no labels to train a classifier on", "--features autoencoder"]);
    refused("eval run --generative --features inception --device cpu", &["invalid features 'inception'"]);
    refused("eval run --generative --features no.safetensors --device cpu", &["cannot read no.safetensors"]);
    refused("eval run --features random --device cpu", &["--features requires --generative"]);
}

#[test]
fn folders_without_labels_are_compared() {
    let place = Place::new();
    place.put_pictures("colour", 60, noisy);
    place.put_pictures("same", 60, |number, index| noisy(number + 60, index));
    place.put_pictures("inverted", 60, |number, index| 255 - noisy(number, index));
    let compared = |words: &str| json(&place.done(&format!("compare {words} --device cpu --json")));
    let random = |other: &str| {
        let figures = compared(&format!("colour {other}"));
        assert_eq!(figures["features"], "random network 1 of 6×6×3");
        number(&figures, "frechet")
    };
    assert!(random("inverted") > 4.0 * random("same"));
    let trained = |other: &str| {
        let figures = compared(&format!("colour {other} --features autoencoder"));
        assert_eq!((&figures["features_of"], &figures["feature_width"]), (&"colour".into(), &32.into()));
        number(&figures, "frechet")
    };
    assert!(trained("inverted") > 4.0 * trained("same"));
    // Grey images are compared with coloured ones in colour.
    assert_eq!(compared("data colour")["features"], "random network 1 of 6×6×3");
    let unlabelled = compared("colour data --data colour");
    assert!(unlabelled["features"].as_str().unwrap().starts_with("autoencoder "), "{unlabelled}");
    let output = place.frit("compare colour data --data colour --features classifier --device cpu");
    refusal(&output, &["colour has no labels to train a classifier on"]);
}

#[test]
fn distances_by_an_autoencoder_rise_with_blur_and_with_noise() {
    let digits = DataSet::load(&DataOptions { size: 14, ..DataOptions::default() }).unwrap();
    let part = |split: &Split, count: usize| {
        let images = (0..count).flat_map(|row| split.image(row).to_vec()).collect();
        Split { images, labels: vec![0; count], count }
    };
    let [train, test] = [part(&digits.train, 2000), part(&digits.test, 1000)];
    let size = [digits.height, digits.width, digits.channels];
    let data = Arc::new(DataSet::new("digits".into(), train, test, size, vec!["images".into()]));
    let choice = FeatureChoice::Autoencoder;
    let mut space = FeatureSpace::open(&choice, &data, &Backend::Cpu, "", &Terminal::new(true)).unwrap();
    assert_eq!(space.width(), 64);
    let [real, damaged @ ..] = feature_distances::distances(&mut space, &data, 1000).unwrap();
    for found in damaged {
        let rising = real.iter().chain(&found);
        assert!(rising.is_sorted_by(|a, b| a < b) && found[1] > 2.0 * real[0], "{real:?}, then {found:?}");
    }
}

/// The lines of metrics.jsonl that end an epoch.
fn epochs(place: &Place, run: &str) -> Vec<Value> {
    let lines = fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
    lines.lines().map(json).filter(|line| line["kind"] == "epoch").collect()
}

#[test]
fn a_generative_metric_selects_the_best_checkpoint() {
    let place = Place::new();
    place.put_pictures("colour", 100, noisy);
    let train = "train vae --data colour --hidden 16 --latent-dim 4 --batch-size 30 --lr 0.01 --epochs 7 --device cpu";
    place.done(&format!("{train} -q --out plain"));
    for (metric, is_better) in [("frechet", (|a, b| a < b) as fn(f64, f64) -> bool), ("coverage", |a, b| a > b)] {
        let output = place.frit(&format!("{train} --set train.best={metric} --set train.best_every=2 --out {metric}"));
        let printed = stderr(&output);
        assert!(output.status.success() && printed.contains(&format!("{metric} of real images: ")), "{printed}");
        let lines = epochs(&place, metric);
        let key = format!("test_{metric}");
        let measured: Vec<(u64, f64)> =
            lines.iter().filter_map(|line| Some((line["epoch"].as_u64()?, line.get(&key)?.as_f64()?))).collect();
        assert_eq!(measured.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2, 4, 6, 7], "{printed}");
        assert!(lines[1].get("test_kernel_distance").is_some(), "all metrics of the comparison are written");
        let best = measured.into_iter().reduce(|best, next| if is_better(next.1, best.1) { next } else { best });
        let (epoch, value) = best.unwrap();
        let checkpoint = Checkpoint::load(&place.path(metric).join("checkpoints/best.safetensors")).unwrap();
        let progress = json(&checkpoint.metadata["progress"]);
        assert_eq!((progress["best"][0].as_u64(), progress["step"].as_u64()), (Some(epoch), Some(3 * epoch)));
        assert_eq!(progress["best"][1].as_f64().map(f64::abs), Some(value));
        let page = fs::read_to_string(place.path(metric).join("report.html")).unwrap();
        assert!(page.contains(&format!("data-metric=\"{metric}\"")), "the report has its curve");
        // Measuring changes nothing in training.
        let [with, without] = [metric, "plain"].map(|run| {
            let latest = place.path(run).join("checkpoints/latest.safetensors");
            Checkpoint::load(&latest).unwrap().tensors
        });
        assert!(with == without, "training differs by the measurement of {metric}");
    }
    let refused = |settings: &str, words: &[&str]| place.refused(&format!("{train} --out no {settings}"), words);
    refused("--set train.best=frechet --set train.best_every=0", &["train.best_every must be at least 1"]);
    let patience = "--set train.best=frechet --set train.best_every=3 --set train.patience=2";
    refused(patience, &["train.patience = 2 ends training before a measurement", "3 or more"]);
    place.refused(
        "train ae --data colour --batch-size 8 --device cpu --set train.best=frechet",
        &["'frechet' for train.best: not a metric of this model"],
    );
}
