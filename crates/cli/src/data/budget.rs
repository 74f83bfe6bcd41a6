//! A memory limit shared by all decoding threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// A number of bytes that threads share: each takes the bytes that it is about to allocate, waiting until others have
/// given theirs back.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    taken: Mutex<u64>,
    returned: Condvar,
}

/// Bytes taken from a budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(super) const fn new(total: u64) -> Self {
        Self { total, taken: Mutex::new(0), returned: Condvar::new() }
    }

    /// Takes bytes, waiting for them. A thread that holds a share takes none from the same budget, so that nobody waits
    /// for ever.
    ///
    /// # Panics
    /// For more bytes than the total.
    pub(super) fn take(&self, bytes: u64) -> Share<'_> {
        assert!(bytes <= self.total, "{bytes} of {} bytes", self.total);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.returned.wait_while(taken, |taken| *taken + bytes > self.total);
        *wait.unwrap_or_else(PoisonError::into_inner) += bytes;
        Share { budget: self, bytes }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    #[test]
    fn threads_together_take_no_more_than_the_total() {
        let (budget, now, most) = (Budget::new(100), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [40, 35, 60, 100, 1, 30, 70, 50] {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let share = budget.take(bytes);
                        most.fetch_max(now.fetch_add(bytes, SeqCst) + bytes, SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert!((70..=100).contains(&most.load(SeqCst)), "{most:?}");
        (0..2).for_each(|_| drop(budget.take(100)));
    }
}
