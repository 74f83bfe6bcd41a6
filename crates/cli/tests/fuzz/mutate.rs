//! Mutations of files.

use rand::RngExt;
use rand::rngs::StdRng;

/// Numbers at which lengths and counts go wrong.
const NUMBERS: [u64; 14] =
    [0, 1, 2, 3, 7, 127, 255, 256, 65_535, 1 << 20, i32::MAX as u64, u32::MAX as u64, i64::MAX as u64, u64::MAX];

/// Words at which texts go wrong.
const WORDS: [&str; 18] = [
    "0",
    "-1",
    "1e999",
    "5e-324",
    "NaN",
    "inf",
    "null",
    "[]",
    "{}",
    "\"\"",
    "true",
    "1.5",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "\\u0000",
    "[[[[",
];

/// Longest input.
const MOST: usize = 1 << 16;

/// A file with one to six changes.
pub(crate) fn mutate(seed: &[u8], others: &[Vec<u8>], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=6) {
        change(&mut bytes, others, rng);
    }
    bytes.truncate(MOST);
    bytes
}

fn change(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut StdRng) {
    if bytes.is_empty() {
        bytes.push(rng.random());
    }
    let at = rng.random_range(0..bytes.len());
    let end = at + rng.random_range(0..=(bytes.len() - at).min(64));
    match rng.random_range(0..10) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        2 => number(&mut bytes[at..], rng),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.truncate(at),
        5 => {
            let again = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, again));
        }
        6 => bytes[at..end].fill(rng.random()),
        7 => {
            let other = &others[rng.random_range(0..others.len())];
            let from = rng.random_range(0..=other.len());
            let to = from + rng.random_range(0..=(other.len() - from).min(256));
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
        _ => word(bytes, at, rng),
    }
}

/// Overwrites some bytes by a number, in either order.
fn number(bytes: &mut [u8], rng: &mut StdRng) {
    let number = NUMBERS[rng.random_range(0..NUMBERS.len())].wrapping_add(rng.random_range(0..3)).wrapping_sub(1);
    let width = [1, 2, 4, 8][rng.random_range(0..4)].min(bytes.len());
    let mut word = number.to_le_bytes()[..width].to_vec();
    if rng.random() {
        word.reverse();
    }
    bytes[..width].copy_from_slice(&word);
}

/// Replaces the word or the number around a place of a text.
fn word(bytes: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let start = bytes[..at].iter().rposition(|byte| !part(byte)).map_or(0, |before| before + 1);
    let end = bytes[at..].iter().position(|byte| !part(byte)).map_or(bytes.len(), |length| at + length);
    let word = WORDS[rng.random_range(0..WORDS.len())];
    drop(bytes.splice(start..end.max(start), word.bytes()));
}
