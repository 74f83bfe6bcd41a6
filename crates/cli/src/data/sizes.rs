//! Sizes of images: their counts, and a suggested common size.

/// Each size (height and width) and the number of images that have it, the most frequent first.
pub fn counted(sizes: &[[usize; 2]]) -> Vec<([usize; 2], usize)> {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let mut counts: Vec<_> = sorted.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len())).collect();
    counts.sort_by_key(|&(_, count)| usize::MAX - count);
    counts
}

/// A size for all: the largest power of two that half of the images need no enlarging for, from 8 to 64.
pub fn suggested(sizes: &[[usize; 2]]) -> usize {
    let mut short: Vec<usize> = sizes.iter().map(|[height, width]| *height.min(width)).collect();
    short.sort_unstable();
    let median = short.get(short.len() / 2).copied().unwrap_or_default().clamp(8, 64);
    1 << median.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_and_one_is_suggested() {
        let sizes = [[3, 9], [40, 70], [3, 9], [50, 33], [3, 8]];
        assert_eq!(counted(&sizes), [([3, 9], 2), ([3, 8], 1), ([40, 70], 1), ([50, 33], 1)]);
        assert_eq!(suggested(&sizes), 8);
        assert_eq!(suggested(&[[40, 70], [33, 50], [1, 1]]), 32);
        assert_eq!((suggested(&[[4000, 3000]]), suggested(&[[64, 64]]), suggested(&[])), (64, 64, 8));
    }
}
