//! A running count of the finished parts of some work.

use super::Terminal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// A count that a terminal shows in its last line, and plain output as a line every few seconds. It is removed when it
/// is dropped.
pub struct Count {
    bar: ProgressBar,
    shown: bool,
    terminal: Terminal,
    unit: &'static str,
    total: usize,
    done: usize,
    printed: Instant,
}

impl Terminal {
    /// A count of `total` parts, called `unit`: "cases".
    pub fn count(&self, unit: &'static str, total: usize) -> Count {
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is right"));
        Count { bar, shown, terminal: *self, unit, total, done: 0, printed: Instant::now() }
    }
}

impl Count {
    /// Counts one part; `of` names the work that it belongs to.
    pub fn next(&mut self, of: &str) {
        self.done += 1;
        let line = format!("{}/{} {}, {of}", self.done, self.total, self.unit);
        if self.shown {
            self.bar.set_message(line);
            self.bar.tick();
        } else if self.printed.elapsed() >= LINE {
            self.terminal.say(&line);
            self.printed = Instant::now();
        }
    }

    /// Runs a function that prints, with the count out of its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
