//! IDX files of bytes, the format of MNIST: a magic number, big-endian dimensions, one byte an element.

use super::bounded::read_exactly;
use super::bytes::Bytes;
use crate::io::error::{Error, Result, bail, error};
use crate::io::files;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// Elements beyond this cannot be indexed on a device.
const MAX_BYTES: usize = i32::MAX as usize;

/// First bytes of a gzipped file, whatever its name.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The contents of one file.
#[derive(Debug)]
pub(super) struct Idx {
    /// One dimension (labels) or three (images: count, height, width).
    pub(super) dims: Vec<usize>,
    /// The elements, the last dimension running fastest.
    pub(super) bytes: Bytes,
}

/// Reads a file, gzipped or not.
///
/// # Errors
/// The file cannot be read, is not an IDX file of bytes, is damaged, truncated or too long.
pub(super) fn read(path: &Path) -> Result<Idx> {
    let name = path.display().to_string();
    parse(BufReader::new(files::open(path)?), &name)
}

/// Reads a file from any source; errors call it `name`.
pub(super) fn parse(mut source: impl BufRead, name: &str) -> Result<Idx> {
    let start = source.fill_buf().map_err(|error| unreadable(name, &error))?;
    match start.starts_with(&GZIP_MAGIC) {
        true => decode(MultiGzDecoder::new(source), name),
        false => decode(source, name),
    }
}

fn decode(mut source: impl Read, name: &str) -> Result<Idx> {
    let mut magic = [0; 4];
    source.read_exact(&mut magic).map_err(|error| unreadable(name, &error))?;
    let rank = match magic {
        [0, 0, 8, rank @ (1 | 3)] => usize::from(rank),
        _ => bail!(Data, "{name} is not an IDX file of bytes; use MNIST's files"),
    };
    let dims = (0..rank).map(|_| dimension(&mut source, name)).collect::<Result<Vec<_>>>()?;
    let expected = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
    let Some(expected) = expected.filter(|&count| count <= MAX_BYTES) else {
        bail!(
            Data,
            "{name} has dimensions {dims:?}, which exceed 2³¹ − 1 bytes; split it, or copy it again if it is damaged"
        );
    };

    let bytes = read_exactly(&mut source, expected, |error| unreadable(name, error))?;
    if bytes.len() < expected {
        bail!(Data, "{name} is truncated: expected {expected} bytes, found {}; copy it again", bytes.len());
    }
    // Reading on to the end also makes the decoder compare the checksum of a gzipped file.
    let beyond = source.take(1).read_to_end(&mut Vec::new()).map_err(|error| unreadable(name, &error))?;
    if beyond > 0 {
        bail!(Data, "{name} has more than the {expected} bytes of its header; copy it again");
    }
    Ok(Idx { dims, bytes })
}

fn dimension(source: &mut impl Read, name: &str) -> Result<usize> {
    let mut word = [0; 4];
    source.read_exact(&mut word).map_err(|error| unreadable(name, &error))?;
    Ok(u32::from_be_bytes(word) as usize)
}

fn unreadable(name: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => error!(Data, "{name} is truncated; copy it again"),
        // The decoder's errors for a stream that is not gzip, or whose checksum is wrong.
        ErrorKind::InvalidInput | ErrorKind::InvalidData => error!(Data, "{name} is damaged ({error}); copy it again"),
        _ => error!(Data, "cannot read {name} ({error}); check the disk, and copy it again"),
    }
}

/// An IDX file of these dimensions and elements, for tests.
#[cfg(test)]
pub(super) fn encode(dims: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    file.extend(bytes);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn sentence(bytes: &[u8]) -> String {
        parse(bytes, "digits.idx").unwrap_err().to_string()
    }

    #[test]
    fn reads_both_ranks_gzipped_or_not_whatever_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain");
        let images = encode(&[2, 2, 3], &[9; 12]);
        for contents in [images.clone(), gzip(&images)] {
            std::fs::write(&path, contents).unwrap();
            let idx = read(&path).unwrap();
            assert_eq!((idx.dims, idx.bytes.into_vec()), (vec![2, 2, 3], vec![9; 12]));
        }
        let labels = parse(&gzip(&encode(&[3], &[1, 2, 3]))[..], "labels").unwrap();
        assert_eq!((labels.dims, labels.bytes.into_vec()), (vec![3], vec![1, 2, 3]));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = encode(&[2, 2, 3], &[9; 12]);
        for file in [whole.clone(), gzip(&whole)] {
            for cut in 0..file.len() {
                let message = sentence(&file[..cut]);
                assert!(message.starts_with("digits.idx is truncated"), "cut at {cut}: {message}");
            }
        }
    }

    #[test]
    fn no_flipped_bit_of_a_gzipped_file_changes_what_is_read() {
        let bytes: Vec<u8> = (0..200).map(|i| (i % 7) * (i % 11)).collect();
        let file = gzip(&encode(&[200], &bytes));
        for bit in 0..8 * file.len() {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Some bits say nothing: the time, the system, padding between blocks.
            if let Ok(idx) = parse(&damaged[..], "digits.idx") {
                assert_eq!((idx.dims, &idx.bytes[..]), (vec![200], &bytes[..]), "bit {bit}");
            }
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(sentence(b"\x89PNG\r\n\x1a\n").contains("not an IDX file of bytes"));
        assert!(sentence(&encode(&[2, 2], &[0; 4])).contains("not an IDX file of bytes"));
        assert!(sentence(&[0, 0, 0x0d, 1, 0, 0, 0, 1]).contains("not an IDX file of bytes"));
        assert!(sentence(&encode(&[2], &[0; 3])).contains("has more than the 2 bytes"));
        assert!(sentence(&gzip(&encode(&[2], &[0; 3]))).contains("has more than the 2 bytes"));
        assert!(sentence(&encode(&[u32::MAX; 3], &[])).contains("exceed 2³¹ − 1"));
        let folder = tempfile::tempdir().unwrap();
        let message = |name: &str| read(&folder.path().join(name)).unwrap_err().to_string();
        assert!(message("absent").ends_with("no such file"));
        assert!(message("").ends_with("it is a folder, not a file"));
    }
}
