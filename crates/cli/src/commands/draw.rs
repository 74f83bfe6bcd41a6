//! `frit sample` and `frit reconstruct`.

use crate::Ending;
use crate::args::{self, Seeds, Trained};
use crate::commands::trained::{MEASURE, check_truncation, open_on, open_to_draw, with_prior};
use crate::output::out;
use anyhow::{Context, Result, ensure};
use frit::data::Sequence;
use frit::eval::draw::{Images, Reconstructions, Sampling, usual_samples};
use frit::eval::flow::set_flow;
use frit::eval::image_files::ImageFiles;
use frit::eval::latents::class;
use frit::eval::prior::{sample_seeds, sample_truncated};
use frit::eval::sequence::Wanted;
use frit::eval::{Opened, OwnImages};
use frit::io::files::is_special;
use frit::io::images::{destination, write_png};
use frit::io::sound::{encode, read_wav};
use frit::run::session::Session;
use frit::terminal::Terminal;
use gpu_core::ops::categorical::Drawing;
use std::path::Path;

/// The largest number of images in one grid.
const MAX: usize = 10_000;
/// The default number of test images to reconstruct.
const DEFAULT: usize = 32;

pub(crate) fn sample(args: &args::Sample, terminal: &Terminal) -> Result<Ending> {
    ensure!(
        args.n.is_none_or(|n| (1..=MAX).contains(&n)),
        "invalid value '{}' for -n: expected 1 to {MAX}",
        args.n.unwrap_or_default()
    );
    check_truncation(args.trunc)?;
    let drawing = drawing(args)?;
    let trained = with_prior(&args.trained, args.prior.as_deref(), terminal)?;
    if args.complete {
        return complete(args, &trained, drawing.unwrap_or_default(), terminal);
    }
    let Opened { run, mut session, .. } = open_to_draw(&trained, terminal)?;
    if session.model.sequencer().is_some() {
        return sequences(args, run.path.as_path(), &mut session, drawing.unwrap_or_default());
    }
    let of_images = args.length.is_none() && args.prompt.is_none();
    ensure!(of_images, "--length and --prompt are for sequences, and the run draws images; leave them out");
    set_flow(&mut session, args.steps, args.guidance)?;
    let count = args.n.unwrap_or(usual_samples(&session.data));
    ensure!(
        args.files.is_none() || session.data.points.is_none(),
        "--files writes images, but the run draws points; leave it out"
    );
    if let (Some(_), Some(Seeds(seeds))) = (&args.files, &args.seeds) {
        let repeated = seeds.iter().enumerate().find(|(at, seed)| seeds[..*at].contains(seed));
        ensure!(repeated.is_none(), "--files names files by their seed, but --seeds has one twice; name each once");
    }
    let path = destination(args.out.as_deref(), &run.path, "sample.png")?;
    let class = args.class.as_deref().map(|name| class(&session, name)).transpose()?.map(usize::from);
    let files = args.files.as_deref().map(|folder| ImageFiles::prepare(&session, folder, args.by_class)).transpose()?;
    let images = drawn(args, &mut session, count, class, drawing)?;
    if let Some(files) = files {
        files.write(&images)?;
    }
    images.save(&path)?;
    out!("{}", path.display())?;
    if images.rows_of_numbers().next().is_some() {
        terminal.say("seeds, as in the image:");
    }
    for row in images.rows_of_numbers() {
        terminal.say(&row.iter().map(u64::to_string).collect::<Vec<_>>().join(" "));
    }
    Ok(Ending::Done)
}

/// Draws sequences of a model of them.
fn sequences(args: &args::Sample, run: &Path, session: &mut Session, drawing: Drawing) -> Result<Ending> {
    let others =
        [args.seeds.is_some(), args.trunc.is_some(), args.steps.is_some(), args.guidance.is_some(), args.by_class];
    ensure!(
        !others.contains(&true),
        "--seeds, --trunc, --steps, --guidance and --by-class are for images, and the run draws sequences; leave them \
         out"
    );
    let class = args.class.as_deref().map(|name| class(session, name)).transpose()?.map(usize::from);
    let kind =
        session.data.sequence.context("the checkpoint does not record the kind of its sequences; train again")?;
    let wanted = Wanted {
        count: args.n.unwrap_or(1),
        length: args.length.unwrap_or(session.data.width),
        class,
        prompt: args.prompt.as_deref().map_or(Ok(Vec::new()), |prompt| prompt_of(prompt, kind))?,
    };
    let ending = kind.ending();
    let path = args.out.clone().unwrap_or_else(|| run.join(format!("sample.{ending}")));
    ensure!(
        path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending)) || is_special(&path),
        "these sequences are written as .{ending}: use a name that ends so (got {})",
        path.display()
    );
    let drawn = frit::eval::sequence::sequences(session, &wanted, args.seed, drawing)?;
    if let Some(folder) = &args.files {
        drawn.save_each(folder, &session.data.classes)?;
    }
    drawn.save(&path, &session.data.classes)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// The codes of a prompt: the bytes of a text, the samples of a sound, or the numbers of a process.
fn prompt_of(prompt: &str, kind: Sequence) -> Result<Vec<u8>> {
    Ok(match kind {
        Sequence::Text => prompt.as_bytes().to_vec(),
        Sequence::Sound { rate } => read_wav(prompt.as_ref(), rate)?.into_iter().map(encode).collect(),
        Sequence::Process => {
            let codes: Result<Vec<u8>, _> = prompt.split_whitespace().map(str::parse).collect();
            codes.with_context(|| format!("invalid value '{prompt}' for --prompt: expected numbers from 0 to 255"))?
        }
    })
}

/// The distribution of codes that the arguments ask for, if they do.
fn drawing(args: &args::Sample) -> Result<Option<Drawing>> {
    if let Some(temperature) = args.temperature {
        let valid = temperature > 0.0 && temperature.is_finite() && (1.0 / temperature).is_finite();
        ensure!(valid, "invalid value '{temperature}' for --temperature: expected a positive, finite number");
    }
    ensure!(args.top_k != Some(0), "invalid value '0' for --top-k: expected 1 or more");
    let asked = args.temperature.is_some() || args.top_k.is_some();
    ensure!(
        !asked || (args.seeds.is_none() && args.trunc.is_none()),
        "--temperature and --top-k are for codes, --seeds and --trunc for normal latents; use one or the other"
    );
    Ok(asked.then(|| Drawing { temperature: args.temperature.unwrap_or(1.0), top: args.top_k.unwrap_or(0) }))
}

/// Completes images: originals above completions.
fn complete(args: &args::Sample, trained: &Trained, drawing: Drawing, terminal: &Terminal) -> Result<Ending> {
    let own = (!args.images.is_empty()).then(|| OwnImages { sources: args.images.clone(), class: args.class.clone() });
    ensure!(own.is_some() || args.class.is_none(), "--class is of your own images, given by --images; leave it out");
    let most = if own.is_some() { MAX } else { DEFAULT };
    let Opened { run, mut session, .. } = open_on(trained, own, terminal)?;
    let images = session.data.tests();
    let count = check_count(args.n.unwrap_or(images.min(most)), images)?;
    let path = destination(args.out.as_deref(), &run.path, "completions.png")?;
    write_png(&path, &frit::eval::draw::complete(&mut session, count, args.seed, drawing)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// The samples that the arguments ask for.
fn drawn(
    args: &args::Sample,
    session: &mut Session,
    count: usize,
    class: Option<usize>,
    drawing: Option<Drawing>,
) -> Result<Images> {
    if let Some(drawing) = drawing {
        let sampling = Sampling::of_codes(session, count, args.seed, drawing)?;
        return Ok(class.into_iter().fold(sampling, Sampling::of_class).run(session)?);
    }
    Ok(match (&args.seeds, args.trunc) {
        (Some(Seeds(seeds)), truncation) => sample_seeds(session, seeds, truncation, class)?,
        (None, Some(truncation)) => sample_truncated(session, count, args.seed, truncation, class)?,
        (None, None) => {
            let sampling = Sampling::require(session, count, args.seed)?;
            class.into_iter().fold(sampling, Sampling::of_class).run(session)?
        }
    })
}

pub(crate) fn reconstruct(args: &args::Reconstruct, terminal: &Terminal) -> Result<Ending> {
    let own = args.own.given();
    let most = if own.is_some() { MAX } else { DEFAULT };
    let Opened { run, mut session, .. } = open_on(&args.trained, own, terminal)?;
    let images = session.data.tests();
    let usual = if session.data.points.is_some() { usual_samples(&session.data) } else { most };
    let count = args.n.unwrap_or(images.min(usual));
    let path = destination(args.out.as_deref(), &run.path, "reconstructions.png")?;
    let pairs = Reconstructions::prepare(&mut session, check_count(count, images)?)?;
    let pairs = pairs.with_context(|| {
        let samples = session.model.sampler().is_some() || session.model.sequencer().is_some();
        let instead = if samples { "use `frit sample`" } else { MEASURE };
        format!("{} has no encoder; {instead}", session.config.name())
    })?;
    write_png(&path, &pairs.run(&mut session)?)?;
    out!("{}", path.display())?;
    Ok(Ending::Done)
}

/// Checks the number of images against the data set and the largest grid.
pub(super) fn check_count(count: usize, images: usize) -> Result<usize> {
    match images {
        ..=MAX => ensure!(
            (1..=images).contains(&count),
            "invalid value '{count}' for -n: expected 1 to {images} (the number of images)"
        ),
        _ => ensure!((1..=MAX).contains(&count), "invalid value '{count}' for -n: expected 1 to {MAX}"),
    }
    Ok(count)
}
