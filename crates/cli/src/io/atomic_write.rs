//! Files that are written whole or not at all.

use super::error::{Error, Result, error};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

const TEMPORARY_PREFIX: &str = ".frit-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Writes `bytes` to `path`: to a temporary file in the same folder, synced, then renamed. If the process or the
/// machine stops, `path` is either the old file or the new one, whole. A link is followed, not replaced; a device or a
/// pipe is written directly.
///
/// # Errors
/// The file cannot be written. Nothing half-written is left.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes).map_err(|error| could_not_save(path, &error))
}

/// The error for a failure to write `path`.
pub fn could_not_save(path: &Path, error: &io::Error) -> Error {
    let (why, advice) = match error.kind() {
        ErrorKind::StorageFull => ("no space left on the device", "free some space, or write to another disk"),
        ErrorKind::QuotaExceeded => ("the disk quota is used up", "free some space, or write to another disk"),
        ErrorKind::PermissionDenied => ("writing there is not permitted", "change the permissions or the path"),
        ErrorKind::ReadOnlyFilesystem => ("the file system is read-only", "choose another path"),
        ErrorKind::NotFound => ("its folder does not exist", "make the folder, or choose another path"),
        ErrorKind::NotADirectory => ("a part of its path is a file, not a folder", "choose another path"),
        ErrorKind::IsADirectory => ("it is a folder", "give the name of a file"),
        ErrorKind::FileTooLarge => ("it is larger than is allowed here", "raise the limit, or use a smaller model"),
        kind => return error!(File, "cannot write {}: {kind}", path.display()),
    };
    error!(File, "cannot write {}: {why}; {advice}", path.display())
}

/// Removes the temporary files that a killed process left in `folder`, which no other process may write to.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX) {
            // One that stays does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&target).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return OpenOptions::new().write(true).open(&target)?.write_all(bytes);
    }
    let folder = folder_of(&target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX).suffix(TEMPORARY_SUFFIX);
    #[cfg(unix)]
    {
        // As any file is made, less what the user's umask takes; the default here would be readable to nobody else.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(&folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|failed| failed.error)?;
    // Makes the rename survive a power cut. If the file system cannot sync a folder, the old or the new file is left.
    if cfg!(unix) {
        let _ = File::open(&folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_old_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_failure_leaves_nothing_half_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        let message = write(&folder.path().join("taken"), b"x").unwrap_err().to_string();
        assert!(message.contains("it is a folder; give the name of a file"), "{message}");
        assert_eq!(names(folder.path()), ["taken"]);
        let message = write(&folder.path().join("absent/file"), b"x").unwrap_err().to_string();
        assert!(message.contains("absent/file: its folder does not exist"), "{message}");
    }

    #[test]
    fn the_world_s_errors_have_sentences() {
        let message = |kind: ErrorKind| could_not_save(Path::new("a/b"), &kind.into()).to_string();
        assert_eq!(
            message(ErrorKind::StorageFull),
            "cannot write a/b: no space left on the device; free some space, or write to another disk"
        );
        assert!(message(ErrorKind::PermissionDenied).contains("not permitted; change the permissions"));
        assert_eq!(message(ErrorKind::TimedOut), "cannot write a/b: timed out");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_and_may_be_full() {
        write(Path::new("/dev/null"), b"x").unwrap();
        let message = write(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(message.contains("/dev/full: no space left on the device"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_the_mode_is_the_usual_one() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let [real, link, usual] = ["real", "link", "usual"].map(|name| folder.path().join(name));
        fs::write(&real, b"old").unwrap();
        symlink(&real, &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"new");
        fs::write(&usual, b"").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&real), mode(&usual));
    }

    #[test]
    fn sweep_takes_only_what_was_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".frit-abc.tmp", ".frit-note", "kept.tmp"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        sweep(folder.path());
        assert_eq!(names(folder.path()), [".frit-note", "kept.tmp"]);
    }
}
