//! Results: standard output and exit codes.

use anyhow::{Result, anyhow};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Writes one line of results to standard output: `println!` that returns its error.
macro_rules! out {
    ($($line:tt)*) => { $crate::output::put(format_args!($($line)*)) };
}
pub(crate) use out;

/// Writes one line of results, as [`out!`] does. A closed pipe is not an error.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn put(line: Arguments<'_>) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow!("the result could not be written to standard output ({error}); send it elsewhere"))
        }
        _ => Ok(()),
    }
}

/// The result of a command, for the shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Done.
    Done,
    /// A check or a target failed.
    Failed,
    /// Interrupted; everything is saved.
    Interrupted,
}

impl Ending {
    /// The exit code of an interrupted process, by shell convention.
    pub(crate) const INTERRUPTED: u8 = 130;
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::Failed => Self::from(1),
            Ending::Interrupted => Self::from(Ending::INTERRUPTED),
        }
    }
}
