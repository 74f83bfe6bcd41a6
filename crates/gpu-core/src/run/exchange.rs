//! Exchange between the ranks of a training: devices of one process, or processes.
//!
//! A rank sends and receives bytes, and adds nothing on the way. All ranks call the same functions in the same order.

use crate::Error;
use std::sync::mpsc::{Receiver, Sender, channel};

/// A rank's connection to all ranks of a training.
pub trait Exchange {
    /// The number of this rank, from zero.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn ranks(&self) -> usize;

    /// A rank in messages.
    fn name(&self, rank: usize) -> String {
        format!("device {}", rank + 1)
    }

    /// Sends `parts[r]` to rank r, for every rank. Returns the bytes that each rank sent here, in the order of ranks.
    ///
    /// # Errors
    /// [`Error::Rank`] if another rank has ended.
    ///
    /// # Panics
    /// If there are not as many parts as ranks.
    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error>;

    /// Sends the same bytes to every rank. Returns those of every rank, in the order of ranks.
    ///
    /// # Errors
    /// As [`Self::all_to_all`].
    fn all_gather(&mut self, part: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let parts = vec![part; self.ranks()];
        self.all_to_all(parts)
    }

    /// Returns the bytes of rank 0; those of the others are not sent.
    ///
    /// # Errors
    /// As [`Self::all_to_all`].
    fn broadcast(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        let sent = if self.rank() == 0 { bytes } else { Vec::new() };
        let parts = vec![sent; self.ranks()];
        Ok(self.all_to_all(parts)?.swap_remove(0))
    }
}

/// The only rank of a training on one device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Exchange for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        assert_eq!(parts.len(), 1, "a part for each rank");
        Ok(parts)
    }
}

/// A rank that is a thread of this process. Once it is dropped, by an error or a panic of its thread, the exchanges of
/// the other ranks return an error.
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Receiver<Vec<u8>>>,
}

impl Threads {
    /// All ranks of a training, in order, each for a thread.
    pub fn all(ranks: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..ranks).map(|rank| Self { rank, to: Vec::new(), from: Vec::new() }).collect();
        for from in 0..ranks {
            for to in 0..ranks {
                let (sender, receiver) = channel();
                all[from].to.push(sender);
                all[to].from.push(receiver);
            }
        }
        all
    }
}

impl Exchange for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn all_to_all(&mut self, parts: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        assert_eq!(parts.len(), self.ranks(), "a part for each rank");
        for (to, part) in self.to.iter().zip(parts) {
            // A rank that has ended is found below, unless it had nothing more to send.
            let _ = to.send(part);
        }
        let received = self.from.iter().enumerate();
        received.map(|(rank, from)| from.recv().map_err(|_| Error::Rank { rank, why: None })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{scope, sleep};
    use std::time::Duration;

    #[test]
    fn every_rank_has_what_every_rank_sent() {
        for ranks in 1..=4 {
            scope(|threads| {
                for mut exchange in Threads::all(ranks) {
                    threads.spawn(move || {
                        let own = exchange.rank() as u8;
                        for round in 0..20 {
                            // Some are late.
                            sleep(Duration::from_micros(u64::from(own * round) * 7 % 50));
                            let parts = (0..ranks as u8).map(|to| vec![own, to, round]).collect();
                            let expected: Vec<_> = (0..ranks as u8).map(|from| vec![from, own, round]).collect();
                            assert_eq!(exchange.all_to_all(parts).unwrap(), expected);
                            assert_eq!(exchange.broadcast(vec![own, round]).unwrap(), [0, round]);
                            let gathered = exchange.all_gather(vec![own; usize::from(own)]).unwrap();
                            assert!((0..ranks as u8).zip(&gathered).all(|(r, part)| *part == vec![r; usize::from(r)]));
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn a_rank_that_ends_is_an_error_of_the_others() {
        let mut all = Threads::all(3);
        drop(all.remove(1));
        for exchange in &mut all {
            let error = exchange.all_gather(vec![1]).unwrap_err();
            assert!(matches!(error, Error::Rank { rank: 1, .. }), "{error}");
        }
    }

    #[test]
    fn one_rank_has_its_own_part() {
        assert_eq!(Alone.all_gather(vec![3, 4]).unwrap(), [vec![3, 4]]);
        assert_eq!(Alone.broadcast(vec![5]).unwrap(), [5]);
    }
}
