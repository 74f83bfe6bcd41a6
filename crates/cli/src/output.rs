//! Results on standard output.

use anyhow::{Result, anyhow};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Writes one line of results to standard output: `println!` that returns its error.
macro_rules! out {
    ($($line:tt)*) => { $crate::output::put(format_args!($($line)*)) };
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
