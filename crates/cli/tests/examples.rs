//! The examples run, with few steps.

#[allow(dead_code, reason = "its main is that of the example")]
#[path = "../examples/own_op.rs"]
mod own_op;
#[allow(dead_code, reason = "its main is that of the example")]
#[path = "../examples/train_vae.rs"]
mod train_vae;

use gpu_core::DeviceChoice;

#[test]
fn own_op_agrees_on_every_executor() {
    let reference = own_op::run(&DeviceChoice::Reference).unwrap();
    for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
        let other = own_op::run(&device).unwrap();
        let difference = reference.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(difference > 0.0 && difference < 1e-6, "{device:?}: {difference}");
    }
    // At x = 0, y = sqrt(4) / 2.
    assert_eq!((reference.len(), reference[500]), (1000, 1.0));
}

#[test]
fn train_vae_draws_a_grid() {
    let folder = tempfile::tempdir().unwrap();
    let picture = train_vae::run(&folder.path().join("run"), 3).unwrap();
    // 8 × 8 digits of 56 pixels with gaps of 2.
    assert_eq!(image::open(picture).unwrap().into_luma8().dimensions(), (462, 462));
    assert!(folder.path().join("run/checkpoints/latest.safetensors").exists());
}

#[test]
fn examples_are_short() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 60, "{} has {lines} lines", path.display());
    }
}
