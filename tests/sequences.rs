//! Tests of WaveNets: sequences drawn with rings of past values are those of the whole network, code for code; drawn
//! codes have their probabilities; given codes stay; a distribution depends on the codes before it alone.

use frit_harness::device;
use gpu_core::ops::categorical::{Drawing, categorical};
use gpu_core::ops::gather::pack;
use gpu_core::random::Stream;
use gpu_core::{Array, Cpu, Dtype, Error, Executor, Gpu, Reference, Schedule, Sharing};
use models::capabilities::Sequencer;
use models::{
    ASKED_ROWS, DataSpec, Model, SEQUENCE_BLOCK, SEQUENCE_ROWS, SetSpec, Wavenet, WavenetConfig, initial_values,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const CODES: usize = 256;
const SEED: u64 = 5;
/// A word that is no code.
const NONE: u32 = u32::MAX;

fn wavenet(kernel: usize, blocks: usize, classes: usize) -> Wavenet {
    let (length, width, skip, output, layers) = (20, 6, 9, 7, 3);
    let config = WavenetConfig { length, width, skip, output, kernel, layers, blocks, ..WavenetConfig::default() };
    let set = SetSpec { train: 8, test: 8, image: [1, 31, 1], classes, variance: 0.1, points: None };
    Wavenet::new(config, &DataSpec::from(set))
}

fn executors(model: &Wavenet) -> [(&'static str, Box<dyn Executor>); 3] {
    let memory = model.memory();
    [
        ("gpu", Box::new(Gpu::new(device(false), memory.clone(), Sharing::On))),
        ("cpu", Box::new(Cpu::new(memory.clone(), Sharing::On))),
        ("reference", Box::new(Reference::new(memory.clone(), Sharing::On))),
    ]
}

/// Weights, four times the initial ones so that distributions are uneven, and classes in turn.
fn start(executor: &mut dyn Executor, model: &Wavenet) -> Result<(), Error> {
    for (buf, values) in initial_values(model, 11, false) {
        executor.write(buf, &Array::F32(values.into_iter().map(|x| 4.0 * x).collect()))?;
    }
    if let Some(labels) = model.buffers().first().labels {
        let classes = model.buffers().first().spec.classes;
        let one_hot: Vec<u8> =
            (0..ASKED_ROWS * classes).map(|i| 255 * u8::from(i % classes == i / classes % classes)).collect();
        executor.write(labels.asked, &Array::U32(pack(&one_hot)))?;
    }
    Ok(())
}

/// Runs a schedule with no outputs.
fn run(executor: &mut dyn Executor, schedule: &Schedule) -> Result<(), Error> {
    let program = executor.prepare(schedule)?;
    let ticket = executor.submit(&[program], 1, &[])?;
    executor.wait(ticket).map(|_| ())
}

/// Begins a draw with such codes given, after `done` positions of a clock.
fn begin(executor: &mut dyn Executor, model: &Wavenet, rows: usize, given: &[u32]) -> Result<(), Error> {
    let buffers = model.draw_buffers();
    run(executor, &model.begin(rows))?;
    executor.write(buffers.given, &Array::U32(given.to_vec()))?;
    executor.write(buffers.clock, &Array::U32(vec![0; 4]))
}

/// Codes [rows, block] that are drawn with rings.
fn drawn(
    executor: &mut dyn Executor,
    model: &Wavenet,
    rows: usize,
    given: &[u32],
    drawing: Drawing,
) -> Result<Vec<u32>, Error> {
    begin(executor, model, rows, given)?;
    let program = executor.prepare(&model.step(rows, SEED, drawing))?;
    let ticket = executor.submit(&[program], SEQUENCE_BLOCK as u32, &[model.draw_buffers().drawn])?;
    let drawn = executor.wait(ticket)?.remove(0);
    Ok(drawn.as_u32().expect("codes are words")[..rows * SEQUENCE_BLOCK].to_vec())
}

/// Codes of the first `count` positions, each from a pass of the whole network over those before it.
fn naively(
    executor: &mut dyn Executor,
    model: &Wavenet,
    rows: usize,
    count: usize,
    drawing: Drawing,
) -> Result<Vec<u32>, Error> {
    let whole = model.logits(rows, SEQUENCE_BLOCK);
    let program = executor.prepare(&whole.schedule)?;
    let mut s = Schedule::new();
    let (clock, x) = (s.scratch_of([4], Dtype::U32), s.scratch([rows, CODES]));
    [clock, x].into_iter().for_each(|buf| s.feed(buf));
    let index = categorical(&mut s, "index", x, drawing, clock, 0, SEED, Stream::Codes);
    s.keep(index);
    let draw = executor.prepare(&s)?;
    // The codes of later positions make no difference.
    let mut codes = vec![77; SEQUENCE_ROWS * SEQUENCE_BLOCK];
    for at in 0..count {
        executor.write(model.draw_buffers().drawn, &Array::U32(codes.clone()))?;
        let ticket = executor.submit(&[program], 1, &whole.outputs)?;
        let logits = executor.wait(ticket)?.remove(0).to_f64();
        let of_row = |row: usize| &logits[(row * SEQUENCE_BLOCK + at) * CODES..][..CODES];
        executor.write(x, &Array::F64((0..rows).flat_map(|row| of_row(row).to_vec()).collect()))?;
        executor.write(clock, &Array::U32(vec![at as u32 + 1, 0, 0, 0]))?;
        let ticket = executor.submit(&[draw], 1, &[index])?;
        let found = executor.wait(ticket)?.remove(0);
        for (row, &code) in found.as_u32().expect("codes are words").iter().enumerate() {
            codes[row * SEQUENCE_BLOCK + at] = code;
        }
    }
    Ok(codes)
}

#[test]
fn drawing_by_rings_is_drawing_by_the_whole_network() -> Result<(), Error> {
    let (rows, count) = (5, 60);
    for (kernel, blocks, classes, drawing) in [
        (2, 2, 3, Drawing::default()),
        (3, 1, 1, Drawing { temperature: 0.7, top: 0 }),
        (2, 1, 1, Drawing { temperature: 1.0, top: 9 }),
    ] {
        let model = wavenet(kernel, blocks, classes);
        for (name, mut executor) in executors(&model) {
            start(&mut *executor, &model)?;
            let nothing = vec![NONE; SEQUENCE_ROWS * SEQUENCE_BLOCK];
            let by_rings = drawn(&mut *executor, &model, rows, &nothing, drawing)?;
            let naive = naively(&mut *executor, &model, rows, count, drawing)?;
            for row in 0..rows {
                let of = |codes: &[u32]| codes[row * SEQUENCE_BLOCK..][..count].to_vec();
                assert_eq!(of(&by_rings), of(&naive), "{name}, kernel {kernel}, row {row}");
            }
            let different: std::collections::BTreeSet<u32> = by_rings.iter().copied().collect();
            assert!(different.len() > 20, "{name}: only {} codes are drawn", different.len());
            // A second draw forgets the first.
            assert_eq!(drawn(&mut *executor, &model, rows, &nothing, drawing)?, by_rings, "{name}");
        }
    }
    Ok(())
}

/// Each step's logits are those of a whole pass over the codes that were drawn.
#[test]
fn logits_of_steps_are_those_of_a_whole_pass() -> Result<(), Error> {
    let (rows, model) = (3, wavenet(3, 2, 4));
    for (name, mut executor) in executors(&model) {
        start(&mut *executor, &model)?;
        begin(&mut *executor, &model, rows, &vec![NONE; SEQUENCE_ROWS * SEQUENCE_BLOCK])?;
        let step = model.step_with_logits(rows, SEED, Drawing::default());
        let program = executor.prepare(&step.schedule)?;
        let mut steps = Vec::new();
        for _ in 0..SEQUENCE_BLOCK {
            let ticket = executor.submit(&[program], 1, &step.outputs)?;
            steps.push(executor.wait(ticket)?.remove(0).to_f64());
        }
        let whole = model.logits(rows, SEQUENCE_BLOCK);
        let program = executor.prepare(&whole.schedule)?;
        let ticket = executor.submit(&[program], 1, &whole.outputs)?;
        let logits = executor.wait(ticket)?.remove(0).to_f64();
        let mut worst: f64 = 0.0;
        for (at, step) in steps.iter().enumerate() {
            for (i, value) in step.iter().enumerate() {
                let (row, code) = (i / CODES, i % CODES);
                worst = worst.max((value - logits[(row * SEQUENCE_BLOCK + at) * CODES + code]).abs());
            }
        }
        let largest = logits.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        // Products of a few rows and of many add in another order on the CPU executor: 3·10⁻⁶ with AVX-512.
        let tolerance = match name {
            "reference" => 1e-12,
            "cpu" => 1e-5,
            _ => 2e-6,
        };
        assert!(worst < tolerance * largest.max(1.0), "{name}: {worst:.1e} beside {largest:.1e}");
    }
    Ok(())
}

/// χ² of drawn codes against their probabilities: the distribution function of each code, at a random point of its
/// step, is uniform. Of 19 degrees of freedom, 43.8 is exceeded with a probability of 10⁻³.
#[test]
fn drawn_codes_have_their_probabilities() -> Result<(), Error> {
    const BINS: usize = 20;
    let (rows, model) = (SEQUENCE_ROWS, wavenet(2, 1, 1));
    for (name, mut executor) in executors(&model) {
        start(&mut *executor, &model)?;
        let mut chi_squared = |temperature: f32| -> Result<f64, Error> {
            begin(&mut *executor, &model, rows, &vec![NONE; SEQUENCE_ROWS * SEQUENCE_BLOCK])?;
            let step = model.step_with_logits(rows, SEED, Drawing { temperature, top: 0 });
            let program = executor.prepare(&step.schedule)?;
            let (mut rng, mut counts) = (StdRng::seed_from_u64(3), [0.0; BINS]);
            for at in 0..SEQUENCE_BLOCK {
                let outputs = [step.outputs[0], model.draw_buffers().drawn];
                let ticket = executor.submit(&[program], 1, &outputs)?;
                let mut found = executor.wait(ticket)?;
                let (codes, logits) = (found.remove(1), found.remove(0).to_f64());
                for (row, x) in logits.chunks(CODES).enumerate() {
                    let code = codes.as_u32().expect("codes are words")[row * SEQUENCE_BLOCK + at] as usize;
                    let most = x.iter().copied().fold(f64::MIN, f64::max);
                    let weight: Vec<f64> = x.iter().map(|x| (x - most).exp()).collect();
                    let below: f64 = weight[..code].iter().sum();
                    let u = (below + rng.random::<f64>() * weight[code]) / weight.iter().sum::<f64>();
                    counts[((u * BINS as f64) as usize).min(BINS - 1)] += 1.0;
                }
            }
            let expected = (rows * SEQUENCE_BLOCK) as f64 / BINS as f64;
            Ok(counts.iter().map(|count| (count - expected).powi(2) / expected).sum())
        };
        let found = chi_squared(1.0)?;
        assert!(found < 43.8, "{name}: χ² = {found:.1}");
        // The codes have an order of no meaning, so the logits that the temperature changes differ in every bin.
        let wrong = chi_squared(0.5)?;
        assert!(wrong > found, "{name}: χ² = {wrong:.1} at half the temperature, {found:.1} at the right one");
    }
    Ok(())
}

/// Given codes stay, and those after them are drawn from what was given.
#[test]
fn given_codes_stay() -> Result<(), Error> {
    let (rows, model) = (2, wavenet(2, 1, 1));
    for (name, mut executor) in executors(&model) {
        start(&mut *executor, &model)?;
        let prompt = |shift: u32| {
            let mut given = vec![NONE; SEQUENCE_ROWS * SEQUENCE_BLOCK];
            (0..rows).for_each(|row| {
                (0..40).for_each(|at| given[row * SEQUENCE_BLOCK + at] = (at as u32 * 7 + shift) % CODES as u32);
            });
            given
        };
        let [one, other] = [0, 1].map(|shift| drawn(&mut *executor, &model, rows, &prompt(shift), Drawing::default()));
        let (one, other) = (one?, other?);
        for row in 0..rows {
            let of = |codes: &[u32]| codes[row * SEQUENCE_BLOCK..][..SEQUENCE_BLOCK].to_vec();
            assert_eq!(of(&one)[..40], prompt(0)[row * SEQUENCE_BLOCK..][..40], "{name}");
            assert!(of(&one)[40..] != of(&other)[40..], "{name}: other codes follow");
            assert!(of(&one)[40..].iter().all(|&code| code < CODES as u32), "{name}");
        }
    }
    Ok(())
}
