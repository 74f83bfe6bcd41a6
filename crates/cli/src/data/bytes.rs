//! Bytes of images: in memory or, if they are many, in a file.
//!
//! The file has no name and ends with the process. It is mapped, so the system keeps in memory those of its bytes that
//! are used and fit, and data may be larger than memory.

use crate::io::cache;
use crate::io::error::{Error, Result};
use crate::io::files::Unnamed;
use memmap2::Mmap;
use rayon::prelude::*;
use std::env::{self, temp_dir};
use std::fmt;
use std::mem::take;
use std::ops::Deref;
use std::sync::Arc;

/// Most bytes in memory, unless the environment has [`VARIABLE`].
const MOST: usize = 8 << 30;
/// The variable of the environment with the most bytes in memory.
const VARIABLE: &str = "FRIT_DATA_MEMORY";
/// Images that are changed at once.
const AT_ONCE: usize = 1024;
/// Bytes that are collected at once.
const PIECE: usize = 1 << 16;

/// Bytes of images, in memory or in a file.
#[derive(Clone)]
pub struct Bytes(Place);

#[derive(Clone)]
enum Place {
    Memory(Vec<u8>),
    File(Arc<Mmap>),
}

impl Bytes {
    /// The bytes to change. Those of a file are copied to memory.
    pub fn to_mut(&mut self) -> &mut Vec<u8> {
        if let Place::File(map) = &self.0 {
            self.0 = Place::Memory(map.to_vec());
        }
        match &mut self.0 {
            Place::Memory(bytes) => bytes,
            Place::File(_) => unreachable!("they are in memory"),
        }
    }

    /// The bytes in memory.
    pub fn into_vec(mut self) -> Vec<u8> {
        take(self.to_mut())
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self
    }

    /// True if they are in a file.
    pub fn in_file(&self) -> bool {
        matches!(self.0, Place::File(_))
    }

    /// Keeps the images, of `size` bytes each, whose numbers pass `is_kept`.
    pub(super) fn keep(mut self, size: usize, is_kept: impl Fn(usize) -> bool) -> Result<Self> {
        let count = self.len() / size.max(1);
        let kept = (0..count).filter(|&number| is_kept(number));
        if kept.clone().count() == count {
            return Ok(self);
        }
        if self.in_file() {
            let mut writer = Writer::default();
            kept.into_iter().try_for_each(|number| writer.append(&self[number * size..][..size]))?;
            return writer.finish();
        }
        // They stay in their memory: a large set does not fit twice.
        let bytes = self.to_mut();
        let kept = kept.enumerate().fold(0, |_, (to, from)| {
            bytes.copy_within(from * size..(from + 1) * size, to * size);
            to + 1
        });
        bytes.truncate(kept * size);
        bytes.shrink_to_fit();
        Ok(self)
    }

    /// Applies `f` to each image of `size` bytes, and joins the results.
    pub(super) fn map_each(&self, size: usize, f: impl Fn(&[u8]) -> Vec<u8> + Sync) -> Result<Self> {
        let mut writer = Writer::default();
        for images in self.chunks(size * AT_ONCE) {
            let made: Vec<Vec<u8>> = images.par_chunks_exact(size).map(&f).collect();
            made.iter().try_for_each(|image| writer.append(image))?;
        }
        writer.finish()
    }

    /// These bytes, then others.
    ///
    /// # Errors
    /// They are many, and there is no place for a file.
    pub fn then(mut self, others: &[u8]) -> Result<Self> {
        if self.len() + others.len() <= most() {
            self.to_mut().extend_from_slice(others);
            return Ok(self);
        }
        let mut writer = Writer::default();
        writer.append(&self)?;
        writer.append(others)?;
        writer.finish()
    }

    /// Collects bytes.
    pub(super) fn collect(bytes: impl IntoIterator<Item = Result<u8>>) -> Result<Self> {
        let (mut writer, mut bytes) = (Writer::default(), bytes.into_iter());
        loop {
            let piece: Vec<u8> = bytes.by_ref().take(PIECE).collect::<Result<_>>()?;
            if piece.is_empty() {
                return writer.finish();
            }
            writer.append(&piece)?;
        }
    }
}

/// Collects bytes in memory or, if they are many, in a file.
pub(super) struct Writer {
    most: usize,
    bytes: Vec<u8>,
    file: Option<Unnamed>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new(most())
    }
}

impl Writer {
    fn new(most: usize) -> Self {
        Self { most, bytes: Vec::new(), file: None }
    }

    /// Adds bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let is_full = self.bytes.len() + bytes.len() > self.most || self.bytes.try_reserve(bytes.len()).is_err();
        if self.file.is_none() && is_full {
            let folder = cache::folder().unwrap_or_else(temp_dir);
            self.file = Some(Unnamed::create(&folder).map_err(explained)?);
            let before = take(&mut self.bytes);
            self.write(&before)?;
        }
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.append(bytes).map_err(explained),
            None => {
                self.bytes.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The bytes.
    pub(super) fn finish(self) -> Result<Bytes> {
        match self.file {
            None => Ok(self.bytes.into()),
            Some(file) => Ok(Bytes(Place::File(Arc::new(file.map().map_err(explained)?)))),
        }
    }
}

/// Adds the purpose of the file to an error.
fn explained(error: Error) -> Error {
    let most = most();
    let message = format!("{error}; images of more than {most} bytes ({VARIABLE}) are kept in the folder FRIT_CACHE");
    error.with_message(message)
}

/// Most bytes in memory.
pub(super) fn most() -> usize {
    env::var(VARIABLE).ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(MOST)
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Memory(bytes) => bytes,
            Place::File(map) => map,
        }
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Place::Memory(bytes))
    }
}

impl FromIterator<u8> for Bytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Vec::from_iter(bytes).into()
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Bytes {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::error::error;

    fn in_file(bytes: &[u8]) -> Bytes {
        let mut writer = Writer::new(3);
        bytes.chunks(2).for_each(|piece| writer.append(piece).unwrap());
        writer.finish().unwrap()
    }

    #[test]
    fn many_bytes_are_in_a_file() {
        let few = in_file(&[1, 2, 3]);
        assert!(!few.in_file() && few == [1, 2, 3]);
        let many = in_file(&[1, 2, 3, 4, 5]);
        assert!(many.in_file() && many == [1, 2, 3, 4, 5] && many.clone().in_file());
        let mut changed = many.clone();
        changed.to_mut()[1] = 9;
        assert_eq!((changed.in_file(), changed.into_vec(), &many[..2]), (false, vec![1, 9, 3, 4, 5], &[1, 2][..]));
        assert!(!in_file(&[]).in_file());
    }

    #[test]
    fn bytes_in_memory_and_in_a_file_change_alike() {
        let all: Vec<u8> = (0..10).collect();
        for bytes in [Bytes::from(all.clone()), in_file(&all)] {
            assert_eq!(bytes.clone().keep(2, |number| number % 2 == 0).unwrap(), [0, 1, 4, 5, 8, 9]);
            assert_eq!(bytes.clone().keep(2, |_| true).unwrap(), all);
            assert_eq!(bytes.map_each(5, |image| vec![image[0], image[4]]).unwrap(), [0, 4, 5, 9]);
            assert_eq!(bytes.then(&[7]).unwrap(), [&all[..], &[7]].concat());
        }
    }

    #[test]
    fn collecting_ends_with_the_first_error() {
        let all = |end: usize| (0..200_000).map(move |i| if i == end { Err(error!(Data, "no")) } else { Ok(i as u8) });
        assert!(Bytes::collect(all(150_000)).is_err());
        let collected = Bytes::collect(all(usize::MAX)).unwrap();
        assert!(collected.len() == 200_000 && collected.iter().enumerate().all(|(i, &byte)| byte == i as u8));
    }
}
