//! Networks as ONNX files: onnxruntime makes the numbers of the program. `FRIT_PYTHON` names a Python with onnxruntime.

// The tests of the command line use the rest of it.
#[allow(dead_code)]
mod place;

use frit::data::OwnPicture;
use frit::eval::latents::{codes, is_class_conditional, pictures};
use frit::eval::translator::translate_images;
use frit::eval::{OpenOptions, Opened, open};
use frit::run::device::DeviceOptions;
use frit::run::session::{Session, spec};
use frit::{Backend, DeviceChoice, Terminal};
use gpu_core::{Array, Dtype};
use models::{Classifier, ModelConfig, Side};
use place::{Place, stderr};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Arguments of a training run.
const TRAIN: &str = "--device cpu -q --batch-size 32 --steps 12 --lr 0.01";
/// Rows of a comparison.
const ROWS: usize = 3;

/// Runs, the arguments of `frit train`, and the networks that they have.
const RUNS: [(&str, &str, &[&str]); 19] = [
    ("vae", "vae --data data --hidden 16 --latent-dim 3", &["decoder", "encoder"]),
    ("conv-vae", "conv-vae --data data --hidden 12 --latent-dim 3 --set vae.channels=[4,6]", &["decoder", "encoder"]),
    ("pool-vae", "pool-vae --data data --hidden 12 --latent-dim 3 --set vae.channels=[4]", &["decoder", "encoder"]),
    ("cvae", "cvae --data data --hidden 24 --latent-dim 3", &["decoder", "encoder"]),
    ("ae", "ae --data data --hidden 12 --latent-dim 3 --set ae.activation=silu", &["decoder", "encoder"]),
    ("gan", "gan --data data --hidden 16 --latent-dim 5", &["generator"]),
    ("cgan", "cgan --data data --hidden 24 --latent-dim 5", &["generator"]),
    ("dcgan", "dcgan --data data --latent-dim 5 --set gan.width=4", &["generator"]),
    ("dcgan-small", "dcgan-small --data data --latent-dim 5 --set gan.width=4", &["generator"]),
    ("points-gan", "points-gan --hidden 16 --latent-dim 3 --set data.points=1024", &["generator"]),
    (
        "flow",
        "flow-matching --data data --set flow.width=4 --set flow.halvings=1 --set flow.steps=3 --set flow.heads=2",
        &["generator"],
    ),
    ("points-flow", "points-flow --hidden 16 --set data.points=1024 --set flow.steps=3", &["generator"]),
    (
        "vqvae",
        "vqvae --data data --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.codes=12 --set vqvae.halvings=1",
        &["decoder", "encoder"],
    ),
    (
        "fsq-vae",
        "fsq-vae --data data --set vqvae.width=8 --set vqvae.residual=4 --set vqvae.levels=[4,3] \
         --set vqvae.halvings=1",
        &["decoder", "encoder"],
    ),
    ("classifier", "classifier --data data --hidden 16 --set classifier.channels=[6]", &["classifier"]),
    (
        "cyclegan",
        "cyclegan --data a --data-b b --set cyclegan.width=4 --set cyclegan.blocks=1 --set cyclegan.halvings=1",
        &["to-b", "to-a"],
    ),
    ("paired", "paired --data a --data-b b --set paired.width=6 --set paired.halvings=2", &["to-b"]),
    ("restoration", "restoration --data a --set paired.width=8 --set paired.halvings=1", &["to-b"]),
    (
        "points-vae",
        "vae --data moons --set data.points=1024 --set vae.likelihood=gaussian --hidden 8 --latent-dim 2",
        &["decoder", "encoder"],
    ),
];

impl Place {
    /// Images of 12×12 in two folders, in pairs.
    fn put_pictures(&self) {
        for (folder, shift) in [("a", 0), ("b", 90)] {
            fs::create_dir_all(self.path(folder)).unwrap();
            for number in 0..40u32 {
                let pixel = |x: u32, y: u32| [20 * x + shift, 15 * y + number, 5 * number].map(|value| value as u8);
                let picture = image::RgbImage::from_fn(12, 12, |x, y| image::Rgb(pixel(x, y)));
                picture.save(self.path(&format!("{folder}/{number}.png"))).unwrap();
            }
        }
    }

    fn opened(&self, run: &str) -> Opened {
        let device = DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
        open(&self.path(run), &OpenOptions { device, ..OpenOptions::default() }, &Terminal::new(true)).unwrap()
    }
}

/// A tensor of a case.
fn tensor(shape: &[usize], values: &[f32]) -> Value {
    json!({ "shape": shape, "values": values, "integers": false })
}

fn integers(shape: &[usize], values: &[u32]) -> Value {
    json!({ "shape": shape, "values": values, "integers": true })
}

fn row_or_image(size: [usize; 3], values: &[f32]) -> (&'static str, Value) {
    match size {
        [1, 1, c] => ("point", tensor(&[ROWS, c], values)),
        [h, w, c] => ("image", tensor(&[ROWS, h, w, c], values)),
    }
}

/// Numbers between −1.5 and 1.5.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 33.0).collect()
}

/// One-hot rows.
fn one_hot(labels: &[u8], classes: usize) -> Value {
    let row = |&label: &u8| (0..classes).map(move |class| f32::from(u8::from(class == usize::from(label))));
    tensor(&[labels.len(), classes], &labels.iter().flat_map(row).collect::<Vec<_>>())
}

/// The test images in the first rows.
fn tests(session: &Session) -> Vec<f32> {
    session.data.values(&session.data.test, &[0, 1, 2])
}

fn decoder(session: &mut Session) -> (Value, Value) {
    let code = session.model.decoder().unwrap().code();
    let size = session.model.buffers().first().spec.image;
    let classes: Vec<u8> = vec![3, 1, 4];
    let conditional = is_class_conditional(session);
    let (name, given, codes) = match (code.dtype, session.model.quantiser()) {
        (Dtype::U32, quantiser) => {
            let most = quantiser.unwrap().codes();
            let words: Vec<u32> = (0..ROWS * code.width).map(|i| (i * 5 % most) as u32).collect();
            ("codes", integers(&[ROWS, code.width], &words), Array::U32(words))
        }
        _ => {
            let values = numbers(ROWS * code.width);
            ("latent", tensor(&[ROWS, code.width], &values), Array::F32(values))
        }
    };
    let images = pictures(session, &codes, conditional.then_some(&classes[..])).unwrap();
    let mut inputs = json!({ name: given });
    if conditional {
        inputs["class"] = one_hot(&classes, session.data.classes.len());
    }
    let (name, image) = row_or_image(size, &images);
    (inputs, json!({ name: image }))
}

fn encoder(session: &mut Session) -> (Value, Value) {
    let (name, image) = row_or_image(session.model.buffers().first().spec.image, &tests(session));
    let mut inputs = json!({ name: image });
    if is_class_conditional(session) {
        inputs["class"] = one_hot(&session.data.test.labels[..ROWS], session.data.classes.len());
    }
    let posterior = session.model.posterior().is_some();
    let outputs = match codes(session, vec![0, 1, 2]).unwrap() {
        (Array::U32(words), width) => json!({ "codes": integers(&[ROWS, width], &words) }),
        (values, width) if posterior => {
            let rows = values.to_f32();
            let half = |part: usize| {
                let rows = rows.chunks_exact(width).flat_map(|row| &row[part * width / 2..(part + 1) * width / 2]);
                tensor(&[ROWS, width / 2], &rows.copied().collect::<Vec<_>>())
            };
            json!({ "mean": half(0), "log_variance": half(1) })
        }
        (values, width) => json!({ "latent": tensor(&[ROWS, width], &values.to_f32()) }),
    };
    (inputs, outputs)
}

fn translator(session: &mut Session, to: Side) -> (Value, Value) {
    let size @ [h, w, c] = session.model.translator().unwrap().source(to);
    let picture = |number: usize| {
        let pixels = (0..h * w * c).map(|i| (i * (number + 3) % 251) as u8).collect();
        OwnPicture { name: "given".into(), pixels, size }
    };
    let given: Vec<OwnPicture> = (0..ROWS).map(picture).collect();
    let made = translate_images(session, to, &given, None, usize::MAX).unwrap();
    let bytes = given.iter().flat_map(|picture| &picture.pixels);
    let given: Vec<f32> = bytes.map(|&byte| f32::from(byte) / 255.0).collect();
    let values: Vec<f32> = made.iter().flat_map(|made| made.values.clone()).collect();
    let made = tensor(&[ROWS, h, w, made[0].size[2]], &values);
    (json!({ "image": tensor(&[ROWS, h, w, c], &given) }), json!({ "translation": made }))
}

/// The logits of the test images, by a model with a buffer for as many.
fn classifier(session: &mut Session, run: &Path) -> (Value, Value) {
    let ModelConfig::Classifier(config) = session.config.model.clone() else { panic!("a classifier") };
    let model = Classifier::new(config, &spec(&session.config, &session.data), ROWS);
    let (given, pass) = (model.given(), model.classify());
    let (images, classes) = (tests(session), session.data.classes.len());
    let mut other =
        Session::open_model(session.config.clone(), session.data.clone(), Box::new(model), &Backend::Cpu).unwrap();
    let latest = run.join("checkpoints/latest.safetensors");
    let mut checkpoint = frit::run::checkpoint::Checkpoint::load(&latest).unwrap();
    other.restore_weights(&mut checkpoint, false).unwrap();
    other.executor.write(given, &Array::F32(images.clone())).unwrap();
    let program = other.executor.prepare(&pass.schedule).unwrap();
    let ticket = other.executor.submit(&[program], 1, &pass.outputs[..1]).unwrap();
    let logits = other.executor.wait(ticket).unwrap().remove(0).to_f32();
    let (name, image) = row_or_image(session.model.buffers().first().spec.image, &images);
    (json!({ name: image }), json!({ "logits": tensor(&[ROWS, classes], &logits) }))
}

/// True if the Python has onnxruntime; else a line says so.
fn has_onnxruntime(python: Option<&std::ffi::OsString>) -> bool {
    let imports = |python| Command::new(python).args(["-c", "import onnxruntime"]).output();
    let found = python.is_some_and(|python| imports(python).is_ok_and(|output| output.status.success()));
    if !found {
        println!("skipped: the comparison with onnxruntime; FRIT_PYTHON names no Python with onnxruntime and numpy");
    }
    found
}

#[test]
fn onnxruntime_computes_what_the_program_does() {
    let place = Place::new();
    place.put_pictures();
    let mut cases = Vec::new();
    for (run, arguments, networks) in RUNS {
        place.done(&format!("train {arguments} {TRAIN} --out {run}"));
        let Opened { mut session, .. } = place.opened(run);
        for network in networks {
            let file = format!("{run}-{network}.onnx");
            place.done(&format!("export {run} --onnx {file} --network {network} -q"));
            let (inputs, outputs) = match *network {
                "encoder" => encoder(&mut session),
                "classifier" => classifier(&mut session, &place.path(run)),
                "to-a" => translator(&mut session, Side::A),
                "to-b" => translator(&mut session, Side::B),
                _ => decoder(&mut session),
            };
            cases.push(json!({ "file": file, "inputs": inputs, "outputs": outputs }));
        }
    }
    fs::write(place.path("cases.json"), Value::from(cases).to_string()).unwrap();
    let python = std::env::var_os("FRIT_PYTHON");
    if has_onnxruntime(python.as_ref()) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/onnx/compare.py");
        let output = Command::new(python.unwrap()).arg(script).arg(place.path("cases.json")).output().unwrap();
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    }
}

#[test]
fn networks_are_named_in_refusals() {
    let place = Place::new();
    place.done(&format!("train vae --data data --hidden 8 --latent-dim 2 {TRAIN} --out run"));
    place.refused(
        "export run --onnx x.onnx --network generator --device cpu",
        &["no network 'generator'", "decoder, encoder"],
    );
    place.done("export run --onnx x.onnx --device cpu");
    let file = fs::read(place.path("x.onnx")).unwrap();
    assert!(["latent", "image", "decoder.0.weight", "batch"].iter().all(|name| contains(&file, name.as_bytes())));
}

fn contains(file: &[u8], name: &[u8]) -> bool {
    file.windows(name.len()).any(|window| window == name)
}
