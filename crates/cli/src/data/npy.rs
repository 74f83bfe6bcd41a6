//! NumPy's array files: a magic number, a header in Python's notation, the elements.
//!
//! Source: the NumPy manual, *NPY format*, versions 1.0 to 3.0.

use super::bounded::read_exactly;
use super::bytes::{Bytes, Writer};
use super::elements::{Array, Kind};
use crate::io::error::{Context, ErrorKind, Result, bail, error};
use std::io::{self, Read};

/// First bytes of a file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header of an array of numbers.
const MAX_HEADER: usize = 1 << 16;

impl Array {
    /// Reads an array of at most `most` bytes, called `name` in errors. Elements in Fortran's order are put in C's.
    ///
    /// # Errors
    /// The source is not an array, has elements of an unknown type or too many of them, or is truncated.
    pub(super) fn read(mut source: impl Read, most: u64, name: String) -> Result<Self> {
        let header = header(&mut source, &name)?;
        let field = |key: &str| {
            field(&header, key).with_context(ErrorKind::Data, || format!("{name} has no {key}; save it again"))
        };
        let descr = field("descr")?;
        let kind = Kind::parse(descr).with_context(ErrorKind::Data, || {
            let descr: String = descr.chars().take_while(|c| !matches!(c, ',' | '}')).take(40).collect();
            format!("{name} holds elements of type {descr}; save it as float32 or uint8")
        })?;
        let fortran = field("fortran_order")?.starts_with("True");
        let shape = shape(field("shape")?)
            .with_context(ErrorKind::Data, || format!("{name} has a malformed shape; save it again"))?;
        let expected = shape.iter().try_fold(kind.width, |product, &dim| product.checked_mul(dim));
        let expected = expected
            .with_context(ErrorKind::Data, || format!("{name} has the impossible shape {shape:?}; copy it again"))?;
        if expected as u64 > most {
            bail!(Data, "{name} unpacks to {expected} bytes (at most {most}); save it without compression, as .npy");
        }

        let unreadable = |error: &io::Error| error!(Data, "cannot read {name} ({error}); copy it again");
        let mut bytes = read_exactly(&mut source, expected, unreadable)?;
        if bytes.len() < expected {
            bail!(Data, "{name} is truncated: expected {expected} bytes, found {}; copy it again", bytes.len());
        }
        // Reading on to the end also makes an archive compare its checksum.
        if source.take(1).read_to_end(&mut Vec::new()).map_err(|error| unreadable(&error))? > 0 {
            bail!(Data, "{name} has more than the {expected} bytes of its header; copy it again");
        }
        if fortran && shape.len() > 1 {
            bytes = in_c_order(&bytes, &shape, kind.width)?;
        }
        Ok(Self { name, shape, kind, bytes })
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
        version => bail!(Data, "{name} has the unsupported version {version} of NumPy's format; save it as version 1"),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        bail!(Data, "{name} has a header of {length} bytes, which is too long; save it as uint8");
    }
    let mut text = vec![0; length];
    read(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Elements of `width` bytes with the first dimension running fastest, in the order of the last running fastest.
fn in_c_order(bytes: &[u8], shape: &[usize], width: usize) -> Result<Bytes> {
    let mut ordered = Writer::default();
    for number in 0..bytes.len() / width {
        let (mut rest, mut at, mut stride) = (number, 0, bytes.len() / width);
        for &dim in shape.iter().rev() {
            stride /= dim;
            at += rest % dim * stride;
            rest /= dim;
        }
        ordered.append(&bytes[at * width..(at + 1) * width])?;
    }
    ordered.finish()
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
/// The file is not an array of numbers, is damaged, or a number is not finite in single precision.
pub fn numbers_of_npy(file: &[u8], name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let array = Array::read(file, u64::MAX, name.into())?;
    let numbers: Vec<f32> = array.numbers().map(|number| number as f32).collect();
    if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
        let row = at / array.shape.last().copied().unwrap_or(1).max(1);
        bail!(Data, "{name} holds {} in row {row}; expected finite numbers", numbers[at]);
    }
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
    let array = Array::read(file, u64::MAX, name.into())?;
    if array.shape != [rows] {
        bail!(Data, "{name} has shape {:?}; expected [{rows}], one class for each code", array.shape);
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
        Array::read(file, u64::MAX, "a.npy".into())
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
        assert_eq!(array.bytes, [0, 1, 2]);
    }

    #[test]
    fn fortrans_order_becomes_cs() {
        // np.asfortranarray(np.arange(6, dtype='<u2').reshape(2, 3)), whose columns lie in turn.
        let columns: Vec<u8> = [0u16, 3, 1, 4, 2, 5].iter().flat_map(|number| number.to_le_bytes()).collect();
        let file = encode("<u2", &[2, 3], &columns);
        let header = String::from_utf8_lossy(&file[10..128]).replace("False", "True ");
        let fortran = [&file[..10], header.as_bytes(), &columns].concat();
        assert_eq!(array(&fortran).unwrap().into_labels().unwrap(), [0, 1, 2, 3, 4, 5]);
        let cube = in_c_order(&[0, 4, 2, 6, 1, 5, 3, 7], &[2, 2, 2], 1).unwrap();
        assert_eq!(cube, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn latents_are_finite_numbers_of_any_precision() {
        let of = |descr: &str, bytes: &[u8]| numbers_of_npy(&encode(descr, &[2, 2], bytes), "z.npy");
        let halves = [0.5, -2.0, 3.0, 0.0].map(|x| half::f16::from_f32(x).to_le_bytes()).concat();
        assert_eq!(of("<f2", &halves).unwrap(), (vec![2, 2], vec![0.5, -2.0, 3.0, 0.0]));
        for (odd, shown) in [(f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf"), (1e300, "inf")] {
            let message = of("<f8", &[0.0, 1.0, 2.0, odd].map(f64::to_le_bytes).concat()).unwrap_err().to_string();
            assert_eq!(message, format!("z.npy holds {shown} in row 1; expected finite numbers"));
        }
    }

    #[test]
    fn an_array_is_as_large_as_its_bound_at_most() {
        let file = encode("|u1", &[2, 3], &[1; 6]);
        assert!(Array::read(&file[..], 6, "a.npy".into()).is_ok());
        let message = Array::read(&file[..], 5, "a.npy".into()).unwrap_err().to_string();
        assert!(message.starts_with("a.npy unpacks to 6 bytes (at most 5)"), "{message}");
    }

    #[test]
    fn every_cut_and_every_wrong_header_is_noticed() {
        let whole = encode("|u1", &[2, 3], &[1; 6]);
        for cut in 0..whole.len() {
            assert!(sentence(&whole[..cut]).contains("truncated"), "{cut}");
        }
        assert!(sentence(&[&whole[..], &[0]].concat()).contains("has more than the 6 bytes"));
        assert!(sentence(b"PK\x03\x04 is something else").contains("is not a NumPy array"));
        for descr in ["<c8", "|O", "<U4", "|b2", "<f16"] {
            let message = sentence(&encode(descr, &[1], &[0; 8]));
            assert!(message.contains(&format!("of type '{descr}'; save it as float32")), "{message}");
        }
        let text = String::from_utf8_lossy(&whole[10..]).into_owned();
        let with = |text: &str| [&whole[..10], text.as_bytes()].concat();
        assert!(sentence(&with(&text.replace("(2, 3)", "(2,-3)"))).contains("malformed shape"));
        assert!(sentence(&with(&text.replace("descr", "discr"))).contains("has no descr"));
        let huge = encode("<f8", &[usize::MAX, 2], &[]);
        assert!(sentence(&huge).contains("impossible shape"));
        let mut version = whole.clone();
        version[6] = 9;
        assert!(sentence(&version).contains("version 9"));
    }
}
