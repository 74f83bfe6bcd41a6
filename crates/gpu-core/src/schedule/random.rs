//! The counter-based random generator used by all executors and by initialisation.

use rand::TryRng;
use std::convert::Infallible;

/// Computes four random words from a counter and a key by Philox4x32-10.
///
/// Source: Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011, §3.3.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let [mut x0, mut x1, mut x2, mut x3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let low = u64::from(MULTIPLIERS[0]) * u64::from(x0);
        let high = u64::from(MULTIPLIERS[1]) * u64::from(x2);
        (x0, x1, x2, x3) = ((high >> 32) as u32 ^ x1 ^ k0, high as u32, (low >> 32) as u32 ^ x3 ^ k1, low as u32);
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [x0, x1, x2, x3]
}

/// Splits a 64-bit seed into a key: low word, high word.
pub fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Maps a random word to the open interval (0, 1): (⌊word / 2⁹⌋ + ½) · 2⁻²³, exact in f32.
pub fn unit(word: u32) -> f64 {
    (f64::from(word >> 9) + 0.5) / f64::from(1u32 << 23)
}

/// The purpose of a draw: the second word of the counter, so that no two purposes share numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stream {
    /// Initial weights; the third word of the counter is the parameter's index.
    Init = 1,
    /// The order of the training set; the third word is the epoch.
    Order = 2,
    /// The noise of training steps; the third word is the step, counted from one.
    Train = 3,
    /// The noise of evaluation; the third word is the batch, counted from one.
    Evaluate = 4,
    /// Latents of samples; the third word is the batch, counted from one.
    Sample = 5,
    /// Rows of data that become codebook entries; the third word is the step, the fourth 0 for restarted entries and 1
    /// for initial ones.
    Codebook = 6,
    /// Latents of the generator's step; the third word is the step, counted from one.
    Latent = 7,
    /// The images of a large data set that are on the device at a time; the third word is the epoch.
    Shards = 8,
    /// Points between real and generated images, where a penalty is taken, or between noise and data, where flow
    /// matching takes a velocity; the third word is the step, counted from one, or the batch of an evaluation.
    Mix = 9,
    /// Changes of the images that a discriminator sees; the third word is the step, counted from one.
    Augment = 10,
    /// Mirrored and moved training images; the third word is the step, counted from one.
    Move = 11,
    /// Points of a density; the third word is the step, counted from one. At step zero the fourth word is 0 for
    /// training points on the host and 1 for test points.
    Points = 12,
    /// Codes drawn from a prior; the third word is the batch, counted from one, the fourth the position. Of a sequence,
    /// the third word is the position, counted from one, plus 2²⁴ for each batch before.
    Codes = 13,
    /// Training images that lose their class; the third word is the step, counted from one.
    Dropout = 14,
    /// The random numbers of corruptions; the third word is the step, counted from one, or the batch of an evaluation.
    Corrupt = 15,
    /// Exchanges with a pool of earlier images; the third word is the step, counted from one.
    Replay = 16,
    /// The positions of windows of sequences; the third word is the step, counted from one.
    Window = 17,
}

/// A sequence of random words from one stream, for `rand`'s distributions on the host.
#[derive(Clone, Debug)]
pub struct StreamRng {
    counter: [u32; 4],
    key: [u32; 2],
    block: [u32; 4],
    used: usize,
}

impl StreamRng {
    /// The stream of words at counters (0, 1, 2 … ; `stream`; `index`; 0) under `seed`.
    pub fn new(seed: u64, stream: Stream, index: u32) -> Self {
        Self { counter: [0, stream as u32, index, 0], key: key(seed), block: [0; 4], used: 4 }
    }
}

impl TryRng for StreamRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        Ok(self.block[self.used - 1])
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.try_next_u32()?);
        Ok(low | u64::from(self.try_next_u32()?) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.try_next_u32()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of Random123 1.14 (`kat_vectors`) for philox4x32 with ten rounds.
    #[test]
    fn philox_matches_the_published_vectors() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox(counter, [0xa409_3822, 0x299f_31d0]), answer);
    }

    #[test]
    fn unit_is_open_at_both_ends() {
        assert!(unit(0) > 0.0 && unit(u32::MAX) < 1.0);
        assert_eq!(f64::from(unit(u32::MAX) as f32), unit(u32::MAX));
    }
}
