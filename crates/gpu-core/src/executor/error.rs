//! Device errors.

/// An error of an adapter, a device or an executor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system has no GPU adapter.
    #[error("no GPU adapter found")]
    NoAdapter,
    /// No adapter has the requested name.
    #[error("no adapter matches '{part}' (found: {names})")]
    NoSuchAdapter {
        /// The requested part of a name.
        part: String,
        /// The names of the adapters found.
        names: String,
    },
    /// The adapter failed to open.
    #[error("cannot open adapter {name}: {why}")]
    Refused {
        /// The adapter's name.
        name: String,
        /// The driver's message.
        why: String,
    },
    /// The device was lost.
    #[error("device lost: {why}")]
    Lost {
        /// The driver's message.
        why: String,
    },
    /// An allocation failed.
    #[error("out of device memory: cannot allocate {mib} MiB for {what}")]
    OutOfMemory {
        /// The buffer.
        what: String,
        /// Its size.
        mib: u64,
    },
    /// A buffer or binding is larger than the device allows.
    #[error("{what} needs {bytes} bytes, but this device allows at most {limit}")]
    TooLarge {
        /// The buffer or binding.
        what: String,
        /// Its size.
        bytes: u64,
        /// The device's limit.
        limit: u64,
    },
    /// Another rank of a training on several devices has ended.
    #[error("rank {rank} ended{}", why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Rank {
        /// Its number.
        rank: usize,
        /// The reason, if it is known.
        why: Option<String>,
    },
    /// wgpu or the driver reported an error that is a bug in this crate or in the driver.
    #[error("device error: {why}")]
    Fault {
        /// The message of wgpu or the driver.
        why: String,
    },
}
