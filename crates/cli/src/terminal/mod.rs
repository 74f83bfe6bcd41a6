//! Progress on standard error: a bar on a terminal, plain lines elsewhere, nothing when quiet.

mod count;

pub use count::Count;

use crate::io::format::clean;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};

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
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar =
            ProgressBar::with_draw_target(Some(total), target).with_position(done).with_elapsed(Default::default());
        bar.reset_eta();
        let colour = if std::env::var_os("NO_COLOR").is_some() { "" } else { ".cyan" };
        let template = format!("{{bar:32{colour}}} {{pos}}/{{len}} steps  {{msg}}  {{eta}} left");
        let style = ProgressStyle::with_template(&template).expect("the template is right").progress_chars("━╸─");
        bar.set_style(style);
        Bar { bar, shown, terminal: *self }
    }
}

/// A progress bar on a terminal; elsewhere, plain lines.
pub struct Bar {
    bar: ProgressBar,
    shown: bool,
    terminal: Terminal,
}

impl Bar {
    /// Advances by one step; the message is made only if the bar is shown.
    pub fn step(&self, message: impl FnOnce() -> String) {
        if self.shown {
            self.bar.set_message(clean(&message()).into_owned());
        }
        self.bar.inc(1);
    }

    /// Prints one line above the bar.
    pub fn say(&self, line: &str) {
        match self.shown {
            true => self.bar.println(clean(line)),
            false => self.terminal.say(line),
        }
    }

    /// Returns to `done` steps, and prints the reason above the bar.
    pub fn back(&self, done: u64, line: &str) {
        self.say(line);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
