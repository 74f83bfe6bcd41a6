//! `frit report`: a run as an HTML page, and as an event file for TensorBoard.

use crate::Ending;
use crate::args;
use crate::commands::trained::run_folder;
use crate::output::out;
use anyhow::Result;
use frit::report::{self, tensorboard};
use frit::terminal::Terminal;

pub(crate) fn report(args: &args::Report, terminal: &Terminal) -> Result<Ending> {
    let run = run_folder(args.run.as_deref(), terminal)?;
    let page = report::write(&run)?;
    let events = tensorboard::write(&run)?;
    terminal.say(&format!("TensorBoard event file: {}", events.display()));
    out!("{}", page.display())?;
    Ok(Ending::Done)
}
