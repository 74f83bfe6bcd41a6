//! Images from a model: samples of its prior, and reconstructions of test images.

use crate::data::DataSet;
use crate::eval::passes::{Prepared, TestPass, prepare_batches};
use crate::io::error::{Error, ErrorKind, Result};
use crate::io::images::{self, write_png};
use crate::io::scatter::scatter;
use crate::run::session::Session;
use gpu_core::Schedule;
use gpu_core::ops::categorical::Drawing;
use gpu_core::ops::density::{Density, drawn_on_host};
use image::DynamicImage;
use models::{ASKED_ROWS, Network, Pass};
use std::path::Path;

/// Images in a batch. Noise is drawn by batch: sample n of a seed is the same whatever the count.
pub(super) const SAMPLE_BATCH: usize = ASKED_ROWS;
/// Columns of a grid, at most.
const MAX_COLUMNS: usize = 64;
/// Samples in one preview: of images and of points.
const IMAGES: usize = 64;
const POINTS: usize = 2_000;
/// Points of the density behind a scatter plot.
const REAL_POINTS: usize = 4_000;
/// Columns of a grid of originals above reconstructions.
const PAIR_COLUMNS: usize = 16;

/// Images on the host.
#[derive(Clone, PartialEq, Debug)]
pub struct Images {
    /// Values, from 0 (black) to 1 (white), `[n, height, width, channels]`; of points, coordinates.
    pub values: Vec<f32>,
    /// Height, width and channels.
    pub size: [usize; 3],
    /// The class of each, of a class-conditional model.
    pub classes: Option<Vec<u8>>,
    /// The number of each, if they are not counted from zero: its seed.
    pub numbers: Option<Vec<u64>>,
    /// Columns of [`Images::grid`].
    pub(super) columns: usize,
    /// The density that a model of points was trained on.
    pub(super) points: Option<Density>,
}

impl Images {
    /// Images of the size of those of a data set, or points of its density, without classes and numbers.
    ///
    /// # Panics
    /// If there are not as many values as whole images have.
    pub fn like(data: &DataSet, values: Vec<f32>, columns: usize) -> Self {
        assert_eq!(values.len() % data.pixels(), 0, "{} values are no whole images", values.len());
        let (size, points) = ([data.height, data.width, data.channels], data.points);
        Self { values, size, classes: None, numbers: None, columns, points }
    }

    /// One column for each class where classes are drawn in turn, else about as many columns as rows.
    pub(super) fn columns(session: &Session, count: usize, class: Option<usize>) -> usize {
        let in_turn = session.model.buffers().first().labels.filter(|_| class.is_none());
        let classes = in_turn.map(|_| session.data.classes.len()).filter(|&classes| classes <= MAX_COLUMNS);
        classes.unwrap_or_else(|| square(count))
    }

    /// The number of images.
    pub fn count(&self) -> usize {
        self.values.len() / self.size.iter().product::<usize>()
    }

    /// All images in one grid, each over its number if they have some; points as a scatter plot, over points of their
    /// density.
    pub fn grid(&self) -> DynamicImage {
        let [height, width, channels] = self.size;
        match (self.points, &self.numbers) {
            (Some(density), _) => scatter(&self.values, &drawn_on_host(density, REAL_POINTS, 1, 0), density.reach()),
            (None, Some(numbers)) => images::numbered_grid(&self.values, numbers, self.size, self.columns),
            (None, None) => images::grid(&self.values, self.count(), height, width, channels, self.columns),
        }
    }

    /// The numbers in rows as in the grid; none of points, whose plot has no rows.
    pub fn rows_of_numbers(&self) -> impl Iterator<Item = &[u64]> {
        let numbers = self.numbers.as_deref().filter(|_| self.points.is_none());
        numbers.unwrap_or_default().chunks(self.columns)
    }

    /// Saves the grid as a PNG file.
    ///
    /// # Errors
    /// [`ErrorKind::File`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_png(path, &self.grid())
    }
}

/// Draws `count` samples from the prior. The same seed gives the same samples, whatever the count.
///
/// A class-conditional model draws each class in turn.
///
/// # Errors
/// [`ErrorKind::Model`] if the model has no prior; [`ErrorKind::Device`] if the device fails.
///
/// ```
/// # use frit::{DeviceChoice, config::Config, run::device::DeviceOptions, train::Setup};
/// # fn main() -> frit::Result<()> {
/// # let device = DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() };
/// let setup = Setup::load(Config::load("vae")?.with("vae.hidden=[8]")?, &device)?;
/// let mut session = setup.start()?;
/// let images = frit::eval::sample(&mut session, 4, 7)?;
/// assert_eq!((images.count(), images.size), (4, [28, 28, 1]));
/// # Ok(())
/// # }
/// ```
pub fn sample(session: &mut Session, count: usize, seed: u64) -> Result<Images> {
    Sampling::require(session, count, seed)?.run(session)
}

/// Draws `count` test images above their reconstructions: of each class its share, by the seed of the run.
///
/// # Errors
/// [`ErrorKind::Model`] if the model reconstructs nothing; [`ErrorKind::Data`] if there are fewer test images.
pub fn reconstruct(session: &mut Session, count: usize) -> Result<DynamicImage> {
    let images = session.data.tests();
    if !(1..=images).contains(&count) {
        let message = format!("invalid number of test images {count}: expected 1 to {images}");
        return Err(Error::new(ErrorKind::Data, message));
    }
    let pairs = Reconstructions::prepare(session, count)?;
    let name = session.config.name();
    pairs.ok_or_else(|| Error::new(ErrorKind::Model, format!("{name} has no encoder")))?.run(session)
}

/// Samples of the prior, prepared once and drawn as often as wanted.
pub struct Sampling {
    batches: Vec<Prepared>,
    count: usize,
    /// The class of every sample of a class-conditional model; `None` for each class in turn.
    class: Option<usize>,
}

impl Sampling {
    /// Prepares `count` samples; `None` if the model has no prior.
    ///
    /// They are drawn with the running average of the weights if the configuration says so.
    pub fn prepare(session: &mut Session, count: usize, seed: u64) -> Result<Option<Self>> {
        if session.model.sampler().is_none() {
            return Ok(None);
        }
        let pass = |session: &Session, batch| {
            let pass = session.model.sampler().expect("checked above").sample(batch, seed);
            Pass { schedule: with_drawing_weights(session, pass.schedule), ..pass }
        };
        Ok(Some(Self { batches: prepare_batches(session, count, SAMPLE_BATCH, pass)?, count, class: None }))
    }

    /// Prepares `count` samples of a prior over codes, at a temperature or from the likeliest codes of each position.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] if the model has none.
    pub fn of_codes(session: &mut Session, count: usize, seed: u64, drawing: Drawing) -> Result<Self> {
        require_codes(session)?;
        let pass = |session: &Session, batch| {
            let pass = session.model.code_prior().expect("checked above").draw(batch, seed, drawing);
            Pass { schedule: with_drawing_weights(session, pass.schedule), outputs: pass.outputs[..1].to_vec() }
        };
        Ok(Self { batches: prepare_batches(session, count, SAMPLE_BATCH, pass)?, count, class: None })
    }

    /// Prepares `count` samples of a model that must have a prior.
    ///
    /// # Errors
    /// [`ErrorKind::Model`] if it has none.
    pub fn require(session: &mut Session, count: usize, seed: u64) -> Result<Self> {
        let name = session.config.name();
        let sampling = Self::prepare(session, count, seed)?;
        sampling.ok_or_else(|| Error::new(ErrorKind::Model, format!("{name} has no prior to sample from")))
    }

    /// The same samples, all of one class.
    pub fn of_class(self, class: usize) -> Self {
        Self { class: Some(class), ..self }
    }

    /// Draws the samples.
    pub fn run(&self, session: &mut Session) -> Result<Images> {
        let mut values = Vec::new();
        let mut drawn = 0;
        for (batch, (program, outputs)) in self.batches.iter().enumerate() {
            session.set_side_clock(batch as u32 + 1)?;
            session.ask(drawn, self.class)?;
            drawn += outputs[0].shape.rows();
            let ticket = session.executor.submit(&[*program], 1, outputs)?;
            values.extend(session.executor.wait(ticket)?.remove(0).to_f32());
        }
        let known = session.data.classes.len();
        let class = |row: usize| self.class.unwrap_or(row % known) as u8;
        let labels = session.model.buffers().first().labels;
        let classes = labels.map(|_| (0..self.count).map(class).collect());
        let columns = Images::columns(session, self.count, self.class);
        let values = to_unit(session, values);
        Ok(Images { classes, ..Images::like(&session.data, values, columns) })
    }
}

/// Refuses a model that does not draw codes.
fn require_codes(session: &Session) -> Result<()> {
    let name = session.config.name();
    let missing = || Error::new(ErrorKind::Model, format!("{name} draws no codes; use a run of the family prior"));
    session.model.code_prior().map(|_| ()).ok_or_else(missing)
}

/// Draws one image: rows of `count` test images, each above a row of images with the same codes in the upper half and
/// drawn ones in the lower.
///
/// # Errors
/// [`ErrorKind::Model`] if the model is not a prior over codes; [`ErrorKind::Device`] if the device fails.
pub fn complete(session: &mut Session, count: usize, seed: u64, drawing: Drawing) -> Result<DynamicImage> {
    require_codes(session)?;
    let pass = |session: &Session, batch: usize| {
        let prior = session.model.code_prior().expect("checked above");
        let [rows, columns] = prior.grid();
        let upper: Vec<bool> = (0..rows * columns).map(|position| position < rows / 2 * columns).collect();
        // As many as the buffer of drawn codes has rows, at most.
        prior.complete(batch.min(ASKED_ROWS), seed, drawing, &upper)
    };
    let rows = session.data.test_rows(count, session.config.train.seed);
    let pass = TestPass::prepare(session, rows, pass)?;
    let mut outputs = pass.run(session)?.into_iter().map(|values| to_unit(session, values));
    let [originals, completed] = [(); 2].map(|()| outputs.next().expect("a completion has two outputs"));
    let DataSet { height, width, channels, .. } = *session.data;
    Ok(images::pairs(&originals, &completed, count, height, width, channels, count.min(PAIR_COLUMNS)))
}

/// Test images above their reconstructions, prepared once and drawn as often as wanted.
pub struct Reconstructions {
    pass: TestPass,
    count: usize,
}

impl Reconstructions {
    /// Prepares `count` test images, of each class its share, by the seed of the run; `None` if the model reconstructs
    /// nothing.
    pub fn prepare(session: &mut Session, count: usize) -> Result<Option<Self>> {
        if session.model.reconstructor().is_none() {
            return Ok(None);
        }
        let pass = |session: &Session, batch| session.model.reconstructor().expect("checked above").reconstruct(batch);
        let rows = session.data.test_rows(count, session.config.train.seed);
        Ok(Some(Self { pass: TestPass::prepare(session, rows, pass)?, count }))
    }

    /// Draws one image: rows of originals, each above a row of reconstructions. Of points, a scatter plot of the
    /// reconstructions over the originals.
    pub fn run(&self, session: &mut Session) -> Result<DynamicImage> {
        let [originals, copies] = self.values(session)?;
        let DataSet { height, width, channels, points, .. } = *session.data;
        if let Some(density) = points {
            return Ok(scatter(&copies, &originals, density.reach()));
        }
        let columns = self.count.min(PAIR_COLUMNS);
        Ok(images::pairs(&originals, &copies, self.count, height, width, channels, columns))
    }

    /// The originals and the reconstructions, with values from 0 to 1 each.
    pub(crate) fn values(&self, session: &mut Session) -> Result<[Vec<f32>; 2]> {
        let mut outputs = self.pass.run(session)?.into_iter().map(|values| to_unit(session, values));
        Ok([(); 2].map(|()| outputs.next().expect("a reconstruction pass has two outputs")))
    }
}

/// A schedule as it draws images: with the running average of the weights if the configuration says so.
pub(crate) fn with_drawing_weights(session: &Session, schedule: Schedule) -> Schedule {
    let average = session.config.draws_by_average();
    let networks = session.model.networks().into_iter().filter(|_| average);
    networks.flat_map(Network::averages).fold(schedule, |schedule, (buf, average)| schedule.moved(buf, average))
}

/// A model's values, scaled to 0 (black) to 1 (white).
pub(crate) fn to_unit(session: &Session, values: Vec<f32>) -> Vec<f32> {
    let range = session.model.range();
    values.into_iter().map(|x| range.to_unit(x)).collect()
}

/// Samples in one preview, unless more or fewer are asked for.
pub fn usual_samples(data: &DataSet) -> usize {
    if data.points.is_some() { POINTS } else { IMAGES }
}

/// Training images, at most `count`: of each class its share, by `seed`. Of two sides, each image is one of A and one
/// of B, side by side: a pair, or without pairs those of one number.
pub fn training_images(data: &DataSet, count: usize, seed: u64) -> Images {
    if data.sides.is_some() {
        let fewest = (0..2).map(|side| data.side_count(&data.train, side)).min().unwrap_or_default();
        let rows: Vec<usize> = (0..count.min(fewest)).map(|row| row * fewest / count.min(fewest)).collect();
        let (values, size) = data.side_by_side(&data.train, &rows);
        return Images { values, size, classes: None, numbers: None, columns: square(rows.len()), points: None };
    }
    let count = count.min(data.train.count);
    Images::like(data, data.values(&data.train, &data.train.subset(count, seed)), square(count))
}

/// Columns of a grid that is about square, at most [`MAX_COLUMNS`].
pub(super) fn square(count: usize) -> usize {
    ((count as f64).sqrt().ceil() as usize).clamp(1, MAX_COLUMNS)
}
