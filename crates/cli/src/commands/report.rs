//! `frit report`: a run as an HTML page, and as an event file for TensorBoard.

use crate::Ending;
use crate::args;
use crate::output::out;
use anyhow::Result;
use frit::report::{self, tensorboard};
use frit::terminal::Terminal;

pub(crate) fn report(args: &args::Report, terminal: &Terminal) -> Result<Ending> {
    let page = report::write(&args.run)?;
    let events = tensorboard::write(&args.run)?;
    terminal.say(&format!("TensorBoard event file: {}", events.display()));
    out!("{}", page.display())?;
    Ok(Ending::Done)
}
