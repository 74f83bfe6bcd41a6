//! A batch in parts: where there is no memory for all images of a step at once, as many go through the model as there
//! is, one part after another, and their gradients are added up before the weights move.

use gpu_core::ops::record::{record, record_more};
use gpu_core::{Buf, Schedule};
use std::ops::Range;

/// Rows of a step's batch that go through the model at once: all of them, or some.
///
/// Noise and order are those of the whole batch, and losses and gradients count as shares of its mean. So a step comes
/// to the same in parts, but for rounding and for what looks at a batch as a whole: batch normalisation, spectral
/// norms, free bits, codes that begin anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MicroBatch {
    /// The first row, counted from the batch's first.
    pub first: usize,
    /// How many rows.
    pub rows: usize,
    /// Rows of the batch.
    pub batch: usize,
}

impl MicroBatch {
    /// All of a batch.
    pub fn whole(batch: usize) -> Self {
        Self { first: 0, rows: batch, batch }
    }

    /// A batch in parts of `most` rows, the last of what is left; in one where that is zero.
    pub fn of(batch: usize, most: usize) -> Vec<Self> {
        let most = if most == 0 { batch } else { most.min(batch) };
        (0..batch).step_by(most).map(|first| Self { first, rows: most.min(batch - first), batch }).collect()
    }

    /// The rows.
    pub fn range(self) -> Range<usize> {
        self.first..self.first + self.rows
    }

    /// Whether it is where the step begins.
    pub fn is_first(self) -> bool {
        self.first == 0
    }

    /// Whether it is where the step ends.
    pub fn is_last(self) -> bool {
        self.range().end == self.batch
    }

    /// What a row counts in a mean over the batch.
    pub fn share(self) -> f32 {
        1.0 / self.batch as f32
    }

    /// Its share of the batch's mean, into a column of a ring.
    pub(crate) fn record(self, s: &mut Schedule, label: &str, losses: Buf, clock: Buf, ring: Buf, column: usize) {
        let label = format!("record.{label}");
        let write = if self.is_first() { record } else { record_more };
        write(s, &label, losses, clock, ring, column, self.share());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_batch() {
        for (batch, most) in [(1, 1), (7, 0), (7, 7), (7, 100), (7, 3), (64, 16), (65, 16)] {
            let parts = MicroBatch::of(batch, most);
            let rows: Vec<usize> = parts.iter().flat_map(|micro_batch| micro_batch.range()).collect();
            assert_eq!(rows, (0..batch).collect::<Vec<_>>(), "{batch} in parts of {most}");
            assert!(parts.iter().all(|micro_batch| most == 0 || micro_batch.rows <= most));
            assert_eq!(parts.iter().filter(|micro_batch| micro_batch.is_first()).count(), 1);
            assert_eq!(parts.iter().filter(|micro_batch| micro_batch.is_last()).count(), 1);
        }
        assert_eq!(MicroBatch::of(7, 0), [MicroBatch::whole(7)]);
    }
}
