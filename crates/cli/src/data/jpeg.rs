//! Check of a JPEG file: its scans hold the code of every block, and its end marker is there.
//!
//! Decoders fill what a cut or damaged file lacks with grey, without an error. Only the Huffman codes are read here, so
//! the check takes a fraction of the time of decoding. Source: ITU-T T.81 (the JPEG standard), annexes B, F and G.

mod bits;
mod frame;
mod reasons;
mod scan;

use frame::{State, frame, segment};
use reasons::{Reason, damaged, unsupported};

/// Largest number of scans, as in the decoder.
const MAX_SCANS: usize = 100;

/// Checks that a file is of a kind that the decoder knows.
///
/// # Errors
/// Its coding is arithmetic, lossless, hierarchical, or of more than 8 bits.
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), Reason> {
    let mut at = 2;
    while let Ok((marker, content, next)) = segment(bytes, at) {
        match marker {
            0xC9..=0xCB | 0xCD..=0xCF => return Err(unsupported("arithmetic coding")),
            0xC3 => return Err(unsupported("lossless coding")),
            0xC5..=0xC7 => return Err(unsupported("hierarchical coding")),
            0xC0..=0xC2 if content.first().is_some_and(|&depth| depth != 8) => {
                return Err(unsupported("more than 8 bits a channel"));
            }
            0xC0..=0xC2 | 0xD9 | 0xDA => return Ok(()),
            _ => at = next,
        }
    }
    Ok(())
}

/// Checks that a file is whole.
///
/// # Errors
/// The file ends before its end marker, a scan lacks blocks or has a code that is in no table, or a segment is damaged;
/// or the decoder is known to decode its kind wrongly.
pub(super) fn check(bytes: &[u8]) -> Result<(), Reason> {
    let mut state = State::default();
    let mut at = 2;
    let mut scans = 0;
    loop {
        let (marker, content, next) = segment(bytes, at)?;
        at = next;
        match marker {
            0xC0..=0xC2 => state.frame = Some(frame(content, marker == 0xC2)?),
            0xC4 => state.read_tables(content)?,
            0xDD => {
                let &[high, low] = content else { return Err(damaged("its restart interval")) };
                state.restart = usize::from(u16::from_be_bytes([high, low]));
            }
            0xDA => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(format!("has more than {MAX_SCANS} scans"));
                }
                at = state.read_scan(content, bytes, next)?;
            }
            0xD9 => break,
            _ => {}
        }
    }
    match state.frame {
        Some(frame) if frame.components.iter().all(|component| component.seen) => Ok(()),
        _ => Err(damaged("it holds no whole image")),
    }
}
