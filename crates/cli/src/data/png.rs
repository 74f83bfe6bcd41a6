//! Check of a PNG file's palette.

/// Most colours of a palette.
const MAX_COLOURS: usize = 256;

/// Checks that palettes are whole colours, and not too many: png 0.18 panics on others.
///
/// # Errors
/// The reason, to follow the file's name in a sentence.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((&[a, b, c, d, ref kind @ ..], contents)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind == b"PLTE" && (!length.is_multiple_of(3) || length > 3 * MAX_COLOURS) {
            return Err(format!("is damaged (a palette of {length} bytes)"));
        }
        // After the contents comes a checksum.
        rest = contents.get(length.saturating_add(4)..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_palette_is_whole_colours() {
        let file = |length: u32| {
            let header = [&13u32.to_be_bytes()[..], b"IHDR", &[0; 17]].concat();
            [&[0; 8][..], &header, &length.to_be_bytes(), b"PLTE", &[0; 12]].concat()
        };
        for length in [0, 3, 768] {
            check(&file(length)).unwrap();
        }
        for length in [1, 208, 771, u32::MAX - 1] {
            assert_eq!(check(&file(length)).unwrap_err(), format!("is damaged (a palette of {length} bytes)"));
        }
        check(b"").unwrap();
    }
}
