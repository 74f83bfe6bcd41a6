//! A permutation of the rows of a data set, one for each seed and epoch.

use crate::ops::permute::{PermuteParams, half_bits};
use crate::random::{Stream, key, philox};
use crate::{Args, Element};
use rayon::prelude::*;

/// π(position), where π is the permutation of 0 .. count − 1 for a stream, a seed and an epoch.
pub fn permutation(stream: Stream, count: u32, seed: u64, epoch: u32, position: u32) -> u32 {
    walk(count, round_keys(stream, key(seed), epoch), position)
}

/// `order[b] = π(start + first + b)`, or start + first + b
pub fn permute<E: Element>(args: &mut Args<'_, E>) {
    let p: PermuteParams = args.params();
    let (clock, order) = (args.read_u32("clock"), args.write_u32("order"));
    let (epoch, start) = (clock[1], clock[2] + p.first);
    let keys = round_keys(Stream::Order, [p.key0, p.key1], epoch);
    order.par_iter_mut().enumerate().for_each(|(b, order)| {
        let position = (start + b as u32).min(p.count - 1);
        *order = if p.shuffle != 0 { walk(p.count, keys, position) } else { position };
    });
}

fn round_keys(stream: Stream, key: [u32; 2], epoch: u32) -> [u32; 8] {
    let [a, b, c, d] = philox([0, stream as u32, epoch, 0], key);
    let [e, f, g, h] = philox([1, stream as u32, epoch, 0], key);
    [a, b, c, d, e, f, g, h]
}

/// Applies eight Feistel rounds until the result is less than `count`. The rounds are a bijection of a larger set;
/// following its cycles from one row to the next gives a bijection of the rows.
fn walk(count: u32, keys: [u32; 8], position: u32) -> u32 {
    let bits = half_bits(count);
    let mask = (1 << bits) - 1;
    let mut x = position;
    loop {
        let (mut left, mut right) = (x >> bits, x & mask);
        for key in keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        x = left << bits | right;
        if x < count {
            return x;
        }
    }
}

/// `MurmurHash3`'s 32-bit finaliser.
fn mix(x: u32) -> u32 {
    let x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
    x ^ x >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_occurs_once() {
        for count in [1, 2, 3, 4, 5, 16, 17, 100, 60_000, 65_537] {
            for epoch in [0, 1, 9] {
                let mut order: Vec<u32> =
                    (0..count).map(|i| permutation(Stream::Order, count, 1 << 40 | 7, epoch, i)).collect();
                order.sort_unstable();
                assert!(order.iter().copied().eq(0..count), "{count} rows, epoch {epoch}");
            }
        }
    }

    /// In a random order, one position on average keeps its row, and one is followed by the next row.
    #[test]
    fn orders_differ_by_epoch_and_seed_and_look_random() {
        let count = 60_000;
        let order = |seed, epoch| -> Vec<u32> {
            (0..count).map(|i| permutation(Stream::Order, count, seed, epoch, i)).collect()
        };
        let orders = [order(0, 0), order(0, 1), order(1, 0), order(1 << 32, 0)];
        for (i, a) in orders.iter().enumerate() {
            assert!(a.iter().zip(0..count).filter(|&(&x, i)| x == i).count() < 10);
            assert!(a.windows(2).filter(|pair| pair[1] == pair[0] + 1).count() < 10);
            for b in &orders[..i] {
                assert!(a.iter().zip(b).filter(|(x, y)| x == y).count() < 10);
            }
        }
    }
}
