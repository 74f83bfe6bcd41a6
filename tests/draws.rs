//! Tests of the gated PixelCNN, as a prior over codes and of pixels: drawn categories have their probabilities, codes
//! drawn one by one have the logits of a whole forward pass, and the probabilities of all images add up to one.

use frit_harness::device;
use gpu_core::ops::categorical::{Drawing, categorical};
use gpu_core::random::Stream;
use gpu_core::{Array, Cpu, Dtype, Error, Executor, Gpu, Memory, Reference, Schedule, Sharing};
use models::capabilities::CodePrior;
use models::{
    ASKED_ROWS, DataSpec, Model, Pass, PixelCnn, PixelCnnConfig, Prior, PriorConfig, SetSpec, VqVaeConfig,
    initial_values,
};

/// Categories, and draws of each test.
const LOGITS: [f64; 7] = [0.5, -1.25, 2.0, 0.0, 1.0, -3.0, 1.75];
const DRAWS: usize = 20_000;

/// The three executors with this memory.
fn executors(memory: &Memory) -> [(&'static str, Box<dyn Executor>); 3] {
    [
        ("gpu", Box::new(Gpu::new(device(false), memory.clone(), Sharing::On))),
        ("cpu", Box::new(Cpu::new(memory.clone(), Sharing::On))),
        ("reference", Box::new(Reference::new(memory.clone(), Sharing::On))),
    ]
}

/// Draws from rows of the same logits.
fn drawn(executor: &mut dyn Executor, drawing: Drawing, draw: usize) -> Result<Vec<u32>, Error> {
    let mut s = Schedule::new();
    let clock = s.scratch_of([4], Dtype::U32);
    let x = s.scratch([DRAWS, LOGITS.len()]);
    [clock, x].into_iter().for_each(|buf| s.feed(buf));
    let index = categorical(&mut s, "index", x, drawing, clock, draw, 7, Stream::Codes);
    s.keep(index);
    let program = executor.prepare(&s)?;
    executor.write(clock, &Array::U32(vec![3, 0, 0, 0]))?;
    executor.write(x, &Array::F32(LOGITS.map(|x| x as f32).repeat(DRAWS)))?;
    let ticket = executor.submit(&[program], 1, &[index])?;
    Ok(executor.wait(ticket)?.remove(0).as_u32().expect("indices are words").to_vec())
}

/// The probabilities of a softmax at a temperature over the largest logits.
fn probabilities(Drawing { temperature, top }: Drawing) -> Vec<f64> {
    let mut sorted = LOGITS;
    sorted.sort_by(|a, b| b.total_cmp(a));
    let least = sorted[if top == 0 { LOGITS.len() } else { top } - 1];
    let weight = |x: f64| if x < least { 0.0 } else { (x / f64::from(temperature)).exp() };
    let total: f64 = LOGITS.iter().map(|&x| weight(x)).sum();
    LOGITS.iter().map(|&x| weight(x) / total).collect()
}

/// χ² of counts against probabilities; infinite for a category that must not occur.
fn chi_squared(drawn: &[u32], probabilities: &[f64]) -> f64 {
    let of = |(category, &p): (usize, &f64)| {
        let count = drawn.iter().filter(|&&index| index as usize == category).count() as f64;
        let expected = p * drawn.len() as f64;
        match (p == 0.0, count == 0.0) {
            (true, true) => 0.0,
            (true, false) => f64::INFINITY,
            _ => (count - expected).powi(2) / expected,
        }
    };
    probabilities.iter().enumerate().map(of).sum()
}

/// 22.5 is exceeded with a probability of 10⁻³ by χ² of six degrees of freedom; the draws are fixed by the seed.
const CRITICAL: f64 = 22.5;

#[test]
fn categories_have_their_probabilities() -> Result<(), Error> {
    let drawings = [(1.0, 0), (0.5, 0), (1.0, 1), (2.0, 3)];
    for (name, mut executor) in executors(&Memory::default()) {
        for (temperature, top) in drawings {
            let drawing = Drawing { temperature, top };
            let found = chi_squared(&drawn(&mut *executor, drawing, 5)?, &probabilities(drawing));
            assert!(found < CRITICAL, "{name}, {drawing:?}: χ² = {found:.1}");
            // The test finds a temperature that is wrong by a quarter.
            let wrong = Drawing { temperature: 1.25 * temperature, top };
            let found = chi_squared(&drawn(&mut *executor, wrong, 5)?, &probabilities(drawing));
            assert!(found > CRITICAL || top == 1, "{name}, {wrong:?} for {drawing:?}: χ² = {found:.1}");
        }
    }
    Ok(())
}

/// Pairs of draws of two positions are as independent as their product of probabilities.
#[test]
fn draws_of_two_positions_are_independent() -> Result<(), Error> {
    let mut cpu = Reference::new(Memory::default(), Sharing::On);
    let drawing = Drawing::default();
    let [one, other] = [drawn(&mut cpu, drawing, 0)?, drawn(&mut cpu, drawing, 1)?];
    let k = LOGITS.len() as u32;
    let pairs: Vec<u32> = one.iter().zip(&other).map(|(one, other)| one * k + other).collect();
    let p = probabilities(drawing);
    let of_pairs: Vec<f64> = p.iter().flat_map(|p| probabilities(drawing).into_iter().map(move |q| p * q)).collect();
    // Of 48 degrees of freedom, 84 is exceeded with a probability of 10⁻³.
    assert!(chi_squared(&pairs, &of_pairs) < 84.0);
    Ok(())
}

const COUNT: usize = 5;

/// A prior with odd sizes and its executor, with weights and requested classes.
fn prior(kernel: usize, classes: usize) -> Prior {
    let vqvae = VqVaeConfig { width: 6, residual: 3, blocks: 1, latent: 3, codes: 9, ..VqVaeConfig::default() };
    let config = PriorConfig { width: 6, layers: 3, kernel, output: 7, vqvae, ..PriorConfig::default() };
    let spec: DataSpec = SetSpec { train: 8, test: 8, image: [14, 17, 1], classes, variance: 0.1, points: None }.into();
    Prior::new(config, &spec)
}

fn start(executor: &mut dyn Executor, model: &dyn Model) -> Result<(), Error> {
    for (buf, values) in initial_values(model, 11, false) {
        executor.write(buf, &Array::F32(values))?;
    }
    executor.write(model.buffers().side_clock, &Array::U32(vec![1, 0, 0, 0]))?;
    let set = model.buffers().first();
    let bytes = |buf: gpu_core::Buf| (0..4 * buf.len()).map(|i| (i * i % 251) as u8).collect::<Vec<_>>();
    executor.write(set.test, &Array::U32(gpu_core::ops::gather::pack(&bytes(set.test))))?;
    if let Some(labels) = set.labels {
        let classes = set.spec.classes;
        let one_hot: Vec<u8> =
            (0..ASKED_ROWS * classes).map(|i| 255 * u8::from(i % classes == i / classes % classes)).collect();
        executor.write(labels.asked, &Array::U32(gpu_core::ops::gather::pack(&one_hot)))?;
        let rows = set.spec.test * classes;
        executor.write(labels.test, &Array::U32(gpu_core::ops::gather::pack(&one_hot[..rows])))?;
    }
    Ok(())
}

fn outputs(executor: &mut dyn Executor, pass: &Pass) -> Result<Vec<Array>, Error> {
    let program = executor.prepare(&pass.schedule)?;
    let ticket = executor.submit(&[program], 1, &pass.outputs)?;
    executor.wait(ticket)
}

/// Rows and pixels that are computed once, as the codes are drawn, have the logits of a pass over all codes.
#[test]
fn codes_drawn_one_by_one_have_the_logits_of_a_whole_pass() -> Result<(), Error> {
    for (kernel, classes) in [(3, 4), (5, 1), (1, 4), (7, 3)] {
        let model = prior(kernel, classes);
        for (name, mut executor) in executors(model.memory()) {
            start(&mut *executor, &model)?;
            let drawn = outputs(&mut *executor, &model.draw_with_logits(COUNT, 5, Drawing::default()))?;
            let whole = outputs(&mut *executor, &model.logits(COUNT))?;
            assert_eq!(drawn[0], whole[0], "the codes are those drawn");
            let codes = drawn[0].as_u32().expect("codes are words");
            assert!(codes.iter().any(|&code| code != codes[0]) && codes.iter().all(|&code| code < 9), "{codes:?}");
            let (logits, positions) = (whole[1].to_f64(), drawn.len() - 1);
            let mut worst: f64 = 0.0;
            for (at, row) in drawn[1..].iter().enumerate() {
                for (i, value) in row.to_f64().into_iter().enumerate() {
                    let (image, code) = (i / 9, i % 9);
                    worst = worst.max((value - logits[(image * positions + at) * 9 + code]).abs());
                }
            }
            let tolerance = if name == "reference" { 1e-12 } else { 1e-5 };
            assert!(worst < tolerance, "{name}, kernel {kernel}: {worst:.1e}");
        }
    }
    Ok(())
}

/// A PixelCNN of images [2, 3] of three levels, for which all images can be listed.
fn of_pixels() -> PixelCnn {
    let config = PixelCnnConfig { levels: 3, width: 6, layers: 2, kernel: 3, output: 7, ..PixelCnnConfig::default() };
    let spec: DataSpec =
        SetSpec { train: 8, test: 8, image: [2, 3, 1], classes: 1, variance: 0.1, points: None }.into();
    PixelCnn::new(config, &spec)
}

/// log p of the levels of images, by the logits of each pixel.
fn log_probabilities(levels: &[u32], logits: &[f64], pixels: usize, count: usize) -> Vec<f64> {
    let of_pixel = |(row, &level): (&[f64], &u32)| row[level as usize] - row.iter().map(|x| x.exp()).sum::<f64>().ln();
    let all: Vec<f64> = logits.chunks(count).zip(levels).map(of_pixel).collect();
    all.chunks(pixels).map(|image| image.iter().sum()).collect()
}

#[test]
fn probabilities_of_all_images_add_up_to_one() -> Result<(), Error> {
    let (model, pixels, count) = (of_pixels(), 6, 3_u32.pow(6));
    let digit = |image: u32, at: usize| image / 3_u32.pow(at as u32) % 3;
    let levels: Vec<u32> = (0..count).flat_map(|image| (0..pixels).map(move |at| digit(image, at))).collect();
    let pass = model.logits(count as usize);
    for (name, mut executor) in executors(model.memory()) {
        start(&mut *executor, &model)?;
        // The buffer has room for more images.
        let mut given = vec![0; ASKED_ROWS * pixels];
        given[..levels.len()].copy_from_slice(&levels);
        executor.write(model.memory().get("drawn_levels").expect("it has levels"), &Array::U32(given))?;
        let found = outputs(&mut *executor, &pass)?;
        let all = log_probabilities(&levels, &found[1].to_f64(), pixels, 3);
        let sum: f64 = all.iter().map(|log| log.exp()).sum();
        let tolerance = if name == "reference" { 1e-9 } else { 1e-5 };
        assert!((sum - 1.0).abs() < tolerance, "{name}: {sum}");
        assert!(all.iter().any(|log| (log - all[0]).abs() > 0.1), "{name}: all are alike");
    }
    Ok(())
}

/// A logit changes with every code before it and with no other.
#[test]
fn logits_depend_on_the_codes_before() -> Result<(), Error> {
    let model = prior(3, 4);
    let mut cpu = Reference::new(model.memory().clone(), Sharing::On);
    start(&mut cpu, &model)?;
    let pass = model.logits(1);
    let program = cpu.prepare(&pass.schedule)?;
    let mut logits = |codes: &[u32]| -> Result<Vec<f64>, Error> {
        cpu.write(pass.outputs[0], &Array::U32(codes.to_vec()))?;
        let ticket = cpu.submit(&[program], 1, &pass.outputs)?;
        Ok(cpu.wait(ticket)?[1].to_f64())
    };
    let codes: Vec<u32> = (0..pass.outputs[0].len() as u32).map(|at| at * at % 9).collect();
    let before = logits(&codes)?;
    for at in 0..codes.len() {
        let mut changed = codes.clone();
        changed[at] = (changed[at] + 1) % 9;
        let after = logits(&changed)?;
        let differs: Vec<bool> = before.chunks(9).zip(after.chunks(9)).map(|(a, b)| a != b).collect();
        assert!(differs[..=at].iter().all(|differs| !differs), "code {at} changes {differs:?}");
        // The windows of three layers reach that far.
        assert!(at + 1 == codes.len() || differs[at + 1] || (at + 1) % 5 == 0, "code {at}: {differs:?}");
    }
    Ok(())
}

/// A completion keeps the codes that it is to keep, and with all of them it is the reconstruction.
#[test]
fn completions_keep_codes() -> Result<(), Error> {
    let model = prior(3, 4);
    let [rows, columns] = model.grid();
    for (name, mut executor) in executors(model.memory()) {
        let mut codes = |kept: &dyn Fn(usize) -> bool, seed: u64| -> Result<(Vec<u32>, Vec<f64>), Error> {
            start(&mut *executor, &model)?;
            executor.write(model.buffers().side_clock, &Array::U32(vec![0, 0, 0, 0]))?;
            let kept: Vec<bool> = (0..rows * columns).map(kept).collect();
            let pass = model.complete(COUNT, seed, Drawing::default(), &kept);
            let found = outputs(&mut *executor, &pass)?;
            let drawn = model.memory().get("drawn_codes").expect("it has codes");
            let drawn = executor.read(drawn)?.as_u32().expect("codes are words")[..COUNT * rows * columns].to_vec();
            Ok((drawn, found[1].to_f64()))
        };
        let (all, images) = codes(&|_| true, 1)?;
        let again = codes(&|_| true, 2)?;
        assert_eq!((&all, &images), (&again.0, &again.1), "{name}: nothing is drawn");
        let above = |position: usize| position < 2 * columns;
        let scattered = |position: usize| position % 3 != 1;
        let ways: [(&str, &dyn Fn(usize) -> bool); 2] = [("above", &above), ("here and there", &scattered)];
        for (way, kept) in ways {
            let ([one, other], same) = ([codes(kept, 1)?.0, codes(kept, 2)?.0], all.clone());
            for (at, ((one, other), same)) in one.iter().zip(&other).zip(&same).enumerate() {
                if kept(at % (rows * columns)) {
                    assert_eq!((one, other), (same, same), "{name}: code {at} {way}");
                }
            }
            assert!(one != other && one != same, "{name}: other codes are drawn");
        }
    }
    Ok(())
}
