//! Files of a VQ-VAE's codes, packed to bits.
//!
//! ```text
//! 0   8 bytes  frit-vq1
//! 8   u32      images
//! 12  u32      codes of an image
//! 16  u32      codes in the codebook, K
//! 20  u32      CRC-32 of the codebook as f32, which decodes the codes
//! 24           the codes, ⌈log₂ K⌉ bits each, the lowest bit first, the last byte filled up with zeros
//! end u32      CRC-32 of all before
//! ```
//!
//! All numbers have their lowest byte first.

use super::error::{Result, bail, ensure};
use flate2::Crc;

const MAGIC: &[u8; 8] = b"frit-vq1";
const HEADER: usize = 24;

/// Codes of images.
#[derive(Clone, PartialEq, Debug)]
pub struct Tokens {
    /// Codes of an image.
    pub per_image: usize,
    /// Codes in the codebook.
    pub codes: usize,
    /// CRC-32 of the codebook as f32.
    pub codebook: u32,
    /// The codes, image after image.
    pub tokens: Vec<u32>,
}

/// The CRC-32 of bytes.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

impl Tokens {
    /// Bits of a code.
    fn bits(&self) -> usize {
        (usize::BITS - (self.codes - 1).leading_zeros()) as usize
    }

    /// The contents of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let images = self.tokens.len() / self.per_image;
        let numbers = [images as u32, self.per_image as u32, self.codes as u32, self.codebook];
        let mut file: Vec<u8> = MAGIC.iter().copied().chain(numbers.iter().flat_map(|n| n.to_le_bytes())).collect();
        let (mut held, mut count) = (0u64, 0);
        for &token in &self.tokens {
            held |= u64::from(token) << count;
            count += self.bits();
            while count >= 8 {
                file.push(held as u8);
                (held, count) = (held >> 8, count - 8);
            }
        }
        if count > 0 {
            file.push(held as u8);
        }
        let crc = crc32(&file);
        file.extend(crc.to_le_bytes());
        file
    }

    /// True for the first bytes of a file of codes, damaged or not.
    pub fn are_in(file: &[u8]) -> bool {
        file.starts_with(MAGIC)
    }

    /// Reads a file, called `name` in errors.
    ///
    /// # Errors
    /// The file is not one of codes, or is damaged.
    pub fn parse(file: &[u8], name: &str) -> Result<Self> {
        ensure!(Self::are_in(file), File, "{name} is not a file of codes");
        let damaged = format!("{name} is damaged; encode the images again");
        ensure!(file.len() >= HEADER + 4, File, "{damaged}");
        let (content, crc) = file.split_at(file.len() - 4);
        let number = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().expect("four bytes"));
        ensure!(crc32(content).to_le_bytes() == crc, File, "{damaged}");
        let [images, per_image, codes] = [8, 12, 16].map(|at| number(at) as usize);
        let empty = Self { per_image, codes, codebook: number(20), tokens: Vec::new() };
        if per_image == 0 || codes == 0 {
            bail!(File, "{damaged}");
        }
        let count = images.checked_mul(per_image);
        let bytes = count.and_then(|count| count.checked_mul(empty.bits())).map(|bits| bits.div_ceil(8));
        ensure!(bytes == Some(content.len() - HEADER), File, "{damaged}");
        let (mut tokens, mut held, mut kept) = (Vec::new(), 0u64, 0);
        let mut rest = content[HEADER..].iter();
        for _ in 0..images * per_image {
            while kept < empty.bits() {
                held |= u64::from(*rest.next().expect("as many as were counted")) << kept;
                kept += 8;
            }
            let token = (held & ((1 << empty.bits()) - 1)) as u32;
            ensure!((token as usize) < codes, File, "{damaged}");
            tokens.push(token);
            (held, kept) = (held >> empty.bits(), kept - empty.bits());
        }
        Ok(Self { tokens, ..empty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(codes: usize, count: usize) -> Tokens {
        let token = |i: usize| ((i * 7919 + 3) % codes) as u32;
        Tokens { per_image: 3, codes, codebook: 0x1234_5678, tokens: (0..count).map(token).collect() }
    }

    #[test]
    fn codes_come_back_in_as_few_bits_as_they_take() {
        for (codes, bits) in [(1, 0), (2, 1), (3, 2), (128, 7), (129, 8), (512, 9), (8192, 13)] {
            let given = tokens(codes, 30);
            let file = given.to_bytes();
            assert_eq!(file.len(), HEADER + (30usize * bits).div_ceil(8) + 4, "{codes} codes");
            assert_eq!(Tokens::parse(&file, "file").unwrap(), given);
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let file = tokens(100, 12).to_bytes();
        for cut in 0..file.len() {
            assert!(Tokens::parse(&file[..cut], "file").is_err(), "cut at {cut}");
        }
        for bit in 0..8 * file.len() {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Tokens::parse(&damaged, "file").is_err(), "bit {bit}");
        }
    }
}
