//! Normalising flows from the command line: points with their exact density, priors over the latents of autoencoders,
//! refusals.

mod place;

use place::{Place, refusal};
use serde_json::Value;
use std::fs;

const AE: &str = "train ae --data data --device cpu --batch-size 32 -q --hidden 24 --latent-dim 3 --lr 0.005";
const FLOW: &str = "train realnvp --device cpu --batch-size 32 -q --hidden 16 --lr 0.005 --set realnvp.layers=4";

fn eval(place: &Place, run: &str, more: &str) -> Value {
    serde_json::from_str(&place.done(&format!("eval {run} --json {more}"))).unwrap()
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} in {object}"))
}

/// The exact density is near the entropy and not below it, on both devices, for both kinds of couplings.
#[test]
fn a_flow_on_points_has_a_density_above_the_entropy() {
    let place = Place::new();
    let affine = "--set realnvp.coupling=affine --set realnvp.layers=6 --set realnvp.x_waves=1";
    for (run, more, most) in [("spline", "", 1.6), ("affine", affine, 1.8)] {
        let flow = format!("train points-realnvp --hidden 32,32 --set data.points=8192 --epochs 12 {more}");
        place.done(&format!("{flow} --batch-size 128 --set optimiser.average=0.99 --device cpu -q --out {run}"));
        let found = eval(&place, run, "--device cpu");
        let [entropy, nll, error] = ["entropy", "nll", "nll_error"].map(|key| number(&found, key));
        assert!((entropy - 1.3161).abs() < 1e-3 && entropy - 3.0 * error < nll && nll < most, "{found}");
        assert!((0.005..0.05).contains(&error) && number(&found, "sliced_wasserstein") < 0.3, "{found}");
        assert_eq!(found["drawn_by_average"], true);
        let other = eval(&place, run, "--device gpu");
        for key in ["nll", "sliced_wasserstein"] {
            let [cpu, gpu] = [&found, &other].map(|found| number(found, key));
            assert!((cpu - gpu).abs() <= 2e-3 * cpu.abs().max(0.1), "{key} is {cpu} and {gpu}");
        }
        place.done(&format!("sample {run} --device cpu --out samples.png"));
        place.done(&format!("sample {run} --device cpu --seeds 0-9 --out seeds.png"));
        place.done(&format!("interpolate {run} --device cpu --out line.png"));
    }
    assert!(place.done("eval spline --device cpu").contains("nats/point"));
}

/// A flow of a plain autoencoder's latents draws images; it keeps the weights that it needs.
#[test]
fn a_plain_autoencoder_is_sampled_through_its_prior() {
    let place = Place::new();
    place.done(&format!("{AE} --epochs 12 --out ae"));
    place.done(&format!("{FLOW} --latents ae --steps 1 --out untrained"));
    place.done(&format!("{FLOW} --latents ae --epochs 20 --out flow"));
    let [before, after] = ["untrained", "flow"].map(|run| number(&eval(&place, run, "--device cpu"), "latent_nll"));
    assert!(after < before - 0.3, "{after} nats a latent, before training {before}");
    let gpu = number(&eval(&place, "flow", "--device gpu"), "latent_nll");
    assert!((gpu - after).abs() < 0.01 * after.abs().max(1.0), "{gpu} and {after}");
    let sample = |line: &str| {
        place.done(&format!("sample {line} --device cpu -n 12 --seed 1 --out sample.png"));
        fs::read(place.path("sample.png")).unwrap()
    };
    let own = sample("flow");
    assert!(own == sample("ae --prior flow") && own != sample("untrained"));
    place.done("eval flow --generative -n 40 --features random --device cpu");
    let config = fs::read_to_string(place.path("flow/config.toml")).unwrap();
    assert!(config.contains("[realnvp.ae]") && !config.contains("[realnvp.vae]"), "{config}");
    let shorter = |run: &str, epochs: usize| {
        let settings = "--set data.shard=100 --set optimiser.lr_schedule=constant";
        place.done(&format!("{FLOW} --latents ae {settings} --epochs {epochs} --out {run}"));
    };
    shorter("long", 3);
    shorter("short", 2);
    fs::remove_dir_all(place.path("ae")).unwrap();
    assert!(own == sample("flow"));
    place.done("resume short --epochs 3 -q");
    let tensors = |run: &str| {
        let path = place.path(run).join("checkpoints/latest.safetensors");
        frit::run::checkpoint::Checkpoint::load(&path).unwrap().tensors
    };
    assert!(tensors("short") == tensors("long"), "a resumed run is the run");
}

/// Latents of a VAE are drawn from its posteriors, so that the density of its aggregate posterior is learnt.
#[test]
fn a_vae_has_a_prior_over_drawn_latents() {
    let place = Place::new();
    place.done(&format!("{} --epochs 6 --out vae", AE.replace("ae", "vae")));
    place.done(&format!("{FLOW} --latents vae --epochs 4 --out flow"));
    let found = eval(&place, "flow", "--device cpu");
    assert!(number(&found, "latent_nll").is_finite(), "{found}");
    place.done("sample vae --prior flow --device cpu -n 4 --out sample.png");
}

#[test]
fn a_flow_belongs_to_its_autoencoder() {
    let place = Place::new();
    place.done(&format!("{AE} --epochs 1 --out ae"));
    place.done(&format!("{AE} --epochs 1 --seed 5 --out other"));
    place.done(&format!("{FLOW} --latents ae --epochs 1 --out flow"));
    place.done("train gan --data data --hidden 8 --device cpu --epochs 1 --batch-size 32 -q --out gan");
    place
        .done("train cvae --data data --hidden 8 --latent-dim 2 --device cpu --epochs 1 --batch-size 32 -q --out cvae");
    let narrow = AE.replace("--latent-dim 3", "--latent-dim 1");
    place.done(&format!("{narrow} --epochs 1 --out narrow"));
    let points =
        "train ae --data moons --set ae.likelihood=gaussian --hidden 8 --latent-dim 2 --device cpu --steps 2 -q";
    place.done(&format!("{points} --out points"));
    place.put_data("moved", |number, index| (number * 7 + index) as u8);
    for (line, words) in [
        ("train realnvp --device cpu", &["realnvp.latents is empty", "--latents RUN"][..]),
        ("train realnvp --latents gan --device cpu", &["gan is a run of gan; name one of an autoencoder"]),
        ("train realnvp --latents cvae --device cpu", &["realnvp.latents must name an autoencoder that is not"]),
        ("train realnvp --latents narrow --device cpu", &["at least 2 latents (got 1)"]),
        ("train realnvp --latents points --device cpu", &["is a run on points", "needs one on images"]),
        ("train realnvp --latents nowhere --device cpu", &["no run at 'nowhere'"]),
        ("train vae --latents ae --device cpu", &["--latents is for the family realnvp"]),
        (
            "train realnvp --latents ae --data moved --device cpu",
            &["moved is not the data that the autoencoder was trained on", "only where that data is now"],
        ),
        ("train realnvp --latents ae --size 5 --device cpu", &["leave out the settings of data"]),
        ("train realnvp --latents ae --set realnvp.layers=1 --device cpu", &["realnvp.layers must be at least 2"]),
        ("train realnvp --latents ae --set realnvp.bins=1 --device cpu", &["between 2 and 128 (got 1)"]),
        ("train points-realnvp --set realnvp.bound=0 --device cpu", &["realnvp.bound must be above 0"]),
        ("train points-realnvp --set realnvp.activation=no --device cpu", &["realnvp.activation must be one of"]),
        ("sample ae --device cpu", &["ae has no prior", "frit train realnvp --latents RUN"]),
        ("sample other --prior flow --device cpu", &["whose weights are not those of other"]),
        ("sample ae --prior gan --device cpu", &["gan is a run of gan; name one of a prior"]),
    ] {
        place.refused(line, words);
    }
    fs::rename(place.path("ae"), place.path("elsewhere")).unwrap();
    let again = "train flow/config.toml --device cpu -q --steps 1";
    refusal(&place.frit(again), &["ae is not a run folder", "--latents RUN", "--set realnvp.latents=RUN"]);
    place.done(&format!("{again} --latents elsewhere --out moved-ae"));
    // A misspelt target is refused before an autoencoder is trained.
    let verify = "verify realnvp --data data --device cpu --out checked --set target.latent_nl=[0,9]";
    place.refused(verify, &["target.latent_nl is not a metric", "did you mean 'latent_nll'?"]);
}
