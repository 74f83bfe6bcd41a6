//! Files of a VQ-VAE's codes, packed to bits.
//!
//! ```text
//! 0   8 bytes  frit-vq1
//! 8   u32      images
//! 12  u32      codes of an image
//! 16  u32      codes that there are, K
//! 20  u32      CRC-32 of what decodes them, as f32: the codebook, or without one the decoder's first weight
//! 24           the codes, ⌈log₂ K⌉ bits each, the lowest bit first, the last byte filled up with zeros
//! end u32      CRC-32 of all before
//! ```
//!
//! All numbers have their lowest byte first.

use super::error::{Context, ErrorKind as Kind, Result, ensure, error};
use flate2::Crc;

const MAGIC: &[u8; 8] = b"frit-vq1";
const HEADER: usize = 24;
const CRC: usize = 4;
/// Most codes of a file: 256 MiB in memory.
const MAX_TOKENS: usize = 1 << 26;

/// Codes of images.
#[derive(Clone, PartialEq, Debug)]
pub struct Tokens {
    /// Codes of an image.
    pub per_image: usize,
    /// Codes that there are.
    pub codes: usize,
    /// CRC-32 of what decodes them, as f32.
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
    /// The contents of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let images = self.tokens.len() / self.per_image;
        let numbers = [images as u32, self.per_image as u32, self.codes as u32, self.codebook];
        let mut file: Vec<u8> = MAGIC.iter().copied().chain(numbers.iter().flat_map(|n| n.to_le_bytes())).collect();
        let (mut held, mut count) = (0u64, 0);
        for &token in &self.tokens {
            held |= u64::from(token) << count;
            count += bits(self.codes);
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
        Header::parse(file, name)?.unpack(file, name)
    }
}

/// The numbers at the start of a file of codes, checked against its length. They are read before any memory is
/// allocated, to be compared with the model that decodes the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Images.
    pub images: usize,
    /// Codes of an image.
    pub per_image: usize,
    /// Codes that there are.
    pub codes: usize,
    /// CRC-32 of what decodes them, as f32.
    pub codebook: u32,
}

impl Header {
    /// Reads the start of a file, called `name` in errors, and compares the file's checksum.
    ///
    /// # Errors
    /// The file is not one of codes, is damaged, or has more than 2²⁶ codes.
    pub fn parse(file: &[u8], name: &str) -> Result<Self> {
        ensure!(Tokens::are_in(file), File, "{name} is not a file of codes");
        let damaged = || error!(File, "{name} is damaged; encode the images again");
        ensure!(file.len() >= HEADER + CRC, File, "{}", damaged());
        let (content, crc) = file.split_at(file.len() - CRC);
        let number = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().expect("four bytes"));
        let [images, per_image, codes] = [8, 12, 16].map(|at| number(at) as usize);
        let header = Self { images, per_image, codes, codebook: number(20) };
        ensure!(crc32(content).to_le_bytes() == crc && per_image > 0 && codes > 0, File, "{}", damaged());
        // A codebook of one code takes no bits: the length of the file does not bound the number of codes.
        let count =
            images.checked_mul(per_image).filter(|&count| count <= MAX_TOKENS).with_context(Kind::File, || {
                format!("{name} has {images} × {per_image} codes (at most {MAX_TOKENS}); encode fewer images")
            })?;
        ensure!((count * bits(codes)).div_ceil(8) == content.len() - HEADER, File, "{}", damaged());
        Ok(header)
    }

    /// The codes of the same file.
    ///
    /// # Errors
    /// A code is beyond the codebook.
    ///
    /// # Panics
    /// If the file is another one, and shorter.
    pub fn unpack(self, file: &[u8], name: &str) -> Result<Tokens> {
        let Self { images, per_image, codes, codebook } = self;
        let bits = bits(codes);
        if bits == 0 {
            return Ok(Tokens { per_image, codes, codebook, tokens: vec![0; images * per_image] });
        }
        let mut tokens = Vec::with_capacity(images * per_image);
        let (mut held, mut kept) = (0u64, 0);
        let mut rest = file[HEADER..].iter();
        for _ in 0..images * per_image {
            while kept < bits {
                held |= u64::from(*rest.next().expect("as many as were counted")) << kept;
                kept += 8;
            }
            let token = (held & ((1 << bits) - 1)) as u32;
            ensure!((token as usize) < codes, File, "{name} is damaged; encode the images again");
            tokens.push(token);
            (held, kept) = (held >> bits, kept - bits);
        }
        Ok(Tokens { per_image, codes, codebook, tokens })
    }
}

/// Bits of a code of a codebook of `codes`.
fn bits(codes: usize) -> usize {
    (usize::BITS - (codes - 1).leading_zeros()) as usize
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

    /// A file of a codebook of one code, which takes no bits, with a checksum that is right.
    #[test]
    fn a_number_of_codes_without_bits_is_bounded() {
        let with = |images: u32, per_image: u32| {
            let mut file = tokens(1, 0).to_bytes();
            file.truncate(HEADER);
            file[8..12].copy_from_slice(&images.to_le_bytes());
            file[12..16].copy_from_slice(&per_image.to_le_bytes());
            let crc = crc32(&file);
            [&file[..], &crc.to_le_bytes()].concat()
        };
        let message = |images, per_image| Tokens::parse(&with(images, per_image), "file").unwrap_err().to_string();
        assert!(message(1 << 31, 1).starts_with("file has 2147483648 × 1 codes (at most 67108864)"));
        assert!(message(u32::MAX, u32::MAX).contains("encode fewer images"));
        assert!(message(3, 0).contains("is damaged"));
        assert_eq!(Tokens::parse(&with(2, 3), "file").unwrap().tokens, [0; 6]);
    }
}
