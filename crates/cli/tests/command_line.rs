//! The command line itself: exit codes, help, JSON, names that hold control characters.

#[allow(dead_code)]
#[path = "../build.rs"]
mod build;
mod place;

use place::{Place, stderr};
use serde_json::Value;
use std::fs;
use std::process::Stdio;

const TINY: &str = "--data data --hidden 16 --latent-dim 3 --batch-size 32";

#[track_caller]
fn code(place: &Place, line: &str) -> i32 {
    place.frit(line).status.code().unwrap_or_else(|| panic!("frit {line} was killed"))
}

#[test]
fn exit_codes_tell_usage_from_what_could_not_run() {
    let place = Place::new();
    fs::write(place.path("damaged.safetensors"), "no").unwrap();
    for usage in [
        "nosuch",
        "train",
        "train vae --nosuch",
        "train nosuch",
        "train nosuch.toml",
        "train vae --set train.epoch=3",
        "train vae --lr -1 --data data",
        "check nosuch",
        "recipes show nosuch",
        "profile vae --steps 0",
    ] {
        assert_eq!(code(&place, usage), 2, "frit {usage}");
    }
    for failure in [
        "train vae --data nosuch",
        "train vae --data data --device nosuchadapter --out run",
        "train vae --data data --init damaged.safetensors --device cpu --out run",
        "sample nosuch",
        "report data",
    ] {
        place.refused(failure, &[]);
        assert_eq!(code(&place, failure), 3, "frit {failure}");
    }
}

/// A full disk is not a mistake of the user.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_could_not_run() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let place = Place::new();
    let mut command = place.command("recipes");
    let output = command.stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot write the result"), "{}", stderr(&output));
}

/// Escape, the C1 introducer of control sequences, and a mark that turns text around.
const HOSTILE: &str = "evil\u{1b}[2J\u{9b}31m\u{202e}";

/// No character of [`HOSTILE`] reaches a terminal.
#[track_caller]
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let control = text.chars().find(|&c| HOSTILE.chars().any(|hostile| hostile == c && !c.is_ascii_graphic()));
    assert_eq!(control, None, "{text:?}");
    text
}

#[test]
fn names_cannot_control_the_terminal() {
    let place = Place::new();
    for class in [HOSTILE, "plain"] {
        let folder = place.path(&format!("photos/{class}"));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..20u8 {
            image::GrayImage::from_fn(4, 4, |x, y| image::Luma([(x as u8 * 60) ^ (y as u8 * 9) ^ number]))
                .save(folder.join(format!("{number}.png")))
                .unwrap();
        }
        fs::write(folder.join(format!("{HOSTILE}.png")), "no image").unwrap();
    }
    let output = place.frit("data inspect photos");
    let text = harmless(&output.stdout);
    assert!(text.contains(r"evil\u{1b}[2J\u{9b}31m\u{202e}"), "{text}");
    harmless(&output.stderr);
    let output = place.frit("data inspect photos --json");
    let data: Value = serde_json::from_str(&harmless(&output.stdout)).unwrap();
    assert!(data["classes"].as_array().unwrap().iter().any(|class| class["name"] == HOSTILE), "{data}");

    let refused = |arguments: &[&str]| {
        let output = place.command("").args(arguments).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        let text = harmless(&output.stderr);
        assert!(text.contains("evil"), "{text}");
    };
    refused(&["train", HOSTILE]);
    refused(&["data", "inspect", HOSTILE]);
    refused(&["sample", HOSTILE]);
    refused(&["devices", HOSTILE]);
    let name = format!("{HOSTILE}.toml");
    fs::write(place.path(&name), format!("family = \"vae\"\n[train]\n\"{HOSTILE}\" = 1\n")).unwrap();
    refused(&["train", &name]);
    // Warnings of the log, and lines of training.
    let output = place.frit("train classifier --data photos --batch-size 8 --epochs 1 --device cpu --out run -v");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(harmless(&output.stderr).contains("warning: "), "{}", stderr(&output));
}

#[test]
fn json_has_one_shape() {
    let place = Place::new();
    place.done(&format!("train vae {TINY} --epochs 1 --out run --device cpu"));
    for (line, schema) in [
        ("devices", "devices"),
        ("check fill", "check"),
        ("data inspect data", "data"),
        ("show vae", "show"),
        ("eval run --device cpu", "eval"),
        ("resume run", "train"),
    ] {
        let text = place.done(&format!("{line} --json"));
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        assert_eq!((&value["schema"], &value["version"]), (&schema.into(), &1.into()), "frit {line}");
        assert_eq!(value["frit"], env!("CARGO_PKG_VERSION"), "frit {line}");
    }
}

#[test]
fn the_version_names_commit_and_wgpu() {
    let place = Place::new();
    let version = place.done("--version");
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let wgpu = build::version(&lock, "wgpu").unwrap();
    assert!(version.starts_with("frit 0.") && version.contains(&format!("wgpu {wgpu}")), "{version}");
    assert_eq!(version.contains("MPI"), cfg!(feature = "mpi"), "{version}");

    // A repository on a branch, with its refs packed, with a detached head, and a second work tree.
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let put = |name: &str, text: &str| {
        let path = place.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let commit = |git: &str| build::commit(&place.path(git), |_| {});
    assert_eq!(commit("none"), None);
    put("loose/HEAD", "ref: refs/heads/main\n");
    assert_eq!(commit("loose"), None, "a branch without a commit");
    put("loose/refs/heads/main", &format!("{hash}\n"));
    put("packed/HEAD", "ref: refs/heads/main\n");
    put("packed/packed-refs", &format!("# pack-refs\n{} refs/heads/old\n{hash} refs/heads/main\n", "f".repeat(40)));
    put("detached/HEAD", &format!("{hash}\n"));
    put("loose/worktrees/second/HEAD", "ref: refs/heads/main\n");
    put("loose/worktrees/second/commondir", "../..\n");
    put("second/.git", "gitdir: ../loose/worktrees/second\n");
    for git in ["loose", "packed", "detached", "second/.git"] {
        assert_eq!(commit(git).as_deref(), Some("commit 0123456789"), "{git}");
    }
}

#[test]
fn devices_are_named_in_any_case() {
    let place = Place::new();
    for device in ["cpu", "CPU", "Cpu"] {
        let devices = place.done(&format!("devices --json --device {device}"));
        assert!(devices.contains("\"chosen\":\"cpu\""), "{device}: {devices}");
    }
}

/// Mesa's device selection finds its switch set where there is no display, and unset where there is one.
#[cfg(target_os = "linux")]
#[test]
fn no_display_is_asked_for_where_there_is_none() {
    let place = Place::new();
    let mut command = place.command("devices --device cpu");
    for name in ["DISPLAY", "WAYLAND_DISPLAY", "NODEVICE_SELECT", "XDG_RUNTIME_DIR"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn misspelt_names_are_guessed() {
    let place = Place::new();
    place.refused("train vqvea", &["no recipe 'vqvea'", "did you mean 'vqvae'?"]);
    place.refused("recipes show clasifier", &["did you mean 'classifier'?"]);
    let train = "train vae --data data --device cpu --out run";
    place.refused(&format!("{train} --set train.epoch=3"), &["did you mean 'train.epochs'?"]);
    place.refused(&format!("{train} --set epochs=3"), &["did you mean 'train.epochs'?"]);
    place.refused(&format!("{train} --set train.seed=soon"), &["'soon' for train.seed", "a whole number"]);
    place.refused(&format!("{train} --set vae.likelihood=gausian"), &["did you mean 'gaussian'?"]);
    place.refused(&format!("{train} --set train.best=neg_ebo"), &["did you mean 'neg_elbo'?"]);
    place.refused(&format!("{train} --set target.recn=[0,1]"), &["did you mean 'recon'?"]);
}

#[test]
fn settings_without_effect_are_refused() {
    let place = Place::new();
    place.refused("train dcgan --hidden 4", &["--hidden has no effect", "gan.width is 32"]);
    place.refused("train gan --beta 2", &["--beta is not available for gan", "label_smoothing"]);
    place.refused("train classifier --latent-dim 4", &["--latent-dim is not available for classifier", "channels"]);
    place.refused("train vae --set vae.sigma=1", &["vae.sigma has no effect", "bernoulli"]);
    place.refused("train vae --set optimiser.momentum=0.9", &["momentum has no effect", "adam"]);
}

#[test]
fn a_dry_run_checks_what_training_checks() {
    let place = Place::new();
    for wrong in ["train.best=acc", "target.nosuch=[0,1]", "target.recon=[2,1]"] {
        for dry in ["", "--dry-run"] {
            let line = format!("train vae {TINY} --device cpu --out run --set {wrong} {dry}");
            assert_eq!(code(&place, &line), 2, "frit {line}");
        }
    }
}

#[test]
fn a_run_is_found_by_name_and_the_latest_by_default() {
    let place = Place::new();
    place.refused("eval", &["no runs in runs"]);
    for _ in 0..2 {
        place.done(&format!("train vae {TINY} --epochs 1 --device cpu"));
    }
    for (line, used) in [("report", "runs/vae-002"), ("report vae-001", "runs/vae-001")] {
        let output = place.frit(line);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("using the run {used}")), "{}", stderr(&output));
    }
    place.refused("report vae-01", &["no run at 'vae-01'", "did you mean 'vae-001'?"]);
    let table = place.done("runs");
    assert!(table.contains("vae-002") && table.contains("1/1") && table.contains("finished"), "{table}");
    let runs: Value = serde_json::from_str(&place.done("runs --json")).unwrap();
    assert_eq!((&runs["schema"], runs["runs"].as_array().unwrap().len()), (&"runs".into(), 2));
}

#[test]
fn help_has_a_summary_and_details() {
    let place = Place::new();
    for command in ["train", "sample", "eval", "recipes"] {
        let [short, long] = ["-h", "--help"].map(|flag| place.done(&format!("{command} {flag}")));
        assert!(long.len() > short.len() && long.contains("Examples:") && !short.contains("Examples:"), "{long}");
    }
    let train = place.done("train -h");
    for heading in ["Training:", "Data:", "Device:", "Output:"] {
        assert!(train.contains(heading), "{heading} is not in {train}");
    }
    let root = place.done("--help");
    for words in ["Use a trained model:", "130", "FRIT_CACHE", "NO_COLOR", "RUST_LOG"] {
        assert!(root.contains(words), "{words} is not in {root}");
    }
    let recipes = place.done("recipes");
    assert!(recipes.lines().all(|line| line.chars().count() <= 80));
    // Titles begin in one column, two spaces after the longest name.
    let list = recipes.split("\n\n").next().unwrap();
    assert!(list.lines().all(|line| line[..16].ends_with("  ")), "{list}");
    assert!(place.done("recipes show vae").contains("bernoulli, gaussian"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.done(&format!("completions {shell}")).contains("reconstruct"), "{shell}");
    }
    let pages = place.done("man --out pages");
    assert!(place.done("man").contains(".TH") && pages.lines().any(|path| path.ends_with("frit-train.1")), "{pages}");
}
