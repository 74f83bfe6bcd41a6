//! One picture file: PNG, JPEG or WebP, recognised by its content, as red, green and blue.

use super::channels::over;
use super::fit::{fit, fitted_size};
use crate::config::data::DataOptions;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;
use std::path::Path;

/// Extensions of pictures.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// Most bytes of a picture while it is decoded.
const MAX_BYTES: u64 = 1 << 30;

/// A decoded and fitted picture.
pub(super) struct Picture {
    /// Height and width in the file.
    pub(super) found: [usize; 2],
    /// True if the file stores colours.
    pub(super) coloured: bool,
    /// Its pixels, and their height, width and channels.
    pub(super) pixels: Vec<u8>,
    pub(super) size: [usize; 3],
    pub(super) id: u64,
}

/// True for the name of a picture.
pub(super) fn is_named_so(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Height and width in a file's header, before it is decoded or turned; `None` if it cannot be read.
pub(super) fn announced_size(path: &Path) -> Option<[usize; 2]> {
    let (width, height) = ImageReader::open(path).ok()?.with_guessed_format().ok()?.into_dimensions().ok()?;
    Some([height as usize, width as usize])
}

/// Reads a picture, upright, over the background, fitted as `options` ask; in red, green and blue unless they ask for
/// grey.
///
/// # Errors
/// The reason, to follow the file's name in a sentence.
pub(super) fn read(path: &Path, options: &DataOptions) -> Result<Picture, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("could not be read ({error})"))?;
    let (image, coloured) = decode(&bytes)?;
    let [height, width] = [image.height(), image.width()].map(|side| side as usize);
    let pixels = over(&image.into_rgba8(), options.background);
    let size = [height, width, 3];
    let size_after = fitted_size(size, options);
    Ok(Picture {
        found: [height, width],
        coloured,
        pixels: fit(pixels, size, options),
        size: size_after,
        id: xxhash_rust::xxh3::xxh3_64(&bytes),
    })
}

/// An upright picture, and true if it is stored in colour.
fn decode(bytes: &[u8]) -> Result<(DynamicImage, bool), String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    let format = image::guess_format(bytes).ok();
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];
    let format = format.filter(|format| known.contains(format)).ok_or("is neither PNG nor JPEG nor WebP")?;
    let damaged = |error: image::ImageError| format!("is damaged ({})", error.to_string().replace('\n', " ").trim());
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(damaged)?;
    if decoder.total_bytes() > MAX_BYTES {
        let (width, height) = decoder.dimensions();
        return Err(format!("is {height}×{width}, too large to decode"));
    }
    // The orientation that a camera noted; a picture without a note is upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    let coloured = image.color().has_color();
    image.apply_orientation(orientation);
    Ok((image, coloured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::Colour;
    use image::ImageEncoder;
    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

    /// Reads a picture that is saved under `name`, in `format`.
    fn saved(image: impl Into<DynamicImage>, name: &str, format: ImageFormat, options: &DataOptions) -> Picture {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        image.into().save_with_format(&path, format).unwrap();
        read(&path, options).unwrap_or_else(|reason| panic!("{name} {reason}"))
    }

    #[test]
    fn formats_are_found_by_content_not_by_name() {
        let image = RgbImage::from_fn(8, 6, |x, _| if x < 4 { Rgb([250, 10, 10]) } else { Rgb([10, 10, 250]) });
        for (format, tolerance) in [(ImageFormat::Png, 0), (ImageFormat::WebP, 0), (ImageFormat::Jpeg, 40)] {
            let picture = saved(image.clone(), "a.png", format, &DataOptions::default());
            assert_eq!((picture.found, picture.size, picture.coloured), ([6, 8], [6, 8, 3], true), "{format:?}");
            let error = picture.pixels.iter().zip(image.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(error <= tolerance, "{format:?} is off by {error}");
        }
        let named = |name: &str| is_named_so(Path::new(name));
        assert!(named("a.PNG") && named("b.jpeg") && named("c.JPG") && named("d.e.webp"));
        assert!(!named("png") && !named("a.gif") && !named("a.txt") && !named("a"));
    }

    #[test]
    fn every_depth_and_transparency_becomes_red_green_and_blue() {
        let red = DataOptions { background: Colour([255, 0, 0]), ..DataOptions::default() };
        let png = |image: DynamicImage| saved(image, "a.png", ImageFormat::Png, &red);
        let grey = png(GrayImage::from_pixel(1, 1, Luma([9])).into());
        assert_eq!((grey.pixels, grey.coloured), (vec![9; 3], false));
        let grey_alpha = png(GrayAlphaImage::from_pixel(1, 1, LumaA([9, 0])).into());
        assert_eq!((grey_alpha.pixels, grey_alpha.coloured), (vec![255, 0, 0], false));
        assert_eq!(png(RgbaImage::from_pixel(1, 1, Rgba([0, 0, 255, 51])).into()).pixels, [204, 0, 51]);
        let deep: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(1, 1, Luma([0x8080]));
        assert_eq!(png(deep.into()).pixels, [128; 3]);
        let as_grey = DataOptions { channels: 1, ..red };
        let picture = saved(RgbImage::from_pixel(2, 1, Rgb([0, 255, 0])), "a.png", ImageFormat::Png, &as_grey);
        assert_eq!((picture.pixels, picture.size), (vec![182; 2], [1, 2, 1]));
    }

    #[test]
    fn a_picture_that_was_taken_sideways_is_put_upright() {
        // One entry of little-endian Exif: orientation 6, the top of the scene is on the right.
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
        encoder.set_exif_metadata(exif).unwrap();
        let image = RgbImage::from_fn(16, 8, |x, _| if x < 8 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) });
        image.write_with_encoder(encoder).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, jpeg).unwrap();
        let picture = read(&path, &DataOptions::default()).unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!(picture.found, [16, 8]);
        let (top, bottom) = (&picture.pixels[..3], &picture.pixels[picture.pixels.len() - 3..]);
        assert!(top[0] > 200 && top[2] < 50 && bottom[0] < 50 && bottom[2] > 200, "{top:?} over {bottom:?}");
    }

    #[test]
    fn says_why_a_file_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let reason = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read(&path, &DataOptions::default()).err().unwrap()
        };
        let mut png = Cursor::new(Vec::new());
        RgbImage::new(9, 9).write_to(&mut png, ImageFormat::Png).unwrap();
        let png = png.into_inner();
        assert_eq!(reason("empty.png", b""), "is empty");
        assert_eq!(reason("words.jpg", b"not a picture at all"), "is neither PNG nor JPEG nor WebP");
        assert_eq!(reason("old.png", b"GIF89a\x01\0\x01\0\0\0\0;"), "is neither PNG nor JPEG nor WebP");
        for cut in 9..png.len() - 12 {
            assert!(reason("cut.png", &png[..cut]).starts_with("is damaged ("), "cut at {cut}");
        }
        // A header that promises more than a machine has.
        let mut huge = png.clone();
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let crc = {
            let mut crc = flate2::Crc::new();
            crc.update(&huge[12..29]);
            crc.sum()
        };
        huge[29..33].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(reason("huge.png", &huge), "is 65536×65536, too large to decode");
        assert!(read(folder.path(), &DataOptions::default()).err().unwrap().starts_with("could not be read"));
    }
}
