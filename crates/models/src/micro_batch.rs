//! Micro-batches: a batch that does not fit into memory at once goes through the model in pieces.

use gpu_core::ops::record::{record, record_more};
use gpu_core::{Buf, Schedule};
use std::ops::Range;

/// The rows of a batch that go through the model at once: all of them, or some.
///
/// Noise and order are those of the whole batch, and losses and gradients are shares of its mean. A step in
/// micro-batches therefore differs from a step on the whole batch by rounding only, except for what depends on the
/// batch as a whole: batch normalisation, minibatch deviation, free bits, restarts of codes.
///
/// No micro-batch depends on another of its batch, so they may run on several devices. [`Left`](crate::Left) names
/// what each of them leaves, and its sum over the batch is taken in the order of the micro-batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MicroBatch {
    /// The first row, counted from the batch's first.
    pub first: usize,
    /// Rows of the micro-batch.
    pub rows: usize,
    /// Rows of the batch.
    pub batch: usize,
}

impl MicroBatch {
    /// A whole batch.
    pub fn whole(batch: usize) -> Self {
        Self { first: 0, rows: batch, batch }
    }

    /// The micro-batches of a batch, of at most `max` rows each, the last with the rest; one if `max` is zero.
    pub fn of(batch: usize, max: usize) -> Vec<Self> {
        let max = if max == 0 { batch } else { max.min(batch) };
        (0..batch).step_by(max).map(|first| Self { first, rows: max.min(batch - first), batch }).collect()
    }

    /// The rows.
    pub fn range(self) -> Range<usize> {
        self.first..self.first + self.rows
    }

    /// True if it is not the whole batch.
    pub fn is_part(self) -> bool {
        self.rows < self.batch
    }

    /// True if it is the first of its batch.
    pub fn is_first(self) -> bool {
        self.first == 0
    }

    /// True if it is the last of its batch.
    pub fn is_last(self) -> bool {
        self.range().end == self.batch
    }

    /// The weight of a row in a mean over the batch.
    pub fn share(self) -> f32 {
        1.0 / self.batch as f32
    }

    /// Records its share of the batch's mean in a column of a ring.
    pub(crate) fn record(self, s: &mut Schedule, label: &str, losses: Buf, clock: Buf, ring: Buf, column: usize) {
        self.record_parts(s, label, losses, 1, clock, ring, column);
    }

    /// The same of losses of which each image has `parts`, with their mean as its loss.
    #[expect(clippy::too_many_arguments, reason = "those of record, and the parts")]
    pub(crate) fn record_parts(
        self,
        s: &mut Schedule,
        label: &str,
        losses: Buf,
        parts: usize,
        clock: Buf,
        ring: Buf,
        column: usize,
    ) {
        let label = format!("record.{label}");
        let write = if self.is_first() { record } else { record_more };
        write(s, &label, losses, clock, ring, column, self.share() / parts as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_cover_the_batch() {
        for (batch, max) in [(1, 1), (7, 0), (7, 7), (7, 100), (7, 3), (64, 16), (65, 16)] {
            let all = MicroBatch::of(batch, max);
            let rows: Vec<usize> = all.iter().flat_map(|micro_batch| micro_batch.range()).collect();
            assert_eq!(rows, (0..batch).collect::<Vec<_>>(), "{batch} in micro-batches of {max}");
            assert!(all.iter().all(|micro_batch| max == 0 || micro_batch.rows <= max));
            assert_eq!(all.iter().filter(|micro_batch| micro_batch.is_first()).count(), 1);
            assert_eq!(all.iter().filter(|micro_batch| micro_batch.is_last()).count(), 1);
        }
        assert_eq!(MicroBatch::of(7, 0), [MicroBatch::whole(7)]);
    }
}
