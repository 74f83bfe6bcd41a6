//! The interface of the executors: the trait, host arrays, errors, and counters.

pub(crate) mod array;
pub(crate) mod counters;
pub(crate) mod error;
pub(crate) mod interface;
