//! Files and formats: reading and writing, PNG grids, animations, sound, token files, caches, numbers as text.

pub mod animation;
pub mod cache;
mod digits;
pub mod error;
pub mod files;
pub mod format;
pub mod guess;
pub mod images;
pub mod scatter;
pub mod sound;
pub mod tokens;
