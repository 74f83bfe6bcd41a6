//! Tests of the memory plan: live buffers never overlap, results do not change, and memory is saved. Schedules reject
//! misuse.

use frit_harness::device;
use gpu_core::ops::activation::ACTIVATION;
use gpu_core::ops::elementwise::{COMBINE, CombineParams, MultiplyParams, combine, multiply, scale};
use gpu_core::ops::gather::{Move, pack};
use gpu_core::ops::philox;
use gpu_core::random::Stream;
use gpu_core::{
    Arena, Array, Buf, BufferId, Dtype, Error, Executor, Gpu, Grid, Memory, Plan, Pool, Reference, Schedule, Shape,
    Sharing, plan,
};
use models::{
    Gan, GanConfig, LrSchedule, Model, Optimiser, OptimiserKind, SetSpec, Training, Vae, VaeConfig, in_order,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A random schedule of sums and products of whole and partial buffers of many sizes, with its inputs and outputs.
struct Random {
    schedule: Schedule,
    memory: Memory,
    inputs: Vec<Buf>,
    outputs: Vec<Buf>,
}

fn random(seed: u64) -> Random {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut s, mut memory) = (Schedule::new(), Memory::default());
    let clock = memory.add("clock", [4], Dtype::U32);
    let mut bufs: Vec<Buf> = Vec::new();
    let mut inputs = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let input = s.scratch([rng.random_range(200..400)]);
        s.feed(input);
        inputs.push(input);
        bufs.push(input);
    }
    for step in 0..rng.random_range(5..60) {
        let label = format!("step {step}");
        let len = rng.random_range(1..=400);
        let long_enough: Vec<Buf> = bufs.iter().copied().filter(|buf| buf.len() >= len).collect();
        if long_enough.is_empty() || rng.random_range(0..10) == 0 {
            // Words have separate slots. That nothing reads them makes no difference.
            philox::words(&mut s, &label, [len], clock, seed, Stream::Train);
            continue;
        }
        let mut pick = || Buf { shape: Shape::from([len]), ..long_enough[rng.random_range(0..long_enough.len())] };
        let (a, b) = (pick(), pick());
        bufs.push(match step % 2 {
            0 => combine(&mut s, &label, a, 0.5, b, -0.75),
            _ => multiply(&mut s, &label, a, b),
        });
    }
    let made: Vec<Buf> = bufs.iter().copied().filter(|buf| !inputs.contains(buf)).collect();
    let outputs: Vec<Buf> = made.into_iter().filter(|_| rng.random_range(0..8) == 0).collect();
    outputs.iter().for_each(|&buf| s.keep(buf));
    Random { schedule: s, memory, inputs, outputs }
}

/// The first and last call during which each scratch buffer must hold its contents.
fn lifetimes(schedule: &Schedule) -> BTreeMap<BufferId, (usize, usize)> {
    let mut lives: BTreeMap<BufferId, (usize, usize)> = BTreeMap::new();
    for (index, step) in schedule.calls().iter().enumerate() {
        for buf in &step.bufs {
            lives.entry(buf.id).or_insert((index, index)).1 = index;
        }
    }
    for buf in schedule.scratch_bufs() {
        if schedule.is_kept(buf.id) {
            lives.insert(buf.id, (0, usize::MAX));
        }
    }
    lives.retain(|id, _| id.arena == Arena::Scratch);
    lives
}

/// Panics if two live buffers share a slot, or a buffer does not fit its slot.
fn check(schedule: &Schedule, sharing: Sharing) {
    let plan = plan(schedule, sharing);
    let whole: HashMap<BufferId, Buf> = schedule.scratch_bufs().iter().map(|buf| (buf.id, *buf)).collect();
    let mut tenants: HashMap<usize, Vec<BufferId>> = HashMap::new();
    let lives = lifetimes(schedule);
    for &id in lives.keys() {
        let slot = plan.slot(id).unwrap_or_else(|| panic!("{id:?} has no slot"));
        assert!(plan.slots[slot].len >= whole[&id].len(), "{id:?} does not fit its slot");
        assert_eq!(plan.slots[slot].dtype, whole[&id].dtype, "{id:?}");
        tenants.entry(slot).or_default().push(id);
    }
    assert_eq!(tenants.len(), plan.slots.len(), "a slot is unused");
    for tenants in tenants.values_mut() {
        tenants.sort_by_key(|id| lives[id]);
        for pair in tenants.windows(2) {
            let [one, other] = [pair[0], pair[1]];
            assert!(
                lives[&one].1 < lives[&other].0,
                "{one:?} and {other:?} are live at the same time and share a slot"
            );
        }
        let kept = tenants.iter().any(|id| schedule.is_kept(*id));
        assert!(!kept || tenants.len() == 1, "a fed or kept buffer shares a slot: {tenants:?}");
        assert!(sharing == Sharing::On || tenants.len() == 1, "a slot is shared with sharing off: {tenants:?}");
    }
}

#[test]
fn live_buffers_do_not_overlap() {
    for seed in 0..200 {
        let random = random(seed);
        check(&random.schedule, Sharing::On);
        check(&random.schedule, Sharing::Off);
    }
}

#[test]
fn sharing_changes_no_result() -> Result<(), Error> {
    for seed in 0..60 {
        let Random { schedule, memory, inputs, outputs } = random(seed);
        let results = [Sharing::On, Sharing::Off].map(|sharing| {
            let mut cpu = Reference::new(memory.clone(), sharing);
            let program = cpu.prepare(&schedule)?;
            for buf in &inputs {
                let values = (0..buf.len()).map(|i| (i as f64 * 0.37).sin()).collect();
                cpu.write(*buf, &Array::F64(values))?;
            }
            let ticket = cpu.submit(&[program], 2, &outputs)?;
            cpu.wait(ticket)
        });
        let [on, off] = results;
        assert_eq!(on?, off?, "seed {seed}");
    }
    Ok(())
}

#[test]
fn a_chain_needs_two_slots() {
    let mut s = Schedule::new();
    let x = s.scratch([1000]);
    s.feed(x);
    let end = (0..100).fold(x, |x, i| scale(&mut s, &format!("step {i}"), x, 0.5));
    s.keep(end);
    let (on, off) = (plan(&s, Sharing::On), plan(&s, Sharing::Off));
    assert_eq!(on.slots.len(), 4, "two that alternate, and one each for the input and the output");
    assert_eq!(on.bytes(), 4 * 4 * 1000);
    assert_eq!(off.slots.len(), 101);
    assert_eq!(off.bytes(), 101 * 4 * 1000);
}

#[test]
fn a_slot_grows_before_a_new_one_is_added() {
    let mut s = Schedule::new();
    let x = s.scratch([1000]);
    s.feed(x);
    let part = |len: usize| Buf { shape: Shape::from([len]), ..x };
    for (i, len) in [10, 100, 1000].into_iter().enumerate() {
        scale(&mut s, &format!("step {i}"), part(len), 0.5);
    }
    let plan = plan(&s, Sharing::On);
    assert_eq!(plan.slots.iter().map(|slot| slot.len).collect::<Vec<_>>(), [1000, 1000]);
}

const TRAINING: Training = Training {
    seed: 5,
    shuffle: true,
    moves: Move { mirror: false, crop: 0 },
    optimiser: Optimiser {
        lr: 1e-3,
        kind: OptimiserKind::AdamW,
        lr_warmup: 3,
        lr_schedule: LrSchedule::Cosine,
        lr_decay_steps: 20,
        lr_hold: 0.0,
        lr_final: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        momentum: 0.0,
        nesterov: false,
        weight_decay: 0.01,
        clip: 1.0,
        average: 0.9,
    },
    rate: 1.0,
    micro_batch: 0,
    periodic: true,
    resident: 29,
    taken: 29,
};

const SPEC: SetSpec = SetSpec { train: 29, test: 3, image: [5, 10, 1], classes: 1, variance: 0.1, points: None };

fn vae() -> Vae {
    let config = VaeConfig { hidden: vec![24, 17], latent: 5, activation: "silu".into(), ..VaeConfig::default() };
    Vae::new(config, &SPEC.into())
}

/// The schedules of a training step: backward and update.
fn step(vae: &Vae, batch: usize) -> Vec<Schedule> {
    vae.train(batch, &TRAINING).into_iter().map(|phase| phase.schedule).collect()
}

/// All state after two training steps.
fn trained(executor: &mut dyn Executor, vae: &Vae) -> Result<Vec<Array>, Error> {
    let weights = &vae.networks()[0].weights;
    let arena = |arena| vae.memory().whole(weights.arena(arena));
    let bytes: Vec<u8> = (0..29 * 50).map(|i| (i * i % 251) as u8).collect();
    executor.write(vae.buffers().first().train, &Array::U32(pack(&bytes)))?;
    executor.write(arena(Arena::Values), &Array::F32(weights.initial(9)))?;
    let programs = step(vae, 13).iter().map(|phase| executor.prepare(phase)).collect::<Result<Vec<_>, _>>()?;
    let arenas = [Arena::Values, Arena::Gradients, Arena::OptimSlot(0), Arena::OptimSlot(1), Arena::Average];
    let watched: Vec<Buf> = arenas.map(arena).into_iter().chain([vae.buffers().ring, vae.buffers().clock]).collect();
    let ticket = executor.submit(&programs, 2, &watched)?;
    executor.wait(ticket)
}

#[test]
fn training_is_the_same_with_sharing_and_without() -> Result<(), Error> {
    let vae = vae();
    step(&vae, 13).iter().for_each(|phase| check(phase, Sharing::On));
    let cpu = |sharing| trained(&mut Reference::new(vae.memory().clone(), sharing), &vae);
    assert_eq!(cpu(Sharing::On)?, cpu(Sharing::Off)?);
    Ok(())
}

#[test]
fn training_is_the_same_with_sharing_and_without_on_the_adapter() -> Result<(), Error> {
    let vae = vae();
    let device = device(false);
    let gpu = |sharing| trained(&mut Gpu::new(device.clone(), vae.memory().clone(), sharing), &vae);
    assert_eq!(gpu(Sharing::On)?, gpu(Sharing::Off)?);
    Ok(())
}

/// Fed or kept slots are used by no other program. The other slots of a program are distinct and large enough.
#[test]
fn programs_share_all_slots_but_kept_ones() {
    for seed in 0..50 {
        let mut pool = Pool::default();
        let programs: Vec<Schedule> = (0..5).map(|i| random(100 * seed + i).schedule).collect();
        let plans: Vec<Plan> = programs.iter().map(|schedule| plan(schedule, Sharing::On)).collect();
        let slots: Vec<Vec<usize>> = plans.iter().map(|plan| pool.add(plan, Sharing::On)).collect();
        let mut kept: HashMap<usize, usize> = HashMap::new();
        for (plan, slots) in plans.iter().zip(&slots) {
            let apart: BTreeSet<usize> = slots.iter().copied().collect();
            assert_eq!(apart.len(), plan.slots.len(), "two slots of a program coincide");
            for (slot, &id) in plan.slots.iter().zip(slots) {
                let found = pool.slots[id];
                assert!(found.len >= slot.len && found.dtype == slot.dtype && found.kept == slot.kept);
                *kept.entry(id).or_default() += usize::from(slot.kept);
            }
        }
        assert!(kept.values().all(|&tenants| tenants <= 1), "two programs share a kept slot");
        let each: Vec<u64> = plans.iter().map(Plan::bytes).collect();
        let (most, all) = (each.iter().copied().max().unwrap_or_default(), each.iter().sum());
        assert!((most..=all).contains(&pool.bytes()), "{} bytes for programs of {each:?}", pool.bytes());
        let mut apart = Pool::default();
        let slots: usize = plans.iter().map(|plan| apart.add(plan, Sharing::Off).len()).sum();
        assert_eq!((apart.bytes(), apart.slots.len()), (all, slots), "a slot is shared with sharing off");
    }
}

/// Prepares small programs first, so that slots of prepared programs grow. Kept contents outlive runs of the others.
fn programs_in_turn(executor: &mut dyn Executor, programs: &[(Schedule, Buf, Buf)]) -> Result<Vec<Array>, Error> {
    let mut prepared = Vec::new();
    for (schedule, input, _) in programs {
        prepared.push(executor.prepare(schedule)?);
        executor.write(*input, &Array::F32((0..input.len()).map(|i| (i % 7) as f32).collect()))?;
        let ticket = executor.submit(&prepared, 1, &[])?;
        executor.wait(ticket)?;
    }
    programs.iter().map(|(.., output)| executor.read(*output)).collect()
}

#[test]
fn slots_of_prepared_programs_grow() -> Result<(), Error> {
    let chain = |len: usize| {
        let mut s = Schedule::new();
        let x = s.scratch([len]);
        s.feed(x);
        let y = (0..5).fold(x, |x, i| scale(&mut s, &format!("step {i}"), x, 0.5));
        s.keep(y);
        (s, x, y)
    };
    let programs = [100, 3000, 10, 5000].map(chain);
    let device = device(false);
    let memory = Memory::default;
    let expected: Vec<Vec<f64>> =
        programs.iter().map(|(_, x, _)| (0..x.len()).map(|i| (i % 7) as f64 / 32.0).collect()).collect();
    let mut peaks = Vec::new();
    for sharing in [Sharing::On, Sharing::Off] {
        let (mut cpu, mut gpu) = (Reference::new(memory(), sharing), Gpu::new(device.clone(), memory(), sharing));
        let executors: [&mut dyn Executor; 2] = [&mut cpu, &mut gpu];
        for executor in executors {
            let found = programs_in_turn(executor, &programs)?;
            assert_eq!(found.iter().map(Array::to_f64).collect::<Vec<_>>(), expected, "{}", executor.describe());
            peaks.push(executor.counters().peak_bytes);
        }
    }
    assert!(peaks[0] < peaks[2] && peaks[1] < peaks[3], "sharing saves no memory: {peaks:?}");
    Ok(())
}

/// A GAN: two networks with separate rounds, the first of which runs twice.
fn gan() -> Gan {
    let config = GanConfig { latent: 6, hidden: vec![19, 11], discriminator_steps: 2, ..GanConfig::default() };
    Gan::new(config, &SPEC.into())
}

/// All state after training steps of two sizes, and the peak memory.
fn trained_gan(executor: &mut dyn Executor, gan: &Gan) -> Result<(Vec<Array>, u64), Error> {
    let bytes: Vec<u8> = (0..29 * 50).map(|i| (i * i % 251) as u8).collect();
    executor.write(gan.buffers().first().train, &Array::U32(pack(&bytes)))?;
    let mut watched = vec![gan.buffers().ring];
    for (seed, network) in (0..).zip(gan.networks()) {
        let arena = |arena| gan.memory().whole(network.weights.arena(arena));
        executor.write(arena(Arena::Values), &Array::F32(network.weights.initial(seed)))?;
        watched.extend([Arena::Values, Arena::OptimSlot(0), Arena::OptimSlot(1)].map(arena));
    }
    let mut sizes = Vec::new();
    for batch in [3, 13] {
        let phases = gan.train(batch, &TRAINING);
        let prepared = phases.iter().map(|phase| executor.prepare(&phase.schedule)).collect::<Result<Vec<_>, _>>()?;
        sizes.push(in_order(&phases).into_iter().map(|phase| prepared[phase]).collect::<Vec<_>>());
    }
    let mut found = Vec::new();
    for programs in [&sizes[0], &sizes[1], &sizes[0]] {
        let ticket = executor.submit(programs, 2, &watched)?;
        found = executor.wait(ticket)?;
    }
    Ok((found, executor.counters().peak_bytes))
}

#[test]
fn phases_train_the_same_with_sharing_and_without() -> Result<(), Error> {
    let gan = gan();
    let cpu = |sharing| trained_gan(&mut Reference::new(gan.memory().clone(), sharing), &gan);
    let ((on, shared), (off, unshared)) = (cpu(Sharing::On)?, cpu(Sharing::Off)?);
    assert!(on == off && shared < unshared, "{shared} bytes with sharing, {unshared} without");
    let device = device(false);
    let gpu = |sharing| trained_gan(&mut Gpu::new(device.clone(), gan.memory().clone(), sharing), &gan);
    let ((on, shared), (off, unshared)) = (gpu(Sharing::On)?, gpu(Sharing::Off)?);
    assert!(on == off && shared < unshared, "{shared} bytes with sharing, {unshared} without, on the adapter");
    Ok(())
}

/// Training saves little, because its activations live until the backward pass; other passes save much.
#[test]
fn models_share_memory() {
    let spec = SetSpec { train: 128, test: 128, image: [28, 28, 1], ..SPEC };
    let vae = Vae::new(VaeConfig::default(), &spec.into());
    let whole = Training { resident: 128, taken: 128, ..TRAINING };
    let training = vae.train(128, &whole).remove(0).schedule;
    let bytes = |schedule: &Schedule, sharing| plan(schedule, sharing).bytes();
    for (schedule, share) in [(training, 0.9), (vae.evaluate(128, 0), 0.85)] {
        let (on, off) = (bytes(&schedule, Sharing::On), bytes(&schedule, Sharing::Off));
        assert!((on as f64) < share * off as f64, "{on} bytes with sharing, {off} without");
    }
}

/// A schedule with a fed buffer of seven elements, and the parameters for a sum of two such buffers.
fn sum_of_seven() -> (Schedule, Buf, CombineParams) {
    let mut s = Schedule::new();
    let x = s.scratch([7]);
    s.feed(x);
    (s, x, CombineParams { len: 7, alpha: 1.0, beta: 1.0 })
}

#[test]
#[should_panic(expected = "outer.sum (combine): wrong number of buffers")]
fn too_few_buffers() {
    let (mut s, x, params) = sum_of_seven();
    s.scope("outer", |s| s.push(&COMBINE, "sum", &[x, x], &params, Grid::Linear(1), 0));
}

#[test]
#[should_panic(expected = "wrong element type")]
fn words_instead_of_numbers() {
    let (mut s, x, params) = sum_of_seven();
    let y = s.scratch_of([7], Dtype::U32);
    s.push(&COMBINE, "sum", &[x, x, y], &params, Grid::Linear(1), 0);
}

#[test]
#[should_panic(expected = "a binding must start at a multiple of 64 elements")]
fn a_misaligned_range() {
    let (mut s, x, params) = sum_of_seven();
    let y = s.scratch([100]);
    s.push(&COMBINE, "sum", &[x, x, Buf { offset: 7, shape: x.shape, ..y }], &params, Grid::Linear(1), 0);
}

#[test]
#[should_panic(expected = "read before it is written")]
fn read_before_it_is_written() {
    let (mut s, x, params) = sum_of_seven();
    let (fresh, y) = (s.scratch([7]), s.scratch([7]));
    s.push(&COMBINE, "sum", &[x, fresh, y], &params, Grid::Linear(1), 0);
}

#[test]
#[should_panic(expected = "written, and bound twice")]
fn written_and_read_in_one_call() {
    let (mut s, x, params) = sum_of_seven();
    s.push(&COMBINE, "sum", &[x, x, x], &params, Grid::Linear(1), 0);
}

/// Even disjoint ranges are refused, because a device buffer cannot be bound for both reading and writing.
#[test]
#[should_panic(expected = "written, and bound twice")]
fn written_and_read_at_two_ranges() {
    let (mut s, _, params) = sum_of_seven();
    let wide = s.scratch([128]);
    s.feed(wide);
    let part = |offset| Buf { offset, shape: Shape::from([7]), ..wide };
    s.push(&COMBINE, "sum", &[part(0), part(0), part(64)], &params, Grid::Linear(1), 0);
}

#[test]
#[should_panic(expected = "parameters of another kernel")]
fn parameters_of_another_kernel() {
    let (mut s, x, _) = sum_of_seven();
    let y = s.scratch([7]);
    s.push(&ACTIVATION, "act", &[x, y], &MultiplyParams { len: 7 }, Grid::Linear(1), 0);
}

#[test]
#[should_panic(expected = "Linear(0) is not 1 to 65535 workgroups")]
fn a_grid_without_workgroups() {
    let (mut s, x, params) = sum_of_seven();
    let y = s.scratch([7]);
    s.push(&COMBINE, "sum", &[x, x, y], &params, Grid::Linear(0), 0);
}

#[test]
#[should_panic(expected = "Box(65536, 1, 1) is not 1 to 65535 workgroups")]
fn a_grid_too_wide() {
    let (mut s, x, params) = sum_of_seven();
    let y = s.scratch([7]);
    s.push(&COMBINE, "sum", &[x, x, y], &params, Grid::Box(65_536, 1, 1), 0);
}
