//! `frit report`: a run for people, as a page, and for TensorBoard.

use crate::Ending;
use crate::args;
use crate::terminal::{Terminal, out};
use crate::{events, report};
use anyhow::Result;

pub(crate) fn report(args: &args::Report, terminal: &Terminal) -> Result<Ending> {
    let page = report::write(&args.run)?;
    let events = events::write(&args.run)?;
    terminal.say(&format!("for TensorBoard: {}", events.display()));
    out!("{}", page.display())?;
    Ok(Ending::Done)
}
