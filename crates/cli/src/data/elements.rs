//! The elements of NumPy's arrays as numbers, pixels and labels.

use super::bytes::Bytes;
use crate::io::error::{Result, bail};
use half::f16;

/// The largest byte: white.
const WHITE: f64 = 255.0;

/// The array of a file.
#[derive(Debug)]
pub(super) struct Array {
    /// Its name in errors.
    pub(super) name: String,
    /// Its dimensions, the last running fastest.
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
}

/// The type of an element, and how it lies in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind {
    /// Python's letter: `b` for booleans, `u` for unsigned whole numbers, `i` for signed ones, `f` for fractions.
    letter: char,
    /// Bytes of an element.
    pub(super) width: usize,
    big_endian: bool,
}

impl Kind {
    /// From a description such as `'<f4'`.
    pub(super) fn parse(descr: &str) -> Option<Self> {
        let descr = descr.strip_prefix(['\'', '"'])?.split(['\'', '"']).next()?;
        let mut letters = descr.chars();
        let big_endian = match letters.next()? {
            '<' | '|' => false,
            '>' => true,
            '=' => cfg!(target_endian = "big"),
            _ => return None,
        };
        let letter = letters.next()?;
        let width: usize = letters.as_str().parse().ok()?;
        let known = matches!((letter, width), ('b', 1) | ('u' | 'i', 1 | 2 | 4 | 8) | ('f', 2 | 4 | 8));
        known.then_some(Self { letter, width, big_endian })
    }

    fn number(self, element: &[u8]) -> f64 {
        let mut word = [0; 8];
        word[..self.width].copy_from_slice(element);
        if self.big_endian {
            word[..self.width].reverse();
        }
        let bits = u64::from_le_bytes(word);
        match (self.letter, self.width) {
            ('f', 2) => f16::from_bits(bits as u16).to_f64(),
            ('f', 4) => f64::from(f32::from_bits(bits as u32)),
            ('f', _) => f64::from_bits(bits),
            ('b', _) => f64::from(u8::from(bits != 0)),
            ('u', _) => bits as f64,
            // The sign is at the top of the element, wherever that is.
            _ => ((bits << (64 - 8 * self.width)) as i64 >> (64 - 8 * self.width)) as f64,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.letter {
            'b' => return f.write_str("bool"),
            'f' => "float",
            'u' => "uint",
            _ => "int",
        };
        write!(f, "{name}{}", 8 * self.width)
    }
}

impl Array {
    /// Its elements, whole numbers beyond 2⁵³ rounded.
    pub(super) fn numbers(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.kind.width).map(|element| self.kind.number(element))
    }

    /// Its elements as bytes of pixels: booleans as 0 and 255, fractions of 0 to 1 as the nearest of 0 to 255, whole
    /// numbers of 0 to 255 as they are, and 16-bit numbers with any beyond as the nearest of 0 to 255. Images that are
    /// all but black are warned of.
    ///
    /// # Errors
    /// An element is out of range, or not a number.
    pub(super) fn into_pixels(self) -> Result<Bytes> {
        let (name, kind) = (&self.name, self.kind);
        let pixels = match (kind.letter, kind.width) {
            ('u', 1) => self.bytes,
            ('b', _) => Bytes::collect(self.numbers().map(|number| Ok((WHITE * number) as u8)))?,
            ('f', _) => self.of_fractions()?,
            (_, width) => {
                let most = self.numbers().fold(0.0, f64::max);
                let scale = if (kind.letter, width) == ('u', 2) && most > WHITE { 257.0 } else { 1.0 };
                if scale > 1.0 {
                    log::warn!("{name} holds {kind} up to {most}; dividing by 257, so that 65535 is white");
                }
                let byte = |number: f64| match number / scale {
                    scaled @ 0.0..=WHITE => Ok(scaled.round() as u8),
                    _ => bail!(Data, "{name} holds {number}; scale pixels to 0 to 255"),
                };
                Bytes::collect(self.numbers().map(byte))?
            }
        };
        if pixels.iter().all(|&byte| byte <= 1) && !pixels.is_empty() {
            log::warn!(
                "the images of {name} are black: no pixel is above 1 of 255; multiply it by 255, or save it as \
                 booleans or floats of 0 to 1"
            );
        }
        Ok(pixels)
    }

    /// Fractions of 0 to 1 as the nearest bytes.
    fn of_fractions(&self) -> Result<Bytes> {
        let name = &self.name;
        let byte = |number: f64| match number {
            0.0..=1.0 => Ok((WHITE * number).round() as u8),
            _ if !number.is_finite() => bail!(Data, "{name} holds {number}; replace it by a number of 0 to 1"),
            _ if number > 1.0 => {
                bail!(Data, "{name} holds {number}; scale floats to 0 to 1, for instance by dividing by 255")
            }
            _ => bail!(Data, "{name} holds {number}; scale floats to 0 to 1, for instance from -1 to 1 by (x + 1) / 2"),
        };
        Bytes::collect(self.numbers().map(byte))
    }

    /// Its elements as labels.
    ///
    /// # Errors
    /// The elements are not whole numbers, or one is not between 0 and 255.
    pub(super) fn into_labels(self) -> Result<Vec<u8>> {
        if self.kind.letter == 'f' {
            bail!(Data, "{} holds {}; save labels as whole numbers, such as uint8", self.name, self.kind);
        }
        let label = |number: f64| match number {
            0.0..=255.0 => Ok(number as u8),
            _ => bail!(Data, "{} holds the label {number}; use labels of 0 to 255", self.name),
        };
        self.numbers().map(label).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::npy::encode;

    fn array(descr: &str, bytes: &[u8]) -> Array {
        let count = bytes.len() / Kind::parse(&format!("'{descr}'")).unwrap().width;
        Array::read(&encode(descr, &[count], bytes)[..], u64::MAX, "a.npy".into()).unwrap()
    }

    fn pixels(descr: &str, bytes: &[u8]) -> Vec<u8> {
        array(descr, bytes).into_pixels().unwrap().into_vec()
    }

    #[test]
    fn reads_every_number_in_either_order() {
        let labels = |descr: &str, bytes: &[u8]| array(descr, bytes).into_labels().unwrap();
        assert_eq!(labels("|b1", &[0, 1]), [0, 1]);
        assert_eq!(labels("|i1", &[7, 127]), [7, 127]);
        assert_eq!(labels("<i2", &[7, 0, 200, 0]), [7, 200]);
        assert_eq!(labels(">u4", &[0, 0, 0, 7, 0, 0, 0, 200]), [7, 200]);
        assert_eq!(labels("<i8", &[7u64.to_le_bytes(), 255u64.to_le_bytes()].concat()), [7, 255]);
        let numbers = [0.0, 0.5, 1.0];
        assert_eq!(pixels("<f8", &numbers.map(f64::to_le_bytes).concat()), [0, 128, 255]);
        assert_eq!(pixels(">f4", &numbers.map(|x| (x as f32).to_be_bytes()).concat()), [0, 128, 255]);
        assert_eq!(pixels(">f2", &numbers.map(|x| f16::from_f64(x).to_be_bytes()).concat()), [0, 128, 255]);
    }

    /// The same image in every type that people save it in.
    #[test]
    fn whole_numbers_and_booleans_become_the_pixels_that_they_mean() {
        assert_eq!(pixels("|b1", &[0, 1, 1]), [0, 255, 255]);
        assert_eq!(pixels("|u1", &[0, 1, 200]), [0, 1, 200]);
        assert_eq!(pixels("<i8", &[0i64, 1, 200].map(i64::to_le_bytes).concat()), [0, 1, 200]);
        assert_eq!(pixels("<u2", &[0u16, 1, 255].map(u16::to_le_bytes).concat()), [0, 1, 255]);
        assert_eq!(pixels(">u2", &[0u16, 257, 32896, 65535].map(u16::to_be_bytes).concat()), [0, 1, 128, 255]);
    }

    #[test]
    fn other_types_and_ranges_are_refused() {
        let refused = |descr: &str, bytes: &[u8]| array(descr, bytes).into_pixels().unwrap_err().to_string();
        assert!(refused("<f4", &(-0.1f32).to_le_bytes()).contains("holds -0.1"));
        assert!(refused("<f8", &37f64.to_le_bytes()).contains("holds 37; scale floats to 0 to 1"));
        assert!(refused("<f8", &f64::NAN.to_le_bytes()).contains("holds NaN; replace it"));
        assert!(refused("<i8", &256i64.to_le_bytes()).contains("holds 256; scale pixels to 0 to 255"));
        assert!(refused("<i2", &(-1i16).to_le_bytes()).contains("holds -1"));
        let labels = |descr: &str, bytes: &[u8]| array(descr, bytes).into_labels().unwrap_err().to_string();
        assert!(labels("|i1", &[255]).contains("the label -1"));
        assert!(labels("<i4", &(-300i32).to_le_bytes()).contains("the label -300"));
        assert!(labels("<u2", &256u16.to_le_bytes()).contains("the label 256"));
        assert!(labels("<f4", &[0; 4]).contains("holds float32; save labels as whole numbers"));
    }
}
