//! Segments of a JPEG, its frame header and its Huffman tables.

use super::bits::Huffman;
use super::reasons::{CUT, Reason, damaged, unsupported};

/// A component of the frame: its sampling factors and its blocks.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) horizontal: usize,
    pub(super) vertical: usize,
    /// Blocks in a row and rows of blocks that a scan of this component alone has.
    pub(super) blocks: [usize; 2],
    /// Blocks in a row, with those that fill up the last unit of an interleaved scan.
    pub(super) stride: usize,
    /// The coefficients that are not zero so far, a bit each in zigzag order, for each block: progressive files only.
    pub(super) nonzero: Vec<u64>,
    /// True once a scan has held its first coefficients.
    pub(super) seen: bool,
}

/// The frame header.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// Units in a row and rows of units of an interleaved scan.
    pub(super) units: [usize; 2],
}

/// The tables and the frame that hold at a position of the file.
#[derive(Default)]
pub(super) struct State {
    pub(super) frame: Option<Frame>,
    /// Tables of DC and of AC coefficients.
    pub(super) tables: [[Option<Huffman>; 4]; 2],
    /// Units between restart markers; 0 without them.
    pub(super) restart: usize,
}

/// The marker at or after a position, the content of its segment, and the position behind it.
pub(super) fn segment(bytes: &[u8], mut at: usize) -> Result<(u8, &[u8], usize), Reason> {
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

/// Reads a frame header.
pub(super) fn frame(content: &[u8], progressive: bool) -> Result<Frame, Reason> {
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
    /// Reads Huffman tables.
    pub(super) fn read_tables(&mut self, mut content: &[u8]) -> Result<(), Reason> {
        let wrong = || damaged("a Huffman table");
        while let Some((&[place, ref counts @ ..], rest)) = content.split_first_chunk::<17>() {
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
