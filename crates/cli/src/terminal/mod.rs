//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing when quiet.

mod line;
mod timer;

pub use line::Status;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use line::{bar_line, fitting, plain_line};
use timer::StepTimer;
use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Columns that a line leaves free: a terminal shows `^C` behind the cursor, which must not wrap.
const FREE: usize = 3;
/// Columns of a terminal that does not tell its width.
const COLUMNS: usize = 80;

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
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// A bar over `total` steps of which `done` are done.
    pub fn bar(&self, total: u64, done: u64) -> Bar {
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is right"));
        let colour = std::env::var_os("NO_COLOR").is_none();
        Bar { bar, shown, colour, terminal: *self, timer: RefCell::new(StepTimer::new(total, done, Instant::now())) }
    }
}

/// Columns that a line on the terminal may have.
fn columns() -> usize {
    let width = Term::stderr().size_checked().map_or(COLUMNS, |(_, columns)| columns.into());
    width.saturating_sub(FREE).max(1)
}

/// A progress bar on a terminal; elsewhere, a line from time to time. It is removed when it is dropped.
pub struct Bar {
    bar: ProgressBar,
    shown: bool,
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
        if self.shown {
            self.bar.set_message(bar_line(&timer, now, &status(), columns(), self.colour));
        } else if !self.terminal.quiet && timer.line_is_due(now) {
            self.terminal.say(&plain_line(&timer, now, &status()));
        }
    }

    /// Prints one line above the bar.
    pub fn say(&self, line: &str) {
        self.timer.borrow_mut().said(Instant::now());
        match self.shown {
            true => self.bar.println(line),
            false => self.terminal.say(line),
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
        self.bar.finish_and_clear();
    }
}
