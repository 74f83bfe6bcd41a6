//! Files and formats: atomic writes, PNG grids, token files, caches, numbers as text.

pub mod atomic_write;
pub mod cache;
pub mod error;
pub mod format;
pub mod images;
pub mod tokens;
