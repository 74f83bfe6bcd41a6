//! Trains a small VAE on the built-in digits, evaluates it and draws samples.
//!
//! `cargo run --release --example train_vae -- runs/example`

use frit::config::Config;
use frit::eval::metrics::metric;
use frit::eval::{EvalOptions, evaluate, sample};
use frit::train::{Event, TrainOptions, train};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Trains for `steps` steps into a run folder. Returns the path of the sample grid.
pub(crate) fn run(folder: &Path, steps: u64) -> frit::Result<PathBuf> {
    let config = Config::load("vae")?.with("vae.hidden=[128]")?.with("vae.latent=8")?;
    // The device is the best GPU, or the CPU if there is none.
    let options = TrainOptions::new(config).steps(steps).out(folder).observe(|event| {
        if let Event::Step { step, of, losses, .. } = event
            && step % 100 == 0
        {
            println!("step {step} of {of}: −ELBO {:.1}", losses.iter().sum::<f64>());
        }
        ControlFlow::Continue(())
    });
    let mut trained = train(options)?;

    let quiet = frit::Terminal::new(true);
    let metrics = evaluate(&mut trained.session, &trained.backend, &EvalOptions::default(), &quiet)?;
    for key in ["neg_elbo", "psnr", "ssim"] {
        let metric = metric(key).expect("the table has it");
        println!("test {} {}: {} {}", metric.name, metric.better.arrow(), metrics[key], metric.unit);
    }

    let picture = folder.join("grid.png");
    sample(&mut trained.session, 64, 0)?.save(&picture)?;
    Ok(picture)
}

fn main() -> frit::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or("runs/example".into());
    let picture = run(Path::new(&folder), 500)?;
    println!("samples: {}", picture.display());
    Ok(())
}
