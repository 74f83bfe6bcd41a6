//! `frit completions` and `frit man`: files for shells and manual pages.

use crate::Ending;
use crate::args;
use crate::output::out;
use anyhow::Result;
use clap::Command;
use clap_mangen::Man;
use frit::io::files;
use std::path::Path;

pub(crate) fn completions(args: &args::Completions) -> Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "frit", &mut script);
    out!("{}", String::from_utf8_lossy(&script).trim_end())?;
    Ok(Ending::Done)
}

pub(crate) fn man(args: &args::Man) -> Result<Ending> {
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    match &args.out {
        None => out!("{}", String::from_utf8_lossy(&page(&command)?).trim_end())?,
        Some(folder) => {
            files::create_folder(folder)?;
            write_pages(&command, folder)?;
        }
    }
    Ok(Ending::Done)
}

/// Writes the page of a command and those of its subcommands.
fn write_pages(command: &Command, folder: &Path) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = folder.join(format!("{name}.1"));
    files::write(&path, &page(command)?)?;
    out!("{}", path.display())?;
    command.get_subcommands().try_for_each(|command| write_pages(command, folder))
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
