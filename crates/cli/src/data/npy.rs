//! NumPy's array files: a magic number, a header in Python's notation, the elements.
//!
//! Source: the NumPy manual, *NPY format*, versions 1.0 to 3.0.

use crate::io::error::{Context, ErrorKind, Result, bail, error};
use std::io::Read;

/// First bytes of a file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header of an array of numbers.
const MAX_HEADER: usize = 1 << 16;

/// The array of a file.
#[derive(Debug)]
pub(super) struct Array {
    /// Its name in errors.
    pub(super) name: String,
    /// Its dimensions, the last running fastest.
    pub(super) shape: Vec<usize>,
    kind: Kind,
    bytes: Vec<u8>,
}

/// The type of an element, and how it lies in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Kind {
    /// Python's letter: `u` for unsigned whole numbers, `i` for signed ones, `f` for fractions.
    letter: char,
    width: usize,
    big_endian: bool,
}

impl Array {
    /// Reads an array, called `name` in errors.
    ///
    /// # Errors
    /// The source is not an array, has elements of an unknown type or in Fortran's order, or is truncated.
    pub(super) fn read(mut source: impl Read, name: String) -> Result<Self> {
        let header = header(&mut source, &name)?;
        let field = |key: &str| {
            field(&header, key).with_context(ErrorKind::Data, || format!("{name} has no {key}; save it again"))
        };
        let kind = Kind::parse(field("descr")?)
            .with_context(ErrorKind::Data, || format!("{name} has elements of an unknown type; save it as uint8"))?;
        if field("fortran_order")?.starts_with("True") {
            bail!(Data, "{name} is stored in Fortran's order; save np.ascontiguousarray of it");
        }
        let shape = shape(field("shape")?)
            .with_context(ErrorKind::Data, || format!("{name} has a malformed shape; save it again"))?;
        let expected = shape.iter().try_fold(kind.width, |product, &dim| product.checked_mul(dim));
        let expected = expected.with_context(ErrorKind::Data, || {
            format!("{name} has the shape {shape:?}, which is impossible; it is damaged")
        })?;

        let unreadable = |error| error!(Data, "{name} could not be read ({error}); copy it again");
        let mut bytes = Vec::new();
        source.by_ref().take(expected as u64).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() < expected {
            bail!(Data, "{name} is truncated: expected {expected} bytes, found {}; copy it again", bytes.len());
        }
        // Reading on to the end also makes an archive compare its checksum.
        if source.take(1).read_to_end(&mut Vec::new()).map_err(unreadable)? > 0 {
            bail!(Data, "{name} has more than the {expected} bytes of its header; copy it again");
        }
        Ok(Self { name, shape, kind, bytes })
    }

    /// Its elements as bytes of pixels: bytes as they are, fractions of 0 to 1 as the nearest of 0 to 255.
    ///
    /// # Errors
    /// The elements have another type, or a fraction is out of range.
    pub(super) fn into_pixels(self) -> Result<Vec<u8>> {
        match self.kind {
            Kind { letter: 'u', width: 1, .. } => Ok(self.bytes),
            Kind { letter: 'f', .. } => {
                let numbers = self.numbers();
                let byte = |number: f64| match number {
                    0.0..=1.0 => Ok((255.0 * number).round() as u8),
                    _ => bail!(
                        Data,
                        "{} holds {number}, not between 0 and 1; scale it to that, or save bytes",
                        self.name
                    ),
                };
                numbers.map(byte).collect()
            }
            kind => {
                bail!(Data, "{} holds {kind}, and pixels are uint8, float32 or float64; save it as uint8", self.name)
            }
        }
    }

    /// Its elements as labels.
    ///
    /// # Errors
    /// The elements are not whole numbers, or one is not between 0 and 255.
    pub(super) fn into_labels(self) -> Result<Vec<u8>> {
        if self.kind.letter == 'f' {
            bail!(Data, "{} holds {}, and labels are whole numbers; save it as uint8", self.name, self.kind);
        }
        let label = |number: f64| match number {
            0.0..=255.0 => Ok(number as u8),
            _ => bail!(Data, "{} holds the label {number}; number the classes from 0 to at most 255", self.name),
        };
        self.numbers().map(label).collect()
    }

    /// Its elements, whole numbers beyond 2⁵³ rounded.
    fn numbers(&self) -> impl Iterator<Item = f64> {
        self.bytes.chunks_exact(self.kind.width).map(|element| self.kind.number(element))
    }
}

impl Kind {
    /// From a description such as `'<f4'`.
    fn parse(descr: &str) -> Option<Self> {
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
        let known = matches!((letter, width), ('u' | 'i', 1 | 2 | 4 | 8) | ('f', 4 | 8));
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
            ('f', 4) => f64::from(f32::from_bits(bits as u32)),
            ('f', _) => f64::from_bits(bits),
            ('u', _) => bits as f64,
            // The sign is at the top of the element, wherever that is.
            _ => ((bits << (64 - 8 * self.width)) as i64 >> (64 - 8 * self.width)) as f64,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.letter {
            'f' => "float",
            'u' => "uint",
            _ => "int",
        };
        write!(f, "{name}{}", 8 * self.width)
    }
}

/// The text of the header.
fn header(source: &mut impl Read, name: &str) -> Result<String> {
    let mut read = |bytes: &mut [u8]| {
        source
            .read_exact(bytes)
            .map_err(|error| error!(Data, "{name} is truncated or damaged ({error}); copy it again"))
    };
    let mut start = [0; 8];
    read(&mut start)?;
    if !start.starts_with(MAGIC) {
        bail!(Data, "{name} is not a NumPy array; save it with np.save or np.savez");
    }
    let mut length = [0; 4];
    match start[6] {
        1 => read(&mut length[..2])?,
        2 | 3 => read(&mut length)?,
        version => bail!(Data, "{name} has the unknown version {version} of NumPy's format; save it as version 1"),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        bail!(Data, "{name} has a header of {length} bytes, too long for an array of numbers; save it as uint8");
    }
    let mut text = vec![0; length];
    read(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The text after a key of the header.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let [single, double] = [format!("'{key}'"), format!("\"{key}\"")];
    let (_, rest) = header.split_once(&single).or_else(|| header.split_once(&double))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// From a tuple such as `(3, 28, 28), }`.
fn shape(text: &str) -> Option<Vec<usize>> {
    let (tuple, _) = text.strip_prefix('(')?.split_once(')')?;
    let dims = tuple.split(',').map(str::trim).filter(|dim| !dim.is_empty());
    dims.map(|dim| dim.trim_end_matches('L').parse().ok()).collect()
}

/// An `.npy` file of numbers, as NumPy writes it.
pub fn write_npy(shape: &[usize], numbers: &[f32]) -> Vec<u8> {
    encode("<f4", shape, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
}

/// The shape and the numbers of an `.npy` file, called `name` in errors.
///
/// # Errors
/// The file is not an array of numbers, or is damaged.
pub fn numbers_of_npy(file: &[u8], name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let array = Array::read(file, name.into())?;
    let numbers = array.numbers().map(|number| number as f32).collect();
    Ok((array.shape, numbers))
}

/// An `.npy` file of classes, as NumPy writes it.
pub fn write_classes(classes: &[u8]) -> Vec<u8> {
    encode("|u1", &[classes.len()], classes)
}

/// The classes of an `.npy` file, one for each of `rows`; called `name` in errors.
///
/// # Errors
/// The file is not an array of `rows` whole numbers from 0 to 255, or is damaged.
pub fn classes_of_npy(file: &[u8], name: &str, rows: usize) -> Result<Vec<u8>> {
    let array = Array::read(file, name.into())?;
    if array.shape != [rows] {
        bail!(
            Data,
            "{name} has the shape {:?}, and there are {rows} codes; give one class for each code, [{rows}]",
            array.shape
        );
    }
    array.into_labels()
}

/// True for an `.npy` file.
pub fn is_npy(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// An array file of that description, shape and raw elements.
pub(super) fn encode(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let dims: String = shape.iter().map(|dim| format!("{dim}, ")).collect();
    let dims = if shape.len() == 1 { dims.trim_end() } else { dims.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}), }}");
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(file: &[u8]) -> Result<Array> {
        Array::read(file, "a.npy".into())
    }

    fn sentence(file: &[u8]) -> String {
        array(file).unwrap_err().to_string()
    }

    /// The bytes of `np.save(file, np.arange(3, dtype=np.uint8))`, NumPy 2.4.
    #[test]
    fn reads_what_numpy_writes() {
        let mut file = b"\x93NUMPY\x01\0v\0{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }".to_vec();
        file.resize(127, b' ');
        file.extend(b"\n\0\x01\x02");
        assert_eq!(encode("|u1", &[3], &[0, 1, 2]), file);
        let array = array(&file).unwrap();
        assert_eq!(array.shape, [3]);
        assert_eq!(array.into_pixels().unwrap(), [0, 1, 2]);
    }

    #[test]
    fn reads_every_number_in_either_order() {
        let labels = |descr: &str, bytes: &[u8]| array(&encode(descr, &[2], bytes)).unwrap().into_labels().unwrap();
        assert_eq!(labels("|i1", &[7, 127]), [7, 127]);
        assert_eq!(labels("<i2", &[7, 0, 200, 0]), [7, 200]);
        assert_eq!(labels(">u4", &[0, 0, 0, 7, 0, 0, 0, 200]), [7, 200]);
        assert_eq!(labels("<i8", &[7u64.to_le_bytes(), 255u64.to_le_bytes()].concat()), [7, 255]);
        let pixels = |descr: &str, bytes: &[u8]| array(&encode(descr, &[3, 1], bytes)).unwrap().into_pixels().unwrap();
        let numbers = [0.0, 0.5, 1.0];
        assert_eq!(pixels("<f8", &numbers.map(f64::to_le_bytes).concat()), [0, 128, 255]);
        assert_eq!(pixels(">f4", &numbers.map(|x| (x as f32).to_be_bytes()).concat()), [0, 128, 255]);
    }

    #[test]
    fn other_types_and_ranges_are_refused() {
        let pixels = |descr: &str, bytes: &[u8]| {
            array(&encode(descr, &[1], bytes)).unwrap().into_pixels().unwrap_err().to_string()
        };
        assert!(pixels("<f4", &(-0.1f32).to_le_bytes()).contains("holds -0.1"));
        assert!(pixels("<f8", &1.5f64.to_le_bytes()).contains("holds 1.5, not between 0 and 1"));
        assert!(pixels("<f8", &f64::NAN.to_le_bytes()).contains("holds NaN"));
        assert!(pixels("<i8", &[0; 8]).contains("holds int64, and pixels are uint8"));
        let labels = |descr: &str, bytes: &[u8]| {
            array(&encode(descr, &[1], bytes)).unwrap().into_labels().unwrap_err().to_string()
        };
        assert!(labels("|i1", &[255]).contains("the label -1"));
        assert!(labels("<i4", &(-300i32).to_le_bytes()).contains("the label -300"));
        assert!(labels("<u2", &256u16.to_le_bytes()).contains("the label 256"));
        assert!(labels("<f4", &[0; 4]).contains("holds float32, and labels are whole numbers"));
    }

    #[test]
    fn every_cut_and_every_wrong_header_is_noticed() {
        let whole = encode("|u1", &[2, 3], &[1; 6]);
        for cut in 0..whole.len() {
            assert!(sentence(&whole[..cut]).contains("truncated"), "{cut}");
        }
        assert!(sentence(&[&whole[..], &[0]].concat()).contains("has more than the 6 bytes"));
        assert!(sentence(b"PK\x03\x04 is something else").contains("is not a NumPy array"));
        for descr in ["<f2", "|b1", "<c8", "|O", "<U4"] {
            assert!(sentence(&encode(descr, &[1], &[0; 8])).contains("unknown type"), "{descr}");
        }
        let text = String::from_utf8_lossy(&whole[10..]).into_owned();
        let with = |text: &str| [&whole[..10], text.as_bytes()].concat();
        assert!(sentence(&with(&text.replace("False", "True "))).contains("Fortran's order"));
        assert!(sentence(&with(&text.replace("(2, 3)", "(2,-3)"))).contains("malformed shape"));
        assert!(sentence(&with(&text.replace("descr", "discr"))).contains("has no descr"));
        let huge = encode("<f8", &[usize::MAX, 2], &[]);
        assert!(sentence(&huge).contains("it is damaged"));
        let mut version = whole.clone();
        version[6] = 9;
        assert!(sentence(&version).contains("version 9"));
    }
}
