//! Files that are written whole or not at all, and files that grow.

use super::errors::could_not_save;
use super::faults::{self, Fault, check};
use super::folders::{absolute, is_special, list, remove};
use crate::io::error::Result;
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

/// Appends `bytes` to a file, which is made if it is missing.
///
/// # Errors
/// The file cannot be written. The part that was written is cut off again; where even this fails, it stays.
pub fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    let append = || {
        check("open to append", path)?;
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let before = file.metadata()?.len();
        let written = write_all("append", path, &mut file, bytes);
        if written.is_err() {
            let _ = check("truncate", path).and_then(|()| file.set_len(before));
        }
        written
    };
    append().map_err(|error| could_not_save(path, &error))
}

/// Brings what was appended to a file to the disk, where it survives a power cut. A file that is missing is left alone.
///
/// # Errors
/// The file cannot be synced.
pub fn sync(path: &Path) -> Result<()> {
    let synced = check("sync", path).and_then(|()| OpenOptions::new().append(true).open(path)?.sync_all());
    match synced {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|error| could_not_save(path, &error)),
    }
}

/// Removes the temporary files of killed processes from `folder`, which no other process may be writing to.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn sweep(folder: &Path) -> Result<()> {
    for path in list(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(TEMPORARY_PREFIX) && name.ends_with(TEMPORARY_SUFFIX) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = absolute(path).unwrap_or_else(|| path.to_path_buf());
    if is_special(&target) {
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
    check("create", path)?;
    let mut file = builder.tempfile_in(&folder)?;
    write_all("write", path, file.as_file_mut(), bytes)?;
    check("sync", path)?;
    file.as_file().sync_all()?;
    check("rename", path)?;
    file.persist(&target).map_err(|failed| failed.error)?;
    // Makes the rename survive a power cut. If the file system cannot sync a folder, the old or the new file is left.
    if cfg!(unix) {
        let _ = check("sync folder", path).and_then(|()| File::open(&folder)?.sync_all());
    }
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn write_all(operation: &str, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
    match faults::next(operation, path) {
        None => file.write_all(bytes),
        Some(Fault::Error(kind)) => Err(kind.into()),
        Some(Fault::Cut(kind)) => file.write_all(&bytes[..bytes.len() / 2]).and(Err(kind.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_text;
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
        assert!(message.contains("it is a folder; use the path of a file"), "{message}");
        assert_eq!(names(folder.path()), ["taken"]);
        let message = write(&folder.path().join("absent/file"), b"x").unwrap_err().to_string();
        assert!(message.contains("absent/file: its folder does not exist"), "{message}");
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
    fn an_appended_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        append(&path, b"a\n").unwrap();
        append(&path, b"b\n").unwrap();
        assert_eq!(read_text(&path).unwrap(), "a\nb\n");
        assert!(append(folder.path(), b"x").unwrap_err().to_string().contains("it is a folder"));
    }

    #[test]
    fn sweep_takes_only_what_was_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".frit-abc.tmp", ".frit-note", "kept.tmp"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        sweep(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [".frit-note", "kept.tmp"]);
    }
}
