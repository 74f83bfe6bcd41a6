//! Training of the small networks by which images are compared, and the cache that keeps them.

use crate::eval::passes::{TestLoss, Tested};
use crate::io::error::{Result, ensure};
use crate::io::files;
use crate::io::format::lasting;
use crate::run::checkpoint::Checkpoint;
use crate::run::epoch_plan::EpochPlan;
use crate::run::programs::Programs;
use crate::run::session::Session;
use crate::terminal::{Status, Terminal};
use gpu_core::SubmitLoop;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Restores the network of a session from the cache, or trains it and saves it there. Returns its losses on the test
/// set. The terminal shows its `kind`, as in `a classifier`, and the `purpose`, as in `to count classes`.
///
/// # Errors
/// [`ErrorKind::Device`](crate::ErrorKind) if the device fails, [`ErrorKind::Training`](crate::ErrorKind) if the loss
/// is not finite.
pub(super) fn load_or_train(session: &mut Session, kind: &str, purpose: &str, terminal: &Terminal) -> Result<Tested> {
    let name = kind.rsplit(' ').next().unwrap_or(kind);
    let path = cache(session, name);
    let restored = path.as_deref().map_or(Ok(false), |path| restore(session, path));
    let restored = restored.unwrap_or_else(|error| {
        terminal.say(&format!("warning: {error}; the cached {name} is trained again"));
        false
    });
    if !restored {
        terminal.say(&format!("training {kind} on {} {purpose}", session.data.name));
        let since = Instant::now();
        train(session, terminal)?;
        log::info!("the {name} was trained in {}", lasting(since.elapsed().as_secs_f64()));
    }
    let tested = TestLoss::prepare(session, 0)?.run(session)?;
    ensure!(
        tested.means.iter().all(|mean| mean.is_finite()),
        Training,
        "the {name} of {} did not train: its loss is not finite",
        session.data.name
    );
    if !restored {
        keep(session, name, path, terminal);
    }
    Ok(tested)
}

/// Trains all epochs of the recipe, with a bar and without checkpoints.
fn train(session: &mut Session, terminal: &Terminal) -> Result<()> {
    session.initialise()?;
    let steps = EpochPlan::new(&session.config, session.data.epoch_images());
    let ring = session.model.buffers().ring;
    let programs = Programs::prepare(session, &steps, 0)?;
    let (mut submit_loop, mut step) = (SubmitLoop::default(), 0);
    let bar = terminal.bar(steps.total, 0);
    while step < steps.total {
        let stand = steps.at(step);
        session.put_shard(&steps, &stand)?;
        let runs = stand.runs.min(steps.total - step);
        let mut seen = |_| {
            bar.step(Status::default);
            ControlFlow::Continue(())
        };
        submit_loop.drive(session.executor.as_mut(), programs.of(stand.size)?, step + 1, runs, ring, &mut seen)?;
        step += runs;
    }
    Ok(())
}

/// The cached file of this data, recipe, version and executor; `None` without a cache folder.
fn cache(session: &Session, name: &str) -> Option<PathBuf> {
    let folder = crate::io::cache::folder()?;
    let mut crc = flate2::Crc::new();
    for part in [&session.config.to_toml().ok()?, &session.device, env!("CARGO_PKG_VERSION")] {
        crc.update(part.as_bytes());
    }
    Some(folder.join(format!("{name}-{}-{:08x}.safetensors", session.data.fingerprint(), crc.sum())))
}

/// Restores the network from the cache; false if it is not there.
fn restore(session: &mut Session, path: &Path) -> Result<bool> {
    if !files::exists(path)? {
        return Ok(false);
    }
    session.restore_weights(&mut Checkpoint::load(path)?, false)?;
    Ok(true)
}

/// Saves the network in the cache. If that fails, the next evaluation trains again.
fn keep(session: &mut Session, name: &str, path: Option<PathBuf>, terminal: &Terminal) {
    let Some(path) = path else { return };
    let folder = path.parent().map_or(Ok(()), files::create_folder);
    if let Err(error) = folder.and_then(|()| session.checkpoint()?.save(&path)) {
        terminal.say(&format!("warning: the {name} was not cached: {error}"));
    }
}
