//! Commands in several processes, which `mpirun` or `srun` started: rank 0 writes and prints.

use crate::Ending;
use crate::args::{Command, Train};
use crate::output::code_of;
#[cfg(not(feature = "mpi"))]
use anyhow::bail;
use anyhow::{Result, ensure};
use frit::io::format::clean;
use frit::run::device::DeviceOptions;
use frit::run::launch::Launched;
#[cfg(feature = "mpi")]
use frit::run::mpi::Processes;
use gpu_core::Exchange;
use std::io::Write;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

/// Time in which rank 0 prints an error that all ranks have, and the launcher ends the others.
const PATIENCE: Duration = Duration::from_secs(2);

/// This process, and its connection to others that do the same.
pub(crate) struct Launch {
    /// `None` if the process works alone, also if it was started with others.
    launched: Option<Launched>,
    #[cfg(feature = "mpi")]
    processes: Option<Processes>,
}

impl Launch {
    /// Finds the other processes of a command, which is `None` if the arguments are wrong.
    pub(crate) fn of(command: Option<&Command>) -> Self {
        let together = match command {
            Some(Command::Train(Train { dry_run, .. })) => !dry_run,
            Some(Command::Resume(_) | Command::Verify(_)) | None => true,
            // Others are as useful on each of several computers.
            Some(_) => false,
        };
        Self {
            launched: Launched::of_environment().filter(|_| together),
            #[cfg(feature = "mpi")]
            processes: None,
        }
    }

    /// True if this process writes and prints, and not another.
    pub(crate) fn speaks(&self) -> bool {
        self.launched.is_none_or(|launched| launched.rank == 0)
    }

    /// Connects the processes, if there are several.
    ///
    /// # Errors
    /// There is no connection.
    pub(crate) fn connect(&mut self) -> Result<()> {
        let Some(launched) = self.launched else { return Ok(()) };
        #[cfg(feature = "mpi")]
        {
            self.processes = Some(Processes::connect(launched)?);
            Ok(())
        }
        #[cfg(not(feature = "mpi"))]
        bail!(
            "{} processes were started, and this build of frit has no MPI to connect them; build it with `cargo build \
             --release --features mpi`, or start one process ({}), which may train on several devices with --device \
             gpu:0,gpu:1",
            launched.ranks,
            Launched::ALONE
        )
    }

    /// Refuses a command that trains in one process only.
    ///
    /// # Errors
    /// There are several.
    pub(crate) fn refuse(&self, command: &str) -> Result<()> {
        ensure!(self.launched.is_none(), "frit {command} trains in one process; start it without mpirun");
        Ok(())
    }

    /// The device of this process.
    ///
    /// # Errors
    /// The list of devices is too short.
    pub(crate) fn device(&self, options: DeviceOptions) -> Result<DeviceOptions> {
        #[cfg(feature = "mpi")]
        if let Some(processes) = &self.processes {
            return Ok(options.of_process(processes.local, processes.ranks)?);
        }
        Ok(options)
    }

    /// The exchange with the other processes, if there are any.
    pub(crate) fn exchange(&self) -> Option<Box<dyn Exchange>> {
        #[cfg(feature = "mpi")]
        if let Some(processes) = &self.processes {
            return Some(Box::new(processes.exchange()));
        }
        None
    }

    /// Ends the process with the result of the command.
    pub(crate) fn end(self, result: Result<Ending>) -> ExitCode {
        let error = match result {
            Ok(ending) => return ending.into(),
            Err(error) => error,
        };
        #[cfg(feature = "mpi")]
        if let (Some(processes), Some(error)) = (&self.processes, error.downcast_ref::<frit::Error>())
            && let (1.., Some(gpu_core::Error::Rank { .. })) = (processes.rank, error.device_error())
        {
            processes.wait_for_end();
        }
        let print = || drop(writeln!(std::io::stderr(), "{}", clean(&super::advice::message(&error))));
        self.fail(print, &format!("{error:#}"), code_of(&error))
    }

    /// Ends the process after an error, and all others with it: rank 0 prints its own error, or the reason of another
    /// rank.
    pub(crate) fn fail(self, print: impl FnOnce(), reason: &str, code: u8) -> ExitCode {
        #[cfg(feature = "mpi")]
        if let Some(processes) = &self.processes {
            if processes.rank > 0 {
                processes.fail(reason);
            }
            print();
            processes.abort(code.into());
        }
        let _ = reason;
        if !self.speaks() {
            // Rank 0 has the same error, prints it first, and its launcher ends this process, unless it is another
            // program.
            sleep(PATIENCE);
        }
        print();
        ExitCode::from(code)
    }
}
