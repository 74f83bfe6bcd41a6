//! `frit check --quick` on the best adapter, on the CPU executor, and on SwiftShader where Chromium is installed.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The driver that comes with Chromium: its functions are the least precise that are at hand.
const SWIFTSHADER: [&str; 2] =
    ["/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib/chromium-browser/vk_swiftshader_icd.json"];

/// Runs the check with these variables and arguments, and returns its rows.
#[track_caller]
fn checked(variables: &[(&str, &str)], more: &[&str], device: &str) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frit"));
    command.args(["check", "--quick", "--json"]).args(more).envs(variables.iter().copied()).env("FRIT_CACHE", "");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(found["device"].as_str().unwrap().contains(device), "{}", found["device"]);
    let rows = found["kernels"].as_array().unwrap().clone();
    let failed: Vec<&Value> = rows.iter().filter(|row| row["passed"] != true).collect();
    assert!(failed.is_empty() && output.status.code() == Some(0), "{failed:#?}");
    rows
}

#[test]
fn the_quick_check_passes() {
    let rows = checked(&[], &[], "");
    for kernel in ["matmul", "conv2d_forward", "tick", "vq_nearest", "vq, finite differences"] {
        assert!(rows.iter().any(|row| row["name"] == kernel), "{kernel}");
    }
    // A row that passed does not say that a number is not itself.
    let worst = rows.iter().map(|row| row["worst_case"].as_str().unwrap());
    assert!(worst.clone().all(|worst| !worst.contains(" is not ")));
    assert!(worst.filter(|worst| worst.contains(" = ") && worst.contains(", reference ")).count() > 50);
}

#[test]
fn the_quick_check_passes_on_the_cpu_executor() {
    let rows = checked(&[], &["--device", "cpu"], "CPU executor, f32");
    assert!(rows.iter().any(|row| row["name"] == "matmul" && row["worst_error"].as_f64() > Some(0.0)), "{rows:?}");
}

#[test]
fn the_quick_check_passes_on_swiftshader() {
    let Some(driver) = SWIFTSHADER.into_iter().find(|path| Path::new(path).exists()) else {
        println!("nothing to test: Chromium, which has SwiftShader, is not installed");
        return;
    };
    checked(&[("VK_DRIVER_FILES", driver), ("NODEVICE_SELECT", "1")], &[], "SwiftShader");
}
