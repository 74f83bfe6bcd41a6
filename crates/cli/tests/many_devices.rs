//! Training on several devices: the same bytes as on one.

mod place;
mod small;

use place::{Place, refusal, stderr};
use serde_json::Value;
use small::{DIVIDED, MODELS, OTHERS, put_runs};
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// `cpu,cpu,cpu`
fn devices(device: &str, ranks: usize) -> String {
    vec![device; ranks].join(",")
}

/// The latest checkpoint of a run, and its metrics without those that depend on the clock.
fn trained(place: &Place, run: &str) -> (Vec<u8>, Vec<Value>) {
    let latest = fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
    let metrics = fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["images_per_second", "time", "elapsed_s"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    };
    (latest, metrics.lines().map(line).collect())
}

#[track_caller]
fn assert_same(place: &Place, run: &str, whole: &str) {
    let [(run, metrics), (whole, of_whole)] = [run, whole].map(|name| trained(place, name));
    assert_eq!(metrics, of_whole);
    assert!(run == whole, "the checkpoints differ");
}

/// Fifty steps of each model on one to four devices.
fn same_on(device: &str, models: &[&str], ranks: &[usize]) {
    for model in models {
        let place = Place::new();
        let train = format!("train {model} --data data {DIVIDED} --epochs 5");
        place.done(&format!("{train} --device {device} --out one"));
        for &ranks in ranks {
            println!("{model}: {ranks} × {device}");
            let run = format!("run-{ranks}");
            place.done(&format!("{train} --device {} --out {run}", devices(device, ranks)));
            assert_same(&place, &run, "one");
        }
    }
}

#[test]
fn cpu_devices_give_the_bytes_of_one() {
    same_on("cpu", MODELS, &[2, 3, 4]);
}

#[test]
fn reference_devices_give_the_bytes_of_one() {
    same_on("reference", &MODELS[..1], &[3]);
}

#[test]
fn gpu_devices_give_the_bytes_of_one() {
    let few = [MODELS[0], MODELS[6], MODELS[9]];
    same_on("gpu:0", &few, &[3]);
}

/// Models on points, on sequences, and on the network of another run.
#[test]
fn other_models_on_several_devices() {
    let place = Place::new();
    put_runs(&place);
    for (number, model) in OTHERS.iter().enumerate() {
        let [one, three] = ["one", "three"].map(|run| format!("{run}-{number}"));
        place.done(&format!("train {model} --steps 25 --device cpu --out {one}"));
        place.done(&format!("train {model} --steps 25 --device cpu,cpu,cpu --out {three}"));
        assert_same(&place, &three, &one);
    }
}

/// Whole batches are divided among the devices, and the run is that of one device with such micro-batches.
#[test]
fn whole_batches_are_divided() {
    let place = Place::new();
    let train = "train vae --data data --hidden 16 --latent-dim 3 --batch-size 32 --epochs 2";
    let output = place.frit(&format!("{train} --device cpu,cpu,cpu --out run"));
    let printed = stderr(&output);
    assert!(output.status.success() && printed.contains("a batch of 32 is 3 micro-batches of 11"), "{printed}");
    assert!(printed.contains("the CPU executor, as requested, and on cpu, and on cpu"), "{printed}");
    place.done(&format!("{train} --device cpu --micro-batch 11 --out one -q"));
    assert_same(&place, "run", "one");
}

/// A run continues on another number of devices; without `--device` on those that it had.
#[test]
fn a_run_resumes_on_another_number_of_devices() {
    for model in [MODELS[0], MODELS[6], MODELS[9]] {
        let place = Place::new();
        let train = format!("train {model} --data data {DIVIDED} --save-every 3");
        place.done(&format!("{train} --epochs 5 --device cpu --out one"));
        place.done(&format!("{train} --epochs 1 --device cpu,cpu --out run"));
        for (epochs, device) in [(2, "--device cpu,cpu,cpu"), (3, ""), (4, "--device cpu"), (5, "--device cpu,cpu")] {
            place.done(&format!("resume run --epochs {epochs} {device} -q"));
        }
        assert_same(&place, "run", "one");
        let environment: Value = serde_json::from_slice(&fs::read(place.path("run/env.json")).unwrap()).unwrap();
        assert_eq!(environment["others"], serde_json::json!(["cpu"]));
    }
}

/// Bounds checks stay those of the run, on every device.
#[test]
fn bounds_checks_are_those_of_the_run() {
    let place = Place::new();
    let train = format!("train {} --data data {DIVIDED}", MODELS[0]);
    place.done(&format!("{train} --epochs 2 --device gpu:0 --checked --out one"));
    place.done(&format!("{train} --epochs 1 --device gpu:0 --checked --out run"));
    place.done("resume run --epochs 2 --device gpu:0,gpu:0 -q");
    assert_same(&place, "run", "one");
    let environment: Value = serde_json::from_slice(&fs::read(place.path("run/env.json")).unwrap()).unwrap();
    assert_eq!(environment["checked"], true);
}

/// Losses that are not finite bring all devices back to the same checkpoint.
#[test]
fn rollbacks_are_those_of_one_device() {
    let place = Place::new();
    let train = format!("train ae --data data --hidden 16 --latent-dim 3 --save-every 3 --lr 1 --epochs 3 {DIVIDED}");
    place.done(&format!("{train} --device cpu --out one"));
    place.done(&format!("{train} --device cpu,cpu --out two"));
    assert!(fs::read_to_string(place.path("one/metrics.jsonl")).unwrap().contains("rollback"));
    assert_same(&place, "two", "one");
}

/// A run that is killed at some moment continues on another number of devices, and is the undisturbed run.
#[test]
fn killed_runs_resume_on_other_devices() {
    let place = Place::new();
    let train = format!("train {} --data data {DIVIDED} --save-every 3 --epochs 20", MODELS[0]);
    let start = Instant::now();
    place.done(&format!("{train} --device cpu,cpu --out one"));
    let took = start.elapsed();
    for kill in 1..=5u32 {
        let run = format!("run-{kill}");
        let mut child = place.command(&format!("{train} --device cpu,cpu --out {run}")).spawn().unwrap();
        sleep(took * kill / 6);
        child.kill().unwrap();
        child.wait().unwrap();
        let devices = devices("cpu", 1 + kill as usize % 4);
        match place.path(&run).join("config.toml").exists() {
            true => place.done(&format!("resume {run} --device {devices} -q")),
            false => place.done(&format!("{train} --device {devices} --out {run}")),
        };
        assert_same(&place, &run, "one");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves() {
    let place = Place::new();
    let train = format!("train {} --data data {DIVIDED} --epochs 100", MODELS[0]);
    place.done(&format!("{train} --device cpu --out one"));
    let mut child = place.command(&format!("{train} --device cpu,cpu --out run")).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !place.path("run/metrics.jsonl").exists() {
        assert!(Instant::now() < end && child.try_wait().unwrap().is_none(), "the run does not start");
        sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    place.done("resume run -q");
    assert_same(&place, "run", "one");
}

/// Processes that `mpirun` started would each train the whole run.
#[cfg(not(feature = "mpi"))]
#[test]
fn processes_are_refused_without_mpi() {
    let place = Place::new();
    let before = place.files();
    let rank = |line: &str, [size, rank]: [&str; 2], number: &str| {
        let mut command = place.command(line);
        // Without those of a launcher that started the tests.
        command.env_remove("OMPI_COMM_WORLD_SIZE").env_remove("OMPI_COMM_WORLD_RANK");
        command.env(size, "2").env(rank, number).output().unwrap()
    };
    let train = format!("train vae --data data --hidden 8 {DIVIDED} --epochs 1 --device cpu --out run");
    for names in [["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"], ["PMI_SIZE", "PMI_RANK"]] {
        for line in [&train, "resume run", "verify vae"] {
            refusal(&rank(line, names, "0"), &["2 processes were started", "--features mpi", "srun -n 1"]);
        }
        // Later, as rank 0 may be another program.
        let started = Instant::now();
        refusal(&rank(&train, names, "1"), &["2 processes were started"]);
        assert!(started.elapsed() > Duration::from_secs(1));
        let mistaken = rank("train --no-such-flag", names, "0");
        assert!(mistaken.status.code() == Some(2) && stderr(&mistaken).contains("--no-such-flag"), "{mistaken:?}");
        for line in ["recipes", "train vae --data data --dry-run --device cpu"] {
            assert!(rank(line, names, "1").status.success(), "{line}");
        }
    }
    assert!(place.files() == before);
}

#[test]
fn devices_that_cannot_train_together_are_refused() {
    let place = Place::new();
    let train = format!("train vae --data data --hidden 8 {DIVIDED} --epochs 1 --out run");
    let started = Instant::now();
    place.refused(&format!("{train} --device cpu,gpu:99"), &["device 2: no adapter matches 'gpu:99'"]);
    place.refused(&format!("{train} --device cpu,reference"), &["device 2 has another kind of device than device 1"]);
    place.refused(&format!("{train} --device cpu,cpu,cpu,cpu,cpu"), &["4 of a batch, fewer than the 5 devices"]);
    // Other commands run on one device.
    place.refused("profile vae --data data --device cpu,cpu", &["no adapter matches 'cpu,cpu'"]);
    place.done("train vae --data data --hidden 8 --batch-size 32 --epochs 1 --device cpu --out run -q");
    let before = place.files();
    refusal(&place.frit("resume run --epochs 2 --device cpu,cpu"), &["makes 1 of a batch, fewer than the 2 devices"]);
    assert!(place.files() == before);
    assert!(started.elapsed() < Duration::from_secs(60));
}
