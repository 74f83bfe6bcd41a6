//! Opening a trained model.

use crate::args::Trained;
use crate::checkpoint::Checkpoint;
use crate::commands::train::load;
use crate::config::Config;
use crate::run::Run;
use crate::session::Session;
use crate::terminal::Terminal;
use anyhow::Result;
use gpu_core::choose;

/// The run, and its model on a device with the weights in place.
pub(crate) fn open(args: &Trained, terminal: &Terminal) -> Result<(Run, Session)> {
    let run = Run::open_to_read(&args.run)?;
    let mut config = Config::parse(&run.read_config()?, &run.config_path().display().to_string())?;
    if let Some(source) = &args.data {
        config.data.source.clone_from(source);
    }
    let data = load(&config)?;
    let path = if args.best { run.best() } else { run.latest() };
    let mut checkpoint = Checkpoint::load(&path)?;
    let (backend, why) = choose(&args.device.choice().unwrap_or_default(), args.device.checked)?;
    terminal.say(&format!("running on {why}"));
    let mut session = Session::open(config, data, &backend)?;
    session.restore_weights(&mut checkpoint, args.average)?;
    Ok((run, session))
}
