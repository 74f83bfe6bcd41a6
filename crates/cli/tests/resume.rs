//! Interrupted runs (kill, Ctrl-C, full disk, damaged files, NaN loss) resume byte for byte.
#![cfg(unix)]

mod place;

use frit::run::checkpoint::Checkpoint;
use place::{Place, refusal, stderr, stripes};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// A model that trains in a moment on the images of [`Place`]: ten steps an epoch, the last one smaller.
const TINY: &str = "train vae --data data --hidden 16 --latent-dim 3 --batch-size 32 --save-every 3";
const LATEST: &str = "checkpoints/latest.safetensors";
const BEST: &str = "checkpoints/best.safetensors";

impl Place {
    /// Runs `frit` with files limited to `blocks` of 512 bytes, like a full disk.
    fn on_a_full_disk(&self, line: &str, blocks: usize) -> Output {
        let limited = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_frit")]).args(line.split_whitespace());
        command.current_dir(self.path("")).output().unwrap()
    }

    /// Resumes a stopped run, or starts it again if it stopped too early.
    fn go_on(&self, run: &str, train: &str) -> Command {
        match self.path(run).join("config.toml").exists() {
            true => self.command(&format!("resume {run}")),
            false => self.command(&format!("{train} --out {run}")),
        }
    }

    fn finish(&self, run: &str, train: &str) {
        let output = self.go_on(run, train).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "going on with {run}: {}", stderr(&output));
    }

    fn assert_same(&self, run: &str, whole: &str) {
        let [run, whole] = [run, whole].map(|name| files(&self.path(name)));
        assert_eq!(run.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
        whole.iter().for_each(|(name, contents)| assert!(run[name] == *contents, "{} differs", name.display()));
    }
}

/// Every file below with its contents, but for the report; metrics without what depends on the clock.
fn files(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["", "samples", "checkpoints"] {
        for path in fs::read_dir(run.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            // Looking at a run leaves this in it.
            if path.is_file() && !path.ends_with("evaluation.json") && !path.ends_with("report.html") {
                found.insert(path.strip_prefix(run).unwrap().into(), fs::read(path).unwrap());
            }
        }
    }
    if let Some(environment) = found.get_mut(Path::new("env.json")) {
        let mut noted: Value = serde_json::from_slice(environment).unwrap();
        noted.as_object_mut().unwrap().remove("command");
        *environment = noted.to_string().into();
    }
    if let Some(metrics) = found.get_mut(Path::new("metrics.jsonl")) {
        let timeless = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            for key in ["images_per_second", "time", "elapsed_s"] {
                line.as_object_mut().unwrap().remove(key);
            }
            format!("{line}\n")
        };
        *metrics = String::from_utf8_lossy(metrics).lines().map(timeless).collect::<String>().into();
    }
    found
}

/// Asserts that no checkpoint or image is half-written.
fn assert_whole(run: &Path) {
    let folders = ["samples", "checkpoints"].map(|folder| run.join(folder));
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let contents = fs::read(&path).unwrap();
        match path.extension().and_then(|end| end.to_str()) {
            Some("safetensors") => drop(safetensors::SafeTensors::deserialize(&contents).unwrap()),
            Some("png") => drop(image::load_from_memory(&contents).unwrap()),
            _ => {}
        }
    }
}

/// Waits for a condition while a process runs.
fn wait_until(child: &mut Child, condition: impl Fn() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended too early");
        assert!(since.elapsed() < Duration::from_secs(60), "nothing happened");
        sleep(Duration::from_millis(2));
    }
}

/// Kills a run `kills` times at different moments, and compares it with an undisturbed one.
fn kill_and_compare(train: &str, kills: u32) {
    kill_and_compare_in(&Place::new(), train, kills);
}

fn kill_and_compare_in(place: &Place, train: &str, kills: u32) {
    let since = Instant::now();
    place.done(&format!("{train} --out whole"));
    let mut longest = since.elapsed();
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut state = seed | 1;
    let (mut landed, mut tries) = (0, 0);
    while landed < kills {
        tries += 1;
        assert!(tries <= 10 * kills, "no kill comes in time");
        // Xorshift, of Marsaglia.
        for (left, by) in [(true, 13), (false, 7), (true, 17)] {
            state ^= if left { state << by } else { state >> by };
        }
        // Later starts have less to do: the moments lie in the first half.
        let moment = longest.mul_f64((state >> 11) as f64 / (1u64 << 54) as f64);
        let mut child = place.go_on("killed", train).spawn().unwrap();
        sleep(moment);
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        println!("killed after {moment:?} of {longest:?}{}", if ended { ", too late" } else { "" });
        assert!(!ended || output.status.success(), "{train}: {}", stderr(&output));
        assert_whole(&place.path("killed"));
        if ended {
            // It takes less time than the first did, which had shaders to compile or a busier machine.
            longest = moment;
            fs::remove_dir_all(place.path("killed")).unwrap();
        }
        landed += u32::from(!ended);
    }
    place.finish("killed", train);
    place.assert_same("killed", "whole");
}

#[test]
fn a_killed_run_resumes_byte_for_byte() {
    kill_and_compare(&format!("{TINY} --epochs 30 --device cpu"), 8);
}

#[test]
fn a_killed_run_resumes_byte_for_byte_on_an_adapter() {
    kill_and_compare(&format!("{TINY} --epochs 12 --device gpu"), 3);
}

/// Every setting that changes with the steps at once: learning rate, KL bound, kept checkpoints, samples, best.
#[test]
fn killed_runs_with_schedules_resume_byte_for_byte() {
    let settings = "--set optimiser.lr_schedule=cosine --set optimiser.lr_warmup=7 --set optimiser.lr_hold=0.4 \
                    --set optimiser.lr_final=0.1 --set vae.capacity=2 --set vae.kl_warmup=40 --set train.keep=2 \
                    --set train.best=recon --set train.patience=9 --sample-every 4";
    kill_and_compare(&format!("{TINY} {settings} --epochs 40 --device cpu"), 20);
}

/// The notes of a small checkpoint claim a model of 15 GiB: the tensors are compared before memory is allocated.
#[cfg(target_os = "linux")]
#[test]
fn a_small_checkpoint_of_a_large_model_is_refused() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 1 --device cpu --out run"));
    let wider = |text: &str| text.replace("hidden = [16]", "hidden = [20000, 20000]");
    let [config, latest] = ["run/config.toml".into(), format!("run/{LATEST}")].map(|name| place.path(&name));
    fs::write(&config, wider(&fs::read_to_string(&config).unwrap())).unwrap();
    let mut checkpoint = Checkpoint::load(&latest).unwrap();
    checkpoint.metadata.insert("config".into(), wider(&checkpoint.metadata["config"]));
    checkpoint.save(&latest).unwrap();
    let limited = "ulimit -v 4000000; exec \"$0\" resume run --epochs 2";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_frit")]).current_dir(place.path(""));
    refusal(&command.output().unwrap(), &["encoder.0.weight", "20000×36", "16×36"]);
}

/// Learning rates that end in NaN, and in losses that are large: the rollbacks repeat too.
#[test]
fn killed_runs_with_rollbacks_resume_byte_for_byte() {
    let nan = format!(
        "{TINY} --set vae.likelihood=gaussian --set vae.sigma=0.01 --set monitors.divergence=0 --lr 50 --device gpu"
    );
    let large = "train ae --data data --hidden 16 --latent-dim 3 --batch-size 32 --save-every 3 --lr 1 --device cpu";
    for train in [nan.as_str(), large] {
        let place = Place::new();
        let output = place.frit(&format!("{train} --epochs 3 --out run"));
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stderr(&output).contains("of the learning rate"), "{}", stderr(&output));
        kill_and_compare(&format!("{train} --epochs 8"), 3);
    }
}

/// Two clocks and averaged weights, measurements of samples, batch statistics, an EMA codebook, data in shards.
#[test]
fn killed_runs_of_other_families_resume_byte_for_byte() {
    for settings in [
        "gan --hidden 8 --latent-dim 3 --set gan.discriminator_steps=2 --set optimiser.average=0.9 \
         --set data.shard=130 --set train.best=frechet --set train.best_every=2",
        "cgan --hidden 8 --latent-dim 3 --set data.shard=130",
        "cvae --hidden 8 --latent-dim 3",
        "ae --hidden 8 --latent-dim 3 --micro-batch 10",
        "dcgan --latent-dim 3 --set gan.width=2 --set gan.spectral=true",
        "dcgan-small --latent-dim 3 --set gan.width=2 --set gan.penalty_every=3",
        "wgan-gp --latent-dim 3 --set gan.width=2 --set gan.discriminator_steps=2 --set gan.penalty_every=2 \
         --set data.mirror=true --set data.crop=1",
        "vqvae --latent-dim 2 --set vqvae.width=4 --set vqvae.codes=6 --set vqvae.residual=3 --set data.shard=100",
        "fsq-vae --set vqvae.width=4 --set vqvae.levels=[3,2] --set vqvae.residual=3 --micro-batch 16",
        "conv-vae --latent-dim 2 --hidden 8 --set vae.channels=[3] --set data.shard=64 --micro-batch 16",
        "pool-vae --latent-dim 2 --hidden 8 --set vae.channels=[3]",
        "flow-matching --set flow.width=2 --set flow.halvings=1 --set flow.steps=2 --set data.shard=130",
        "flow-matching --set flow.width=0 --hidden 8 --set flow.steps=2 --micro-batch 10",
        "pixelcnn --set pixelcnn.width=4 --set pixelcnn.layers=2 --set pixelcnn.output=5",
        "classifier --hidden 8 --set classifier.channels=[3] --set data.shard=64",
        "cyclegan --data-b data --set cyclegan.width=2 --set cyclegan.blocks=1 --set cyclegan.pool=90 \
         --set cyclegan.discriminator_width=2 --set cyclegan.discriminator_halvings=1 --micro-batch 20",
        "paired --data-b data --set paired.width=3 --set paired.halvings=1 --set paired.discriminator_width=2 \
         --set paired.discriminator_halvings=1 --set data.shard=130",
        "restoration --corrupt mask:3 --set paired.width=3 --set paired.halvings=1 --set data.shard=100",
    ] {
        let train = format!("train {settings} --data data --batch-size 32 --save-every 3 --epochs 5 --device cpu");
        kill_and_compare(&train, 3);
    }
    let points = "--set data.points=90 --batch-size 30 --save-every 3 --epochs 4 --device cpu";
    for recipe in ["points-gan", "points-flow --hidden 8 --set flow.steps=2", "points-realnvp --hidden 8"] {
        kill_and_compare(&format!("train {recipe} {points}"), 2);
    }
    let vqvae = "train vqvae --latent-dim 2 --set vqvae.width=4 --set vqvae.codes=6 --set vqvae.residual=3 --data data";
    kill_and_compare(&format!("{vqvae} --batch-size 32 --save-every 3 --epochs 2 --device gpu"), 2);
    let (place, sizes) = (Place::new(), "--set prior.width=4 --set prior.layers=2 --set prior.output=5");
    place.done(&format!("{vqvae} --batch-size 32 --epochs 1 --device cpu --out vqvae"));
    let prior = format!("train prior --codes vqvae {sizes} --batch-size 32 --save-every 3 --set data.shard=100");
    kill_and_compare_in(&place, &format!("{prior} --epochs 5 --device cpu"), 3);
}

#[test]
fn an_interrupt_finishes_the_step_and_saves() {
    let place = Place::new();
    let train = format!("{TINY} --epochs 100 --device cpu");
    place.done(&format!("{train} --out whole"));
    let mut child = place.command(&format!("{train} --out run")).spawn().unwrap();
    wait_until(&mut child, || place.path("run/metrics.jsonl").exists());
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(status.success() && output.status.code() == Some(130), "{:?}: {}", output.status, stderr(&output));
    assert!(stderr(&output).contains("interrupted; saved in run") && stderr(&output).contains("frit resume run"));
    assert!(output.stdout.is_empty());
    place.finish("run", &train);
    place.assert_same("run", "whole");
}

/// `nohup` starts a process with hang-ups ignored.
#[test]
fn a_hangup_interrupts_unless_it_is_ignored() {
    let place = Place::new();
    for (trap, code, epochs) in [("trap '' HUP;", 0, 40), ("", 130, 100_000)] {
        let line = format!("{TINY} --epochs {epochs} --device cpu --out run-{code}");
        let mut shell = Command::new("sh");
        place::with_signals(&mut shell);
        shell.args(["-c", &format!("{trap} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_frit")]);
        shell.args(line.split_whitespace()).current_dir(place.path("")).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        wait_until(&mut child, || place.path(&format!("run-{code}/metrics.jsonl")).exists());
        assert!(Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    }
}

#[test]
fn runs_that_start_together_have_a_folder_each() {
    let place = Place::new();
    let train = || place.command(&format!("{TINY} --epochs 1 --device cpu -q")).spawn().unwrap();
    for child in [train(), train(), train()] {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    for number in 1..=3 {
        assert!(place.path(&format!("runs/vae-00{number}")).join(LATEST).exists());
    }
}

#[test]
fn more_epochs_continue_a_complete_run() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 4 --device cpu --out whole"));
    place.done(&format!("{TINY} --epochs 2 --device cpu --out run"));
    place.done("resume run --epochs 4");
    place.assert_same("run", "whole");
    let before = files(&place.path("run"));
    let first = place.done("resume run --json");
    assert!(files(&place.path("run")) == before, "resuming a finished run changed it");
    assert_eq!(place.done("resume run --json --epochs 4"), first);
}

/// Epochs that are done already change nothing.
#[test]
fn fewer_epochs_than_done_are_refused() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 2 --device cpu --out run -q"));
    let before = files(&place.path("run"));
    for (asked, words) in [("--epochs 1", "past train.epochs = 1"), ("--steps 7", "past train.steps = 7")] {
        refusal(&place.frit(&format!("resume run {asked}")), &["is already at step 20 (epoch 2)", words]);
    }
    let printed = stderr(&place.frit("resume run"));
    assert!(printed.contains("run is complete: all 20 steps are done") && !printed.contains("resuming"), "{printed}");
    assert!(files(&place.path("run")) == before);
}

/// A learning rate that has decayed to zero stays there: more steps are refused, and a new run continues instead.
#[test]
fn more_steps_at_a_learning_rate_of_zero_are_refused() {
    let place = Place::new();
    place.done(&format!("{TINY} --epochs 2 --set optimiser.lr_schedule=linear --device cpu --out run -q"));
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let rate = |line: &str| serde_json::from_str::<Value>(line).unwrap()["learning_rate"].as_f64();
    let rates: Vec<f64> = metrics.lines().filter_map(rate).collect();
    assert!(rates.len() == 2 && (rates[0] - 5.5e-4).abs() < 1e-9 && rates[1] < 1e-4, "{rates:?}");
    let before = files(&place.path("run"));
    let refused = place.frit("resume run --epochs 3");
    refusal(&refused, &["the learning rate of run falls to zero at step 20, so steps after 20 would not train"]);
    assert!(files(&place.path("run")) == before);
    let complete = stderr(&place.frit("resume run"));
    for (printed, steps) in [(stderr(&refused), 10), (complete, 20)] {
        let command = printed.split('`').nth(1).unwrap_or_else(|| panic!("no command: {printed}"));
        assert!(command.contains(&format!("--steps {steps} ")), "{command}");
        place.done(&format!("{} --device cpu --out on-{steps}", &command["frit ".len()..]));
    }
    let weights = |run: &str| Checkpoint::load(&place.path(run).join(LATEST)).unwrap().tensors;
    assert!(weights("on-10")["decoder.0.weight"] != weights("run")["decoder.0.weight"]);
}

/// A run whose own length passes the end of its schedule resumes as it was started.
#[test]
fn a_run_that_outlasts_its_learning_rate_resumes() {
    let place = Place::new();
    let train = format!("{TINY} --epochs 2 --set optimiser.lr_schedule=linear --set optimiser.lr_decay_steps=5");
    for run in ["whole", "run"] {
        place.done(&format!("{train} --set train.keep=9 --device cpu -q --out {run}"));
    }
    fs::copy(place.path("run/checkpoints/step-00000015.safetensors"), place.path("run").join(LATEST)).unwrap();
    let printed = stderr(&place.frit("resume run"));
    assert!(printed.contains("from step 15") && printed.contains("the learning rate is zero from now on"), "{printed}");
    place.assert_same("run", "whole");
}

#[test]
fn one_process_at_a_time_trains_a_run() {
    let place = Place::new();
    let mut child = place.command(&format!("{TINY} --epochs 100000 --device cpu --out run -q")).spawn().unwrap();
    wait_until(&mut child, || place.path("run/metrics.jsonl").exists());
    let train = format!("{TINY} --device cpu --out run");
    for (line, says) in [("resume run", "another process is using run"), (&train, "run already holds a run")] {
        refusal(&place.frit(line), &[says]);
    }
    // Looking on is allowed: files change as a whole.
    place.done("eval run --device cpu --json");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_full_disk_keeps_the_last_checkpoint() {
    let place = Place::new();
    let train = format!("{TINY} --device cpu");
    place.done(&format!("{train} --epochs 3 --out whole"));
    place.done(&format!("{train} --epochs 2 --out run"));
    let [latest, best] = [LATEST, BEST].map(|name| fs::read(place.path("run").join(name)).unwrap());
    refusal(&place.on_a_full_disk("resume run --epochs 3", 16), &["cannot write run/checkpoints/", ".safetensors"]);
    let left = files(&place.path("run"));
    assert!(left[Path::new(LATEST)] == latest && left[Path::new(BEST)] == best);
    assert!(left.keys().all(|name| !name.to_string_lossy().contains(".tmp")), "{:?}", left.keys());
    place.done("eval run --device cpu");
    refusal(&place.on_a_full_disk("sample run --device cpu --out p.png", 1), &["cannot write p.png"]);
    assert!(!place.path("p.png").exists());
    place.done("resume run --epochs 3");
    place.assert_same("run", "whole");
}

/// A stop between two files leaves a run that `train` or `resume` accepts.
#[test]
fn a_failure_between_two_files_leaves_a_usable_run() {
    let place = Place::new();
    let train = format!("{TINY} --epochs 1 --device cpu");
    place.done(&format!("{train} --out whole"));
    for obstacle in
        ["env.json", "images.json", "reals.png", "metrics.jsonl", "samples/000001.png", "reconstructions.png", BEST]
    {
        println!("stopped at {obstacle}");
        let run = format!("stopped-{}", obstacle.replace(['/', '.'], "-"));
        // A folder where a file is to be.
        fs::create_dir_all(place.path(&run).join(obstacle)).unwrap();
        let output = place.frit(&format!("{train} --out {run}"));
        refusal(&output, &["cannot write", obstacle, "it is a folder"]);
        fs::remove_dir(place.path(&run).join(obstacle)).unwrap();
        place.finish(&run, &train);
        place.assert_same(&run, "whole");
    }
    // An early end before the first checkpoint, too.
    let output = place.on_a_full_disk(&format!("{train} --out early"), 16);
    refusal(&output, &["cannot write early/checkpoints/latest.safetensors"]);
    place.finish("early", &train);
    place.assert_same("early", "whole");
}

#[test]
fn a_nan_loss_ends_the_run_and_keeps_its_checkpoint() {
    let place = Place::new();
    let output = place.frit(&format!("{TINY} --set optimiser.lr=1e20 --device gpu --out run"));
    refusal(&output, &["the loss or a weight is not finite at step", "checkpoint is saved in run", "optimiser.lr"]);
    place.done("sample run -n 4 --device cpu --out p.png");
}

#[test]
fn a_damaged_run_is_refused_and_unchanged() {
    let place = Place::new();
    place.put_data("other", |number, index| stripes(number + 1, index));
    place.done(&format!("{TINY} --epochs 1 --device cpu --out run"));
    let [latest, config] = [LATEST, "config.toml"].map(|name| place.path("run").join(name));
    let [sound, settings] = [&latest, &config].map(|path| fs::read(path).unwrap());
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 16;
    for bytes in [&flipped[..], &sound[..sound.len() / 3], b"", b"PK\x03\x04"] {
        fs::write(&latest, bytes).unwrap();
        for line in ["resume run --epochs 2", "eval run --device cpu", "sample run --device cpu"] {
            place.refused(line, &["run/checkpoints/latest.safetensors"]);
        }
    }
    place.done("eval run --best --device cpu");
    fs::write(&latest, &sound).unwrap();

    let settings = String::from_utf8(settings).unwrap();
    fs::write(&config, settings.replace("latent = 3", "latent = 4")).unwrap();
    place.refused("eval run --device cpu", &["mean.weight", "4×16", "3×16", LATEST]);
    for edit in [["latent = 3", "latent = 4"], ["seed = 0", "seed = 1"], ["batch_size = ", "batch_size = 1"]] {
        assert!(settings.contains(edit[0]), "{settings}");
        fs::write(&config, settings.replace(edit[0], edit[1])).unwrap();
        place.refused("resume run --epochs 2", &["the settings in config.toml changed", "restore them", "frit train"]);
    }
    fs::write(&config, &settings).unwrap();
    place.refused("resume run --epochs 2 --data other", &["the images have another order, other labels", "--data"]);
    place.refused("resume run --epochs 2 --data nosuch", &["no file or folder 'nosuch'"]);
    place.refused(&format!("{TINY} --device cpu --out run"), &["run already holds a run", "frit resume run"]);
    for line in ["resume data", "sample nosuch", "eval data"] {
        place.refused(line, &["no run at", "config.toml"]);
    }
    place.done("resume run --epochs 2");
}
