//! Injected failures: a test makes chosen operations on files fail.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::OnceLock;

/// The failure of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing is done.
    Error(ErrorKind),
    /// Half of the bytes are written. An operation that writes no bytes does nothing.
    Cut(ErrorKind),
}

/// Called before each operation with its name and path. It may end the process.
pub type Plan = Box<dyn Fn(&str, &Path) -> Option<Fault> + Send + Sync>;

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Installs the plan of this process.
///
/// # Panics
/// There is one already.
pub fn install(plan: Plan) {
    assert!(PLAN.set(plan).is_ok(), "a process has one plan");
}

/// The failure that the next operation meets.
pub(crate) fn next(operation: &str, path: &Path) -> Option<Fault> {
    PLAN.get()?(operation, path)
}

/// Fails if a test planned a failure of the operation.
pub(crate) fn check(operation: &str, path: &Path) -> io::Result<()> {
    match next(operation, path) {
        None => Ok(()),
        Some(Fault::Error(kind) | Fault::Cut(kind)) => Err(kind.into()),
    }
}
