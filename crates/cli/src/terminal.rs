//! Results on standard output; progress on standard error: a bar on a terminal, plain lines elsewhere, nothing when
//! quiet.

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Arguments;
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes one line of results to standard output: `println!` that returns its error.
macro_rules! out {
    ($($line:tt)*) => { $crate::terminal::put(format_args!($($line)*)) };
}
pub(crate) use out;

/// What [`out!`] does. A reader that has gone away wants no more, which is no fault.
///
/// # Errors
/// One sentence: what standard output leads to cannot be written.
pub(crate) fn put(line: Arguments<'_>) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow!("the result could not be written to standard output ({error}); send it elsewhere"))
        }
        _ => Ok(()),
    }
}

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    quiet: bool,
}

impl Terminal {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// One line for people.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            // Where nobody can hear it, nothing is lost: the work goes on.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// A bar over `total` steps of which `done` are done.
    pub(crate) fn bar(&self, total: u64, done: u64) -> Bar {
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

/// A progress bar, or the lines in its place.
pub(crate) struct Bar {
    bar: ProgressBar,
    shown: bool,
    terminal: Terminal,
}

impl Bar {
    /// One step further, with a message that is put together only where it is seen.
    pub(crate) fn step(&self, message: impl FnOnce() -> String) {
        if self.shown {
            self.bar.set_message(message());
        }
        self.bar.inc(1);
    }

    /// One line above the bar.
    pub(crate) fn say(&self, line: &str) {
        match self.shown {
            true => self.bar.println(line),
            false => self.terminal.say(line),
        }
    }

    /// Back to `done` steps, with one line above that says why.
    pub(crate) fn back(&self, done: u64, line: &str) {
        self.say(line);
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
