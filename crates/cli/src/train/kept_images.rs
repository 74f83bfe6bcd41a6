//! The training images that a process keeps in its memory, of a training in several processes.
//!
//! Rank r of P keeps the images from rN/P on, and rank 0, which evaluates, keeps all. When a shard begins, each rank
//! sends those of its images that are in the shard.

use crate::data::{DataSet, Split};
use gpu_core::{Error, Exchange};
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

/// Training images in the memory of a rank.
#[derive(Debug)]
pub(super) struct KeptImages {
    /// The number of the first.
    first: usize,
    /// Each image, and its label.
    rows: Vec<u8>,
    /// Bytes of an image and its label.
    width: usize,
    /// All training images.
    count: usize,
}

/// The images that a rank keeps.
fn kept(count: usize, rank: usize, ranks: usize) -> Range<usize> {
    count * rank / ranks..count * (rank + 1) / ranks
}

impl KeptImages {
    /// Copies those of a rank out of a data set.
    pub(super) fn of(data: &DataSet, rank: usize, ranks: usize) -> Self {
        let (count, own) = (data.train.count, kept(data.train.count, rank, ranks));
        let first = own.start;
        let rows = own.flat_map(|row| data.train.image(row).iter().chain([&data.train.labels[row]])).copied().collect();
        Self { first, rows, width: data.train.images.len() / count + 1, count }
    }

    /// The images in these rows, in order, from the ranks that keep them. All ranks must call it for the same rows.
    ///
    /// # Errors
    /// Those of other ranks.
    pub(super) fn gather(&self, rows: &[usize], exchange: &mut dyn Exchange) -> Result<Split, Error> {
        let (count, ranks, width) = (self.count, exchange.ranks(), self.width);
        let own = kept(count, exchange.rank(), ranks);
        let sent: Vec<u8> = rows
            .iter()
            .filter(|row| own.contains(row))
            .flat_map(|row| &self.rows[(row - self.first) * width..][..width])
            .copied()
            .collect();
        let received = exchange.all_gather(sent)?;
        let mut next: Vec<_> = received.iter().map(|rows| rows.chunks_exact(width)).collect();
        let mut split = Split { count: rows.len(), ..Split::default() };
        for row in rows {
            let of = (0..ranks).find(|&rank| kept(count, rank, ranks).contains(row)).expect("a rank keeps each image");
            let (label, image) = next[of].next().and_then(<[u8]>::split_last).expect("a rank sends what it keeps");
            split.images.extend(image);
            split.labels.push(*label);
        }
        Ok(split)
    }
}

/// Frees the images of a data set, whose sizes and checksums stay.
///
/// # Panics
/// If another owner has the data too.
pub(super) fn free_images(data: &mut Arc<DataSet>) {
    // The checksum is computed at the first call and kept.
    data.fingerprint();
    let data = Arc::get_mut(data).expect("a process has its own data");
    for split in [&mut data.train, &mut data.test] {
        drop(take(&mut split.images));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gpu_core::Threads;
    use std::thread::scope;

    #[test]
    fn the_parts_of_all_ranks_are_all_images() {
        let split = |count: usize| Split {
            images: (0..2 * count as u8).collect(),
            labels: (100..100 + count as u8).collect(),
            count,
        };
        let classes = (0..200).map(|class| class.to_string()).collect();
        let data = &DataSet::new("here".into(), split(11), split(1), [1, 2, 1], classes);
        let rows = &[7, 0, 10, 3, 4, 1];
        for ranks in 1..=5 {
            scope(|threads| {
                for mut exchange in Threads::all(ranks) {
                    threads.spawn(move || {
                        let kept = KeptImages::of(data, exchange.rank(), ranks);
                        let found = kept.gather(rows, &mut exchange).unwrap();
                        assert_eq!(found.images, [14, 15, 0, 1, 20, 21, 6, 7, 8, 9, 2, 3]);
                        assert_eq!((found.labels, found.count), (vec![107, 100, 110, 103, 104, 101], 6));
                    });
                }
            });
        }
    }

    #[test]
    fn freed_images_keep_their_checksum() {
        let mut data = Arc::new(DataSet::black([2, 2, 1], vec!["0".into()]));
        let before = data.fingerprint();
        free_images(&mut data);
        assert_eq!((data.fingerprint(), data.train.images.len(), data.train.count), (before, 0, 1));
    }
}
