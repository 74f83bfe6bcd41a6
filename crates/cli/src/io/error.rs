//! The error type of the library.

use std::error::Error as StdError;
use std::fmt;

/// The subject of an [`Error`].
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
    /// Start a new run from the weights of this one.
    TrainOn {
        /// Run folder.
        run: String,
        /// Steps of the new run.
        steps: u64,
    },
    /// The batch size is limited by the training set: this is the largest.
    MaxBatchSize(usize),
    /// Start a new run.
    Train,
    /// Change this setting, such as `data.size`.
    Set(String),
    /// Make all images squares of this size.
    Size(usize),
    /// Give the data set that the run was trained on.
    Data,
    /// Train on a folder of images.
    Folder,
    /// Name the run of a VQ-VAE, whose codes a prior is trained on.
    Codes,
    /// Give the data that the VQ-VAE of a prior was trained on.
    CodesData,
    /// Name the place that the run of a VQ-VAE moved to.
    MovedCodes,
    /// Name the run of an autoencoder, on whose latents a normalising flow is trained.
    Latents,
    /// Name the place that the run of an autoencoder moved to.
    MovedLatents,
    /// Name the class of the images.
    Class,
    /// Write to another path.
    Out,
    /// Run on another device, or on the CPU.
    Device,
    /// Compute in full precision.
    FullPrecision,
    /// Compare images in other features: `autoencoder` or `random`.
    Features(String),
}

/// An error of the library.
///
/// The message says what is wrong and, where a setting can help, which one. Flags and commands are the program's: it
/// derives them from the [`Hint`]. The standard `source` is the error of the system behind it, if there is one;
/// `{:#}` of `anyhow` shows both.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<Hint>,
    // In a box, so that results stay small.
    device: Option<Box<gpu_core::Error>>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result type of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, device: None, cause: None }
    }

    /// The same error with a remedy.
    #[must_use]
    pub fn with_hint(self, hint: Hint) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The same error with a remedy, unless it has one.
    #[must_use]
    pub fn or_hint(self, hint: Hint) -> Self {
        Self { hint: self.hint.or(Some(hint)), ..self }
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same error with the error of the system that led to it.
    #[must_use]
    pub fn with_cause(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The subject.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A remedy, if one is known.
    pub fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// The device error behind it, if there is one.
    pub fn device_error(&self) -> Option<&gpu_core::Error> {
        self.device.as_deref()
    }

    /// Memory that a device lacks: smaller batches or another device may help.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self.device_error(), Some(gpu_core::Error::OutOfMemory { .. } | gpu_core::Error::TooLarge { .. }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl From<models::InvalidSetting> for Error {
    fn from(invalid: models::InvalidSetting) -> Self {
        Self::new(ErrorKind::Setting, invalid.to_string())
    }
}

impl From<gpu_core::Error> for Error {
    fn from(error: gpu_core::Error) -> Self {
        let message = error.to_string();
        Self { device: Some(Box::new(error)), ..Self::new(ErrorKind::Device, message) }
    }
}

/// Adds a message to an absent value or to an error of the system, which becomes the cause.
pub(crate) trait Context<T> {
    /// The value, or an error with a message.
    fn context(self, kind: ErrorKind, message: &str) -> Result<T>;

    /// The value, or an error with a message that is made only then.
    fn with_context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Context<T> for Option<T> {
    fn context(self, kind: ErrorKind, message: &str) -> Result<T> {
        self.ok_or_else(|| Error::new(kind, message))
    }

    fn with_context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T> {
        self.ok_or_else(|| Error::new(kind, message()))
    }
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, kind: ErrorKind, message: &str) -> Result<T> {
        self.map_err(|cause| Error::new(kind, message).with_cause(cause))
    }

    fn with_context(self, kind: ErrorKind, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::new(kind, message()).with_cause(cause))
    }
}

/// An error with a formatted message: `error!(Data, "no images in {path}")`; with a remedy:
/// `error!(Data, hint: Hint::Data, "no images in {path}")`.
macro_rules! error {
    ($kind:ident, hint: $hint:expr, $($message:tt)*) => {
        $crate::io::error::error!($kind, $($message)*).with_hint($hint)
    };
    ($kind:ident, $($message:tt)*) => {
        $crate::io::error::Error::new($crate::io::error::ErrorKind::$kind, format!($($message)*))
    };
}

/// Returns early with an [`error!`].
macro_rules! bail {
    ($kind:ident, $($message:tt)*) => {
        return Err($crate::io::error::error!($kind, $($message)*))
    };
}

/// Returns early with an [`error!`] unless a condition holds:
/// `ensure!(n > 0, Setting, "train.epochs must be at least 1")`.
macro_rules! ensure {
    ($condition:expr, $kind:ident, $($message:tt)*) => {
        let holds: bool = $condition;
        if !holds {
            $crate::io::error::bail!($kind, $($message)*);
        }
    };
}

pub(crate) use bail;
pub(crate) use ensure;
pub(crate) use error;

#[cfg(test)]
mod tests {
    use super::*;

    fn positive(n: i32) -> Result<i32> {
        ensure!(n > 0, Setting, hint: Hint::Set("train.epochs".into()), "train.epochs is {n}; use at least 1");
        Ok(n)
    }

    #[test]
    fn a_message_has_a_kind_and_a_remedy() {
        assert_eq!(positive(2).unwrap(), 2);
        let error = positive(0).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Setting, "train.epochs is 0; use at least 1")
        );
        assert_eq!(error.hint(), Some(&Hint::Set("train.epochs".into())));
    }

    #[test]
    fn the_cause_is_the_standard_source() {
        let missing = std::fs::read("no such file").with_context(ErrorKind::File, || "no file".into()).unwrap_err();
        assert_eq!(missing.to_string(), "no file");
        assert!(StdError::source(&missing).unwrap().is::<std::io::Error>());
        let absent = None::<u8>.context(ErrorKind::Data, "no data").unwrap_err();
        assert_eq!((absent.kind(), absent.to_string().as_str()), (ErrorKind::Data, "no data"));
        assert!(StdError::source(&absent).is_none());
    }

    #[test]
    fn a_device_error_is_kept() {
        let error = Error::from(gpu_core::Error::Lost { why: "unplugged".into() });
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.device_error().is_some() && !error.is_out_of_memory());
        let error = error.with_message("again").with_hint(Hint::Device);
        assert!(error.device_error().is_some() && error.to_string() == "again");
    }
}
