//! `frit sample` and `frit reconstruct`: pictures.

use crate::Ending;
use crate::args;
use crate::commands::trained::open;
use crate::evaluation::{Drawing, reconstructions};
use crate::pictures::write_png;
use crate::terminal::Terminal;
use anyhow::{Context, Result, ensure};

/// The most pictures in one file.
const MOST: usize = 10_000;

pub(crate) fn sample(args: &args::Sample, terminal: &Terminal) -> Result<Ending> {
    ensure!((1..=MOST).contains(&args.n), "-n {} is not between 1 and {MOST}; ask for fewer pictures", args.n);
    let (run, mut session) = open(&args.trained, terminal)?;
    let drawing = Drawing::prepare(&mut session, args.n, args.seed)?;
    let family = session.config.name();
    let drawing = drawing.with_context(|| {
        format!("{family} has no prior to draw from; see its codes decoded with `frit reconstruct`")
    })?;
    let path = args.out.clone().unwrap_or_else(|| run.path.join("sample.png"));
    write_png(&path, &drawing.run(&mut session)?)?;
    println!("{}", path.display());
    Ok(Ending::Done)
}

pub(crate) fn reconstruct(args: &args::Reconstruct, terminal: &Terminal) -> Result<Ending> {
    ensure!((1..=MOST).contains(&args.n), "-n {} is not between 1 and {MOST}; ask for fewer pictures", args.n);
    let (run, mut session) = open(&args.trained, terminal)?;
    let images = session.data.test.count;
    ensure!(args.n <= images, "-n {} is more than the {images} test images; ask for fewer", args.n);
    let path = args.out.clone().unwrap_or_else(|| run.path.join("reconstructions.png"));
    write_png(&path, &reconstructions(&mut session, args.n)?)?;
    println!("{}", path.display());
    Ok(Ending::Done)
}
