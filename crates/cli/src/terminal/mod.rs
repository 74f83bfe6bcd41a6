//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing when quiet.

mod count;
mod drawing;
mod line;
mod timer;

pub use count::Count;
pub use line::Status;

use crate::io::format::clean;
use drawing::{Drawing, columns};
use line::{bar_line, fitting, plain_line};
use std::cell::RefCell;
use std::io::Write;
use std::time::Instant;
use timer::StepTimer;

/// Output for people, on standard error.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    quiet: bool,
}

impl Terminal {
    /// Prints nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Prints one line, unless quiet.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            // A closed standard error must not stop the work.
            let _ = writeln!(std::io::stderr(), "{}", clean(line));
        }
    }

    /// Prints the last line after an interrupt, in place of what Ctrl-C left in the line.
    ///
    /// A terminal drops output that was written at the moment of Ctrl-C, which may be that which cleared the bar, and
    /// shows `^C`.
    pub fn say_interrupted(&self, line: &str) {
        Drawing::new(self.quiet).clear_always();
        self.say(line);
    }

    /// A bar over `total` steps of which `done` are done.
    pub fn bar(&self, total: u64, done: u64) -> Bar {
        let now = Instant::now();
        Bar {
            drawing: Drawing::new(self.quiet),
            colour: std::env::var_os("NO_COLOR").is_none(),
            terminal: *self,
            timer: RefCell::new(StepTimer::new(total, done, now)),
        }
    }
}

/// A progress bar on a terminal; elsewhere, a line from time to time. It is removed when it is dropped.
pub struct Bar {
    drawing: Drawing,
    colour: bool,
    terminal: Terminal,
    timer: RefCell<StepTimer>,
}

impl Bar {
    /// Advances by one step; the status is made only if it is shown.
    pub fn step(&self, status: impl FnOnce() -> Status) {
        let now = Instant::now();
        let mut timer = self.timer.borrow_mut();
        timer.step(now);
        if self.drawing.shown {
            self.drawing.draw(|| bar_line(&timer, now, &status(), columns(), self.colour));
        } else if !self.terminal.quiet && timer.line_is_due(now) {
            self.terminal.say(&plain_line(&timer, now, &status()));
        }
    }

    /// Prints one line above the bar.
    pub fn say(&self, line: &str) {
        self.timer.borrow_mut().printed(Instant::now());
        self.drawing.clear();
        self.terminal.say(line);
    }

    /// Prints the first of these lines that fits the terminal, or the last one shortened; elsewhere, the first.
    pub fn say_fitting(&self, lines: &[String]) {
        match self.drawing.shown {
            true => self.say(&fitting(lines, columns())),
            false => self.say(&lines[0]),
        }
    }

    /// Returns to `done` steps, and prints the reason above the bar.
    pub fn back(&self, done: u64, line: &str) {
        self.say(line);
        self.timer.borrow_mut().back(done, Instant::now());
    }
}
