//! Numbers in small pixels, for captions.

/// Columns and rows of a digit.
const COLUMNS: usize = 3;
pub(super) const ROWS: usize = 5;

/// The digits, row after row, three bits each.
const DIGITS: [[u8; ROWS]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b011, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// Columns of a number, with one between two digits.
pub(super) fn width(number: u64) -> usize {
    (COLUMNS + 1) * number.to_string().len() - 1
}

/// The rows and columns that a number covers.
pub(super) fn pixels(number: u64) -> impl Iterator<Item = [usize; 2]> {
    let digits = number.to_string().into_bytes().into_iter().map(|digit| usize::from(digit - b'0'));
    digits.enumerate().flat_map(|(place, digit)| {
        let all = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| [row, column]));
        let covered = all.filter(move |[row, column]| DIGITS[digit][*row] >> (COLUMNS - 1 - column) & 1 == 1);
        covered.map(move |[row, column]| [row, (COLUMNS + 1) * place + column])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn digits_differ_and_stay_in_their_columns() {
        let shapes: BTreeSet<Vec<[usize; 2]>> = (0..10).map(|digit| pixels(digit).collect()).collect();
        assert_eq!(shapes.len(), 10);
        let shown: Vec<[usize; 2]> = pixels(17).filter(|[row, _]| *row == 0).collect();
        assert_eq!(shown, [[0, 1], [0, 4], [0, 5], [0, 6]]);
        assert!(pixels(u64::MAX).all(|[row, column]| row < ROWS && column < width(u64::MAX)));
    }
}
