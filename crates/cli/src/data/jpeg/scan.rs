//! One scan of a JPEG: every block's codes are read and their values dropped.

use super::bits::{Bits, Huffman};
use super::frame::{Component, State};
use super::reasons::{Reason, damaged, unsupported};

/// Most bytes behind the last block of a scan: cameras leave some there.
const MAX_LEFT: usize = 64;

/// The header of a scan.
struct Scan {
    /// For each component of the scan: its number in the frame, and its DC and AC tables.
    members: Vec<(usize, [usize; 2])>,
    /// First and last coefficient, in zigzag order.
    first: usize,
    last: usize,
    /// True for a scan that adds a bit to coefficients of earlier ones.
    refines: bool,
}

impl State {
    /// Reads a scan; the result is the position of the marker behind it.
    pub(super) fn read_scan(&mut self, content: &[u8], bytes: &[u8], at: usize) -> Result<usize, Reason> {
        let Some(frame) = &mut self.frame else { return Err(damaged("a scan before its frame")) };
        let scan = header(content, &frame.components, frame.progressive)?;
        let mut reader =
            Reader { bits: Bits::new(bytes, at), tables: &self.tables, end_of_band: 0, progressive: frame.progressive };
        // A scan of one component has its blocks alone as units.
        let [columns, rows] = match scan.members[..] {
            [(only, _)] => frame.components[only].blocks,
            _ => frame.units,
        };
        let alone = scan.members.len() == 1;
        for unit in 0..columns * rows {
            if self.restart > 0 && unit > 0 && unit % self.restart == 0 {
                reader.bits.restart(unit / self.restart - 1)?;
                reader.end_of_band = 0;
            }
            let [row, column] = [unit / columns, unit % columns];
            for &(number, tables) in &scan.members {
                let component = &mut frame.components[number];
                let [high, wide] = if alone { [1; 2] } else { [component.vertical, component.horizontal] };
                for block in 0..high * wide {
                    let place = (row * high + block / wide) * component.stride + column * wide + block % wide;
                    reader.block(&scan, tables, component.nonzero.get_mut(place))?;
                }
            }
        }
        if scan.first == 0 {
            scan.members.iter().for_each(|&(number, _)| frame.components[number].seen = true);
        }
        if reader.bits.left() > MAX_LEFT {
            return Err(damaged("it holds more data than its image has"));
        }
        Ok(reader.bits.end())
    }
}

fn header(content: &[u8], components: &[Component], progressive: bool) -> Result<Scan, Reason> {
    let wrong = || damaged("the header of a scan");
    let (&count, rest) = content.split_first().ok_or_else(wrong)?;
    let (listed, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(wrong)?;
    let &[first, last, bits] = rest else { return Err(wrong()) };
    let [first, last] = if progressive { [first, last].map(usize::from) } else { [0, 63] };
    let member = |&[id, tables]: &[u8; 2]| {
        let number = components.iter().position(|component| component.id == id)?;
        Some((number, [tables >> 4, tables & 15].map(usize::from)))
    };
    let members: Option<Vec<_>> = listed.as_chunks().0.iter().map(member).collect();
    let members = members.filter(|members| !members.is_empty() && members.len() <= 4).ok_or_else(wrong)?;
    // zune-jpeg 0.5 decodes these to wrong pixels.
    if !progressive && members.len() < components.len() {
        return Err(unsupported("a scan for each channel"));
    }
    // In progressive files, first coefficients have separate scans, and the others one for each component.
    let separate = !progressive || (first == 0 && last == 0) || (first > 0 && members.len() == 1);
    if first > last || last > 63 || !separate {
        return Err(wrong());
    }
    Ok(Scan { members, first, last, refines: progressive && bits >> 4 > 0 })
}

struct Reader<'a> {
    bits: Bits<'a>,
    tables: &'a [[Option<Huffman>; 4]; 2],
    progressive: bool,
    /// Blocks without further coefficients that follow, in progressive files.
    end_of_band: u32,
}

impl<'a> Reader<'a> {
    fn table(&self, class: usize, number: usize) -> Result<&'a Huffman, Reason> {
        let tables: &'a [[Option<Huffman>; 4]; 2] = self.tables;
        tables[class].get(number).and_then(Option::as_ref).ok_or_else(|| damaged("a Huffman table is missing"))
    }

    /// Reads a block; `nonzero` are its coefficients so far, in progressive files.
    fn block(&mut self, scan: &Scan, [dc, ac]: [usize; 2], nonzero: Option<&mut u64>) -> Result<(), Reason> {
        if scan.first == 0 {
            match scan.refines {
                true => self.bits.take(1).map(drop)?,
                false => self.value(self.table(0, dc)?)?,
            }
        }
        match nonzero {
            _ if scan.last == 0 => Ok(()),
            Some(nonzero) if scan.refines => self.refine(scan, self.table(1, ac)?, nonzero),
            Some(nonzero) => self.band(scan, self.table(1, ac)?, nonzero),
            None => self.band(scan, self.table(1, ac)?, &mut 0),
        }
    }

    /// A code of a number of bits, and these.
    fn value(&mut self, table: &Huffman) -> Result<(), Reason> {
        let bits = u32::from(self.bits.decode(table)?);
        match bits {
            0..=16 => self.bits.take(bits).map(drop),
            _ => Err(damaged("a code of too many bits")),
        }
    }

    /// Coefficients for the first time, behind runs of zeros.
    fn band(&mut self, scan: &Scan, table: &Huffman, nonzero: &mut u64) -> Result<(), Reason> {
        if self.end_of_band > 0 {
            self.end_of_band -= 1;
            return Ok(());
        }
        let mut at = scan.first.max(1);
        while at <= scan.last {
            let code = self.bits.decode(table)?;
            let [zeros, bits] = [code >> 4, code & 15].map(u32::from);
            match bits {
                0 if zeros == 15 => at += 16,
                0 if zeros == 0 || self.progressive => {
                    self.end_of_band = (1 << zeros) - 1 + self.bits.take(zeros)?;
                    break;
                }
                0 => return Err(damaged("a code that is in no table")),
                _ => {
                    at += zeros as usize;
                    if at > scan.last {
                        return Err(damaged("a block of too many values"));
                    }
                    self.bits.take(bits)?;
                    *nonzero |= 1 << at;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// One more bit of the coefficients that are not zero, among which new ones appear.
    fn refine(&mut self, scan: &Scan, table: &Huffman, nonzero: &mut u64) -> Result<(), Reason> {
        let mut at = scan.first;
        while self.end_of_band == 0 && at <= scan.last {
            let code = self.bits.decode(table)?;
            let [mut zeros, bits] = [code >> 4, code & 15].map(u32::from);
            match bits {
                0 if zeros < 15 => {
                    self.end_of_band = (1 << zeros) + self.bits.take(zeros)?;
                    break;
                }
                0 => {}
                1 => self.bits.take(1).map(drop)?,
                _ => return Err(damaged("a code that is in no table")),
            }
            while at <= scan.last {
                if *nonzero >> at & 1 == 1 {
                    self.bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                at += 1;
            }
            if bits == 1 {
                if at > scan.last {
                    return Err(damaged("a block of too many values"));
                }
                *nonzero |= 1 << at;
            }
            at += 1;
        }
        if self.end_of_band > 0 {
            for at in at..=scan.last {
                self.bits.take((*nonzero >> at & 1) as u32)?;
            }
            self.end_of_band -= 1;
        }
        Ok(())
    }
}
