//! Signals: requests to end, and the limit of a file's size.

use anyhow::{Context, Result};

/// Calls `handler` on Ctrl-C, and when the process is asked to end. A signal that was ignored when the process started,
/// as SIGHUP is under `nohup`, stays ignored.
pub(crate) fn on_interrupt(handler: impl FnMut() + Send + 'static) -> Result<()> {
    #[cfg(unix)]
    let ignored = unix::ignored();
    ctrlc::set_handler(handler).context("cannot install a handler for Ctrl-C")?;
    #[cfg(unix)]
    ignored.into_iter().for_each(unix::ignore);
    Ok(())
}

/// Lets a write past the limit of a file's size (`ulimit -f`) fail with an error, which would end the process
/// otherwise.
pub(crate) fn fail_past_size_limit() {
    #[cfg(unix)]
    unix::ignore(libc::SIGXFSZ);
}

#[cfg(unix)]
mod unix {
    use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, c_int};
    use std::mem::MaybeUninit;
    use std::ptr;

    /// The signals to end that are ignored.
    pub(super) fn ignored() -> Vec<c_int> {
        [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|&signal| is_ignored(signal)).collect()
    }

    fn is_ignored(signal: c_int) -> bool {
        let mut action = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: without a new action, the call only writes the present one, on success.
        unsafe {
            libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
                && action.assume_init().sa_sigaction == SIG_IGN
        }
    }

    pub(super) fn ignore(signal: c_int) {
        // SAFETY: no code is called on the signal.
        unsafe {
            libc::signal(signal, SIG_IGN);
        }
    }
}
