//! Points of a density, and stacked images: training, plots, evaluation, refusals.

mod place;

use place::Place;
use serde_json::Value;
use std::fs;

/// A small run of a GAN on points.
const GAN: &str = "train points-gan --hidden 16 --latent-dim 3 --batch-size 64 --set data.points=1024";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

/// The share of pixels of a plot whose blue is well above their red: drawn points, not the grey of real ones.
fn blue(place: &Place, picture: &str) -> f64 {
    let plot = image::open(place.path(picture)).unwrap().into_rgb8();
    assert_eq!(plot.dimensions(), (600, 600), "{picture}");
    let blue = plot.pixels().filter(|pixel| pixel.0[2] > pixel.0[0].saturating_add(30)).count();
    blue as f64 / f64::from(600 * 600)
}

#[test]
fn a_gan_on_points_is_drawn_and_evaluated() {
    let place = Place::new();
    let trained = place.frit(&format!("{GAN} --epochs 2 --out run --device cpu"));
    let printed = String::from_utf8(trained.stderr).unwrap();
    for words in ["training points-gan on 1024 points of 25gaussians", " points/s", "  points: run/samples/"] {
        assert!(printed.contains(words), "{words} in {printed}");
    }
    assert!(!printed.contains("image"), "{printed}");
    place.refused("train points-gan --batch-size 999999 --device cpu", &["but the training set has", "points"]);
    for (picture, least) in [("reals.png", 1e-3), ("samples/000002.png", 1e-4)] {
        let share = blue(&place, &format!("run/{picture}"));
        assert!((least..0.5).contains(&share), "{picture}: {share}");
    }
    place.done("sample run --device cpu --out few.png -n 10");
    place.done("sample run --device cpu --out many.png");
    assert!(blue(&place, "few.png") < blue(&place, "many.png"), "2,000 points by default");
    let found = json(&place.done("eval run --device cpu --json"));
    let keys = ["sliced_wasserstein", "sliced_wasserstein_floor", "within_3_sigma", "mode_kl", "mode_kl_floor"];
    assert!(keys.iter().all(|key| number(&found, key) > 0.0), "{found}");
    assert!((number(&found, "entropy") + 2.0139).abs() < 1e-3 && found["all_modes"] == 25);
    assert!(number(&found, "sliced_wasserstein_floor") < 0.1 && number(&found, "mode_kl_floor") < 0.03);
    assert!(found.get("psnr").is_none() && found.get("class_counts").is_none());
    let table = place.done("eval run --device cpu");
    assert!(table.contains("modes found") && table.contains("-2.014 nats/point"), "{table}");
    place.done("interpolate run --device cpu --out line.png");
    assert!(blue(&place, "line.png") > 0.0);
    assert!(fs::read_to_string(place.path("run/report.html")).unwrap().contains("data:image/png"));
    let other = json(&place.done("eval run --device gpu --json"));
    for key in ["d_loss", "penalty", "sliced_wasserstein", "d_real"] {
        let [cpu, gpu] = [&found, &other].map(|found| number(found, key));
        assert!((cpu - gpu).abs() <= 2e-3 * cpu.abs().max(0.1), "{key} is {cpu} and {gpu}");
    }
}

/// A flow has a density of points, and one number of steps or another.
#[test]
fn a_flow_on_points_has_a_density_above_the_entropy() {
    let place = Place::new();
    let flow = "train points-flow --hidden 32,32 --set data.points=8192 --epochs 30 --lr 5e-3 --batch-size 128";
    place.done(&format!("{flow} --set optimiser.average=0.99 --device cpu -q --out run"));
    let found = json(&place.done("eval run --device cpu --json"));
    let [entropy, nll, error] = ["entropy", "nll", "nll_error"].map(|key| number(&found, key));
    assert!((entropy - 1.3161).abs() < 1e-3 && entropy - 3.0 * error < nll && nll < 2.4, "{found}");
    assert!((0.005..0.05).contains(&error) && number(&found, "sliced_wasserstein") < 0.3, "{found}");
    assert_eq!(found["drawn_by_average"], true);
    let table = place.done("eval run --device cpu");
    assert!(table.contains("−log p(x)") && table.contains("entropy of the density"), "{table}");
    place.done("sample run --device cpu --out usual.png");
    place.done("sample run --device cpu --out again.png --steps 50");
    place.done("sample run --device cpu --out coarse.png --steps 2");
    let [usual, again, coarse] =
        ["usual", "again", "coarse"].map(|name| fs::read(place.path(&format!("{name}.png"))).unwrap());
    assert!(usual == again && usual != coarse && blue(&place, "usual.png") > 1e-3);
    place.done("interpolate run --device cpu --out line.png");
    place.done("sample run --device cpu --out seeds.png --seeds 0-9");
    let other = json(&place.done("eval run --device gpu --json"));
    for key in ["velocity_error", "nll", "sliced_wasserstein"] {
        let [cpu, gpu] = [&found, &other].map(|found| number(found, key));
        assert!((cpu - gpu).abs() <= 2e-3 * cpu.abs().max(0.1), "{key} is {cpu} and {gpu}");
    }
    place.refused("sample run --device cpu --steps 0", &["flow.steps must be between 1 and 1000 (got 0)"]);
    place.refused("sample run --device cpu --guidance 2", &["--guidance needs a class-conditional model"]);
    place.done(&format!("{GAN} --steps 2 --out gan --device cpu -q"));
    place.refused("sample gan --device cpu --steps 9", &["--steps", "flow matching", "gan is another model"]);
}

#[test]
fn a_seed_fixes_the_points() {
    let place = Place::new();
    let latest = |run: &str, seed: u32| {
        place.done(&format!("{GAN} --epochs 1 --device cpu -q --out {run} --seed {seed}"));
        fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap()
    };
    let once = latest("once", 3);
    assert!(once == latest("again", 3) && once != latest("other", 4));
}

/// A likelihood of points has the entropy of their density as its floor.
#[test]
fn a_vae_on_points_has_a_likelihood_above_the_entropy() {
    let place = Place::new();
    let vae = "train vae --data moons --set data.points=4096 --hidden 32 --latent-dim 2 --epochs 4 --lr 3e-3";
    place.done(&format!("{vae} --set vae.likelihood=gaussian --set vae.sigma=0.2 --device cpu -q --out run"));
    let found = json(&place.done("eval run --device cpu --json --iw 20"));
    let [entropy, bound, iw] = ["entropy", "neg_elbo", "iw_nll"].map(|key| number(&found, key));
    assert!((entropy - 1.3161).abs() < 1e-3 && entropy < iw && iw < bound && bound < 12.0, "{found}");
    assert!(found.get("modes").is_none() && number(&found, "sliced_wasserstein") < 1.0);
    place.done("reconstruct run --device cpu --out pairs.png");
    assert!(blue(&place, "pairs.png") > 0.0);
}

#[test]
fn points_are_refused_where_images_are_needed() {
    let place = Place::new();
    for (line, words) in [
        ("train dcgan --data moons", ["gan.width must be 0 for moons", "no pixels for convolutions"]),
        ("train gan --data moons --set gan.augment=[\"cutout\"]", ["gan.augment must be [] for moons", "images"]),
        ("train cgan --data moons", ["gan.class_conditional", "at least two classes"]),
        ("train vae --data moons", ["vae.likelihood must be gaussian for moons", "no probabilities"]),
        ("train conv-vae --data moons", ["vae.channels must be [] for moons", "no pixels"]),
        ("train ae --data 8gaussians", ["ae.likelihood must be gaussian for 8gaussians", "coordinates"]),
        ("train flow-matching --data moons", ["flow.width must be 0 for moons", "no pixels for convolutions"]),
        ("train vqvae --data swissroll", ["data.source is swissroll", "use a set of images"]),
        ("train classifier --data moons", ["data.source must be labelled data", "classes"]),
        ("train gan --data moons --size 8", ["data.size must be 0 for moons", "points"]),
        ("train gan --data moon", ["no file or folder 'moon'", "25gaussians, moons"]),
        ("train gan --data moons --set data.points=0", ["data.points must be between 1", "(got 0)"]),
        ("compare moons digits", ["moons are points, not images", "use a set of images"]),
        ("train gan --data shapes --set data.stacked=9", ["data.stacked needs grey images", "data.channels = 1"]),
        ("train gan --data digits --set data.stacked=1048576", ["stacked images have", "reduce data.stacked"]),
        ("train points-gan --set train.best=frechet", ["not a metric of this model", "available: d_loss"]),
        ("compare data data --data moons", ["moons are points, not images", "--data"]),
        ("compare data data --features classifier", ["a classifier needs labelled images", "--data"]),
        ("train vae --data data --set data.crop=6", ["data.crop is 6", "6×6"]),
    ] {
        place.refused(&format!("{line} --device cpu"), &words);
    }
    place.done(&format!("{GAN} --steps 2 --out run --device cpu -q"));
    place.refused("eval run --generative --device cpu", &["25gaussians are points", "without --generative"]);
    place.refused("sample run --files some --device cpu", &["--files writes images", "points"]);
    place.refused("sample run --data data --device cpu", &["trained on points", "data has images"]);
    place.refused("project run --device cpu", &["trained on points", "for images"]);
    let inspected = place.done("data inspect moons --out sheet.png");
    assert!(inspected.contains("density of points") && blue(&place, "sheet.png") > 1e-3, "{inspected}");
    assert!(number(&json(&place.done("data inspect moons --json --out sheet.png")), "entropy") > 1.3);
}

/// Ten kinds of stripes as three colours have 1,000 modes. A generator of almost no training shows few of them.
#[test]
fn the_modes_of_stacked_images_are_counted() {
    let place = Place::new();
    let stacked = "train gan --data data --set data.stacked=600 --hidden 12 --latent-dim 3 --batch-size 32";
    place.done(&format!("{stacked} --epochs 1 --out run --device cpu -q"));
    let found = json(&place.done("eval run --device cpu --json"));
    assert!(found["all_modes"] == 1000 && found["counted"] == 26_000, "{found}");
    let [modes, kl, floor] = ["modes", "mode_kl", "mode_kl_floor"].map(|key| number(&found, key));
    assert!((1.0..200.0).contains(&modes) && kl > 1.0, "{found}");
    // (1000 − 1) / (2 · 26,000), on average.
    assert!((floor - 0.0192).abs() < 0.004, "{found}");
    assert!(place.done("data inspect data --set data.stacked=30 --out sheet.png").contains("6×6×3"));
}
