//! Time of a loop of steps: the time left, and the time between lines.

use std::time::{Duration, Instant};

/// Time between lines outside of a terminal, at least.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Steps and their times.
///
/// Only steps of this process count: a resumed run has done others at another time. The first one does not, since it
/// compiles shaders.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct StepTimer {
    /// Steps of the work.
    pub total: u64,
    /// Steps done.
    pub done: u64,
    /// The steps that were done at the start of the measurement, and its time; `None` before the first step.
    start: Option<(u64, Instant)>,
    printed: Instant,
}

impl StepTimer {
    /// A work of `total` steps, of which `done` were done before.
    pub(super) fn new(total: u64, done: u64, now: Instant) -> Self {
        Self { total, done, start: None, printed: now }
    }

    /// Counts a step.
    pub(super) fn step(&mut self, now: Instant) {
        self.done += 1;
        self.start.get_or_insert((self.done, now));
    }

    /// Returns to `done` steps.
    pub(super) fn back(&mut self, done: u64, now: Instant) {
        *self = Self { start: None, printed: now, done, ..*self };
    }

    /// Notes that a line was printed.
    pub(super) fn printed(&mut self, now: Instant) {
        self.printed = now;
    }

    /// True, and noted, if the last line was long ago.
    pub(super) fn line_is_due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.printed) >= BETWEEN_LINES;
        if due {
            self.printed = now;
        }
        due
    }

    /// Seconds that the remaining steps take at the mean speed so far; `None` before the second step.
    pub(super) fn seconds_left(&self, now: Instant) -> Option<f64> {
        let (first, since) = self.start.filter(|(first, _)| self.done > *first)?;
        let per_step = now.saturating_duration_since(since).as_secs_f64() / (self.done - first) as f64;
        Some(per_step * self.total.saturating_sub(self.done) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_an_earlier_process_do_not_count() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // 900 steps were done before; the first step of this process takes 20 seconds, each other one second.
        let mut timer = StepTimer::new(1000, 900, at(0));
        timer.step(at(20));
        assert_eq!(timer.seconds_left(at(20)), None);
        for second in 21..=30 {
            timer.step(at(second));
        }
        assert_eq!(timer.seconds_left(at(30)), Some(89.0));
        timer.back(900, at(31));
        assert_eq!((timer.done, timer.seconds_left(at(31))), (900, None));
    }

    #[test]
    fn lines_are_at_least_fifteen_seconds_apart() {
        let start = Instant::now();
        let mut timer = StepTimer::new(10, 0, start);
        let mut due = |seconds| timer.line_is_due(start + Duration::from_secs(seconds));
        assert_eq!([10, 15, 29, 30].map(&mut due), [false, true, false, true]);
        timer.printed(start + Duration::from_secs(40));
        assert!(!timer.line_is_due(start + Duration::from_secs(50)));
    }
}
