//! Files without a name, which end with the process.

use super::errors::could_not_save;
use super::faults::check;
use super::folders::create_folder;
use crate::io::error::Result;
use memmap2::Mmap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file without a name, in a folder.
pub struct Unnamed {
    folder: PathBuf,
    file: BufWriter<File>,
}

impl Unnamed {
    /// Makes a file in a folder, which is made too if it does not exist.
    ///
    /// # Errors
    /// The folder or the file cannot be made.
    pub fn create(folder: &Path) -> Result<Self> {
        create_folder(folder)?;
        let file = check("create unnamed", folder).and_then(|()| tempfile::tempfile_in(folder));
        let file = BufWriter::new(file.map_err(|error| could_not_save(folder, &error))?);
        Ok(Self { folder: folder.into(), file })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = check("append unnamed", &self.folder).and_then(|()| self.file.write_all(bytes));
        written.map_err(|error| could_not_save(&self.folder, &error))
    }

    /// The bytes of the file, which the system loads where they are read.
    ///
    /// # Errors
    /// The last bytes cannot be written, or the system has no addresses for them.
    pub fn map(self) -> Result<Mmap> {
        let Self { folder, file } = self;
        let map = || {
            check("map unnamed", &folder)?;
            let file = file.into_inner()?;
            // SAFETY: nothing writes to the file any more: it has no name, and this was its only handle.
            unsafe { Mmap::map(&file) }
        };
        map().map_err(|error| could_not_save(&folder, &error))
    }
}
