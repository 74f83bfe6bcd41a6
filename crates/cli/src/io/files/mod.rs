//! Every operation of the library on files: reading with a bound, writing whole or not at all, appending, locking.
//!
//! A test can make each operation fail, by a plan of [`faults`].

mod errors;
#[doc(hidden)]
pub mod faults;
mod folders;
mod lock;
mod read;
mod unnamed;
mod write;

pub use errors::{could_not_read, could_not_save};
pub use folders::{absolute, create_folder, create_new_folder, exists, is_special, list, remove, size};
pub use lock::{Lock, is_locked, lock};
pub use read::{BINARY, TEXT, open, read, read_if_exists, read_text};
pub use unnamed::Unnamed;
pub use write::{append, sweep, sync, write};
