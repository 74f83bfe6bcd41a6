//! A checkpoint of every family opens in PyTorch: scripts/open_in_torch.py loads it into the module that it builds,
//! with nothing left out or over, and the module computes what frit does.
//!
//! `FRIT_PYTHON` names a Python with torch, numpy and safetensors. Without it, checkpoints are held to have the tensors
//! of those modules by name and shape, as tests/torch/names.json lists them. PyTorch writes that list anew with
//! `FRIT_PYTHON=python FRIT_ACCEPT_NAMES=1 cargo test --test torch`.

// The tests of the command line use the rest of it.
#[allow(dead_code)]
mod place;

use place::{Place, TEST, stderr};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use zip::write::{SimpleFileOptions, ZipWriter};

const PYTHON: &str = "FRIT_PYTHON";
const ACCEPT: &str = "FRIT_ACCEPT_NAMES";
/// Prefixes of tensors that no network has.
const APART: [&str; 3] = ["optim.", "average/", "state/"];

/// Image sizes that halve to even and odd sides.
const DATA: [(&str, &[usize]); 2] = [("grey", &[6, 6]), ("colour", &[10, 12, 3])];
const TRAIN: usize = 200;
const CLASSES: usize = 5;

/// Runs, their data, and their training arguments.
const RUNS: [(&str, &str, &str); 32] = [
    ("vae", "grey", "vae --hidden 16 --set vae.activation=tanh"),
    ("gaussian-vae", "colour", "vae --hidden 16,8 --set vae.likelihood=gaussian --set vae.sigma=0.5"),
    ("conv-vae", "colour", "conv-vae --hidden 12 --set vae.channels=[4,6] --set vae.activation=elu"),
    ("gpu-vae", "colour", "conv-vae --hidden 12 --set vae.channels=[4,6] --device gpu"),
    ("pool-vae", "colour", "pool-vae --hidden 12 --set vae.channels=[4] --set vae.activation=silu"),
    ("cvae", "colour", "cvae --hidden 16"),
    (
        "planar-vae",
        "colour",
        "vae --hidden 16 --set vae.flow.kind=planar --set vae.flow.length=3 --set vae.binarise=true",
    ),
    (
        "iaf-vae",
        "grey",
        "cvae --hidden 16 --set vae.flow.kind=iaf --set vae.flow.length=2 --set vae.flow.hidden=7 \
         --set vae.activation=silu",
    ),
    ("ae", "colour", "ae --hidden 16 --set ae.activation=softplus"),
    ("conv-ae", "grey", "ae --hidden 12 --set ae.channels=[4,6] --set ae.activation=leaky_relu"),
    ("gan", "grey", "gan --hidden 16,12"),
    ("cgan", "colour", "cgan --hidden 16"),
    ("dcgan", "colour", "dcgan --set gan.width=4 --set optimiser.average=0.9"),
    (
        "spectral-gan",
        "colour",
        "gan --hidden 16 --set gan.spectral=true --set gan.loss=hinge --set gan.label_smoothing=0",
    ),
    (
        "spectral-dcgan",
        "colour",
        "dcgan --set gan.width=4 --set gan.spectral=true --set gan.discriminator_norm=false \
         --set gan.loss=least_squares --set gan.minibatch_std=3",
    ),
    (
        "flow",
        "grey",
        "flow-matching --set flow.width=0 --set flow.class_conditional=false --hidden 16,12 \
         --set flow.spacing=1.5 --set flow.x_waves=2",
    ),
    (
        "flow-unet",
        "colour",
        "flow-matching --set flow.width=4 --set flow.guidance=1.5 --set flow.guidance_interval=[0.1,0.7] \
         --set optimiser.average=0.9",
    ),
    (
        "flow-attention",
        "grey",
        "flow-matching --set flow.width=4 --set flow.halvings=1 --set flow.heads=2 \
         --set flow.class_conditional=false",
    ),
    ("vqvae", "colour", "vqvae --set vqvae.width=7 --set vqvae.residual=4 --set vqvae.codes=12"),
    (
        "gradient-vqvae",
        "grey",
        "vqvae --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1 \
         --set vqvae.ema=0 --set vqvae.restart=0",
    ),
    ("prior", "colour", "prior --codes vqvae --set prior.width=5 --set prior.layers=3 --set prior.output=6"),
    (
        "plain-prior",
        "grey",
        "prior --codes gradient-vqvae --set prior.width=4 --set prior.layers=2 --set prior.kernel=5 \
         --set prior.class_conditional=false",
    ),
    (
        "wavenet",
        "words.txt",
        "wavenet --set data.length=40 --set wavenet.length=32 --set wavenet.width=5 --set wavenet.skip=7 \
         --set wavenet.output=6 --set wavenet.kernel=3 --set wavenet.layers=2 --set wavenet.blocks=2",
    ),
    (
        "realnvp",
        "colour",
        "realnvp --latents ae --hidden 8,7 --set realnvp.layers=3 --set realnvp.bins=5 --set realnvp.x_waves=1",
    ),
    ("affine-realnvp", "grey", "realnvp --latents vae --hidden 9 --set realnvp.layers=4 --set realnvp.coupling=affine"),
    ("fsq-vae", "colour", "fsq-vae --set vqvae.width=7 --set vqvae.residual=4 --set vqvae.levels=[4,3,5]"),
    ("levels-prior", "colour", "prior --codes fsq-vae --set prior.width=4 --set prior.layers=1 --set prior.output=6"),
    ("pixelcnn", "grey", "pixelcnn --set pixelcnn.width=4 --set pixelcnn.layers=2 --set pixelcnn.output=5"),
    (
        "cyclegan",
        "colour",
        "cyclegan --data-b colour.npz --set cyclegan.width=3 --set cyclegan.blocks=2 \
         --set cyclegan.discriminator_width=3 --set cyclegan.discriminator_halvings=2",
    ),
    (
        "restoration",
        "colour",
        "restoration --corrupt down:2 --set paired.width=4 --set paired.halvings=1 --set paired.gan_weight=0.5 \
         --set paired.discriminator_width=3",
    ),
    ("mask-restoration", "colour", "restoration --corrupt mask:4 --set paired.width=4 --set paired.heads=2"),
    ("classifier", "colour", "classifier --hidden 16 --set classifier.channels=[6,8]"),
];

/// The relative tolerance of metrics, and of the largest of several numbers. Both sides compute in f64 from
/// the checkpoint's own weights, but frit rounds constants to f32, as fl(1/255) of a pixel and the variance of all, and
/// codes and images before they are written or compared: each 6·10⁻⁸ relative, and more of what is left of large
/// terms, as a mean score is. Seen are 5·10⁻⁷.
const TOLERANCE: f64 = 1e-6;

/// Shapes by the names of tensors, by the names of runs.
type Names = BTreeMap<String, BTreeMap<String, Vec<usize>>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A NumPy array of bytes.
fn npy(shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|dim| format!("{dim}, ")).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}");
    let header = format!("{header:117}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

impl Place {
    /// Labelled images, mixed from a pattern of their class and noise, as an archive and as arrays.
    fn put_pictures(&self, name: &str, picture: &[usize]) {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let width: usize = picture.iter().product();
        let byte = |i: usize| (i as u32 + 1).wrapping_mul(0x9e37_79b9).rotate_left(15).wrapping_mul(0x85eb_ca6b) >> 24;
        for (part, count) in [("train", TRAIN), ("test", TEST)] {
            let labels: Vec<u8> = (0..count).map(|i| (i % CLASSES) as u8).collect();
            let pixel = |i: usize| (byte(i / width % CLASSES * width + i % width) + byte(1000 * count + i)) / 2;
            let images: Vec<u8> = (0..count * width).map(|i| pixel(i) as u8).collect();
            for (kind, array) in [("x", npy(&[&[count], picture].concat(), &images)), ("y", npy(&[count], &labels))] {
                archive.start_file(format!("{kind}_{part}.npy"), SimpleFileOptions::default()).unwrap();
                archive.write_all(&array).unwrap();
                fs::write(self.path(&format!("{name}_{kind}_{part}.npy")), array).unwrap();
            }
        }
        fs::write(self.path(&format!("{name}.npz")), archive.finish().unwrap().into_inner()).unwrap();
    }

    /// The metrics of a run.
    fn eval(&self, run: &str, more: &str) -> Value {
        serde_json::from_str(&self.done(&format!("eval {run} --device reference --json --seed 42 {more}"))).unwrap()
    }

    /// Runs a script of the repository and returns its output.
    fn python(&self, python: &OsString, script: &str, words: &str) -> String {
        let mut command = Command::new(python);
        command.arg(root().join(script)).args(words.split_whitespace());
        command.current_dir(self.path("")).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.output().unwrap_or_else(|error| panic!("{PYTHON} is {python:?}: {error}"));
        assert!(output.status.success(), "{script} {words}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The file of some data: a text, or an archive of images.
fn file(data: &str) -> String {
    if data.ends_with(".txt") { data.into() } else { format!("{data}.npz") }
}

/// Every run, trained.
fn trained() -> Place {
    let place = Place::new();
    let words: String = (0..800).map(|i| ["a", "few", "words", "again"][i * i % 11 % 4].to_string() + " ").collect();
    fs::write(place.path("words.txt"), words).unwrap();
    DATA.iter().for_each(|(name, picture)| place.put_pictures(name, picture));
    for (run, data, line) in RUNS {
        let device = if line.contains("--device") { "" } else { "--device reference" };
        let without = ["classifier", "fsq-vae", "cyclegan"].contains(&run)
            || ["flow", "prior", "realnvp", "pixelcnn", "wavenet", "restoration"]
                .iter()
                .any(|recipe| line.starts_with(recipe));
        let latent = if without { "" } else { "--latent-dim 3" };
        let steps = "--epochs 2 --batch-size 32 --lr 0.01";
        place.done(&format!("train {line} {latent} --data {} {steps} {device} -q --out {run}", file(data)));
    }
    place
}

/// The tensors of every run's networks.
fn networks(place: &Place) -> Names {
    let of_run = |run: &str| {
        let bytes = fs::read(place.path(run).join("checkpoints/latest.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let names = file.names().into_iter().filter(|name| !APART.iter().any(|prefix| name.starts_with(prefix)));
        names.map(|name| (name.to_string(), file.tensor(name).unwrap().shape().to_vec())).collect()
    };
    RUNS.iter().map(|(run, ..)| (run.to_string(), of_run(run))).collect()
}

/// JSON with one line per tensor.
fn json(names: &Names) -> String {
    let tensor = |(name, shape): (&String, &Vec<usize>)| format!("    {name:?}: {shape:?}");
    let run = |(run, tensors): (&String, &BTreeMap<String, Vec<usize>>)| {
        format!("  {run:?}: {{\n{}\n  }}", tensors.iter().map(tensor).collect::<Vec<_>>().join(",\n"))
    };
    format!("{{\n{}\n}}\n", names.iter().map(run).collect::<Vec<_>>().join(",\n"))
}

/// The metrics that differ from frit's.
fn mismatches(run: &str, torch: &Value, frit: &Value) -> Vec<String> {
    let figures = torch.as_object().expect("figures by name").iter();
    let mismatch = |(name, torch): (&String, &Value)| {
        let [torch, of_frit] = [torch, &frit[name]].map(|value| value.as_f64().unwrap_or(f64::NAN));
        let near = (torch - of_frit).abs() <= TOLERANCE * of_frit.abs();
        (!near).then(|| format!("{run}: {name} is {of_frit}, and by PyTorch {torch}"))
    };
    figures.filter_map(mismatch).collect()
}

/// Asserts that PyTorch's metrics equal frit's. Returns the tensors of its modules.
fn figures_agree(place: &Place, python: &OsString) -> Names {
    let words: Vec<String> = RUNS.iter().map(|(run, data, _)| format!("{run} {}", file(data))).collect();
    let reports = place.python(python, "crates/cli/tests/torch/figures.py", &words.join(" "));
    let reports: BTreeMap<String, Value> = serde_json::from_str(&reports).unwrap();
    assert!(reports["dcgan"]["average"].is_object(), "{reports:?}");
    let mut faults = Vec::new();
    for (run, report) in &reports {
        faults.extend(mismatches(run, &report["latest"], &place.eval(run, "")));
        if report["average"].is_object() {
            faults.extend(mismatches(run, &report["average"], &place.eval(run, "--average")));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let names = |report: &Value| serde_json::from_value(report["names"].clone()).unwrap();
    reports.iter().map(|(run, report)| (run.clone(), names(report))).collect()
}

/// Asserts that the script encodes test images as frit does, and decodes frit's codes.
fn codes_agree(place: &Place, python: &OsString) {
    let script = |words: &str| place.python(python, "scripts/open_in_torch.py", words);
    let made = |file: &str, tensor: &str| -> Vec<f64> {
        let bytes = fs::read(place.path(file)).unwrap();
        let data = SafeTensors::deserialize(&bytes).unwrap().tensor(tensor).unwrap().data().to_vec();
        data.chunks_exact(8).map(|word| f64::from_le_bytes(word.try_into().unwrap())).collect()
    };
    // The header ends with a line.
    let codes = |file: &str| -> Vec<f64> {
        let bytes = fs::read(place.path(file)).unwrap();
        let start = 1 + bytes.iter().position(|&byte| byte == b'\n').expect("a header");
        bytes[start..].chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap()).into()).collect()
    };
    place.done("encode ae --device reference --out ae.npy");
    script("ae colour_x_test.npy ae.safetensors");
    near(&made("ae.safetensors", "code"), &codes("ae.npy"));
    script("ae ae.npy decoded.safetensors");
    near(&made("decoded.safetensors", "picture"), &made("ae.safetensors", "picture"));

    place.done("encode cvae --device reference --out cvae.npy");
    script("cvae colour_x_test.npy cvae.safetensors --classes colour_y_test.npy");
    let [mean, logvar] = ["mean", "logvar"].map(|name| made("cvae.safetensors", name));
    let rows = mean.chunks(3).zip(logvar.chunks(3));
    near(&rows.flat_map(|(mean, logvar)| [mean, logvar].concat()).collect::<Vec<_>>(), &codes("cvae.npy"));
}

#[track_caller]
fn near(values: &[f64], expected: &[f64]) {
    let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let close = values.iter().zip(expected).all(|(x, y)| (x - y).abs() <= TOLERANCE * largest);
    assert!(values.len() == expected.len() && close, "{values:?} and {expected:?}");
}

#[test]
fn checkpoints_open_in_pytorch() {
    let (place, path) = (trained(), root().join("crates/cli/tests/torch/names.json"));
    let mut listed: Names = serde_json::from_str(&fs::read_to_string(&path).unwrap_or("{}".into())).unwrap();
    match std::env::var_os(PYTHON) {
        // Past what the test's runner takes in: it is to be seen of a test that passes.
        None => {
            writeln!(std::io::stderr(), "torch: skipped, {PYTHON} names no Python with torch and safetensors").unwrap()
        }
        Some(python) => {
            let modules = figures_agree(&place, &python);
            codes_agree(&place, &python);
            if std::env::var_os(ACCEPT).is_some() {
                fs::write(&path, json(&modules)).unwrap();
                listed = modules.clone();
            }
            assert!(modules == listed, "PyTorch's modules are not those of {}: see {ACCEPT}", path.display());
        }
    }
    for (run, tensors) in networks(&place) {
        assert_eq!(Some(&tensors), listed.get(&run), "{run}: names and shapes are those of PyTorch's module");
    }
}
