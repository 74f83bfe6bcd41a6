//! Files of images.

use crate::arrays::{load, load_as};
use crate::engine::{Reader, folder};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::fs;
use std::io::Cursor;

/// Bytes of the largest image that is decoded, in 16-bit colour with transparency and as bytes.
const MEMORY: usize = 4 << 30;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A folder of an image that is right and one that is given. It starts from the fixtures, too.
fn reader(ending: &str, format: ImageFormat, images: &[DynamicImage]) -> Reader {
    let folder = folder();
    let colour = RgbImage::from_fn(6, 6, |x, y| Rgb([40 * x as u8, 40 * y as u8, 9]));
    fs::write(folder.path().join("0.png"), encoded(&colour.into(), ImageFormat::Png)).unwrap();
    let path = folder.path().join(format!("1.{ending}"));
    let seeds = images.iter().map(|image| encoded(image, format)).collect();
    let fixtures = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/images")).unwrap();
    let mut others: Vec<_> = fixtures.map(|entry| entry.unwrap().path()).collect();
    others.retain(|path| path.extension().is_some_and(|other| other == ending));
    others.sort();
    let others = others.into_iter().map(|path| fs::read(path).unwrap()).collect();
    let read = move |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        // Images of several sizes are decoded only where a size is asked for.
        load(folder.path()) || load_as(folder.path(), 6)
    };
    Reader { others, memory: MEMORY, ..Reader::new(seeds, read) }
}

fn colour() -> DynamicImage {
    RgbImage::from_fn(6, 6, |x, y| Rgb([40 * x as u8, 9, 40 * y as u8])).into()
}

/// Sets the checksum of every chunk right.
fn with_checksums(mut file: Vec<u8>) -> Vec<u8> {
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4) {
        let end = u32::from_be_bytes(length.try_into().unwrap()) as usize + at + 8;
        let Some(chunk) = file.get(at + 4..end) else { break };
        let mut crc = flate2::Crc::new();
        crc.update(chunk);
        let sum = crc.sum().to_be_bytes();
        if let Some(place) = file.get_mut(end..end + 4) {
            place.copy_from_slice(&sum);
        }
        at = end + 4;
    }
    file
}

pub(crate) fn png() -> Reader {
    let images = [colour(), colour().into_luma16().into(), colour().into_rgba8().into(), colour().into_rgba16().into()];
    Reader { wrap: with_checksums, ..reader("png", ImageFormat::Png, &images) }
}

pub(crate) fn jpeg() -> Reader {
    reader("jpg", ImageFormat::Jpeg, &[colour(), colour().into_luma8().into()])
}

pub(crate) fn webp() -> Reader {
    reader("webp", ImageFormat::WebP, &[colour(), colour().into_rgba8().into()])
}

pub(crate) fn gif() -> Reader {
    reader("gif", ImageFormat::Gif, &[colour().into_rgba8().into()])
}

pub(crate) fn bmp() -> Reader {
    reader("bmp", ImageFormat::Bmp, &[colour(), colour().into_luma8().into()])
}

pub(crate) fn tiff() -> Reader {
    reader("tif", ImageFormat::Tiff, &[colour(), colour().into_luma16().into()])
}

pub(crate) fn pnm() -> Reader {
    reader("ppm", ImageFormat::Pnm, &[colour()])
}
