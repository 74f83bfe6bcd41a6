//! What is measured of what a model draws: the class asked for, the distance from the data, folders, targets.

mod place;

use place::{Place, refusal, stderr};
use serde_json::Value;
use std::fs;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn the_class_asked_for_is_the_class_drawn() {
    let place = Place::new();
    // The classes in binary, which no two share.
    place.put_data("binary", |number, index| if (number % 10 + 1) >> (index % 4) & 1 == 1 { 230 } else { 10 });
    for (recipe, settings) in [("cvae", "--latent-dim 2 --lr 0.01"), ("cgan", "--latent-dim 4 --lr 0.002")] {
        let train = format!("train {recipe} {settings} --hidden 48 --batch-size 32 --epochs 60 -q");
        place.done(&format!("{train} --data binary --device cpu --out {recipe}"));
        let figures = json(&place.done(&format!("eval {recipe} --device cpu --json")));
        // What the classifier itself takes for another class cannot agree.
        let most = 1.0 - number(&figures, "classifier_errors");
        assert!(most > 0.5 && number(&figures, "class_agreement") > most - 0.05, "{recipe}: {figures}");
        place.done(&format!("sample {recipe} -n 30 --class 3 --device cpu --out three.png --files {recipe}-three"));
        place.done(&format!("sample {recipe} -n 30 --device cpu --out all.png"));
        assert!(fs::read(place.path("three.png")).unwrap() != fs::read(place.path("all.png")).unwrap());
        assert_eq!(fs::read_dir(place.path(&format!("{recipe}-three"))).unwrap().count(), 30);
        let output = place.frit(&format!("sample {recipe} --class eleven --device cpu"));
        refusal(&output, &["no class “eleven”", "0, 1, 2"]);
    }
    place.done("train vae --data data --hidden 8 --latent-dim 2 --batch-size 32 --epochs 1 --device cpu --out plain");
    place.refused("sample plain --class 3 --device cpu", &["not told classes", "cvae"]);
}

#[test]
fn what_is_drawn_is_measured_beside_real_images() {
    let place = Place::new();
    let train = "train vae --data data --hidden 32 --latent-dim 4 --batch-size 32 --device cpu";
    place.done(&format!("{train} --lr 1e-6 --epochs 1 --out untrained"));
    place.done(&format!("{train} --lr 0.01 --epochs 60 --out trained"));
    let [worse, better] = ["untrained", "trained"].map(|run| {
        let figures = json(&place.done(&format!("eval {run} --generative --device cpu --json")));
        let kept = json(&fs::read_to_string(place.path(run).join("evaluation.json")).unwrap());
        assert_eq!(kept, figures, "what is printed is what is kept");
        figures
    });
    assert!(number(&better, "frechet") < 0.5 * number(&worse, "frechet"), "{better} and {worse}");
    assert!(number(&better, "ssim") > number(&worse, "ssim") && number(&better, "psnr") > number(&worse, "psnr"));
    assert!(number(&better, "frechet_floor") <= number(&better, "frechet"), "{better}");
    assert_eq!((&better["drawn"], &better["classifier"]), (&worse["drawn"], &worse["classifier"]));
    let again = place.done("eval trained --generative --device cpu --json");
    assert_eq!(json(&again), better, "a seed fixes it all");
    refusal(&place.frit("eval trained --generative -n 41 --device cpu"), &["--n 41", "40 test images"]);
    let table = place.done("eval trained --generative --device cpu");
    assert!(table.contains("Fréchet distance") && table.contains("coverage"), "{table}");
}

#[test]
fn folders_of_pictures_are_compared() {
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
    assert_eq!(real["pictures"], "340 and 60");
    refusal(&place.frit("compare one nosuch --data data --device cpu"), &["nosuch"]);
}

#[test]
fn a_target_is_met_or_not() {
    let place = Place::new();
    let recipe = place.done("recipes show vae");
    assert!(place.done("recipes").lines().count() >= 10 && recipe.contains("family = \"vae\""));
    refusal(&place.frit("recipes show nosuch"), &["no recipe “nosuch”", "vae, conv-vae"]);
    let verify = |target: &str| {
        let head = recipe.split("[target]").next().unwrap();
        fs::write(place.path("my.toml"), format!("{head}\n[target]\n{target}\n")).unwrap();
        place.frit("verify my.toml --data data --hidden 16 --latent-dim 2 --set train.epochs=2 --device cpu")
    };
    let met = verify("recon = [1.0, 100.0]");
    assert_eq!(met.status.code(), Some(0), "{}", stderr(&met));
    assert!(String::from_utf8_lossy(&met.stdout).contains("as it should be"));
    let missed = verify("recon = [0.0, 0.5]\nkl = [0.0, 100.0]");
    assert_eq!(missed.status.code(), Some(1), "{}", stderr(&missed));
    assert!(String::from_utf8_lossy(&missed.stdout).contains("OUTSIDE"));
    refusal(&verify("nmse = [0.0, 1.0]"), &["target nmse", "recon"]);
}
