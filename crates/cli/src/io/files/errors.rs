//! Messages for errors of the operating system.

use crate::io::error::{Error, error};
use std::io::{self, ErrorKind};
use std::path::Path;

/// The error for a failure to read `path`.
pub fn could_not_read(path: &Path, error: &io::Error) -> Error {
    let why = match error.kind() {
        ErrorKind::NotFound => "no such file".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::IsADirectory => "it is a folder, not a file".into(),
        ErrorKind::NotADirectory => "part of its path is a file, not a folder".into(),
        ErrorKind::OutOfMemory => "it does not fit in memory".into(),
        _ => error.to_string(),
    };
    error!(File, "cannot read {}: {why}", path.display())
}

/// The error for a failure to write `path`.
pub fn could_not_save(path: &Path, error: &io::Error) -> Error {
    let (why, advice) = match error.kind() {
        ErrorKind::StorageFull => ("no space left on the device", "free some space, or write to another disk"),
        ErrorKind::QuotaExceeded => ("disk quota exceeded", "free some space, or write to another disk"),
        ErrorKind::PermissionDenied => ("permission denied", "change the permissions or the path"),
        ErrorKind::ReadOnlyFilesystem => ("the file system is read-only", "choose another path"),
        ErrorKind::NotFound => ("its folder does not exist", "create the folder, or choose another path"),
        ErrorKind::NotADirectory => ("part of its path is a file, not a folder", "choose another path"),
        ErrorKind::IsADirectory => ("it is a folder", "use the path of a file"),
        ErrorKind::FileTooLarge => ("it exceeds the limit on file sizes", "raise the limit, or use a smaller model"),
        kind => return error!(File, "cannot write {}: {kind}", path.display()),
    };
    error!(File, "cannot write {}: {why}; {advice}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_s_errors_have_sentences() {
        let message = |kind: ErrorKind| could_not_save(Path::new("a/b"), &kind.into()).to_string();
        assert_eq!(
            message(ErrorKind::StorageFull),
            "cannot write a/b: no space left on the device; free some space, or write to another disk"
        );
        assert!(message(ErrorKind::PermissionDenied).contains("permission denied; change the permissions"));
        assert_eq!(message(ErrorKind::TimedOut), "cannot write a/b: timed out");
    }
}
