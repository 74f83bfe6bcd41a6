//! Locks of files against other processes.

use super::errors::could_not_save;
use super::faults::check;
use crate::io::error::Result;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// Time for a killed process to release its locks.
const PATIENCE: Duration = Duration::from_secs(3);

/// A lock against other processes, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// True if another process holds the lock of a file. Does not wait, and makes no file.
pub fn is_locked(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Locks a file, which is made if it is missing; `None` if another process holds it. Waits a little, as a process that
/// was just killed holds its locks until it is gone.
///
/// # Errors
/// The file cannot be made or locked.
pub fn lock(path: &Path) -> Result<Option<Lock>> {
    let opened = check("open to lock", path)
        .and_then(|()| OpenOptions::new().write(true).create(true).truncate(false).open(path));
    let file = opened.map_err(|error| could_not_save(path, &error))?;
    let start = Instant::now();
    loop {
        match check("lock", path).map_err(TryLockError::Error).and_then(|()| file.try_lock()) {
            Ok(()) => return Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 50),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                log::warn!("{} is on a file system without locks; do not start a second frit there", path.display());
                return Ok(Some(Lock { _file: file }));
            }
            Err(TryLockError::Error(error)) => return Err(could_not_save(path, &error)),
        }
    }
}
