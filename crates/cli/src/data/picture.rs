//! One image file, recognised by its content, as red, green and blue.

use super::budget::{Budget, Share};
use super::channels::over;
use super::fit::{fit, fitted_size};
use super::jpeg;
use crate::config::data::DataOptions;
use crate::io::error::Error;
use crate::io::files;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{Cursor, ErrorKind, Read};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Most pixels of an image.
pub const MAX_PIXELS: u64 = 128_000_000;
/// Most bytes of an image file.
pub const MAX_FILE: u64 = 1 << 30;
/// Most bytes of a decoder, beside those of pixels.
const MAX_EXTRA: u64 = 1 << 24;

/// The memory of all decoders: enough for an image of [`MAX_PIXELS`] of 16-bit colour with transparency.
static DECODING: Budget = Budget::new(24 * MAX_PIXELS + MAX_EXTRA);
/// The memory of all files that are being decoded.
static READING: Budget = Budget::new(MAX_FILE + 1);
/// Bytes at the start of a file that hold most headers.
const HEAD: u64 = 1 << 17;

/// The formats that are read, their names, and the endings of their files.
const FORMATS: [(ImageFormat, &str, &[&str]); 7] = [
    (ImageFormat::Png, "PNG", &["png"]),
    (ImageFormat::Jpeg, "JPEG", &["jpg", "jpeg", "jpe", "jfif"]),
    (ImageFormat::WebP, "WebP", &["webp"]),
    (ImageFormat::Gif, "GIF", &["gif"]),
    (ImageFormat::Bmp, "BMP", &["bmp"]),
    (ImageFormat::Tiff, "TIFF", &["tif", "tiff"]),
    (ImageFormat::Pnm, "PNM", &["pnm", "pbm", "pgm", "ppm"]),
];

/// Starts of files that may have the name of an image, and what they are.
const OTHERS: [(usize, &[u8], &str); 10] = [
    (4, b"ftypheic", "a HEIC image"),
    (4, b"ftypheix", "a HEIC image"),
    (4, b"ftypmif1", "a HEIC image"),
    (4, b"ftypavif", "an AVIF image"),
    (0, b"\0\0\0\x0CJXL ", "a JPEG XL image"),
    (0, b"\0\0\0\x0CjP  ", "a JPEG 2000 image"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"version https://git-lfs", "a Git LFS pointer; fetch its file with git lfs pull"),
];

/// A decoded and fitted image.
#[derive(Clone, PartialEq, Debug)]
pub struct Picture {
    /// Height and width in the file, upright.
    pub found: [usize; 2],
    /// True if the file stores colours.
    pub coloured: bool,
    /// Its pixels, height × width × channels.
    pub pixels: Vec<u8>,
    /// Height, width and channels.
    pub size: [usize; 3],
    /// Hash of the file's bytes: XXH3, 64 bits. It is the same in every version and on every machine.
    pub id: u64,
}

/// Names of the formats that are read: `PNG, JPEG, … or PNM`.
pub(super) fn formats() -> String {
    let names = FORMATS.map(|(_, name, _)| name);
    let [first @ .., last] = &names;
    format!("{} or {last}", first.join(", "))
}

/// True for the name of an image in a format that is read.
pub(super) fn is_named_so(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    FORMATS.iter().flat_map(|(_, _, endings)| *endings).any(|known| extension.eq_ignore_ascii_case(known))
}

/// Height and width in a file's header, before it is decoded or turned; `None` if it cannot be read.
pub(super) fn announced_size(path: &Path) -> Option<[usize; 2]> {
    // Most headers are at the start; TIFF may have its own at the end.
    [HEAD, MAX_FILE].into_iter().find_map(|most| {
        let (bytes, _share) = bytes_of(path, most).ok()?;
        let (width, height) = decoder_of(&bytes, format_of(&bytes).ok()?).ok()?.dimensions();
        Some([height as usize, width as usize])
    })
}

/// Reads an image file, as [`decode`] does.
///
/// # Errors
/// The reason, to follow the file's name in a sentence: the file cannot be read, is not a regular file, is larger than
/// [`MAX_FILE`], or one of [`decode`]'s.
pub(super) fn read(path: &Path, options: &DataOptions) -> Result<Picture, String> {
    let (bytes, _share) = bytes_of(path, MAX_FILE + 1)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("is larger than 1 GiB".into());
    }
    decode(&bytes, options)
}

/// The first bytes of a file, at most `most`.
fn bytes_of(path: &Path, most: u64) -> Result<(Vec<u8>, Share<'static>), String> {
    let cannot = |error: Error| {
        let message = error.to_string();
        let reason = message.strip_prefix(&format!("cannot read {}: ", path.display())).unwrap_or(&message).to_string();
        format!("cannot be read ({reason})")
    };
    // Regular files only: a pipe would block, and a device may have no end.
    let file = files::open(path).map_err(cannot)?;
    let unreadable = |error| cannot(files::could_not_read(path, &error));
    let most = most.min(file.metadata().map_err(unreadable)?.len());
    let share = READING.take(most);
    let mut bytes = Vec::with_capacity(most as usize);
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok((bytes, share))
}

/// Decodes an image file, upright, over the background, fitted as `options` ask; in red, green and blue unless they ask
/// for grey. Of an animation, the first image is taken.
///
/// All calls at a time take 3 GiB at most; a call waits for memory that others use.
///
/// # Errors
/// The reason, to follow the file's name in a sentence: the file is empty, of another format, cut, damaged, or of more
/// than [`MAX_PIXELS`].
pub fn decode(bytes: &[u8], options: &DataOptions) -> Result<Picture, String> {
    let format = format_of(bytes)?;
    let mut decoder = decoder_of(bytes, format)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(format!("is {height}×{width} (at most {MAX_PIXELS} pixels)"));
    }
    let depth = u64::from(decoder.color_type().bytes_per_pixel());
    if depth > 8 {
        return Err("has more than 16 bits per channel; save it with 8 or 16".into());
    }
    // Twice what the decoder returns, for its own tables; then the image with and without transparency.
    let cost = pixels * (2 * depth + 8) + MAX_EXTRA;
    let _share = DECODING.take(cost);
    match format {
        ImageFormat::Jpeg => jpeg::check(bytes)?,
        ImageFormat::WebP => check_length(bytes)?,
        _ => {}
    }
    decoder.set_limits(limits(cost)).map_err(reason)?;
    // The orientation that a camera noted; an image without a note is upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(reason)?;
    image.apply_orientation(orientation);
    let found = [image.height(), image.width()].map(|side| side as usize);
    let stored_in_colour = image.color().has_color();
    let pixels = match image.color().has_alpha() {
        true => over(&image.into_rgba8(), options.background),
        false => image.into_rgb8().into_raw(),
    };
    // These formats have no greys, only palettes.
    let palette = matches!(format, ImageFormat::Gif | ImageFormat::Bmp);
    let coloured = stored_in_colour && !(palette && is_grey(&pixels));
    let size = [found[0], found[1], 3];
    let pixels = fit(pixels, size, options);
    Ok(Picture { found, coloured, pixels, size: fitted_size(size, options), id: xxh3_64(bytes) })
}

/// The format of a file, by its content.
fn format_of(bytes: &[u8]) -> Result<ImageFormat, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    let format = image::guess_format(bytes).ok();
    if let Some(format) = format.filter(|format| FORMATS.iter().any(|(known, ..)| known == format)) {
        return Ok(format);
    }
    let other = OTHERS.iter().find(|(at, start, _)| bytes.get(*at..).is_some_and(|bytes| bytes.starts_with(start)));
    match other {
        Some((.., other)) => Err(format!("is {other}; save it as JPEG or PNG")),
        None => Err(format!("has an unknown format (supported: {})", formats())),
    }
}

/// A decoder that has read the header.
fn decoder_of(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder, String> {
    if format == ImageFormat::Jpeg {
        jpeg::check_kind(bytes)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(MAX_EXTRA));
    reader.into_decoder().map_err(reason)
}

/// Checks that a WebP file is as long as its header says: decoders fill what is missing with grey.
fn check_length(bytes: &[u8]) -> Result<(), String> {
    let announced = bytes[4..].first_chunk().map_or(u32::MAX, |length| u32::from_le_bytes(*length));
    if u64::from(announced) + 8 > bytes.len() as u64 { Err("is cut short".into()) } else { Ok(()) }
}

fn limits(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// The reason to refuse a file, from a decoder's.
fn reason(error: ImageError) -> String {
    let text = error.to_string().replace(char::is_control, " ");
    match error {
        ImageError::Unsupported(_) => format!("is not supported ({text})"),
        ImageError::Limits(_) => format!("needs too much memory for its size ({text})"),
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => "is cut short".into(),
        _ => format!("is damaged ({})", text.trim()),
    }
}

/// True if every pixel has red, green and blue alike.
fn is_grey(pixels: &[u8]) -> bool {
    pixels.as_chunks().0.iter().all(|&[red, green, blue]| red == green && green == blue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::Colour;
    use image::ImageEncoder;
    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

    /// Reads an image that is saved under `name`, in `format`.
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
        assert!(named("e.gif") && named("f.TIF") && named("g.jfif") && named("h.pgm"));
        assert!(!named("png") && !named("a.heic") && !named("a.txt") && !named("a"));
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
        assert_eq!(
            reason("words.jpg", b"not a picture at all"),
            "has an unknown format (supported: PNG, JPEG, WebP, GIF, BMP, TIFF or PNM)"
        );
        assert_eq!(reason("photo.jpg", b"\0\0\0\x18ftypheic\0\0\0\0"), "is a HEIC image; save it as JPEG or PNG");
        for cut in 9..png.len() - 12 {
            assert!(reason("cut.png", &png[..cut]).starts_with("is "), "cut at {cut}");
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
        assert_eq!(reason("huge.png", &huge), "is 65536×65536 (at most 128000000 pixels)");
        assert!(read(folder.path(), &DataOptions::default()).err().unwrap().contains("it is a folder"));
    }
}
