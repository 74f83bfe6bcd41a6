//! Projection: the latents whose images are nearest to given ones, by gradient steps on the latents alone.

use crate::eval::draw::with_drawing_weights;
use crate::eval::latents::{is_class_conditional, latent_width, latents, pictures};
use crate::eval::passes::rows_that_fit;
use crate::eval::prior;
use crate::io::error::{Context, ErrorKind, Result, ensure};
use crate::io::format::short;
use crate::run::session::Session;
use crate::terminal::{Status, Terminal};
use gpu_core::{Array, Buf, Dtype, Program, SubmitLoop};
use models::{ASKED_ROWS, Descent, PROJECTION_ROWS, Projection};
use std::ops::ControlFlow;

/// Starts of an image for a model without an encoder.
const STARTS: usize = 8;

/// Options of [`project`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ProjectOptions {
    /// Steps of Adam.
    pub steps: usize,
    /// Learning rate at the start; it falls to zero along half a period of the cosine.
    pub lr: f32,
    /// Starts of each image, of which the best result counts; `None` for 1 with an encoder and 8 without.
    pub starts: Option<usize>,
    /// Seed of the starts.
    pub seed: u64,
}

impl Default for ProjectOptions {
    fn default() -> Self {
        Self { steps: 200, lr: 0.2, starts: None, seed: 0 }
    }
}

/// The projections of images.
#[derive(Clone, PartialEq, Debug)]
pub struct Projected {
    /// Latents, [n, width].
    pub latents: Vec<f32>,
    /// Numbers of a latent.
    pub width: usize,
    /// The given images, from 0 (black) to 1 (white), [n, height, width, channels].
    pub originals: Vec<f32>,
    /// The images of the latents, likewise.
    pub images: Vec<f32>,
    /// The squared error of each image, summed over its pixels.
    pub errors: Vec<f64>,
    /// The start that led to each.
    pub starts: Vec<usize>,
}

impl Projected {
    /// The mean squared error of an image, over the images.
    pub fn mean(&self) -> f64 {
        self.errors.iter().sum::<f64>() / self.errors.len() as f64
    }
}

/// Finds the latents of test images, given by their rows.
///
/// The first start of an image is its code, or the posterior's mean. The others, and all of a model without an encoder,
/// are the latents of the first samples of the seed. An image's projection does not depend on the others.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no decoder that can be differentiated, or too few starts;
/// [`ErrorKind::Setting`] for steps, a learning rate or starts of zero, or if the search diverges;
/// [`ErrorKind::Device`] if the device fails.
///
/// ```
/// # use frit::{DeviceChoice, config::Config, run::device::DeviceOptions, train::Setup};
/// # use frit::eval::{ProjectOptions, project};
/// # fn main() -> frit::Result<()> {
/// # let device = DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
/// let setup = Setup::load(Config::load("vae")?.with("vae.hidden=[8]")?, &device)?;
/// let mut session = setup.start()?;
/// let options = ProjectOptions { steps: 10, ..ProjectOptions::default() };
/// let found = project(&mut session, &[0, 7], &options, &frit::Terminal::new(true))?;
/// assert_eq!((found.width, found.latents.len(), found.errors.len()), (20, 40, 2));
/// # Ok(())
/// # }
/// ```
pub fn project(
    session: &mut Session,
    rows: &[usize],
    options: &ProjectOptions,
    terminal: &Terminal,
) -> Result<Projected> {
    project_known(session, rows, options, None, terminal)
}

/// The same by the error of some pixels only: `known` has one entry for each number of an image.
///
/// # Errors
/// Those of [`project`].
pub fn project_known(
    session: &mut Session,
    rows: &[usize],
    options: &ProjectOptions,
    known: Option<&[bool]>,
    terminal: &Terminal,
) -> Result<Projected> {
    let ProjectOptions { steps, lr, .. } = *options;
    let width = latent_width(session)?;
    let name = session.config.name();
    ensure!(session.data.points.is_none(), Model, "{name} was trained on points; latents are found for images");
    let words = session.model.decoder().is_some_and(|decoder| decoder.code().dtype == Dtype::U32);
    let reason = match words {
        true => "decodes codebook indices, which gradient steps cannot change",
        false => "makes an image in many steps, which no gradient passes",
    };
    ensure!(session.model.projector().is_some(), Model, "{name} {reason}; use a run of a GAN, a VAE or an autoencoder");
    ensure!(steps > 0 && u32::try_from(steps).is_ok(), Setting, "invalid number of steps {steps}: expected at least 1");
    ensure!(lr > 0.0 && lr.is_finite(), Setting, "invalid learning rate {lr}: expected a positive, finite number");
    let starts = starts(session, rows, options)?;
    let each = starts.len() / width / rows.len();
    let repeated: Vec<usize> = rows.iter().flat_map(|&row| std::iter::repeat_n(row, each)).collect();
    let descent = Descent { steps, lr, masked: known.is_some() };
    let found = descend(session, &repeated, (starts, width), descent, known, terminal)?;
    let found = Array::F32(found);
    let classes = is_class_conditional(session).then(|| labels(session, &repeated));
    let images = pictures(session, &found, classes.as_deref())?;
    best(session, rows, each, &found.to_f32(), &images, known)
}

/// The class of each row.
fn labels(session: &Session, rows: &[usize]) -> Vec<u8> {
    rows.iter().map(|&row| session.data.test.labels[row]).collect()
}

/// The latents to start from, [images, starts, width].
fn starts(session: &mut Session, rows: &[usize], options: &ProjectOptions) -> Result<Vec<f32>> {
    let (name, width) = (session.config.name(), latent_width(session)?);
    let encodes = session.model.encoder().is_some();
    let each = options.starts.unwrap_or(if encodes { 1 } else { STARTS });
    ensure!(each > 0, Setting, "invalid number of starts {each}: expected at least 1");
    let drawn = each - usize::from(encodes);
    let prior = session.model.sampler().is_some_and(|sampler| sampler.latent() == Some(width));
    ensure!(drawn == 0 || prior, Model, "{name} has no prior to draw starts from: an image has one start, its code");
    let drawn = match drawn {
        0 => Vec::new(),
        count => prior::of_samples(session, count, options.seed, None)?.to_f32(),
    };
    if !encodes {
        return Ok(drawn.repeat(rows.len()));
    }
    let codes = latents(session, rows.to_vec())?;
    Ok(codes.iter().flat_map(|code| code.iter().chain(&drawn)).copied().collect())
}

/// Steps from the starts, as many as `rows`, each to the test image in its row.
fn descend(
    session: &mut Session,
    rows: &[usize],
    (starts, width): (Vec<f32>, usize),
    descent: Descent,
    known: Option<&[bool]>,
    terminal: &Terminal,
) -> Result<Vec<f32>> {
    let whole = |rows: usize| rows.next_multiple_of(PROJECTION_ROWS);
    let most = ASKED_ROWS.min(rows_that_fit(session).next_multiple_of(PROJECTION_ROWS)).min(whole(rows.len()));
    let parts = rows.len().div_ceil(most);
    let bar = terminal.bar((parts * descent.steps) as u64, 0);
    let mut found = Vec::with_capacity(starts.len());
    let mut prepared: Option<Search> = None;
    for (rows, starts) in rows.chunks(most).zip(starts.chunks(most * width)) {
        let count = whole(rows.len());
        let search = match prepared.take().filter(|search| search.projection.latents.shape.rows() == count) {
            Some(search) => search,
            None => Search::prepare(session, count, descent)?,
        };
        let latents = search.run(session, rows, starts, descent.steps as u64, known, &mut |error| {
            bar.step(|| Status { values: vec![format!("squared error {}", short(error))], ..Status::default() });
        })?;
        found.extend_from_slice(&latents[..starts.len()]);
        prepared = Some(search);
    }
    Ok(found)
}

/// A projection of a number of rows, prepared on the device.
struct Search {
    program: Program,
    projection: Projection,
}

impl Search {
    fn prepare(session: &mut Session, rows: usize, descent: Descent) -> Result<Self> {
        let projector = session.model.projector().context(ErrorKind::Model, "internal error: no projector")?;
        let projection = projector.project(rows, descent);
        let schedule = with_drawing_weights(session, projection.pass.schedule.clone());
        Ok(Self { program: session.executor.prepare(&schedule)?, projection })
    }

    /// Runs all steps. Rows beyond those given repeat the last one.
    fn run(
        &self,
        session: &mut Session,
        rows: &[usize],
        starts: &[f32],
        steps: u64,
        known: Option<&[bool]>,
        seen: &mut dyn FnMut(f64),
    ) -> Result<Vec<f32>> {
        let Projection { latents, targets, mask, zeros, .. } = &self.projection;
        let range = session.model.range();
        let mut pixels: Vec<f32> = session.data.test.values(rows).into_iter().map(|x| range.of_unit(x)).collect();
        if let (Some(mask), Some(known)) = (mask, known) {
            let all = known.iter().cycle();
            pixels.iter_mut().zip(all.clone()).filter(|(_, known)| !**known).for_each(|(pixel, _)| *pixel = 0.0);
            let counts = all.take(mask.len()).map(|&known| f32::from(u8::from(known))).collect();
            session.executor.write(*mask, &Array::F32(counts))?;
        }
        let labels = labels(session, rows);
        let [pixels, starts] = [(pixels, targets), (starts.to_vec(), latents)]
            .map(|(values, to)| Array::F32(filled(values, to.shape.cols(), to.shape.rows())));
        session.executor.write(*targets, &pixels)?;
        session.executor.write(*latents, &starts)?;
        for &buf in zeros {
            session.executor.write(buf, &zeros_of(buf))?;
        }
        session.set_side_clock(0)?;
        if is_class_conditional(session) {
            session.ask_for(&labels)?;
        }
        let ring = session.model.buffers().side_ring;
        let mut record = |record: gpu_core::Record| {
            seen(record.values[0]);
            ControlFlow::Continue(())
        };
        SubmitLoop::default().drive(session.executor.as_mut(), &[self.program], 1, steps, ring, &mut record)?;
        Ok(session.executor.read(*latents)?.to_f32())
    }
}

/// Rows [n, width] as [count, width]: the last one is repeated.
fn filled(mut values: Vec<f32>, width: usize, count: usize) -> Vec<f32> {
    let last = values[values.len() - width..].to_vec();
    while values.len() < count * width {
        values.extend_from_slice(&last);
    }
    values
}

fn zeros_of(buf: Buf) -> Array {
    match buf.dtype {
        Dtype::F32 => Array::F32(vec![0.0; buf.len()]),
        Dtype::U32 => Array::U32(vec![0; buf.len()]),
    }
}

/// The best start of each image.
fn best(
    session: &Session,
    rows: &[usize],
    each: usize,
    latents: &[f32],
    images: &[f32],
    known: Option<&[bool]>,
) -> Result<Projected> {
    let (pixels, width) = (session.data.pixels(), latents.len() / rows.len() / each);
    let mut projected = Projected {
        latents: Vec::new(),
        width,
        originals: session.data.test.values(rows),
        images: Vec::new(),
        errors: Vec::new(),
        starts: Vec::new(),
    };
    for number in 0..rows.len() {
        let original = &projected.originals[number * pixels..][..pixels];
        let image = |start: usize| &images[(number * each + start) * pixels..][..pixels];
        let error = |start: usize| -> f64 {
            let counts = |at: usize| known.is_none_or(|known| known[at]);
            let pairs = original.iter().zip(image(start)).enumerate().filter(|(at, _)| counts(*at));
            pairs.map(|(_, (a, b))| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        };
        let found = (0..each).map(|start| (error(start), start)).min_by(|a, b| a.0.total_cmp(&b.0));
        let (error, start) = found.context(ErrorKind::Setting, "internal error: an image has no start")?;
        ensure!(error.is_finite(), Setting, "the search diverged for image {number}; use a smaller learning rate");
        projected.latents.extend_from_slice(&latents[(number * each + start) * width..][..width]);
        projected.images.extend_from_slice(image(start));
        projected.errors.push(error);
        projected.starts.push(start);
    }
    Ok(projected)
}
