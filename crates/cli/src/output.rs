//! Results: standard output and exit codes.

use anyhow::{Context, Error, Result};
use frit::ErrorKind as Kind;
use frit::io::format::{clean, clean_json};
use serde_json::{Value, json};
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
    write(&clean(&line.to_string()))
}

/// Writes one line of JSON: an object of `content` with the name and version of its schema, and the version of frit.
///
/// # Errors
/// Standard output cannot be written.
///
/// # Panics
/// The content is not an object.
pub(crate) fn put_json(schema: &str, content: Value) -> Result<()> {
    let Value::Object(mut fields) = content else { panic!("the results of a command are an object") };
    fields.insert("schema".into(), json!(schema));
    fields.insert("version".into(), json!(SCHEMA_VERSION));
    fields.insert("frit".into(), json!(env!("CARGO_PKG_VERSION")));
    write(&clean_json(&Value::Object(fields).to_string()))
}

/// The version of every schema; a change that a reader must know of raises it.
const SCHEMA_VERSION: u32 = 1;

fn write(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the result to standard output; redirect it to a file")
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

/// The exit code of invalid arguments and settings.
pub(crate) const USAGE: u8 = 2;
/// The exit code of everything else that ends a command: data, files, run folders, devices, training.
const COULD_NOT_RUN: u8 = 3;

/// The exit code of an error.
pub(crate) fn code_of(error: &Error) -> u8 {
    match error.downcast_ref::<frit::Error>().map(frit::Error::kind) {
        Some(Kind::Setting | Kind::Model) => USAGE,
        Some(_) => COULD_NOT_RUN,
        // A command's own message refuses an argument; the errors of other libraries are the system's.
        None if error.chain().len() == 1 && (error.is::<String>() || error.is::<&str>()) => USAGE,
        None => COULD_NOT_RUN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn arguments_and_settings_are_usage() {
        for (kind, code) in [
            (Kind::Setting, 2),
            (Kind::Model, 2),
            (Kind::Data, 3),
            (Kind::File, 3),
            (Kind::Checkpoint, 3),
            (Kind::Run, 3),
            (Kind::Device, 3),
            (Kind::Training, 3),
        ] {
            assert_eq!(code_of(&frit::Error::new(kind, "no").into()), code, "{kind:?}");
        }
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        assert_eq!(code_of(&anyhow!("-n requires {}", "--generative")), 2);
        assert_eq!(code_of(&anyhow!("--out is missing")), 2);
        assert_eq!(code_of(&None::<()>.context("no such operator").unwrap_err()), 2);
        assert_eq!(code_of(&full().into()), 3);
        assert_eq!(code_of(&Err::<(), _>(full()).context("cannot write").unwrap_err()), 3);
        assert_eq!(code_of(&gpu_core::Error::NoAdapter.into()), 3);
    }
}
