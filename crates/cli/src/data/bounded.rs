//! Reading of the number of bytes that a header declares.

use super::bytes::{Bytes, Writer, most};
use std::io::{Read, Result, copy};

/// Bytes that are reserved at once before any have arrived.
const FIRST: usize = 1 << 20;

/// Reads `expected` bytes, or fewer if the source ends; very many go to a file. Memory grows with the bytes that arrive: a header that promises
/// more than there is costs nothing.
///
/// # Errors
/// Those of the source, or memory is short.
pub(super) fn read_exactly(source: &mut impl Read, expected: usize) -> Result<Bytes> {
    if expected > most() {
        let mut writer = Writer::default();
        copy(&mut source.take(expected as u64), &mut writer)?;
        return writer.done();
    }
    let mut bytes = Vec::new();
    while bytes.len() < expected {
        let more = bytes.len().max(FIRST).min(expected - bytes.len());
        bytes.try_reserve_exact(more)?;
        if source.by_ref().take(more as u64).read_to_end(&mut bytes)? < more {
            break;
        }
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_arrives() {
        let source = vec![7; 3 * FIRST];
        let read = |expected: usize| read_exactly(&mut &source[..], expected).unwrap();
        for expected in [0, 1, FIRST, 3 * FIRST] {
            let bytes = read(expected).into_vec();
            assert_eq!((bytes.len(), bytes.capacity()), (expected, expected));
        }
        let cut = read(most()).into_vec();
        assert!(cut.len() == 3 * FIRST && cut.capacity() <= 4 * FIRST, "{}", cut.capacity());
    }
}
