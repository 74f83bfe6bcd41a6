//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing when quiet.

mod line;
mod timer;

pub use line::Status;

use crate::io::format::clean;
use console::Term;
use line::{bar_line, fitting, plain_line};
use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use timer::StepTimer;

/// Columns that a line leaves free: a terminal shows `^C` behind the cursor, which must not wrap.
const FREE: usize = 3;
/// Columns of a terminal that does not tell its width.
const COLUMNS: usize = 80;
/// Time between two drawings of a bar, at least.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(125);

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

    /// A bar over `total` steps of which `done` are done.
    pub fn bar(&self, total: u64, done: u64) -> Bar {
        let now = Instant::now();
        Bar {
            shown: !self.quiet && std::io::stderr().is_terminal(),
            colour: std::env::var_os("NO_COLOR").is_none(),
            terminal: *self,
            timer: RefCell::new(StepTimer::new(total, done, now)),
            drawn: Cell::new(None),
        }
    }
}

/// Columns that a line on the terminal may have.
fn columns() -> usize {
    let width = Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| columns.into());
    width.saturating_sub(FREE).max(1)
}

/// A progress bar on a terminal; elsewhere, a line from time to time. It is removed when it is dropped.
pub struct Bar {
    shown: bool,
    colour: bool,
    terminal: Terminal,
    timer: RefCell<StepTimer>,
    /// The time of the drawing that is on the terminal.
    drawn: Cell<Option<Instant>>,
}

impl Bar {
    /// Advances by one step; the status is made only if it is shown.
    pub fn step(&self, status: impl FnOnce() -> Status) {
        let now = Instant::now();
        let mut timer = self.timer.borrow_mut();
        timer.step(now);
        let drawn_lately = self.drawn.get().is_some_and(|drawn| now.duration_since(drawn) < BETWEEN_DRAWINGS);
        if self.shown && !drawn_lately {
            self.clear();
            // A terminal that is gone must not stop the work.
            let _ = write!(std::io::stderr(), "{}", bar_line(&timer, now, &status(), columns(), self.colour));
            self.drawn.set(Some(now));
        } else if !self.shown && !self.terminal.quiet && timer.line_is_due(now) {
            self.terminal.say(&plain_line(&timer, now, &status()));
        }
    }

    /// Prints one line above the bar.
    pub fn say(&self, line: &str) {
        self.timer.borrow_mut().printed(Instant::now());
        self.clear();
        self.terminal.say(line);
    }

    /// Removes the drawing from the terminal.
    fn clear(&self) {
        if self.drawn.take().is_some() {
            let _ = Term::stderr().clear_line();
        }
    }

    /// Prints the first of these lines that fits the terminal, or the last one shortened; elsewhere, the first.
    pub fn say_fitting(&self, lines: &[String]) {
        match self.shown {
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

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}
