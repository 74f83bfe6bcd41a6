//! Folders and paths.

use super::errors::{could_not_read, could_not_save};
use super::faults::check;
use crate::io::error::{Result, error};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Makes a folder, and those above it, unless they exist.
///
/// # Errors
/// The folder cannot be made.
pub fn create_folder(path: &Path) -> Result<()> {
    let made = check("create folder", path).and_then(|()| fs::create_dir_all(path));
    made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => error!(File, "{} is a file, not a folder", path.display()),
        _ => could_not_save(path, &error),
    })
}

/// Makes a folder that does not exist, and those above it. Returns false if it exists.
///
/// # Errors
/// The folder cannot be made.
pub fn create_new_folder(path: &Path) -> Result<bool> {
    path.parent().map_or(Ok(()), create_folder)?;
    match check("create new folder", path).and_then(|()| fs::create_dir(path)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true).map_err(|error| could_not_save(path, &error)),
    }
}

/// The paths in a folder, in order; none without the folder.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || {
        check("list", folder)?;
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    };
    match list() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(could_not_read(folder, &error)),
        Ok(mut paths) => {
            paths.sort();
            Ok(paths)
        }
    }
}

/// Removes a file, if it exists.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match check("remove", path).and_then(|()| fs::remove_file(path)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(could_not_save(path, &error)),
        _ => Ok(()),
    }
}

/// True if there is a file or a folder.
///
/// # Errors
/// A folder of its path cannot be searched.
pub fn exists(path: &Path) -> Result<bool> {
    match check("find", path).and_then(|()| fs::exists(path)) {
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        found => found.map_err(|error| could_not_read(path, &error)),
    }
}

/// Bytes of a file.
///
/// # Errors
/// The file is missing or cannot be read.
pub fn size(path: &Path) -> Result<u64> {
    let found = check("find", path).and_then(|()| fs::metadata(path));
    found.map(|found| found.len()).map_err(|error| could_not_read(path, &error))
}

/// True for a pipe, a device or a socket.
pub fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The absolute path of a file or folder, without links; `None` if there is none.
pub fn absolute(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}
