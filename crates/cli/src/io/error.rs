//! The error type of the library.

use std::fmt;

/// The part of frit that an [`Error`] is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting of a configuration.
    Setting,
    /// A data set.
    Data,
    /// A file that cannot be read or written.
    File,
    /// A checkpoint or another file of tensors.
    Checkpoint,
    /// A run folder.
    Run,
    /// An adapter or a device.
    Device,
    /// A model that lacks a capability.
    Model,
    /// Training that failed.
    Training,
}

/// A remedy that the caller can offer in its own terms: the program turns it into a flag or a command.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Hint {
    /// Use a batch of at most this size, or split batches into micro-batches.
    BatchSize(usize),
    /// Use micro-batches of at most this size.
    MicroBatch(usize),
    /// Resume this run.
    Resume(String),
    /// Give the data set that the run was trained on.
    Data,
    /// Write to another path.
    Out,
    /// Run on another device, or on the CPU.
    Device,
}

/// An error of the library.
///
/// The message says what is wrong and, where a setting can help, which one. Flags and commands are the program's: it
/// derives them from the [`Hint`].
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<Hint>,
    source: Option<gpu_core::Error>,
}

/// The result type of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// The same error with a remedy.
    pub fn with_hint(self, hint: Hint) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The same error with another message.
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The part of frit that it is about.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A remedy, if one is known.
    pub fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// The device error behind it, if there is one.
    pub fn device_error(&self) -> Option<&gpu_core::Error> {
        self.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<models::InvalidSetting> for Error {
    fn from(invalid: models::InvalidSetting) -> Self {
        Self::new(ErrorKind::Setting, invalid.to_string())
    }
}

impl From<gpu_core::Error> for Error {
    fn from(error: gpu_core::Error) -> Self {
        Self { kind: ErrorKind::Device, message: error.to_string(), hint: None, source: Some(error) }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => match error.downcast::<gpu_core::Error>() {
                Ok(error) => error.into(),
                Err(error) => Error::new(ErrorKind::Run, format!("{error:#}")),
            },
        }
    }
}

/// Returns early with an error: `bail!(Data, "no images in {path}")`.
macro_rules! bail {
    ($kind:ident, $($message:tt)*) => {
        return Err($crate::io::error::Error::new($crate::io::error::ErrorKind::$kind, format!($($message)*)).into())
    };
}

/// Returns early with an error unless a condition holds: `ensure!(n > 0, Setting, "train.epochs must be at least 1")`.
macro_rules! ensure {
    ($condition:expr, $kind:ident, $($message:tt)*) => {
        if !$condition {
            $crate::io::error::bail!($kind, $($message)*);
        }
    };
}

pub(crate) use bail;
pub(crate) use ensure;
