//! Reading of the number of bytes that a header declares.

use super::bytes::{Bytes, Writer, most};
use crate::io::error::{Error, Result};
use std::io::{self, Read};

/// Bytes that are reserved at once before any have arrived.
const FIRST: usize = 1 << 20;

/// Reads `expected` bytes, or fewer if the source ends; very many go to a file. Memory grows with the bytes that
/// arrive: a header that promises more than there is costs nothing.
///
/// # Errors
/// Those of the source, or memory is short, as `unreadable` makes them; or there is no place for a file.
pub(super) fn read_exactly(
    source: &mut impl Read,
    expected: usize,
    unreadable: impl Fn(&io::Error) -> Error,
) -> Result<Bytes> {
    let in_file = expected > most();
    let (mut writer, mut bytes, mut left) = (Writer::default(), Vec::new(), expected);
    while left > 0 {
        let more = if in_file { FIRST } else { bytes.len().max(FIRST) }.min(left);
        bytes.try_reserve_exact(more).map_err(|error| unreadable(&error.into()))?;
        let read = source.by_ref().take(more as u64).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        left -= read;
        if in_file {
            writer.append(&bytes)?;
            bytes.clear();
        }
        if read < more {
            break;
        }
    }
    if in_file { writer.finish() } else { Ok(bytes.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_arrives() {
        let source = vec![7; 3 * FIRST];
        let read = |expected: usize| read_exactly(&mut &source[..], expected, |error| panic!("{error}")).unwrap();
        for expected in [0, 1, FIRST, 3 * FIRST] {
            let bytes = read(expected).into_vec();
            assert_eq!((bytes.len(), bytes.capacity()), (expected, expected));
        }
        let cut = read(most()).into_vec();
        assert!(cut.len() == 3 * FIRST && cut.capacity() <= 4 * FIRST, "{}", cut.capacity());
    }
}
