//! Translations of given images of any size.

use crate::data::OwnPicture;
use crate::eval::draw::{to_unit, with_drawing_weights};
use crate::eval::passes::rows_that_fit;
use crate::io::error::{Error, ErrorKind, Result, ensure};
use crate::run::session::Session;
use gpu_core::{Array, Buf, Program};
use models::Side;
use std::collections::BTreeMap;

/// Longest side of an image that is translated whole; longer ones are made smaller.
pub const MAX_SIDE: usize = 1024;
/// Images of one size in a pass, at most.
const BATCH: usize = 64;

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

/// The height or width of an image as a model takes it: at most `most` pixels, at least those of its training images,
/// from which it differs by a multiple.
fn side(of: usize, trained: usize, multiple: usize) -> usize {
    if of <= trained { trained } else { of - (of - trained) % multiple }
}

/// The height and width of an image as a model takes it.
fn fitting([h, w, _]: [usize; 3], trained: [usize; 3], multiple: usize) -> [usize; 2] {
    let longest = h.max(w).max(1);
    let scaled = |side: usize| if longest > MAX_SIDE { (side * MAX_SIDE).div_ceil(longest) } else { side };
    [side(scaled(h), trained[0], multiple), side(scaled(w), trained[1], multiple)]
}

/// Translates images to a side. Sizes are those of the images where the model takes them; others are resized to the
/// nearest that it takes. `unknown` marks the pixels, of every image alike, that a model of completion makes: an image
/// that is white there.
///
/// # Errors
/// [`ErrorKind::Model`] if the model does not translate to that side, or needs a mask, or takes none;
/// [`ErrorKind::Device`] if the device fails.
pub fn translate_images(
    session: &mut Session,
    to: Side,
    pictures: &[OwnPicture],
    unknown: Option<&OwnPicture>,
) -> Result<Vec<Translated>> {
    let name = session.config.name();
    let translator = session.model.translator();
    let translator = translator.filter(|translator| translator.targets().contains(&to));
    let Some(translator) = translator else {
        let message = format!("{name} does not translate to {}", to.name());
        return Err(Error::new(ErrorKind::Model, message));
    };
    let (source, multiple) = (translator.source(to), translator.multiple());
    let outputs = session.model.buffers().sets.last().expect("there is a set").spec.image[2];
    let outputs = if to == Side::A { session.model.buffers().first().spec.image[2] } else { outputs };
    // A model of completion has the mask as one more channel.
    let masked = matches!(source[2], 2 | 4);
    let channels = if masked { source[2] - 1 } else { source[2] };
    ensure!(masked || unknown.is_none(), Model, "the model of {name} completes no images; leave out --mask");
    ensure!(!masked || unknown.is_some(), Model, "the model completes images: name the unknown pixels with --mask");
    let mut by_size: BTreeMap<[usize; 2], Vec<usize>> = BTreeMap::new();
    for (number, picture) in pictures.iter().enumerate() {
        by_size.entry(fitting(picture.size, source, multiple)).or_default().push(number);
    }
    let pixels = (source[0] * source[1]).max(1);
    let mut done: Vec<Option<Translated>> = vec![None; pictures.len()];
    for (size, numbers) in by_size {
        let [h, w] = size;
        let most = (rows_that_fit(session) * pixels / (h * w)).clamp(1, BATCH);
        let mask = unknown.map(|mask| mask.fitted(size, 1).pixels);
        let mut prepared: Option<(usize, Pass)> = None;
        for some in numbers.chunks(most) {
            let pass = match prepared.take().filter(|(count, _)| *count == some.len()) {
                Some((_, pass)) => pass,
                None => Pass::prepare(session, some.len(), size, to)?,
            };
            let fitted: Vec<OwnPicture> = some.iter().map(|&number| pictures[number].fitted(size, channels)).collect();
            let given = fitted.iter().flat_map(|picture| given(picture, mask.as_deref())).collect();
            let values = pass.run(session, given)?;
            let each = values.chunks_exact(h * w * outputs).zip(fitted);
            for (&number, (values, source)) in some.iter().zip(each) {
                done[number] = Some(Translated { values: values.to_vec(), size: [h, w, outputs], source });
            }
            prepared = Some((some.len(), pass));
        }
    }
    Ok(done.into_iter().map(|image| image.expect("every image has a size")).collect())
}

/// The numbers of an image from 0 to 1 as a model takes them: with a mask, unknown pixels are grey, and the mask is one
/// more channel.
fn given(picture: &OwnPicture, unknown: Option<&[u8]>) -> Vec<f32> {
    let share = |byte: u8| f32::from(byte) / 255.0;
    let Some(unknown) = unknown else { return picture.pixels.iter().map(|&byte| share(byte)).collect() };
    let pixels = picture.pixels.chunks_exact(picture.size[2]).zip(unknown);
    let numbers = pixels.flat_map(|(pixel, &unknown)| {
        let unknown = unknown >= 128;
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
        for (found, trained, multiple, expected) in [
            ([32, 32], [32, 32], 4, [32, 32]),
            ([40, 37], [32, 32], 4, [40, 36]),
            ([16, 64], [28, 28], 4, [28, 64]),
            ([31, 33], [30, 30], 4, [30, 30]),
            ([2048, 1024], [32, 32], 4, [1024, 512]),
        ] {
            let [h, w] = found;
            assert_eq!(fitting([h, w, 3], [trained[0], trained[1], 3], multiple), expected, "{found:?}");
        }
    }

    #[test]
    fn unknown_pixels_are_grey_and_marked() {
        let picture = OwnPicture { name: "a".into(), pixels: vec![0, 255], size: [1, 2, 1] };
        assert_eq!(given(&picture, None), [0.0, 1.0]);
        assert_eq!(given(&picture, Some(&[255, 0])), [0.5, 1.0, 1.0, 0.0]);
    }
}
