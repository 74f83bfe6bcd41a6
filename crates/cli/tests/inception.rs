//! Features of Inception v3 agree with torch-fidelity's, and files of other weights are refused by name.
//!
//! The weights are those of a formula that tests/golden/inception.py shares, which also makes the expected features.

use frit::Backend;
use frit::eval::inception::InceptionNetwork;
use models::inception::{FrozenConv, Inception};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize_to_file};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Relative to the largest feature: 94 layers in single precision.
const TOLERANCE: f64 = 2e-5;

/// Shapes and numbers by name.
type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Numbers in [0, 1) that look random: FNV-1a of the name and the index, mixed, to 24 bits.
fn fractions(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0x811c_9dc5_u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count as u32).map(move |i| {
        let x = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9));
        let x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
        let x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
        f64::from((x ^ x >> 16) >> 8) / f64::from(1 << 24)
    })
}

/// Filters by He's initialisation, statistics around those of normalised data.
fn put(weights: &mut Weights, name: String, shape: Vec<usize>) {
    let count = shape.iter().product();
    let scale = (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
    let value = |u: f64| match name.rsplit('.').next() {
        _ if name.ends_with("conv.weight") => (2.0 * u - 1.0) * scale,
        Some("weight" | "running_var") => 0.5 + u,
        _ => 0.2 * (u - 0.5),
    };
    let values = fractions(&name, count).map(|u| value(u) as f32).collect();
    weights.insert(name, (shape, values));
}

/// The tensors of the first `count` convolutions.
fn weights(count: usize) -> Weights {
    let mut weights = Weights::new();
    for FrozenConv { name, weight, .. } in Inception::new(1, [8, 8]).convs.into_iter().take(count) {
        let [outputs, h, w, inputs] = [0, 1, 2, 3].map(|axis| weight.shape.dims()[axis] as usize);
        put(&mut weights, format!("{name}.conv.weight"), vec![outputs, inputs, h, w]);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            put(&mut weights, format!("{name}.bn.{part}"), vec![outputs]);
        }
    }
    weights
}

fn save(weights: &Weights, path: &Path) {
    let views = weights.iter().map(|(name, (shape, values))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).unwrap())
    });
    serialize_to_file(views, None, path).unwrap();
}

#[test]
fn features_agree_with_torch_fidelity() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.safetensors");
    save(&weights(usize::MAX), &path);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/inception.safetensors");
    let golden = fs::read(golden).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let [images, features] = ["images", "features"].map(|name| golden.tensor(name).unwrap());
    let &[count, height, width, channels] = images.shape() else { panic!("images [n, h, w, c]") };
    let expected: Vec<f64> =
        features.data().chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect();

    let mut network = InceptionNetwork::open(&path, [height, width, channels], &Backend::Cpu).unwrap();
    assert!(network.name().starts_with("Inception v3 "), "{}", network.name());
    let images: Vec<f32> = images.data().iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let found = network.features(&images).unwrap();
    assert_eq!((found.rows(), found.width()), (count, 2048));
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    for (row, expected) in expected.chunks_exact(2048).enumerate() {
        let error = found.row(row).iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error < TOLERANCE * largest, "image {row}: {error} of {largest}");
    }
}

#[test]
fn other_weights_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weights.safetensors");
    let mut first = weights(1);
    let refused = |weights: &Weights| {
        save(weights, &path);
        let error = InceptionNetwork::open(&path, [8, 8, 1], &Backend::Cpu).err().expect("it is refused");
        error.to_string()
    };
    let message = refused(&first);
    assert!(message.contains("has no tensor Conv2d_2a_3x3.conv.weight; use the weights of Inception v3"), "{message}");

    first.get_mut("Conv2d_1a_3x3.bn.running_var").unwrap().1[5] = -1.0;
    assert!(refused(&first).contains("Conv2d_1a_3x3.bn.running_var"));
    first.get_mut("Conv2d_1a_3x3.bn.bias").unwrap().1[31] = f32::NAN;
    assert!(refused(&first).starts_with("Conv2d_1a_3x3.bn.bias in "));
    first.insert("Conv2d_1a_3x3.conv.weight".into(), (vec![32, 1, 3, 3], vec![0.0; 288]));
    let message = refused(&first);
    assert!(message.contains("Conv2d_1a_3x3.conv.weight") && message.contains("needs [32, 3, 3, 3]"), "{message}");
}
