//! The parts of a page: the passes that a model has for it, as programs of a plan.

use crate::eval::draw::with_drawing_weights;
use crate::export::plan::{Planned, Planner, Range};
use crate::export::sequences::{SequencePasses, Sequences};
use crate::run::session::Session;
use gpu_core::ops::categorical::Drawing;
use gpu_core::ops::philox;
use gpu_core::random::Stream;
use gpu_core::{Buf, Schedule};
use models::capabilities::{Decoding, Extraction, Translation};
use models::{Corruption, Model, Pass, Side};
use serde::Serialize;

/// Images that a page draws at once.
pub(super) const ROWS: usize = 16;
/// Points that a page draws at once.
const POINTS: usize = 1000;

/// Samples: a program, its rows, and its output.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Samples {
    pub(super) program: &'static str,
    pub(super) rows: usize,
    pub(super) output: Range,
}

/// A pass from given numbers to images.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Decode {
    pub(super) program: String,
    pub(super) given: Range,
    pub(super) output: Range,
}

/// Images by latents.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Latents {
    /// Numbers in a latent.
    pub(super) width: usize,
    /// Latents of a standard normal distribution by seed, if that is the prior.
    pub(super) normal: Option<Samples>,
    /// Decodes as many latents as a page draws.
    pub(super) many: Decode,
    /// Decodes one.
    pub(super) one: Decode,
}

/// A pass over the test image of a page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OfImage {
    pub(super) program: &'static str,
    /// The image, as bytes.
    pub(super) image: Range,
    /// Its class, as a one-hot row of bytes, of a class-conditional model.
    pub(super) label: Option<Range>,
    pub(super) output: Range,
}

/// A translation of an image.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Translate {
    /// The side that it translates to.
    pub(super) to: &'static str,
    /// Height, width and channels of the image.
    pub(super) size: [usize; 3],
    /// True if it takes a mask as one more channel, white where pixels are unknown.
    pub(super) masked: bool,
    /// True if it restores corrupted images.
    pub(super) restores: bool,
    #[serde(flatten)]
    pub(super) decode: Decode,
}

/// Codes that are drawn one after another.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Codes {
    /// Height and width of the codes of an image.
    pub(super) grid: [usize; 2],
    /// The codes, as words.
    pub(super) codes: Range,
    /// The number of the call that ends each position.
    pub(super) ends: Vec<usize>,
}

/// A pass from a given image to the logits of its classes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Classified {
    pub(super) program: &'static str,
    /// The image, as numbers from 0, black, to 1, white.
    pub(super) given: Range,
    pub(super) output: Range,
}

/// A translation to a side, not yet planned.
struct Translating {
    to: &'static str,
    size: [usize; 3],
    /// The corruption that it undoes.
    undoes: Option<Corruption>,
    decoding: Decoding,
}

/// The passes of a page, not yet planned.
pub(super) struct Passes {
    sample: Option<Pass>,
    normal: Option<(Buf, Schedule)>,
    decode: Option<[Decoding; 2]>,
    reconstruct: Option<Pass>,
    encode: Option<Pass>,
    translate: Vec<Translating>,
    codes: Option<([usize; 2], Buf, Vec<usize>)>,
    classify: Option<Extraction>,
    sequences: Option<SequencePasses>,
    rows: usize,
}

/// The parts of a page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Parts {
    pub(super) sample: Option<Samples>,
    pub(super) latents: Option<Latents>,
    pub(super) reconstruct: Option<OfImage>,
    pub(super) encode: Option<OfImage>,
    pub(super) translate: Vec<Translate>,
    pub(super) codes: Option<Codes>,
    pub(super) classify: Option<Classified>,
    pub(super) sequences: Option<Sequences>,
}

impl Passes {
    /// The passes of a model that is built for a single test image. They draw with the weights that a session of the
    /// same configuration draws with.
    pub(super) fn of(session: &Session, model: &dyn Model) -> Self {
        let rows = if session.data.points.is_some() { POINTS } else { ROWS };
        let drawing = |pass: Pass| Pass { schedule: with_drawing_weights(session, pass.schedule), ..pass };
        let decoding = |count| {
            let decoder = model.decoder()?;
            let Decoding { given, pass } = decoder.decode_latents(count);
            Some(Decoding { given, pass: drawing(pass) })
        };
        let normal = model.sampler().and_then(|sampler| sampler.latent()).filter(|_| model.decoder().is_some());
        let encoder = model.encoder().filter(|_| model.decoder().is_some());
        let needs_decoder = normal.is_some() || encoder.is_some();
        let decode = decoding(rows).zip(decoding(1)).filter(|_| needs_decoder).map(|(many, one)| [many, one]);
        let (sample, codes) = match model.code_prior() {
            Some(prior) => {
                let pass = drawing(prior.draw(rows, 0, Drawing::default()));
                let codes = (prior.grid(), pass.outputs[1], ends(&pass.schedule));
                (Some(pass), Some(codes))
            }
            None => {
                (model.sampler().filter(|_| normal.is_none()).map(|sampler| drawing(sampler.sample(rows, 0))), None)
            }
        };
        Self {
            sample,
            normal: normal.map(|width| latents(model, rows, width)),
            decode,
            reconstruct: model.reconstructor().map(|reconstructor| reconstructor.reconstruct(1)),
            encode: encoder.map(|encoder| encoder.latents(1)),
            translate: translations(session, model, drawing),
            codes,
            classify: model.classifier().map(|classifier| classifier.classes()),
            sequences: SequencePasses::of(session, model),
            rows,
        }
    }

    /// Adds the programs to a plan.
    pub(super) fn add(&self, planner: &mut Planner<'_>) {
        let pass = |pass: &Pass| pass.schedule.clone();
        let passes = [("sample", &self.sample), ("reconstruct", &self.reconstruct), ("encode", &self.encode)];
        for (name, found) in passes {
            found.iter().for_each(|found| planner.add(name, pass(found)));
        }
        self.classify.iter().for_each(|found| planner.add("classify", pass(&found.pass)));
        self.sequences.iter().for_each(|sequences| sequences.add(planner));
        self.normal.iter().for_each(|(_, schedule)| planner.add("latents", schedule.clone()));
        for (name, decoding) in ["decode", "decode one"].into_iter().zip(self.decode.iter().flatten()) {
            planner.add(name, pass(&decoding.pass));
        }
        self.translate.iter().for_each(|of| planner.add(translation(of.to), pass(&of.decoding.pass)));
    }

    /// The parts, by the plan that has the programs.
    pub(super) fn parts(&self, planned: &Planned, model: &dyn Model) -> Parts {
        let rows = self.rows;
        let decode = |program: &str, decoding: &Decoding| Decode {
            program: program.into(),
            given: planned.range(decoding.given),
            output: planned.range(decoding.pass.outputs[0]),
        };
        let set = model.buffers().first();
        let of_image = |program, pass: &Pass| OfImage {
            program,
            image: planned.range(set.test),
            label: set.labels.and_then(|labels| planned.find(labels.test)),
            output: planned.range(pass.outputs[pass.outputs.len() - 1]),
        };
        let normal = self.normal.as_ref();
        let normal = normal.map(|(z, _)| Samples { program: "latents", rows, output: planned.range(*z) });
        Parts {
            sample: self.sample.as_ref().map(|pass| {
                let output = planned.range(pass.outputs[0]);
                Samples { program: "sample", rows, output }
            }),
            latents: self.decode.as_ref().map(|[many, one]| Latents {
                width: one.given.len(),
                normal,
                many: decode("decode", many),
                one: decode("decode one", one),
            }),
            reconstruct: self.reconstruct.as_ref().map(|pass| of_image("reconstruct", pass)),
            encode: self.encode.as_ref().map(|pass| of_image("encode", pass)),
            translate: (self.translate.iter())
                .map(|of| Translate {
                    to: of.to,
                    size: of.size,
                    masked: matches!(of.undoes, Some(Corruption::Mask(_))),
                    restores: of.undoes.is_some(),
                    decode: decode(&translation(of.to), &of.decoding),
                })
                .collect(),
            codes: self.codes.as_ref().map(|(grid, codes, ends)| Codes {
                grid: *grid,
                codes: planned.range(*codes),
                ends: ends.clone(),
            }),
            classify: self.classify.as_ref().map(|found| Classified {
                program: "classify",
                given: planned.range(found.given),
                output: planned.range(found.pass.outputs[0]),
            }),
            sequences: self.sequences.as_ref().map(|sequences| sequences.part(planned)),
        }
    }
}

/// The name of the program that translates to a side.
fn translation(to: &str) -> String {
    format!("translate to {to}")
}

/// Latents [rows, width] of the first batch of a seed, as `Sampler::sample` draws them.
fn latents(model: &dyn Model, rows: usize, width: usize) -> (Buf, Schedule) {
    let mut s = Schedule::new();
    let z = philox::normal(&mut s, "z", [rows, width], model.buffers().side_clock, 0, Stream::Sample);
    s.keep(z);
    (z, s)
}

/// Translations of images in grey or in colour, at the size of the training images.
fn translations(session: &Session, model: &dyn Model, drawing: impl Fn(Pass) -> Pass) -> Vec<Translating> {
    let Some(translator) = model.translator() else { return Vec::new() };
    let undoes = session.config.model.corruption();
    let masks = usize::from(matches!(undoes, Some(Corruption::Mask(_))));
    let translation = |&to: &Side| {
        let [h, w, channels] = translator.source(to);
        let Translation { given, pass } = translator.translate_given(1, [h, w], to);
        let decoding = Decoding { given, pass: drawing(pass) };
        Translating { to: to.name(), size: [h, w, channels - masks], undoes, decoding }
    };
    translator.targets().iter().map(translation).filter(|of| matches!(of.size[2], 1 | 3)).collect()
}

/// The number of the call after the one that puts the code of each position in its place.
fn ends(schedule: &Schedule) -> Vec<usize> {
    let calls = schedule.calls().iter().enumerate();
    let places = calls.filter(|(_, call)| call.label.ends_with(".place"));
    places.map(|(number, _)| number + 1).collect()
}
