//! `frit project`: finds latents of given images.

use crate::Ending;
use crate::args;
use crate::commands::code::write_with_classes;
use crate::commands::draw::check_count;
use crate::commands::trained::open_on;
use crate::output::{out, put_json};
use anyhow::{Result, ensure};
use frit::data::{DataSet, write_npy};
use frit::eval::latents::{code_width, is_class_conditional};
use frit::eval::{Opened, ProjectOptions, Projected, project as find};
use frit::io::format::short;
use frit::io::images::{destination, pairs, write_png};
use frit::run::session::Session;
use frit::terminal::Terminal;
use serde_json::{Value, json};
use std::path::Path;

/// The default number of test images.
const DEFAULT: usize = 16;
/// The largest number of images, of steps, and of starts.
const MAX: usize = 10_000;
const MAX_STEPS: usize = 1_000_000;
const MAX_STARTS: usize = 256;
/// Columns of the grid.
const COLUMNS: usize = 16;

pub(crate) fn project(args: &args::Project, terminal: &Terminal) -> Result<Ending> {
    let (steps, lr) = (args.steps, args.lr);
    ensure!((1..=MAX_STEPS).contains(&steps), "invalid value '{steps}' for --steps: expected 1 to {MAX_STEPS}");
    ensure!(lr > 0.0 && lr.is_finite(), "invalid value '{lr}' for --lr: expected a positive, finite number");
    let starts = args.starts.unwrap_or(1);
    ensure!((1..=MAX_STARTS).contains(&starts), "invalid value '{starts}' for --starts: expected 1 to {MAX_STARTS}");
    let own = args.own.given();
    let most = if own.is_some() { MAX } else { DEFAULT };
    let Opened { run, mut session, .. } = open_on(&args.trained, own, terminal)?;
    // Before the number of images is compared: a model that cannot project is the error to name.
    code_width(&session)?;
    let images = session.data.tests();
    let count = check_count(args.n.unwrap_or(images.min(most)), images)?;
    let path = destination(args.out.as_deref(), &run.path, "projections.png")?;
    let codes = args.codes.clone().unwrap_or_else(|| run.path.join("projections.npy"));
    let is_npy = codes.extension().is_some_and(|found| found == "npy");
    ensure!(is_npy, "latents are written as NumPy arrays: use a name that ends in .npy (got {})", codes.display());

    let options = ProjectOptions { steps, lr, starts: args.starts, seed: args.seed };
    let rows = session.data.test_rows(count, session.config.train.seed);
    let projected = find(&mut session, &rows, &options, terminal)?;
    let DataSet { height, width, channels, .. } = *session.data;
    let Projected { originals, images, .. } = &projected;
    write_png(&path, &pairs(originals, images, count, height, width, channels, count.min(COLUMNS)))?;
    let label = |&row: &usize| session.data.test.labels[row];
    let labels = is_class_conditional(&session).then(|| rows.iter().map(label).collect());
    let bytes = write_npy(&[count, projected.width], &projected.latents);
    let written = write_with_classes(&codes, &bytes, labels)?;
    match args.json {
        true => put_json("project", summary(&session, &options, &rows, &projected, &path, &codes))?,
        false => {
            print_errors(&projected)?;
            out!("{}", path.display())?;
            written.iter().try_for_each(|path| out!("{}", path.display()))?;
        }
    }
    Ok(Ending::Done)
}

fn print_errors(projected: &Projected) -> Result<()> {
    out!("image  squared error")?;
    for (number, error) in projected.errors.iter().enumerate() {
        out!("{number:5}  {}", short(*error))?;
    }
    out!(" mean  {}", short(projected.mean()))
}

fn summary(
    session: &Session,
    options: &ProjectOptions,
    rows: &[usize],
    projected: &Projected,
    path: &Path,
    codes: &Path,
) -> Value {
    let pixels = session.data.pixels() as f64;
    let image = |(number, &row): (usize, &usize)| {
        let error = projected.errors[number];
        json!({ "image": row, "squared_error": error, "mse": error / pixels, "start": projected.starts[number] })
    };
    json!({
        "family": session.config.name(),
        "data": session.data.name,
        "device": session.device,
        "steps": options.steps,
        "lr": f64::from(options.lr),
        "seed": options.seed,
        "images": rows.iter().enumerate().map(image).collect::<Vec<_>>(),
        "squared_error": projected.mean(),
        "mse": projected.mean() / pixels,
        "out": path.display().to_string(),
        "codes": codes.display().to_string(),
    })
}
