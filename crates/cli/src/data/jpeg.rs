//! Check of a JPEG file: its scans hold the code of every block, and its end marker is there.
//!
//! Decoders fill what a cut or damaged file lacks with grey, without an error. Only the Huffman codes are read here, so
//! the check takes a fraction of the time of decoding. Source: ITU-T T.81 (the JPEG standard), annexes B, F and G.

mod bits;
mod scan;

use bits::{Bits, Huffman};

/// Reason to refuse a file, to follow its name in a sentence.
pub(super) type Reason = String;

/// Largest number of scans, as in the decoder.
const MAX_SCANS: usize = 100;

/// A file that ends before its end marker.
const CUT: &str = "is cut short";

/// A component of the frame: its sampling factors and its blocks.
#[derive(Clone, Debug)]
struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    /// Blocks in a row and rows of blocks that a scan of this component alone has.
    blocks: [usize; 2],
    /// Blocks in a row, with those that fill up the last unit of an interleaved scan.
    stride: usize,
    /// The coefficients that are not zero so far, a bit each in zigzag order, for each block: progressive files only.
    nonzero: Vec<u64>,
    /// True once a scan has held its first coefficients.
    seen: bool,
}

/// The frame header.
#[derive(Debug)]
struct Frame {
    progressive: bool,
    components: Vec<Component>,
    /// Units in a row and rows of units of an interleaved scan.
    units: [usize; 2],
}

/// The tables and the frame that hold at a position of the file.
#[derive(Default)]
struct State {
    frame: Option<Frame>,
    /// Tables of DC and of AC coefficients.
    tables: [[Option<Huffman>; 4]; 2],
    /// Units between restart markers; 0 without them.
    restart: usize,
}

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

fn damaged(part: &str) -> Reason {
    format!("is damaged ({part})")
}

fn unsupported(kind: &str) -> Reason {
    format!("is a JPEG with {kind}, which is not supported; save it as a usual JPEG or as PNG")
}

/// The marker at or after a position, the content of its segment, and the position behind it.
fn segment(bytes: &[u8], mut at: usize) -> Result<(u8, &[u8], usize), Reason> {
    // Decoders pass over bytes between segments, and any number of 255 may stand before a marker.
    let marker = loop {
        match bytes.get(at..at + 2) {
            None => return Err(CUT.into()),
            Some(&[0xFF, marker]) if !matches!(marker, 0 | 0xFF) => break marker,
            _ => at += 1,
        }
    };
    at += 2;
    if matches!(marker, 0x01 | 0xD0..=0xD9) {
        return Ok((marker, &[], at));
    }
    let Some(&[high, low]) = bytes.get(at..at + 2) else { return Err(CUT.into()) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < 2 {
        return Err(damaged("a segment without a length"));
    }
    let content = bytes.get(at + 2..at + length).ok_or(CUT)?;
    Ok((marker, content, at + length))
}

fn frame(content: &[u8], progressive: bool) -> Result<Frame, Reason> {
    let wrong = || damaged("its frame header");
    let &[_, h1, h0, w1, w0, count, ref listed @ ..] = content else { return Err(wrong()) };
    let [height, width] = [[h1, h0], [w1, w0]].map(|side| usize::from(u16::from_be_bytes(side)));
    let (listed, rest) = listed.as_chunks::<3>();
    let factors = |&[_, factors, _]: &[u8; 3]| [factors >> 4, factors & 15].map(usize::from);
    let fine = listed.len() == usize::from(count) && (1..=4).contains(&count) && rest.is_empty();
    let fine = fine && listed.iter().flat_map(factors).all(|factor| (1..=4).contains(&factor));
    if !fine || height == 0 || width == 0 {
        return Err(wrong());
    }
    let most =
        [0, 1].map(|axis| listed.iter().map(|component| factors(component)[axis]).max().expect("there are some"));
    // zune-jpeg 0.5 decodes these to wrong pixels, or panics.
    if factors(&listed[0]) != most {
        return Err(unsupported("more values of colour than of brightness"));
    }
    let units = [width.div_ceil(8 * most[0]), height.div_ceil(8 * most[1])];
    let component = |entry: &[u8; 3]| {
        let [horizontal, vertical] = factors(entry);
        let blocks = [(width * horizontal).div_ceil(8 * most[0]), (height * vertical).div_ceil(8 * most[1])];
        let stride = units[0] * horizontal;
        let nonzero = if progressive { vec![0; stride * units[1] * vertical] } else { Vec::new() };
        Component { id: entry[0], horizontal, vertical, blocks, stride, nonzero, seen: false }
    };
    Ok(Frame { progressive, components: listed.iter().map(component).collect(), units })
}

impl State {
    fn read_tables(&mut self, mut content: &[u8]) -> Result<(), Reason> {
        let wrong = || damaged("a Huffman table");
        while let Some((&[place, ref counts @ ..], rest)) = content.split_first_chunk::<17>() {
            let counts: &[u8; 16] = counts.try_into().expect("16 follow the first of 17");
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (values, rest) = rest.split_at_checked(total).ok_or_else(wrong)?;
            let [class, number] = [place >> 4, place & 15].map(usize::from);
            let table = self.tables.get_mut(class).and_then(|tables| tables.get_mut(number)).ok_or_else(wrong)?;
            *table = Some(Huffman::new(counts, values).ok_or_else(wrong)?);
            content = rest;
        }
        Ok(())
    }
}
