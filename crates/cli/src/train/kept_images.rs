//! The training images that a process keeps in its memory, of a training in several processes.
//!
//! Rank r of P keeps the images from rN/P on, and rank 0, which evaluates, keeps all. When a shard begins, each rank
//! sends those of its images that are in the shard.

use crate::data::{Bytes, DataSet, Split};
use crate::io::error::Result;
use gpu_core::{Error, Exchange};
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

/// The images that a rank keeps.
fn kept(count: usize, rank: usize, ranks: usize) -> Range<usize> {
    count * rank / ranks..count * (rank + 1) / ranks
}

/// A copy of the training images that a rank keeps.
///
/// # Errors
/// They are many, and there is no place for a file.
pub(super) fn part(data: &DataSet, rank: usize, ranks: usize) -> Result<Split> {
    let own = kept(data.train.count, rank, ranks);
    let pixels = data.train.images.len() / data.train.count;
    Ok(Split {
        images: Bytes::default().then(&data.train.images[own.start * pixels..own.end * pixels])?,
        labels: data.train.labels[own.clone()].to_vec(),
        count: own.len(),
    })
}

/// The images in these rows of `count`, in order, from the ranks that keep them. `own` starts with those that this rank
/// keeps. All ranks must call it for the same rows.
///
/// # Errors
/// Those of other ranks.
pub(super) fn gather(own: &Split, count: usize, rows: &[usize], exchange: &mut dyn Exchange) -> Result<Split, Error> {
    let (rank, ranks) = (exchange.rank(), exchange.ranks());
    let range = kept(count, rank, ranks);
    let mut sent = Vec::new();
    for row in rows.iter().filter(|row| range.contains(row)).map(|row| row - range.start) {
        sent.extend(own.image(row));
        sent.push(own.labels[row]);
    }
    let width = own.images.len() / own.count + 1;
    let received = exchange.all_gather(sent)?;
    let mut next: Vec<_> = received.iter().map(|rows| rows.chunks_exact(width)).collect();
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for row in rows {
        let of = (0..ranks).find(|&rank| kept(count, rank, ranks).contains(row)).expect("a rank keeps each image");
        let (label, image) = next[of].next().and_then(<[u8]>::split_last).expect("a rank sends what it keeps");
        images.extend(image);
        labels.push(*label);
    }
    Ok(Split { images: images.into(), labels, count: rows.len() })
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
                        let own = part(data, exchange.rank(), ranks).unwrap();
                        let found = gather(&own, 11, rows, &mut exchange).unwrap();
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
