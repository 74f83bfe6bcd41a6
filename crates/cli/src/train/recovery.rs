//! Device errors during training: the last checkpoint, and the run to resume.

use crate::io::error::{Error, Hint};
use gpu_core::Error::{Fault, Lost, OutOfMemory, Rank};
use std::path::Path;

/// Adds the saved checkpoint and the hint to resume to an error of the device. Other errors, and errors before the
/// first checkpoint, stay as they are.
pub(crate) fn with_checkpoint(error: Error, run: &Path, saved: Option<u64>) -> Error {
    let (Some(step), Some(device_error)) = (saved, error.device_error()) else { return error };
    let failure = match device_error {
        Lost { why } => format!("the device was lost: {why}"),
        OutOfMemory { what, .. } => format!("the device ran out of memory for {what}"),
        Fault { why } => format!("the device reported an error: {why}"),
        Rank { .. } => error.to_string(),
        _ => return error,
    };
    let run = run.display();
    let message = format!("{failure}; the checkpoint of step {step} is saved in {run}");
    error.with_message(message).with_hint(Hint::Resume(run.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::error::ErrorKind;

    #[test]
    fn only_errors_of_the_device_name_the_checkpoint() {
        let lost = || Error::from(Lost { why: "removed".into() });
        let error = with_checkpoint(lost(), Path::new("run"), Some(7));
        assert_eq!(error.to_string(), "the device was lost: removed; the checkpoint of step 7 is saved in run");
        assert_eq!(error.hint(), Some(&Hint::Resume("run".into())));
        assert_eq!(with_checkpoint(lost(), Path::new("run"), None).hint(), None);
        let other = Error::new(ErrorKind::File, "disk full");
        assert_eq!(with_checkpoint(other, Path::new("run"), Some(7)).to_string(), "disk full");
    }
}
