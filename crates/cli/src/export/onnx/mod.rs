//! Networks as ONNX files: decoders, encoders, generators, classifiers, translators.
//!
//! A network is its schedule for one image, call by call. Images are [batch, channels, height, width] with values from
//! 0, black, to 1, white; the batch has any size.

mod calls;
mod graph;
mod layers;
mod levels;
mod proto;
mod waves;

use crate::eval::draw::with_drawing_weights;
use crate::export::page::of_one_image;
use crate::io::error::{Result, bail, error};
use crate::run::session::Session;
use calls::Calls;
use gpu_core::{Buf, Call, Dtype, Schedule};
use graph::Element;
use models::capabilities::{Decoding, Extraction, Translation};
use models::{Model, Pass};

/// A network of a model, as a pass over one image.
struct Network {
    /// Its name on the command line.
    name: String,
    schedule: Schedule,
    /// The buffer of the first input, if the schedule does not gather it from the test images.
    given: Option<(Buf, Kind)>,
    output: (Buf, Kind),
}

/// The numbers of an input or output.
#[derive(Clone, Copy)]
enum Kind {
    /// An image [h, w, c].
    Image([usize; 3]),
    /// A row of numbers, by its name.
    Row(&'static str, usize),
    /// Mean and log variance of a posterior.
    Posterior(usize),
    /// Indices of codes.
    Codes(usize),
}

/// The networks of a model that a file can have, the usual one first.
fn networks(session: &Session, model: &dyn Model) -> Vec<Network> {
    let set = model.buffers().first().spec;
    let kind = |name, [h, w, c]: [usize; 3]| if h * w == 1 { Kind::Row(name, c) } else { Kind::Image([h, w, c]) };
    let image = kind("point", set.image);
    let drawing = |pass: &Pass| with_drawing_weights(session, pass.schedule.clone());
    let mut found = Vec::new();
    if let Some(decoder) = model.decoder().filter(|_| session.config.name() != "realnvp") {
        let Decoding { given, pass } = decoder.decode(1);
        let name = if model.encoder().is_some() { "decoder" } else { "generator" };
        let width = decoder.code().width;
        let given =
            (given, if decoder.code().dtype == Dtype::U32 { Kind::Codes(width) } else { Kind::Row("latent", width) });
        let output = (pass.outputs[0], image);
        found.push(Network { name: name.into(), schedule: drawing(&pass), given: Some(given), output });
    }
    if let Some(encoder) = model.encoder() {
        let (pass, code) = (encoder.encode(1), encoder.code());
        let kind = match (model.posterior(), code.dtype) {
            (Some(_), _) => Kind::Posterior(code.width / 2),
            (None, Dtype::U32) => Kind::Codes(code.width),
            (None, Dtype::F32) => Kind::Row("latent", code.width),
        };
        let output = (pass.outputs[0], kind);
        found.push(Network { name: "encoder".into(), schedule: pass.schedule, given: None, output });
    }
    for &to in model.translator().map_or(&[][..], |translator| translator.targets()) {
        let translator = model.translator().expect("it has targets");
        let source @ [h, w, _] = translator.source(to);
        let Translation { given, pass } = translator.translate_given(1, [h, w], to);
        let output = (pass.outputs[0], Kind::Image([h, w, pass.outputs[0].len() / h / w]));
        let given = Some((given, Kind::Image(source)));
        found.push(Network { name: format!("to-{}", to.name()), schedule: drawing(&pass), given, output });
    }
    if let Some(classifier) = model.classifier() {
        let Extraction { given, pass } = classifier.classes();
        let (given, output) = (Some((given, image)), (pass.outputs[0], Kind::Row("logits", set.classes)));
        found.push(Network { name: "classifier".into(), schedule: pass.schedule, given, output });
    }
    found
}

/// A network of a model as an ONNX file of opset 17: the one of that name, or the usual one.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the model has no network of that name,
/// [`ErrorKind::Model`](crate::ErrorKind::Model) if it has none that can be exported; those of the device.
pub fn onnx(session: &mut Session, run: &str, name: Option<&str>) -> Result<Vec<u8>> {
    let spec = of_one_image(session);
    let model = session.config.build(&spec);
    let all = networks(session, model.as_ref());
    let known = all.iter().map(|network| network.name.as_str()).collect::<Vec<_>>().join(", ");
    if known.is_empty() {
        bail!(Model, "{} has no network that can be exported to ONNX; see docs/export.md", session.config.name());
    }
    let mut all = all.into_iter();
    let network = match name {
        None => all.next(),
        Some(name) => all.find(|network| network.name == name),
    };
    let wanted = name.unwrap_or_default();
    let network = network
        .ok_or_else(|| error!(Setting, "{} has no network '{wanted}' (available: {known})", session.config.name()))?;
    let doc = format!("{} of {run}, a model of the family {}", network.name, session.config.name());
    let mut calls = Calls::new(session, &network.schedule);
    translate(&mut calls, model.as_ref(), &network)?;
    Ok(calls.graph.file(&network.name, &doc))
}

fn translate(calls: &mut Calls<'_>, model: &dyn Model, network: &Network) -> Result<()> {
    let (range, set) = (model.range(), *model.buffers().first());
    let classifies = network.name == "classifier";
    match network.given {
        Some((buf, Kind::Codes(width))) => {
            calls.graph.input("codes", Element::I64, &[width]);
            calls.count("codes");
            calls.set(buf, "codes".into());
        }
        Some((buf, Kind::Image(size))) => {
            let (scale, shift) = if classifies { (1.0, 0.0) } else { (range.high - range.low, range.low) };
            let image = image_input(calls, size, scale, shift);
            calls.set(buf, image);
        }
        Some((buf, Kind::Row(name, width))) => {
            calls.graph.input(name, Element::F32, &[width]);
            calls.count(name);
            calls.set(buf, name.into());
        }
        Some((_, Kind::Posterior(_))) => unreachable!("no network takes a posterior"),
        None => {}
    }
    for call in network.schedule.calls() {
        match call.kernel.name {
            "gather" if call.bufs[0].id == set.test.id => {
                let (scale, shift) = scale_and_shift(call);
                let image = image_input(calls, set.spec.image, scale, shift);
                calls.set(call.bufs[2], image);
            }
            "gather"
                if set.labels.is_some_and(|labels| [labels.test.id, labels.asked.id].contains(&call.bufs[0].id)) =>
            {
                let (scale, shift) = scale_and_shift(call);
                calls.graph.input("class", Element::F32, &[set.spec.classes]);
                let class = calls.graph.affine("class", scale, shift);
                calls.set(call.bufs[2], class);
            }
            // Test points by their numbers.
            "vq_lookup" if call.bufs[1].id == set.test.id => {
                calls.graph.input("point", Element::F32, &[set.spec.width()]);
                calls.count("point");
                calls.set(call.bufs[2], "point".into());
            }
            _ => calls.call(call)?,
        }
    }
    output(calls, network, range.low, range.high)
}

/// The numbers that make one of the network's input of a share of a byte.
fn scale_and_shift(gather: &Call) -> (f32, f32) {
    let number = |name: &str| f32::from_bits(gather.param(name).expect("a gather scales and shifts"));
    (255.0 * number("scale"), number("shift"))
}

/// The input `image`, as pixels [batch, h, w, c] in the range of the model.
fn image_input(calls: &mut Calls<'_>, [h, w, c]: [usize; 3], scale: f32, shift: f32) -> String {
    calls.graph.input("image", Element::F32, &[c, h, w]);
    calls.count("image");
    let pixels = calls.graph.channels_last("image");
    calls.graph.affine(&pixels, scale, shift)
}

fn output(calls: &mut Calls<'_>, network: &Network, low: f32, high: f32) -> Result<()> {
    let (buf, kind) = network.output;
    let value = calls.value(buf)?;
    let graph = &mut calls.graph;
    match kind {
        Kind::Image(size @ [h, w, c]) => {
            let unit = graph.affine(&value, 1.0 / (high - low), -low / (high - low));
            let image = graph.channels_first(&unit, size);
            let takes_image = matches!(network.given, Some((_, Kind::Image(_))));
            let name = if takes_image { "translation" } else { "image" };
            graph.output(name, Element::F32, &[c, h, w], &image);
        }
        Kind::Row(name, width) => {
            let rows = graph.rows(&value, width);
            graph.output(name, Element::F32, &[width], &rows);
        }
        Kind::Codes(width) => {
            let rows = graph.rows(&value, width);
            graph.output("codes", Element::I64, &[width], &rows);
        }
        Kind::Posterior(latent) => {
            let rows = graph.rows(&value, 2 * latent);
            for (part, name) in ["mean", "log_variance"].into_iter().enumerate() {
                let [from, to, axis] = [part * latent, (part + 1) * latent, 1].map(|at| graph.integers(&[at as i64]));
                let half = graph.node("Slice", &[&rows, &from, &to, &axis], &[]);
                graph.output(name, Element::F32, &[latent], &half);
            }
        }
    }
    Ok(())
}
