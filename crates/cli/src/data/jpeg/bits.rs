//! Bits and Huffman codes of a JPEG scan.

use super::reasons::{CUT, Reason, damaged};

/// Bits of a code that the first table resolves.
const FIRST: u32 = 9;

/// A Huffman table: canonical codes of 1 to 16 bits.
#[derive(Clone, Debug)]
pub(super) struct Huffman {
    /// Length and value of the code that starts with each [`FIRST`] bits; length 0 for longer codes.
    short: Vec<(u8, u8)>,
    /// For each length: the first code, the number of codes, and the place of their values.
    long: [(u32, u32, usize); 17],
    values: Vec<u8>,
}

impl Huffman {
    /// The table of a segment; `None` if it has more codes of a length than there can be.
    pub(super) fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut short = vec![(0, 0); 1 << FIRST];
        let mut long = [(0, 0, 0); 17];
        let (mut code, mut place) = (0u32, 0);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            if code + count > 1 << length {
                return None;
            }
            long[length as usize] = (code, count, place);
            for number in 0..count as usize {
                if length <= FIRST {
                    let first = (code as usize + number) << (FIRST - length);
                    short[first..first + (1 << (FIRST - length))].fill((length as u8, values[place + number]));
                }
            }
            code = (code + count) << 1;
            place += count as usize;
        }
        Some(Self { short, long, values: values.to_vec() })
    }
}

/// The bits of a scan up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that is not in `buffer`.
    at: usize,
    buffer: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, buffer: 0, held: 0 }
    }

    /// Fills the buffer with at least 32 bits, or with all up to the next marker.
    fn fill(&mut self) {
        while self.held <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            let mut next = self.at + 1;
            if byte == 0xFF {
                while self.bytes.get(next) == Some(&0xFF) {
                    next += 1;
                }
                // A zero after 255 says that it is not a marker.
                if self.bytes.get(next) != Some(&0) {
                    return;
                }
                next += 1;
            }
            self.at = next;
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.held += 8;
        }
    }

    /// The next `count` bits, at most 16.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Reason> {
        if self.held < count {
            self.fill();
            if self.held < count {
                return Err(self.ended());
            }
        }
        self.held -= count;
        Ok((self.buffer >> self.held) as u32 & ((1 << count) - 1))
    }

    /// The next value by a table.
    pub(super) fn decode(&mut self, table: &Huffman) -> Result<u8, Reason> {
        if self.held < 16 {
            self.fill();
        }
        // Behind the last bit there are zeros.
        let ahead = if self.held >= 16 { self.buffer >> (self.held - 16) } else { self.buffer << (16 - self.held) };
        let ahead = ahead as u32 & 0xFFFF;
        let (mut length, mut value) = table.short[(ahead >> (16 - FIRST)) as usize];
        if length == 0 {
            let longer = (FIRST + 1..=16).find_map(|length| {
                let (first, count, place) = table.long[length as usize];
                let number = (ahead >> (16 - length)).checked_sub(first).filter(|number| *number < count)?;
                Some((length as u8, table.values[place + number as usize]))
            });
            (length, value) = longer.ok_or_else(|| damaged("a code that is in no table"))?;
        }
        let length = u32::from(length);
        if length > self.held {
            return Err(self.ended());
        }
        self.held -= length;
        Ok(value)
    }

    /// Passes the marker of a restart, which follows the last bits.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), Reason> {
        let at = self.end();
        match self.bytes.get(at..at + 2) {
            Some(&[0xFF, marker]) if usize::from(marker) == 0xD0 + number % 8 => {
                *self = Self::new(self.bytes, at + 2);
                Ok(())
            }
            Some(_) => Err(damaged("a restart marker is missing")),
            None => Err(CUT.into()),
        }
    }

    /// The position of the next marker, or of the end of the file.
    pub(super) fn end(&self) -> usize {
        let marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xFF);
        let ahead = &self.bytes[self.at..];
        ahead.windows(2).position(marker).map_or(self.bytes.len(), |ahead| self.at + ahead)
    }

    /// Whole bytes that were not read up to the next marker.
    pub(super) fn left(&self) -> usize {
        self.end() - self.at + self.held as usize / 8
    }

    fn ended(&self) -> Reason {
        // At a marker, what is missing was lost within the file.
        if self.end() == self.bytes.len() { CUT.into() } else { damaged("a part of the image is missing") }
    }
}
