//! Translations of given images of any size.

use crate::data::OwnPicture;
use crate::eval::draw::{to_unit, with_drawing_weights};
use crate::io::error::{Error, ErrorKind, Result, ensure};
use crate::run::session::Session;
use gpu_core::{Array, Buf, Program};
use models::{Corruption, Side};
use std::collections::BTreeMap;

/// Longest side of an image that is translated whole; longer ones are made smaller.
pub const MAX_SIDE: usize = 1024;
/// Images of one size in a pass, at most.
const BATCH: usize = 64;
/// Numbers of the largest buffer of a pass of several images, at most.
const BATCH_NUMBERS: usize = 1 << 23;

/// A translated image.
#[derive(Clone, PartialEq, Debug)]
pub struct Translated {
    /// Values from 0 (black) to 1 (white), [height, width, channels].
    pub values: Vec<f32>,
    /// Height, width and channels.
    pub size: [usize; 3],
    /// The image that was translated, as it was given to the model.
    pub source: OwnPicture,
}

/// The height or width of an image as a model takes it: that of its training images, or one that is larger by a
/// multiple.
fn side(of: f64, trained: usize, multiple: usize) -> usize {
    let more = ((of - trained as f64) / multiple as f64).round().max(0.0);
    trained + more as usize * multiple
}

/// The nearest height and width that a model takes: larger in proportion if one is below that of its training images,
/// smaller in proportion until they fit.
fn fitting(
    [h, w, _]: [usize; 3],
    trained: [usize; 3],
    multiple: usize,
    fits: impl Fn([usize; 2]) -> bool,
) -> [usize; 2] {
    let [h, w] = [h, w].map(|side| side.max(1) as f64);
    let grown = (trained[0] as f64 / h).max(trained[1] as f64 / w).max(1.0);
    let mut scale = grown * (MAX_SIDE as f64 / (grown * h.max(w))).min(1.0);
    loop {
        let size = [side(scale * h, trained[0], multiple), side(scale * w, trained[1], multiple)];
        if fits(size) || size == trained[..2] {
            return size;
        }
        scale *= 0.9;
    }
}

/// Translates images to a side, at most `most` bytes of a buffer at a time, which is the limit of a device. Sizes are
/// those of the images where the model takes them; others are resized to the nearest that it takes. `unknown` marks the
/// pixels, of every image alike, that a model of completion makes: an image that is white there. It keeps the others.
///
/// # Errors
/// [`ErrorKind::Model`] if the model does not translate to that side, or needs a mask, or takes none;
/// [`ErrorKind::Data`] if the mask is black; [`ErrorKind::Device`] if the device fails.
pub fn translate_images(
    session: &mut Session,
    to: Side,
    pictures: &[OwnPicture],
    unknown: Option<&OwnPicture>,
    most: usize,
) -> Result<Vec<Translated>> {
    let outputs = output_channels(session, to)?;
    let translator = session.model.translator().expect("checked before");
    let source = translator.source(to);
    let masked = matches!(session.config.model.corruption(), Some(Corruption::Mask(_)));
    let channels = source[2] - usize::from(masked);
    let name = session.config.name();
    ensure!(masked || unknown.is_none(), Model, "the model of {name} completes no images; leave out --mask");
    let missing = "the model completes images; use `frit restore` with --mask, an image that is white where pixels are \
                   unknown";
    ensure!(!masked || unknown.is_some(), Model, "{missing}");
    let numbers = |size: [usize; 2]| {
        let schedule = translator.translate_given(1, size, to).pass.schedule;
        schedule.scratch_bufs().iter().map(|buf| buf.len()).max().unwrap_or(1)
    };
    let fits = |size: [usize; 2]| translator.fits(size) && 4 * numbers(size) <= most;
    let mut by_size: BTreeMap<[usize; 2], Vec<usize>> = BTreeMap::new();
    let mut known: BTreeMap<[usize; 3], [usize; 2]> = BTreeMap::new();
    for (number, picture) in pictures.iter().enumerate() {
        let size = known.entry(picture.size);
        let size = *size.or_insert_with(|| fitting(picture.size, source, translator.multiple(), fits));
        by_size.entry(size).or_default().push(number);
    }
    let batches: Vec<_> =
        by_size.into_iter().map(|(size, rows)| (size, (BATCH_NUMBERS / numbers(size)).clamp(1, BATCH), rows)).collect();
    let mut done: Vec<Option<Translated>> = vec![None; pictures.len()];
    for (size, batch, rows) in batches {
        let [h, w] = size;
        let mask = unknown.map(|mask| mask.fitted(size, 1).pixels.iter().map(|&x| x > 127).collect::<Vec<bool>>());
        ensure!(mask.as_ref().is_none_or(|mask| mask.contains(&true)), Data, "{BLACK}");
        let mut prepared: Option<(usize, Pass)> = None;
        for some in rows.chunks(batch) {
            let pass = match prepared.take().filter(|(count, _)| *count == some.len()) {
                Some((_, pass)) => pass,
                None => Pass::prepare(session, some.len(), size, to)?,
            };
            let fitted: Vec<OwnPicture> = some.iter().map(|&number| pictures[number].fitted(size, channels)).collect();
            let given = fitted.iter().flat_map(|picture| given(picture, mask.as_deref())).collect();
            let values = pass.run(session, given)?;
            for ((&number, values), source) in some.iter().zip(values.chunks_exact(h * w * outputs)).zip(fitted) {
                let values = match &mask {
                    Some(mask) => with_known(values, &source, mask),
                    None => values.to_vec(),
                };
                done[number] = Some(Translated { values, size: [h, w, outputs], source });
            }
            prepared = Some((some.len(), pass));
        }
    }
    Ok(done.into_iter().map(|image| image.expect("every image has a size")).collect())
}

/// The complaint about a mask without unknown pixels.
pub const BLACK: &str = "the mask is black, so no pixel is unknown; make unknown pixels white";

/// Channels of translations to a side.
///
/// # Errors
/// [`ErrorKind::Model`] if the model does not translate to it.
pub fn output_channels(session: &Session, to: Side) -> Result<usize> {
    let translator = session.model.translator();
    if translator.is_none_or(|translator| !translator.targets().contains(&to)) {
        let message = format!("{} does not translate to {}", session.config.name(), to.name());
        return Err(Error::new(ErrorKind::Model, message));
    }
    // A restoration has one set, whose images it also makes.
    let sets = &session.model.buffers().sets;
    Ok(sets.get(to.index()).unwrap_or(&sets[0]).spec.image[2])
}

/// Made pixels where they are unknown, and those of the image elsewhere.
fn with_known(made: &[f32], image: &OwnPicture, unknown: &[bool]) -> Vec<f32> {
    let c = image.size[2];
    let pixels = made.iter().zip(&image.pixels).enumerate();
    pixels.map(|(at, (&made, &given))| if unknown[at / c] { made } else { f32::from(given) / 255.0 }).collect()
}

/// The numbers of an image from 0 to 1 as a model takes them: with a mask, unknown pixels are grey, and the mask is one
/// more channel.
fn given(picture: &OwnPicture, unknown: Option<&[bool]>) -> Vec<f32> {
    let share = |byte: u8| f32::from(byte) / 255.0;
    let Some(unknown) = unknown else { return picture.pixels.iter().map(|&byte| share(byte)).collect() };
    let pixels = picture.pixels.chunks_exact(picture.size[2]).zip(unknown);
    let numbers = pixels.flat_map(|(pixel, &unknown)| {
        let known = pixel.iter().map(move |&byte| if unknown { 0.5 } else { share(byte) });
        known.chain([f32::from(u8::from(unknown))])
    });
    numbers.collect()
}

/// A prepared translation of images of one size.
#[derive(Clone)]
struct Pass {
    program: Program,
    given: Buf,
    output: Buf,
}

impl Pass {
    fn prepare(session: &mut Session, count: usize, size: [usize; 2], to: Side) -> Result<Self> {
        let translator = session.model.translator().expect("checked before");
        let translation = translator.translate_given(count, size, to);
        let schedule = with_drawing_weights(session, translation.pass.schedule);
        let program = session.executor.prepare(&schedule)?;
        Ok(Self { program, given: translation.given, output: translation.pass.outputs[0] })
    }

    /// The values from 0 to 1 of the translations of such numbers.
    fn run(&self, session: &mut Session, given: Vec<f32>) -> Result<Vec<f32>> {
        let range = session.model.range();
        let numbers = given.into_iter().map(|share| range.of_unit(share)).collect();
        session.executor.write(self.given, &Array::F32(numbers))?;
        let ticket = session.executor.submit(&[self.program], 1, &[self.output])?;
        let values = session.executor.wait(ticket)?.remove(0).to_f32();
        Ok(to_unit(session, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_a_model_takes() {
        for (found, trained, multiple, most, expected) in [
            ([32, 32], [32, 32], 4, usize::MAX, [32, 32]),
            ([40, 37], [32, 32], 4, usize::MAX, [40, 36]),
            ([35, 39], [32, 32], 4, usize::MAX, [36, 40]),
            // One side is too small: both grow.
            ([16, 64], [28, 28], 4, usize::MAX, [28, 112]),
            ([31, 33], [30, 30], 4, usize::MAX, [30, 34]),
            ([2048, 1024], [32, 32], 4, usize::MAX, [1024, 512]),
            // Sizes beyond the largest are scaled down, never below the training size.
            ([100, 50], [20, 20], 2, 2000, [60, 30]),
            ([100, 50], [20, 20], 2, 9, [20, 20]),
        ] {
            let [h, w] = found;
            let fits = |[h, w]: [usize; 2]| h * w <= most;
            let size = fitting([h, w, 3], [trained[0], trained[1], 3], multiple, fits);
            assert_eq!(size, expected, "{found:?}");
        }
    }

    #[test]
    fn unknown_pixels_are_grey_and_marked_and_known_ones_stay() {
        let picture = OwnPicture { name: "a".into(), pixels: vec![0, 255], size: [1, 2, 1] };
        assert_eq!(given(&picture, None), [0.0, 1.0]);
        assert_eq!(given(&picture, Some(&[true, false])), [0.5, 1.0, 1.0, 0.0]);
        assert_eq!(with_known(&[0.25, 0.75], &picture, &[true, false]), [0.25, 1.0]);
    }
}
