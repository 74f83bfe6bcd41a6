//! Training by a program that uses the library: callbacks, interrupts, the best metric.

use frit::config::Config;
use frit::eval::{EvalOptions, OpenOptions, Weights, evaluate, open};
use frit::run::device::DeviceOptions;
use frit::train::{Event, ResumeOptions, TrainOptions, resume, train};
use frit::{DeviceChoice, ErrorKind, Terminal};
use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

fn cpu() -> DeviceOptions {
    DeviceOptions { choice: DeviceChoice::Cpu, ..DeviceOptions::default() }
}

fn options(run: &Path, settings: &[&str]) -> TrainOptions {
    let small = ["vae.hidden=[8]", "vae.latent=2", "train.batch_size=500", "train.epochs=3"];
    let settings = small.iter().chain(settings);
    let config = settings.fold(Config::load("vae").unwrap(), |config, setting| config.with(setting).unwrap());
    TrainOptions::new(config).device(cpu()).out(run)
}

fn latest(run: &Path) -> Vec<u8> {
    fs::read(run.join("checkpoints/latest.safetensors")).unwrap()
}

#[test]
fn an_observer_sees_steps_and_epochs_and_may_stop() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let seen = Rc::new(RefCell::new((0, Vec::new())));
    let counted = seen.clone();
    let trained = train(options(&whole, &[]).observe(move |event| {
        let (steps, epochs) = &mut *counted.borrow_mut();
        match event {
            Event::Step { step, columns, losses, .. } => {
                assert!(columns.len() == losses.len() && *step == *steps + 1);
                *steps += 1;
            }
            Event::Epoch { epoch, metrics, .. } => epochs.push((*epoch, metrics["test_kl"].is_f64())),
            _ => {}
        }
        ControlFlow::Continue(())
    }))
    .unwrap();
    assert_eq!(*seen.borrow(), (60, vec![(1, true), (2, true), (3, true)]));
    assert!(trained.metrics.unwrap()["neg_elbo"].as_f64().unwrap() > 0.0);

    let trained = train(options(&stopped, &[]).observe(|event| match event {
        Event::Step { step: 25.., .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }))
    .unwrap();
    assert!(trained.metrics.is_none() && latest(&stopped) != latest(&whole));
    let resumed = resume(ResumeOptions::new(&stopped)).unwrap();
    assert!(resumed.metrics.is_some() && !resumed.was_complete);
    assert!(latest(&stopped) == latest(&whole), "a resumed run has another result");
    assert!(resume(ResumeOptions::new(&stopped)).unwrap().was_complete);
    let Err(error) = train(options(&whole, &[])) else { panic!("a run was overwritten") };
    assert_eq!(error.kind(), ErrorKind::Run);
}

#[test]
fn the_best_checkpoint_has_the_highest_psnr() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(options(&run, &["train.best=psnr", "optimiser.lr=0.01"])).unwrap();
    let metrics = frit::run::metrics::read(&run).unwrap();
    let psnr = metrics.columns.iter().find(|column| column.name == "psnr").unwrap();
    let values: Vec<f64> = psnr.test.iter().map(|point| point.value.unwrap()).collect();
    let highest = values.iter().copied().fold(f64::MIN, f64::max);
    assert!(values.len() == 3 && values.iter().any(|value| *value < highest), "{values:?}");
    let options = OpenOptions { weights: Weights::Best, device: cpu(), ..OpenOptions::default() };
    let mut opened = open(&run, &options, &Terminal::new(true)).unwrap();
    let evaluation =
        evaluate(&mut opened.session, &opened.backend, &EvalOptions::default(), &Terminal::new(true)).unwrap();
    assert!((evaluation["psnr"].as_f64().unwrap() - highest).abs() < 1e-9, "{} of {values:?}", evaluation["psnr"]);
}
