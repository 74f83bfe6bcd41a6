//! Reading of regular files, with a bound on their bytes.

use super::errors::could_not_read;
use super::faults::check;
use crate::io::error::{Result, error};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Most bytes of a text file: configurations, metrics, notes.
pub const TEXT: u64 = 256 << 20;
/// Most bytes of another file, such as a checkpoint.
pub const BINARY: u64 = 64 << 30;

/// Opens a regular file to read. A pipe, a device or a socket is refused without waiting for it.
///
/// # Errors
/// The file is missing, cannot be read, or is not a regular file.
pub fn open(path: &Path) -> Result<File> {
    open_regular(path).map_err(|error| could_not_read(path, &error))
}

/// Reads a regular file of at most `most` bytes.
///
/// # Errors
/// Those of [`open`]; or the file is larger, or does not fit into memory.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    read_regular(path, most).map_err(|error| could_not_read(path, &error))
}

/// Reads a file that may be missing.
///
/// # Errors
/// Those of [`read`], except for a missing file.
pub fn read_if_exists(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    match read_regular(path, most) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| could_not_read(path, &error)),
    }
}

/// Reads a text file of at most [`TEXT`] bytes.
///
/// # Errors
/// Those of [`read`]; or the file is not UTF-8.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path, TEXT)?).map_err(|_| error!(File, "{} is not a text file", path.display()))
}

fn open_regular(path: &Path) -> io::Result<File> {
    check("open", path)?;
    let regular = |found: fs::Metadata| match found.is_file() {
        true => Ok(()),
        false if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "it is a pipe, a device or a socket, not a file")),
    };
    // Before it is opened, as opening a device can have effects; and after, as the path may have changed in between.
    regular(fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe waits for a writer otherwise.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    regular(file.metadata()?)?;
    Ok(file)
}

fn read_regular(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    check("read", path)?;
    let length = file.metadata()?.len();
    let too_large = || io::Error::other(format!("it has more than {most} bytes"));
    if length > most {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length as usize).map_err(|_| ErrorKind::OutOfMemory)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::super::{exists, list, write};
    use super::*;

    #[test]
    fn what_cannot_be_read_has_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let reason = |read: Result<Vec<u8>>| {
            let message = read.unwrap_err().to_string();
            message.split_once(": ").unwrap().1.to_string()
        };
        assert_eq!(reason(read(&path, TEXT)), "no such file");
        assert_eq!(read_if_exists(&path, TEXT).unwrap(), None);
        write(&path, b"\xff12345").unwrap();
        assert_eq!(read(&path, 6).unwrap(), b"\xff12345");
        assert_eq!(reason(read(&path, 5)), "it has more than 5 bytes");
        assert!(read_text(&path).unwrap_err().to_string().ends_with("file is not a text file"));
        assert_eq!(reason(read(folder.path(), TEXT)), "it is a folder, not a file");
        assert_eq!(reason(read(&path.join("below"), TEXT)), "part of its path is a file, not a folder");
        assert!(!exists(&path.join("below")).unwrap() && exists(&path).unwrap());
        assert!(list(&path.with_file_name("absent")).unwrap().is_empty());
        // A hole of four petabytes takes no space on the disk.
        if File::create(&path).unwrap().set_len(1 << 52).is_ok() {
            assert!(reason(read(&path, BINARY)).starts_with("it has more than"));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_regular_files_are_read() {
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().unwrap();
        let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| folder.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listening = UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for path in [&pipe, &socket, &link] {
            let message = read(path, TEXT).unwrap_err().to_string();
            assert!(message.ends_with("it is a pipe, a device or a socket, not a file"), "{message}");
            assert!(open(path).is_err());
        }
    }
}
