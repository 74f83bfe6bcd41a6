//! `frit export`: a trained model as a web page, its networks as ONNX files, and its card.

use crate::Ending;
use crate::args;
use crate::commands::trained::{open, open_to_decode, run_folder};
use crate::output::out;
use anyhow::Result;
use frit::eval::Opened;
use frit::export;
use frit::io::files;
use frit::report;
use frit::terminal::Terminal;
use std::path::Path;

pub(crate) fn export(args: &args::Export, terminal: &Terminal) -> Result<Ending> {
    if args.card {
        let card = report::write_card(&run_folder(args.trained.run.as_deref(), terminal)?)?;
        out!("{}", card.display())?;
    }
    if args.html.is_none() && args.onnx.is_none() {
        return Ok(Ending::Done);
    }
    let opened = if args.train { open(&args.trained, terminal)? } else { open_to_decode(&args.trained, terminal)? };
    let Opened { run, mut session, step, .. } = opened;
    if let Some(path) = &args.html {
        let page = match args.train {
            true => export::training_page(&mut session, &name(&run.path), step, &run.load(&run.latest())?)?,
            false => export::page(&mut session, &name(&run.path), step)?,
        };
        files::write(path, page.as_bytes())?;
        terminal.say(&format!("{:.2} MiB; it needs no other file", page.len() as f64 / f64::from(1 << 20)));
        out!("{}", path.display())?;
    }
    if let Some(path) = &args.onnx {
        let file = export::onnx(&mut session, &name(&run.path), args.network.as_deref())?;
        files::write(path, &file)?;
        out!("{}", path.display())?;
    }
    Ok(Ending::Done)
}

/// The last part of the path of a run, also of `.`.
fn name(path: &Path) -> String {
    let path = files::absolute(path).unwrap_or_else(|| path.into());
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
