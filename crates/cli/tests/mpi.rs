//! Training in several processes, which MPI connects: the same bytes as on several devices of one process.
//!
//! `cargo test -p frit --features mpi --test mpi` needs `mpirun`.

#[allow(dead_code, reason = "other tests run the program alone")]
mod place;
mod small;

use frit::config::Config;
use frit::run::checkpoint::Checkpoint;
use frit::run::device::DeviceOptions;
use frit::run::launch::Launched;
use frit::run::mpi::{Mpi, Processes};
use frit::train::{TrainOptions, follow, train};
use frit::{DeviceChoice, Terminal};
use gpu_core::{Error, Exchange};
use place::{Place, stderr, with_signals};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use small::{DIVIDED, MODELS, OTHERS, put_runs};
use std::env::{current_exe, var};
use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// In a process that a test starts: its part.
const PART: &str = "FRIT_TEST_PART";

/// Runs long tests, of some minutes, if it is set.
const LONG: &str = "FRIT_LONG";

/// `mpirun` with these words, not yet started.
fn mpirun(place: &Place, words: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command.args(words).current_dir(place.path("")).env_remove("RUST_LOG").env("FRIT_CACHE", place.path("cache"));
    // Open MPI: more processes than processors, in a container.
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command
        .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
        .env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    with_signals(&mut command);
    command
}

/// `frit` in several processes.
fn frit(place: &Place, ranks: usize, line: &str) -> Command {
    let ranks = ranks.to_string();
    let words: Vec<&str> = ["-n", &ranks, env!("CARGO_BIN_EXE_frit")].into_iter().chain(line.split(' ')).collect();
    mpirun(place, &words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>())
}

#[track_caller]
fn done(place: &Place, ranks: usize, line: &str) -> Output {
    let output = frit(place, ranks, line).output().unwrap();
    assert!(output.status.success(), "frit {line}, {ranks} ranks: {}", stderr(&output));
    output
}

#[track_caller]
fn assert_same(place: &Place, run: &str, whole: &str) {
    let latest = |run: &str| fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
    assert!(latest(run) == latest(whole), "the checkpoints of {run} and {whole} differ");
}

/// Expects one error with these words within ten seconds, and no new file.
#[track_caller]
fn refused(place: &Place, mut command: Command, words: &[&str]) {
    let (before, since) = (place.files(), Instant::now());
    let output = command.output().unwrap();
    let printed = stderr(&output);
    assert!(matches!(output.status.code(), Some(2 | 3)), "{:?}: {printed}", output.status);
    assert!(since.elapsed() < Duration::from_secs(10), "{printed}");
    let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && words.iter().all(|word| errors[0].contains(word)), "{words:?}: {printed}");
    assert!(place.files() == before, "{:?}", place.files().keys());
}

#[test]
fn processes_give_the_bytes_of_threads() {
    for (model, ranks) in [(0, 2), (7, 3), (9, 4), (1, 3), (15, 2), (14, 3)] {
        let (place, model) = (Place::new(), MODELS[model]);
        let train = format!("train {model} --data data {DIVIDED} --epochs 2");
        place.done(&format!("{train} --device cpu,cpu --out threads"));
        println!("{model}, {ranks} ranks");
        done(&place, ranks, &format!("{train} --device cpu --out processes"));
        assert_same(&place, "processes", "threads");
    }
}

#[test]
fn one_process_trains_alone() {
    let place = Place::new();
    let train = format!("train {} --data data {DIVIDED} --epochs 1 --device cpu", MODELS[0]);
    place.done(&format!("{train} --out one"));
    done(&place, 1, &format!("{train} --out process"));
    assert_same(&place, "process", "one");
}

/// The run of `--codes` is the same by its contents, wherever it is.
#[test]
fn paths_may_differ() {
    let place = Place::new();
    put_runs(&place);
    let train = format!("train {} --steps 4 --device cpu --out", OTHERS[3]);
    place.done(&format!("{train} one"));
    for (path, bytes) in place.files().into_iter().filter(|(path, _)| path.is_file()) {
        if let Ok(file) = path.strip_prefix(place.path("vqvae")) {
            let to = place.path("there").join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
    }
    let here = format!("-n 1 {} {train} run", env!("CARGO_BIN_EXE_frit"));
    let words = format!("{here} : {}", here.replace("--codes vqvae", "--codes there"));
    let output = mpirun(&place, &words.split_whitespace().collect::<Vec<_>>()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_same(&place, "run", "one");
}

/// Fifty steps of every recipe on one to four processes, if the long tests run.
fn every_recipe_on(device: &str) {
    if var(LONG).is_err() {
        return;
    }
    let place = Place::new();
    put_runs(&place);
    let images = MODELS.iter().map(|model| format!("{model} --data data {DIVIDED}"));
    for (number, model) in images.chain(OTHERS.iter().map(ToString::to_string)).enumerate() {
        let since = Instant::now();
        for ranks in 1..=4 {
            done(&place, ranks, &format!("train {model} --steps 50 --device {device} --out {number}-{ranks}"));
            assert_same(&place, &format!("{number}-{ranks}"), &format!("{number}-1"));
        }
        println!("{model}: the same bytes, in {:.0} s", since.elapsed().as_secs_f64());
    }
}

#[test]
fn every_recipe_on_the_processor() {
    every_recipe_on("cpu");
}

#[test]
fn every_recipe_on_a_gpu() {
    every_recipe_on("gpu:0");
}

#[test]
fn processes_share_a_gpu() {
    let place = Place::new();
    let train = format!("train {} --data data {DIVIDED} --epochs 1", MODELS[0]);
    place.done(&format!("{train} --device gpu:0 --out one"));
    done(&place, 2, &format!("{train} --device gpu:0 --out processes"));
    assert_same(&place, "processes", "one");
    // Bounds checks stay those of the run, on every rank.
    place.done(&format!("{train} --device gpu:0 --checked --out checked"));
    for run in ["one", "checked"] {
        done(&place, 2, &format!("resume {run} --epochs 2 -q"));
    }
    place.done(&format!("{} --device gpu:0 --checked --out again", train.replace("--epochs 1", "--epochs 2")));
    assert_same(&place, "checked", "again");
}

/// A run continues in processes, on threads and on one device; data may be elsewhere, and in shards.
#[test]
fn a_run_resumes_on_another_number_of_processes() {
    for model in [MODELS[9], MODELS[1]] {
        let place = Place::new();
        let train = format!("train {model} --data data {DIVIDED} --save-every 3");
        place.done(&format!("{train} --steps 48 --device cpu --out one"));
        place.done(&format!("{train} --steps 9 --device cpu,cpu --out run"));
        done(&place, 3, "resume run --steps 18 -q");
        fs::rename(place.path("data"), place.path("moved")).unwrap();
        done(&place, 4, "resume run --steps 27 --data moved -q");
        place.done("resume run --steps 39 --data moved -q");
        done(&place, 2, "resume run --steps 48 --data moved --device cpu -q");
        assert_same(&place, "run", "one");
    }
}

/// Starts a training in three processes, and waits until a while after its first checkpoint.
#[cfg(target_os = "linux")]
fn started(place: &Place, train: &str, after: Duration) -> Child {
    let mut child = frit(place, 3, train).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while !place.path("run/config.toml").exists() {
        assert!(Instant::now() < end && child.try_wait().unwrap().is_none(), "the run does not start");
        sleep(Duration::from_millis(5));
    }
    sleep(after);
    child
}

#[cfg(target_os = "linux")]
fn signal(process: u32, signal: i32) {
    // SAFETY: the process is a child, or a child of one.
    unsafe { libc::kill(process as i32, signal) };
}

/// True if a process has not ended. One that nobody waits for is kept as a zombie.
#[cfg(target_os = "linux")]
fn runs(process: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat"));
    state.is_ok_and(|state| !state.rsplit_once(") ").unwrap().1.starts_with(['Z', 'X']))
}

/// A run of which some rank is killed at some moment continues on another number of ranks: three times, or twenty if
/// the long tests run.
#[cfg(target_os = "linux")]
#[test]
fn killed_ranks_end_the_others_and_the_run_resumes() {
    let mut random = StdRng::seed_from_u64(20);
    let place = Place::new();
    let train = format!("train {} --data data {DIVIDED} --save-every 3 --epochs 40 --device cpu", MODELS[0]);
    let mut child = started(&place, &format!("{train} --out run"), Duration::ZERO);
    let since = Instant::now();
    assert!(child.wait().unwrap().success());
    fs::rename(place.path("run"), place.path("one")).unwrap();
    let took = since.elapsed();
    for _ in 0..if var(LONG).is_ok() { 20 } else { 3 } {
        let (rank, moment) = (random.random_range(0..3), random.random_range(0.0..0.6));
        let resumed_on = [1, 2, 4][random.random_range(0..3)];
        let after = took.mul_f64(moment);
        let mut child = started(&place, &format!("{train} --out run"), after);
        let ranks = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        let ranks: Vec<u32> = ranks.split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert_eq!(ranks.len(), 3);
        println!("rank {rank} of {ranks:?} after {after:?}, then {resumed_on}");
        let since = Instant::now();
        signal(ranks[rank], libc::SIGKILL);
        assert!(!child.wait().unwrap().success() && since.elapsed() < Duration::from_secs(10));
        while ranks.iter().any(|&rank| runs(rank)) {
            assert!(since.elapsed() < Duration::from_secs(10), "a rank is still there");
            sleep(Duration::from_millis(10));
        }
        assert!(step(&place, "run") < step(&place, "one"), "the run had ended");
        done(&place, resumed_on, "resume run --device cpu -q");
        assert_same(&place, "run", "one");
        fs::remove_dir_all(place.path("run")).unwrap();
    }
}

/// The step of the latest checkpoint of a run.
fn step(place: &Place, run: &str) -> u64 {
    let checkpoint = Checkpoint::load(&place.path(run).join("checkpoints/latest.safetensors")).unwrap();
    let progress: Value = serde_json::from_str(&checkpoint.metadata["progress"]).unwrap();
    progress["step"].as_u64().unwrap()
}

/// The checkpoint after an interrupt is of a step within an epoch, after which nothing else saves.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_saves() {
    let place = Place::new();
    let train = format!("train {} {DIVIDED} --device cpu", MODELS[0]);
    let mut child = started(&place, &format!("{train} --steps 10000 --out run"), Duration::from_millis(200));
    signal(child.id(), libc::SIGINT);
    assert!(!child.wait().unwrap().success());
    let saved = step(&place, "run");
    assert!(!saved.is_multiple_of(313), "the checkpoint is that of an epoch of 313 steps, or of the start: {saved}");
    let steps = saved + 10;
    done(&place, 3, &format!("resume run --steps {steps} --device cpu -q"));
    place.done(&format!("{train} --steps {steps} --out one"));
    assert_same(&place, "run", "one");
}

#[test]
fn processes_that_cannot_train_together_are_refused() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_frit");
    let train = format!("train vae --hidden 8 {DIVIDED} --epochs 1 --out run --device");
    let data = "--data data";
    let pair = |first: (&str, &str), second: (&str, &str)| {
        let words = [first, second].map(|(program, flags)| format!("-n 1 {program} {train} {flags}")).join(" : ");
        mpirun(&place, &words.split_whitespace().collect::<Vec<_>>())
    };
    let good = &*format!("cpu {data}");
    refused(&place, pair((program, good), (program, "gpu:99 --data data")), &["rank 1 on", "no adapter matches"]);
    refused(&place, pair((program, good), (program, "reference --data data")), &["rank 1 has another kind of device"]);
    refused(&place, pair((program, good), (program, "cpu --data data --lr 0.1")), &["rank 1 on", "other settings"]);
    refused(&place, pair((program, good), (program, "cpu --data nowhere")), &["rank 1 on", "nowhere"]);
    let unknown = format!("{good} --no-such-flag");
    refused(&place, pair((program, good), (program, &unknown)), &["rank 1 on", "--no-such-flag"]);
    place.put_data("others", |number, index| (number * 7 + index) as u8);
    refused(&place, pair((program, good), (program, "cpu --data others")), &["rank 1 has other data than rank 0"]);
    refused(&place, pair((program, good), (program, "cpu --data digits")), &["rank 1 has other data than rank 0"]);
    let other = place.path("frit");
    fs::copy(program, &other).unwrap();
    let mut bytes = fs::read(&other).unwrap();
    bytes.push(0);
    fs::write(&other, bytes).unwrap();
    refused(&place, pair((program, good), (other.to_str().unwrap(), good)), &["rank 1 on", "another build of frit"]);
    // Errors of all ranks are those of rank 0.
    refused(&place, frit(&place, 3, &format!("{train} {good} --no-such-flag")), &["--no-such-flag"]);
    refused(&place, frit(&place, 3, &format!("{train} cpu --data nowhere")), &["nowhere"]);
    refused(&place, frit(&place, 5, &format!("{train} {good}")), &["4 of a batch, fewer than the 5 devices"]);
    refused(&place, frit(&place, 3, &format!("{train} cpu,cpu {data}")), &["rank 2 on", "2 devices are named"]);
    // Processes of a computer take the devices of a list in turn.
    refused(&place, frit(&place, 2, &format!("{train} gpu:0,gpu:99 {data}")), &["rank 1 on", "'gpu:99'"]);
    refused(&place, frit(&place, 2, "resume run"), &["no run at 'run'"]);
    refused(&place, frit(&place, 2, "verify vae"), &["start it without mpirun"]);
}

/// This program as several ranks with a part.
fn ranks(ranks: usize, part: &str) -> Output {
    let place = Place::new();
    let (ranks, program) = (ranks.to_string(), current_exe().unwrap());
    let words = ["-n", &ranks, program.to_str().unwrap(), "--exact", "a_rank", "--nocapture"];
    mpirun(&place, &words).env(PART, part).output().unwrap()
}

/// A rank, in a process that another test starts.
#[test]
fn a_rank() {
    let Ok(part) = var(PART) else { return };
    let processes = Processes::connect(Launched::of_environment().unwrap()).unwrap();
    match &*part {
        "messages" => exchange_messages(&processes),
        "thread" => panic_of_a_thread(&processes),
        "all" => panic!("no luck"),
        part => train_with_a_panic(&processes, part),
    }
}

#[test]
fn parts_of_several_messages_arrive() {
    let output = ranks(3, "messages");
    assert!(output.status.success(), "{}", stderr(&output));
}

fn exchange_messages(processes: &Processes) {
    let mut exchange = Mpi::new(5);
    let (own, ranks) = (processes.rank, processes.ranks);
    // Each part has another length: none, whole messages, and other lengths.
    let part = |from: usize, to: usize, round: usize| vec![(3 * from + to) as u8; (from * 7 + to * 5 + round) % 17];
    for round in 0..17 {
        let parts = (0..ranks).map(|to| part(own, to, round)).collect();
        let expected: Vec<_> = (0..ranks).map(|from| part(from, own, round)).collect();
        assert_eq!(exchange.all_to_all(parts).unwrap(), expected);
        let expected: Vec<_> = (0..ranks).map(|from| part(from, from, round)).collect();
        assert_eq!(exchange.all_gather(part(own, own, round)).unwrap(), expected);
        assert_eq!(exchange.broadcast(part(own, 1, round)).unwrap(), part(0, 1, round));
    }
    // Long enough that MPI waits for the receiver.
    let mut exchange = processes.exchange();
    let gathered = exchange.all_gather(vec![own as u8; 3 << 20]).unwrap();
    assert!((0..ranks).all(|rank| gathered[rank] == vec![rank as u8; 3 << 20]));
}

/// A panic on a rank ends the others, which wait for it, with one sentence.
#[test]
fn panics_end_all_ranks() {
    for (part, message) in [("thread", "no luck"), ("all", "no luck"), ("1", "no exchange"), ("0", "no step")] {
        let since = Instant::now();
        let output = ranks(3, part);
        let (code, printed) = (output.status.code(), stderr(&output));
        assert!(code == Some(3) && since.elapsed() < Duration::from_secs(10), "{code:?}: {printed}");
        let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("panicked at crates/cli/tests/mpi.rs:"), "{printed}");
        // MPI's own lines can follow before the end of the line.
        assert!(errors[0].trim_end_matches('-').ends_with(message), "{printed}");
    }
}

fn panic_of_a_thread(processes: &Processes) {
    scope(|threads| {
        if processes.rank == 1 {
            threads.spawn(|| panic!("no luck"));
        }
        let mut exchange = processes.exchange();
        while exchange.all_gather(vec![0; 10]).is_ok() {
            sleep(Duration::from_millis(1));
        }
    });
}

/// An exchange that ends after some calls.
struct Ends(Mpi, u32);

impl Exchange for Ends {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn ranks(&self) -> usize {
        self.0.ranks()
    }

    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        self.1 = self.1.checked_sub(1).expect("no exchange");
        self.0.all_to_all(parts)
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.0.broadcast(bytes)
    }
}

/// A training in which a rank panics: another one in an exchange, or rank 0 between steps.
fn train_with_a_panic(processes: &Processes, rank: &str) {
    let config = Config::load("vae").unwrap().with("vae.hidden=[8]").unwrap();
    let calls = if rank == processes.rank.to_string() && rank != "0" { 40 } else { u32::MAX };
    let device = DeviceOptions { choice: DeviceChoice::Cpu, processes: processes.ranks, ..DeviceOptions::default() };
    let options = TrainOptions {
        exchange: Some(Box::new(Ends(processes.exchange(), calls))),
        terminal: Terminal::new(true),
        ..TrainOptions::new(config).device(device).steps(1000)
    };
    match processes.rank {
        0 => {
            let folder = tempfile::tempdir().unwrap();
            let step = if rank == "0" { 5 } else { u64::MAX };
            let options = options.out(folder.path().join("run")).observe(move |event| match event {
                frit::train::Event::Step { step: now, .. } if *now == step => panic!("no step"),
                _ => std::ops::ControlFlow::Continue(()),
            });
            let error = train(options).err().unwrap();
            panic!("another end: {error}");
        }
        _ => {
            let _ = follow(options);
            processes.wait_for_end();
        }
    }
}
