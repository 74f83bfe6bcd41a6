//! A running count of finished items.

use super::Terminal;
use super::drawing::{Drawing, columns};
use super::line::fitting;
use std::time::{Duration, Instant};

/// Time between lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// A count that a terminal shows in its last line, and plain output as a line every few seconds. It is removed when it
/// is dropped.
pub struct Count {
    drawing: Drawing,
    terminal: Terminal,
    unit: &'static str,
    total: usize,
    done: usize,
    printed: Instant,
}

impl Terminal {
    /// A count of `total` parts, called `unit`: "cases".
    pub fn count(&self, unit: &'static str, total: usize) -> Count {
        let drawing = Drawing::new(self.quiet);
        Count { drawing, terminal: *self, unit, total, done: 0, printed: Instant::now() }
    }
}

impl Count {
    /// Counts one part; `of` names the work that it belongs to.
    pub fn next(&mut self, of: &str) {
        self.done += 1;
        let line = format!("{}/{} {}, {of}", self.done, self.total, self.unit);
        if self.drawing.shown {
            self.drawing.draw(|| fitting(&[line], columns()));
        } else if self.printed.elapsed() >= LINE {
            self.terminal.say(&line);
            self.printed = Instant::now();
        }
    }

    /// Runs a function that prints, with the count out of its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.drawing.clear();
        print()
    }
}
