//! Latents of the prior on the device, and samples that need them: of several seeds, or truncated.

use crate::eval::draw::{Images, SAMPLE_BATCH, square};
use crate::eval::latents::{is_class_conditional, pictures};
use crate::eval::passes::rows_that_fit;
use crate::io::error::{Result, ensure, error};
use crate::run::session::Session;
use gpu_core::random::key;
use gpu_core::{Array, Buf};
use models::latents::{Draws, draws};

/// Numbers that are drawn at once, at most: 64 MiB.
const MAX_NUMBERS: usize = 1 << 24;

/// The batch of which [`ends`] are; samples count theirs from one.
const APART: u32 = 0;

/// The length of a latent of a model with a standard normal prior.
///
/// # Errors
/// [`ErrorKind::Model`](crate::ErrorKind::Model) if the model has none.
pub fn latent(session: &Session) -> Result<usize> {
    let latent = session.model.sampler().and_then(|sampler| sampler.latent());
    let name = session.config.name();
    latent.ok_or_else(|| {
        error!(Model, "{name} does not sample from normal latents, which lists of seeds and truncation need")
    })
}

/// The latents of the first `count` samples of a seed, [count, latent]; with a truncation X, numbers beyond ±X are
/// drawn again.
///
/// # Errors
/// [`ErrorKind::Model`](crate::ErrorKind::Model) if the model has no normal prior;
/// [`ErrorKind::Setting`](crate::ErrorKind::Setting) if the truncation is not above 0.
pub fn of_samples(session: &mut Session, count: usize, seed: u64, truncation: Option<f32>) -> Result<Array> {
    let latent = latent(session)?;
    // The batches of samples, of which each draws its latents from the first on.
    let batch = SAMPLE_BATCH.min(rows_that_fit(session));
    let mut latents = Vec::new();
    for (number, start) in (0..count).step_by(batch).enumerate() {
        let numbers = batch.min(count - start) * latent;
        latents.push(draw(session, number as u32 + 1, &[seed], numbers, truncation)?);
    }
    Ok(joined(latents))
}

/// The latent of the first sample of each seed, [seeds, latent]; errors as for [`of_samples`].
pub fn of_seeds(session: &mut Session, seeds: &[u64], truncation: Option<f32>) -> Result<Array> {
    let latent = latent(session)?;
    let parts = seeds.chunks((MAX_NUMBERS / latent).max(1));
    Ok(joined(parts.map(|seeds| draw(session, 1, seeds, latent, truncation)).collect::<Result<_>>()?))
}

/// `count` latents under a seed that are no sample's, [count, latent]; errors as for [`of_samples`].
pub fn ends(session: &mut Session, count: usize, seed: u64, truncation: Option<f32>) -> Result<Array> {
    let latent = latent(session)?;
    draw(session, APART, &[seed], count * latent, truncation)
}

/// Draws the first sample of each seed, in their order: of the first class, or of the one given.
///
/// # Errors
/// As for [`of_samples`], or those of the device.
pub fn sample_seeds(
    session: &mut Session,
    seeds: &[u64],
    truncation: Option<f32>,
    class: Option<usize>,
) -> Result<Images> {
    let latents = of_seeds(session, seeds, truncation)?;
    let images = decoded(session, &latents, seeds.len(), |_| class.unwrap_or(0), square(seeds.len()))?;
    Ok(Images { numbers: Some(seeds.to_vec()), ..images })
}

/// Draws `count` samples with truncated latents, as [`Sampling`](crate::eval::draw::Sampling) draws them with all: of
/// each class in turn, or of the one given. Images whose latents are within the truncation stay.
///
/// # Errors
/// As for [`of_samples`], or those of the device.
pub fn sample_truncated(
    session: &mut Session,
    count: usize,
    seed: u64,
    truncation: f32,
    class: Option<usize>,
) -> Result<Images> {
    let latents = of_samples(session, count, seed, Some(truncation))?;
    let classes = session.data.classes.len();
    let columns = Images::columns(session, count, class);
    decoded(session, &latents, count, |row| class.unwrap_or(row % classes), columns)
}

fn decoded(
    session: &mut Session,
    latents: &Array,
    count: usize,
    class: impl Fn(usize) -> usize,
    columns: usize,
) -> Result<Images> {
    let classes: Option<Vec<u8>> =
        is_class_conditional(session).then(|| (0..count).map(|row| class(row) as u8).collect());
    let values = pictures(session, latents, classes.as_deref())?;
    Ok(Images { classes, ..Images::like(&session.data, values, columns) })
}

/// The first `numbers` numbers of each seed in a batch.
fn draw(session: &mut Session, batch: u32, seeds: &[u64], numbers: usize, truncation: Option<f32>) -> Result<Array> {
    if let Some(bound) = truncation {
        ensure!(bound > 0.0, Setting, "invalid truncation {bound}: expected a number above 0");
    }
    let Draws { seeds: given, pass } = draws(session.model.buffers(), seeds.len(), numbers, truncation);
    let program = session.executor.prepare(&pass.schedule)?;
    session.set_side_clock(batch)?;
    session.executor.write(given, &words_of(seeds, given))?;
    let ticket = session.executor.submit(&[program], 1, &pass.outputs)?;
    Ok(session.executor.wait(ticket)?.remove(0))
}

fn words_of(seeds: &[u64], given: Buf) -> Array {
    let words: Vec<u32> = seeds.iter().flat_map(|&seed| key(seed)).collect();
    debug_assert_eq!(words.len(), given.len());
    Array::U32(words)
}

/// Arrays of one precision, one after another.
fn joined(arrays: Vec<Array>) -> Array {
    let double = arrays.iter().any(|array| matches!(array, Array::F64(_)));
    match double {
        true => Array::F64(arrays.iter().flat_map(Array::to_f64).collect()),
        false => Array::F32(arrays.iter().flat_map(Array::to_f32).collect()),
    }
}
