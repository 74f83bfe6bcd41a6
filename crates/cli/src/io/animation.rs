//! Animations: GIF with a palette for each frame, and APNG without loss. Both loop for ever.

use super::error::{Context, ErrorKind, Result, ensure};
use crate::io::files;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame};
use std::path::Path;

/// The largest frame rate: browsers show a GIF's frames of less than two hundredths of a second slowly.
pub const MAX_RATE: u32 = 50;
/// The quality of a GIF's palettes, from 1, the best, to 30. Up to 256 colours are kept as they are.
const PALETTE: i32 = 1;

/// The format of an animation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Animation {
    /// GIF: at most 256 colours a frame, hundredths of a second.
    Gif,
    /// APNG: a PNG file, of which programs without animation show the first frame.
    Apng,
}

impl Animation {
    fn name(self) -> &'static str {
        match self {
            Self::Gif => "GIF",
            Self::Apng => "APNG",
        }
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Gif => &["gif"],
            Self::Apng => &["png", "apng"],
        }
    }

    /// Checks that a name has the format's ending. Devices and pipes may have any name.
    ///
    /// # Errors
    /// The name has another ending.
    pub fn check_name(self, path: &Path) -> Result<()> {
        let endings = self.endings();
        let fits =
            path.extension().is_some_and(|found| endings.iter().any(|ending| found.eq_ignore_ascii_case(ending)));
        let listed: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        ensure!(
            fits || files::is_special(path),
            File,
            "{} files need a name that ends in {} (got {})",
            self.name(),
            listed.join(" or "),
            path.display()
        );
        Ok(())
    }

    /// Saves frames of one size, `rate` of them per second.
    ///
    /// # Errors
    /// A frame is too large for the format, or the file cannot be written.
    ///
    /// # Panics
    /// When there are no frames, their sizes or colours differ, or the rate is not 1 to [`MAX_RATE`].
    pub fn write(self, path: &Path, frames: &[DynamicImage], rate: u32) -> Result<()> {
        assert!(!frames.is_empty() && (1..=MAX_RATE).contains(&rate), "{} frames, {rate} per second", frames.len());
        let kind = |frame: &DynamicImage| (frame.width(), frame.height(), frame.color());
        assert!(frames.iter().all(|frame| kind(frame) == kind(&frames[0])), "the frames differ in size or colour");
        let too_large = || format!("{} frames are too large for {}", frames.len(), path.display());
        let bytes = match self {
            Self::Gif => gif(frames, rate).with_context(ErrorKind::File, too_large)?,
            Self::Apng => apng(frames, rate).with_context(ErrorKind::File, too_large)?,
        };
        files::write(path, &bytes)
    }
}

fn gif(frames: &[DynamicImage], rate: u32) -> image::ImageResult<Vec<u8>> {
    let hundredths = (100 + rate / 2) / rate;
    let delay = Delay::from_numer_denom_ms(10 * hundredths, 1);
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, PALETTE);
    encoder.set_repeat(Repeat::Infinite)?;
    for frame in frames {
        encoder.encode_frame(Frame::from_parts(frame.to_rgba8(), 0, 0, delay))?;
    }
    drop(encoder);
    Ok(bytes)
}

fn apng(frames: &[DynamicImage], rate: u32) -> Result<Vec<u8>, png::EncodingError> {
    let first = &frames[0];
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, first.width(), first.height());
    encoder.set_color(if first.color().has_color() { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(frames.len() as u32, 0)?;
    encoder.set_frame_delay(1, rate as u16)?;
    let mut writer = encoder.write_header()?;
    for frame in frames {
        writer.write_image_data(frame.as_bytes())?;
    }
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::gif::GifDecoder;
    use image::codecs::png::PngDecoder;
    use image::{AnimationDecoder, GrayImage, Luma, Rgb, RgbImage};
    use std::io::Cursor;

    fn read(path: &Path, animation: Animation) -> Vec<Frame> {
        let bytes = Cursor::new(std::fs::read(path).unwrap());
        let frames = match animation {
            Animation::Gif => GifDecoder::new(bytes).unwrap().into_frames(),
            Animation::Apng => PngDecoder::new(bytes).unwrap().apng().unwrap().into_frames(),
        };
        frames.collect_frames().unwrap()
    }

    #[test]
    fn frames_come_back_with_their_delay_and_loop() {
        let folder = tempfile::tempdir().unwrap();
        let grey = |k: u8| GrayImage::from_fn(20, 13, |x, y| Luma([(x * 12 + y) as u8 ^ k])).into();
        let colour = |k: u8| RgbImage::from_fn(9, 7, |x, y| Rgb([(x * 28) as u8, (y * 36) as u8, k])).into();
        for (animation, name) in [(Animation::Gif, "a.gif"), (Animation::Apng, "a.PNG"), (Animation::Apng, "a.apng")] {
            let path = folder.path().join(name);
            animation.check_name(&path).unwrap();
            for make in [&grey as &dyn Fn(u8) -> DynamicImage, &colour] {
                let frames: Vec<DynamicImage> = [0, 100, 255].map(make).into();
                animation.write(&path, &frames, 20).unwrap();
                let found = read(&path, animation);
                assert_eq!(found.len(), 3);
                for (found, frame) in found.iter().zip(&frames) {
                    assert_eq!(found.delay().numer_denom_ms(), (50, 1), "{name}");
                    // Up to 256 colours are kept.
                    assert!(*found.buffer() == frame.to_rgba8(), "{name}");
                }
            }
            let bytes = std::fs::read(&path).unwrap();
            // Repetitions: none of a number, which is for ever.
            let forever: &[u8] = match animation {
                Animation::Gif => b"NETSCAPE2.0\x03\x01\0\0\0",
                Animation::Apng => b"acTL\0\0\0\x03\0\0\0\0",
            };
            assert!(bytes.windows(forever.len()).any(|part| part == forever), "{name}");
        }
    }

    #[test]
    fn many_colours_come_close_in_a_gif() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let frame: DynamicImage = RgbImage::from_fn(64, 64, |x, y| Rgb([4 * x as u8, 4 * y as u8, 128])).into();
        Animation::Gif.write(&path, std::slice::from_ref(&frame), 50).unwrap();
        let found = read(&path, Animation::Gif);
        assert_eq!(found[0].delay().numer_denom_ms(), (20, 1));
        let frame = frame.to_rgba8();
        let apart = found[0].buffer().iter().zip(frame.iter()).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = apart.sum::<f64>() / frame.len() as f64;
        assert!(mean < 6.0, "off by {mean} on average");
    }

    #[test]
    fn a_name_needs_the_ending_of_its_format() {
        let message = |animation: Animation, name: &str| animation.check_name(name.as_ref()).unwrap_err().to_string();
        assert_eq!(message(Animation::Gif, "a.png"), "GIF files need a name that ends in .gif (got a.png)");
        assert_eq!(message(Animation::Apng, "a"), "APNG files need a name that ends in .png or .apng (got a)");
    }
}
