//! The commands, one file for each or for a related pair.

pub(crate) mod advice;
pub(crate) mod check;
pub(crate) mod code;
pub(crate) mod compare;
pub(crate) mod devices;
pub(crate) mod draw;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod inspect;
pub(crate) mod interpolate;
pub(crate) mod latent;
pub(crate) mod launch;
pub(crate) mod profile;
pub(crate) mod project;
pub(crate) mod recipes;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod runs;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod signals;
pub(crate) mod train;
mod trained;
pub(crate) mod translate;
pub(crate) mod tune;
pub(crate) mod verify;
