//! Bytes of a pixel: planes, grey and colour, transparency.

use crate::config::data::Colour;

/// The brightness of a colour, a whole number of 0 to 255: 0.2126 R + 0.7152 G + 0.0722 B, rounded. A grey keeps its
/// value. Source: ITU-R BT.709, §3.2.
pub(super) fn luma([red, green, blue]: [u8; 3]) -> u8 {
    ((2126 * u32::from(red) + 7152 * u32::from(green) + 722 * u32::from(blue) + 5000) / 10_000) as u8
}

/// Pixels of `from` channels as pixels of `to`.
///
/// # Panics
/// When either is neither 1 nor 3.
pub(super) fn convert(pixels: Vec<u8>, from: usize, to: usize) -> Vec<u8> {
    match (from, to) {
        (1, 1) | (3, 3) => pixels,
        (3, 1) => pixels.as_chunks().0.iter().map(|&colour| luma(colour)).collect(),
        (1, 3) => pixels.iter().map(|&grey| [grey; 3]).collect::<Vec<_>>().into_flattened(),
        _ => panic!("cannot convert {from} channels to {to}"),
    }
}

/// Red, green and blue over a background: `pixels` have four bytes, the last is the opacity.
pub(super) fn over(pixels: &[u8], Colour(background): Colour) -> Vec<u8> {
    let mix = |top: u8, bottom: u8, alpha: u8| {
        let [top, bottom, alpha] = [top, bottom, alpha].map(u32::from);
        ((top * alpha + bottom * (255 - alpha) + 127) / 255) as u8
    };
    let pixel = |&[red, green, blue, alpha]: &[u8; 4]| {
        let [under_red, under_green, under_blue] = background;
        [mix(red, under_red, alpha), mix(green, under_green, alpha), mix(blue, under_blue, alpha)]
    };
    pixels.as_chunks().0.iter().map(pixel).collect::<Vec<_>>().into_flattened()
}

/// Appends an image that is stored plane by plane, pixel by pixel.
pub(super) fn interleave(planes: &[u8], channels: usize, into: &mut Vec<u8>) {
    let pixels = planes.len() / channels;
    for pixel in 0..pixels {
        into.extend((0..channels).map(|channel| planes[channel * pixels + pixel]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_keep_their_value_both_ways() {
        let greys: Vec<u8> = (0..=255).collect();
        assert_eq!(convert(convert(greys.clone(), 1, 3), 3, 1), greys);
        assert_eq!(convert(vec![255, 0, 0, 0, 255, 0, 0, 0, 255], 3, 1), [54, 182, 18]);
    }

    #[test]
    fn transparency_shows_the_background() {
        let pixels = [200, 100, 0, 255, 200, 100, 0, 0, 200, 100, 0, 51];
        assert_eq!(over(&pixels, Colour([0, 0, 255])), [200, 100, 0, 0, 0, 255, 40, 20, 204]);
    }

    #[test]
    fn planes_become_pixels() {
        let mut pixels = vec![9];
        interleave(&[1, 2, 11, 12, 21, 22], 3, &mut pixels);
        assert_eq!(pixels, [9, 1, 11, 21, 2, 12, 22]);
    }
}
