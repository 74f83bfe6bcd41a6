//! Stacked images: three random grey images as the red, green and blue of one. Of ten digits they have 1,000 modes, all
//! but equally likely, which a classifier of digits can count (Metz et al., 2017, *Unrolled generative adversarial
//! networks*, §3.3).

use super::dataset::{DataSet, ONLY_CLASS, Split};
use crate::io::error::{Hint, Result, bail};
use gpu_core::random::philox;
use rayon::prelude::*;
use std::sync::Arc;

/// Test images, at most.
const MAX_TEST: usize = 10_000;
/// The second word of every counter, apart from the streams of training: “stac”.
const STREAM: u32 = u32::from_be_bytes(*b"stac");
/// Colours of an image.
const COLOURS: usize = 3;

/// The numbers of the three images in each of `count` stacked ones, out of `of`; the same every time. Those of another
/// `part`, of training or of testing, are independent.
pub fn triples(count: usize, part: u32, of: usize) -> impl IndexedParallelIterator<Item = [usize; COLOURS]> {
    (0..count).into_par_iter().map(move |number| {
        let [red, green, blue, _] = philox([number as u32, STREAM, part, 0], [0; 2]);
        [red, green, blue].map(|word| ((u64::from(word) * of as u64) >> 32) as usize)
    })
}

/// `count` stacked training images of a grey set, and as many test images, at most 10,000. All are of one class: a
/// label is a byte.
///
/// # Errors
/// The images are in colour.
pub(super) fn stack(mut base: DataSet, count: usize) -> Result<DataSet> {
    if base.channels != 1 {
        let (name, channels) = (&base.name, base.channels);
        bail!(
            Data,
            hint: Hint::Set("data.channels".into()),
            "data.stacked needs grey images, but those of {name} have {channels} channels; set data.channels = 1"
        );
    }
    let split = |split: &Split, part: u32, count: usize| {
        let pixels = base.pixels();
        let mut images = vec![0; count * pixels * COLOURS];
        let pictures = images.par_chunks_exact_mut(pixels * COLOURS).zip(triples(count, part, split.count));
        pictures.for_each(|(picture, planes)| {
            let planes = planes.map(|row| split.image(row));
            for (at, pixel) in picture.chunks_exact_mut(COLOURS).enumerate() {
                pixel.copy_from_slice(&planes.map(|plane| plane[at]));
            }
        });
        Split { images: images.into(), labels: vec![0; count], count }
    };
    let (train, test) = (split(&base.train, 0, count), split(&base.test, 1, count.min(MAX_TEST)));
    let list = std::mem::take(&mut base.list);
    let size = [base.height, base.width, COLOURS];
    let mut stacked = DataSet::new(base.name.clone(), train, test, size, vec![ONLY_CLASS.into()]);
    stacked.list = list;
    stacked.stacked = Some(Arc::new(base));
    Ok(stacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::DataOptions;
    use std::collections::BTreeSet;

    fn load(source: &str, stacked: usize) -> Result<DataSet> {
        DataSet::load(&DataOptions { source: source.into(), stacked, ..DataOptions::default() })
    }

    #[test]
    fn colours_are_three_images_of_the_same_part() {
        let data = load("digits", 300).unwrap();
        assert_eq!((data.train.count, data.test.count), (300, 300));
        assert_eq!([data.height, data.width, data.channels], [28, 28, 3]);
        let base = data.stacked.as_ref().unwrap();
        let drawn: Vec<[usize; 3]> = triples(300, 1, base.test.count).collect();
        for (number, rows) in drawn.iter().enumerate() {
            for (colour, &row) in rows.iter().enumerate() {
                let plane: Vec<u8> = data.test.image(number).iter().skip(colour).step_by(3).copied().collect();
                assert_eq!(plane, base.test.image(row), "{number} {colour}");
            }
        }
        assert_eq!(data.fingerprint(), load("digits", 300).unwrap().fingerprint());
        // Another number of them begins alike.
        assert_eq!(load("digits", 20).unwrap().train.images, data.train.images[..20 * data.pixels()]);
    }

    #[test]
    fn the_digits_of_stacked_images_are_all_the_modes() {
        let base = load("digits", 0).unwrap();
        let label = |row: usize| usize::from(base.train.labels[row]);
        let modes: BTreeSet<[usize; 3]> =
            triples(26_000, 0, base.train.count).map(|rows| rows.map(label)).collect::<Vec<_>>().into_iter().collect();
        assert_eq!(modes.len(), 1000);
    }

    #[test]
    fn coloured_images_are_refused() {
        let message = load("shapes", 10).unwrap_err().to_string();
        assert!(message.contains("shapes have 3 channels; set data.channels = 1"), "{message}");
    }
}
