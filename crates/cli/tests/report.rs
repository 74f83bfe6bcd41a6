//! The view of a run: progress on a terminal and in a pipe, and its page in a browser with scripts and images.

mod browser;
mod place;

use place::{Place, TEST, refusal, stderr, with_signals};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// `--test` of report/page.css in light.
const TEST_CURVES: [u8; 3] = [0xc8, 0x50, 0x1e];

/// The page's document after its scripts have run.
fn browse(page: &Path, arguments: &[&str]) -> String {
    browser::browse(page, 10_000, &[&["--disable-gpu"], arguments].concat())
}

#[test]
fn a_browser_shows_the_whole_page() {
    let place = Place::new();
    // Two lines of metrics to an epoch of a hundred steps.
    place.done("train vae --data data --hidden 8 --latent-dim 2 --batch-size 3 --epochs 3 --out run --device cpu -q");
    place.done("eval run --device cpu -q");
    assert_eq!(place.done("report run -q"), "run/report.html\n");
    let page = fs::canonicalize(place.path("run/report.html")).unwrap();

    let text = fs::read_to_string(&page).unwrap();
    let [curves, pictures] = ["class=\"curve\"", "<img "].map(|part| text.matches(part).count());
    let of_elbo = text.split("data-metric=\"neg_elbo\"").nth(1).unwrap().split("</figure>").next().unwrap();
    assert!(of_elbo.contains("data-name=\"training\"") && of_elbo.contains("|step 50;"), "{of_elbo}");
    let of_speed = text.split("data-metric=\"images_per_second\"").nth(1).unwrap().split("</figure>").next().unwrap();
    assert!(of_speed.contains(">0</text>"), "{of_speed}");
    // −ELBO, reconstruction and KL, in training and on the test set, and speed; three grids, the data, and pairs.
    // By step, by epoch and by time.
    let curves = curves / 3;
    assert!(curves >= 7 && pictures == 5, "{curves} curves and {pictures} pictures");

    let dom = browse(&page, &["--dump-dom"]);
    let body = dom.split("<body").nth(1).unwrap().split('>').next().unwrap();
    let counts = [format!("data-curves=\"{curves}\""), format!("data-pictures=\"{pictures}\"")];
    for attribute in [&counts[0], &counts[1], "data-ready=\"true\""] {
        assert!(body.contains(attribute), "{attribute} is not in <body{body}>");
    }
    assert!(
        dom.contains("<output>epoch 3</output>") && !dom.contains("class=\"player\" hidden"),
        "the slider is there"
    );

    let shot = place.path("shot.png");
    let light = "--blink-settings=preferredColorScheme=1";
    browse(&page, &[&format!("--screenshot={}", shot.display()), "--window-size=1200,2000", light]);
    let shot = image::open(shot).unwrap().into_rgb8();
    assert_eq!(shot.dimensions(), (1200, 2000));
    let colours: BTreeSet<[u8; 3]> = shot.pixels().map(|pixel| pixel.0).collect();
    assert!(colours.len() > 50, "the page is blank: {} colours", colours.len());
    let test = shot.pixels().filter(|pixel| pixel.0 == TEST_CURVES).count();
    assert!(test > 100, "the curves of the test set are not to be seen: {test} pixels");
}

#[test]
fn a_report_needs_a_run_and_repeats() {
    let place = Place::new();
    place.refused("report nowhere", &["no run at 'nowhere'"]);
    place.done("train ae --data data --hidden 8 --latent-dim 2 --epochs 1 --out run --device cpu -q");
    let report = || {
        place.done("report run -q");
        ["report.html", "tensorboard/events.out.tfevents.0.frit"]
            .map(|name| fs::read(place.path("run").join(name)).unwrap())
    };
    assert!(report() == report());
    fs::write(place.path("run/samples/000001.png"), "torn").unwrap();
    refusal(&place.frit("report run"), &["000001.png is not a PNG file", "remove it"]);
}

#[test]
fn a_page_names_the_evaluated_checkpoint() {
    let place = Place::new();
    // Thirty steps to an epoch.
    let train = "train vae --data data --hidden 8 --latent-dim 2 --batch-size 10 --set optimiser.average=0.9";
    place.done(&format!("{train} --epochs 3 --out run --device cpu -q"));
    let page = || {
        place.done("report run -q");
        fs::read_to_string(place.path("run/report.html")).unwrap()
    };
    let table = place.done("eval run --device cpu");
    assert!(table.lines().any(|line| line.split_whitespace().eq(["step", "90"])), "{table}");
    let fresh = page();
    assert!(fresh.contains("Checkpoint of step 90 (latest).") && !fresh.contains("class=\"since\""));

    place.done("resume run --epochs 4 -q");
    let stale = page();
    assert!(stale.contains("Checkpoint of step 90 (latest at the time).") && !stale.contains("<th>step</th>"));
    assert!(stale.contains("The run is now at step 120; evaluate it again."));

    let figures: Value = serde_json::from_str(&place.done("eval run --best --average --device cpu --json")).unwrap();
    let noted = ["checkpoint", "average", "run_step", "images"].map(|key| figures[key].clone());
    assert_eq!(noted, [json!("best"), json!(true), json!(120), json!(TEST)]);
    let best = page();
    let printed = format!("Checkpoint of step {} (best), with averaged weights.", figures["step"]);
    assert!(best.contains(&printed) && !best.contains("class=\"since\""), "{printed}");

    // Evaluations of an older frit are still shown.
    fs::write(place.path("run/evaluation.json"), "{\"neg_elbo\":12.25,\"images\":40}").unwrap();
    let old = page();
    assert!(old.contains("The checkpoint of this evaluation is not recorded.") && old.contains("12.25"));
}

/// Sixty steps to an epoch.
const TRAIN: &str = "train vae --data data --hidden 16 --latent-dim 3 --batch-size 5 --epochs 4 --device cpu";

/// `frit` on a terminal of `columns`, emulated by util-linux's `script`; `None` if it is not installed.
fn on_a_terminal(place: &Place, line: &str, columns: usize) -> Option<Command> {
    let version = Command::new("script").arg("--version").output().ok()?.stdout;
    if !String::from_utf8_lossy(&version).contains("util-linux") {
        println!("skipped: there is no `script` of util-linux here");
        return None;
    }
    let frit = format!("stty rows 24 cols {columns}; exec {} {line}", env!("CARGO_BIN_EXE_frit"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &frit, "/dev/null"]).current_dir(place.path("."));
    script.env("FRIT_CACHE", place.path("cache")).stdin(Stdio::piped()).stdout(Stdio::piped());
    with_signals(&mut script);
    Some(script)
}

fn seen_on_a_terminal(place: &Place, line: &str, columns: usize) -> Option<String> {
    let output = on_a_terminal(place, line, columns)?.output().unwrap();
    let seen = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{seen}");
    Some(seen)
}

/// The lines written to a terminal, also those that replaced each other, without colours.
fn lines(seen: &str) -> Vec<String> {
    let plain = seen.replace("\u{1b}[36m", "").replace("\u{1b}[0m", "").replace("\u{1b}[2K", "");
    plain.split(['\r', '\n']).map(String::from).collect()
}

#[test]
fn a_terminal_shows_a_bar_with_losses() {
    let place = Place::new();
    let Some(seen) = seen_on_a_terminal(&place, &format!("{TRAIN} --out run"), 160) else { return };
    for words in ["━", "/240 steps", " recon ", " kl ", " images/s", " left", "▁", "█", "\u{1b}["] {
        assert!(seen.contains(words), "{words:?} is not in {seen}");
    }
    for epoch in 1..=4 {
        assert!(seen.contains(&format!("epoch {epoch}/4  train ")), "{seen}");
    }
    // The bar is gone at the end, and the result is in its place.
    let last = seen.trim_end().lines().last().unwrap().rsplit("\u{1b}[").next().unwrap();
    assert!(last.contains("run: test −ELBO") && !last.contains("steps"), "{last}");

    let quiet = seen_on_a_terminal(&place, &format!("{TRAIN} --out quiet -q"), 160).unwrap();
    assert!(!quiet.contains('━') && !quiet.contains("epoch") && quiet.contains("quiet: test −ELBO"), "{quiet}");
}

/// Lines that would wrap are shortened: the bar and the epochs, of a model with two losses and of one with four.
#[test]
fn progress_fits_a_narrow_terminal() {
    let place = Place::new();
    let gan = "train gan --data data --hidden 16 --latent-dim 3 --batch-size 5 --epochs 2 --device cpu \
               --set monitors.after_epochs=100";
    for (run, train) in [("vae", TRAIN), ("gan", gan)] {
        for columns in [80, 40] {
            let Some(seen) = seen_on_a_terminal(&place, &format!("{train} --out {run}{columns}"), columns) else {
                return;
            };
            let progress: Vec<String> =
                lines(&seen).into_iter().filter(|line| line.contains(" steps") || line.starts_with("epoch ")).collect();
            assert!(progress.len() > 4, "{seen}");
            for line in progress.iter().filter(|line| !line.contains("trained ") && !line.starts_with("note: ")) {
                assert!(line.chars().count() <= columns - 3, "{columns}: {line:?} in {seen}");
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_no_bar() {
    use std::io::{Read, Write};
    let place = Place::new();
    let train = TRAIN.replace("--epochs 4", "--epochs 5000");
    let Some(mut script) = on_a_terminal(&place, &format!("{train} --out run"), 80) else { return };
    let mut child = script.spawn().unwrap();
    while !place.path("run/metrics.jsonl").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended too early");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Ctrl-C, which the terminal echoes as `^C`.
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let mut seen = String::new();
    child.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{seen}");
    let (before, last) = seen.rsplit_once("interrupted; saved in run").unwrap();
    assert!(last.contains("frit resume run"), "{seen}");
    // The bar is cleared from the line that has the echo.
    let (_, after_bar) = before.rsplit_once(" steps").unwrap();
    let (of_bar, _) = after_bar.split_once("\r\u{1b}[2K").unwrap_or_else(|| panic!("a bar stays: {seen:?}"));
    assert!(!of_bar.contains('\n') && of_bar.chars().count() < 80, "{seen:?}");
}

#[test]
fn a_pipe_gets_plain_lines() {
    let place = Place::new();
    let printed = stderr(&place.frit(&format!("{TRAIN} --out run")));
    assert!(!printed.contains('\u{1b}') && !printed.contains('━') && !printed.contains('\r'), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("epoch ")).count(), 4, "{printed}");
    let summary = printed.split_once("trained 4 epochs, 240 steps in ").unwrap().1;
    for words in ["; best −ELBO ", " nats/image at epoch ", "images: run/samples/000004.png", "`frit sample run`"] {
        assert!(summary.contains(words), "{words} is not in {printed}");
    }
    // Every line of metrics has a kind and a time, and the seconds of training grow, also after an interruption.
    place.done("resume run --epochs 5 -q");
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let metrics: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let elapsed: Vec<f64> = metrics.iter().map(|line| line["elapsed_s"].as_f64().unwrap()).collect();
    assert!(elapsed.is_sorted() && elapsed[0] >= 0.0, "{elapsed:?}");
    assert!(metrics.iter().all(|line| line["kind"].is_string() && line["time"].as_str().unwrap().ends_with('Z')));
    assert_eq!(metrics.iter().filter(|line| line["kind"] == "epoch").count(), 5);
    assert_eq!(stderr(&place.frit(&format!("{TRAIN} --out quiet -q"))), "");
}

/// `FRIT_PYTHON` names a Python that has TensorBoard.
#[test]
fn tensorboard_reads_the_events() {
    let Some(python) = std::env::var_os("FRIT_PYTHON") else {
        println!("skipped: FRIT_PYTHON names no Python with TensorBoard");
        return;
    };
    let place = Place::new();
    place.done(&format!("{TRAIN} --out run -q"));
    place.done("report run -q");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/events.py");
    let output = Command::new(python).arg(script).arg(place.path("run/tensorboard")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let metrics = fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    let metrics = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (epochs, steps): (Vec<Value>, Vec<Value>) = metrics.partition(|line| line.get("epoch").is_some());
    for (tag, lines, key) in [("recon/test", epochs, "test_recon"), ("kl/train", steps, "kl")] {
        // The file has single precision.
        let noted: Vec<_> =
            lines.iter().map(|line| json!([line["step"], line[key].as_f64().unwrap() as f32])).collect();
        assert!(noted.len() >= 4);
        assert_eq!(read["scalars"][tag], json!(noted), "{tag}");
    }
    assert_eq!(read["images"]["samples"], json!([60, 120, 180, 240]));
}
