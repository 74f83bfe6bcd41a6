//! Planned schedules as data: all that an interpreter of another language needs to run them. docs/export.md describes
//! the JSON.

use crate::run::tensors::{self, Tensor};
use gpu_core::{Access, Arena, Buf, BufferId, Call, Dtype, Kernel, Layout, Plan as Slots, Pool, Portable};
use gpu_core::{Schedule, Sharing, plan as plan_slots};
use models::{Model, Optimiser};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Schedules over device buffers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Plan {
    /// Device buffers, initially zero.
    pub buffers: Vec<Buffer>,
    /// WGSL files, each once.
    pub files: Vec<&'static str>,
    /// Compute pipelines.
    pub pipelines: Vec<Pipeline>,
    /// Programs: the calls of a schedule, in order.
    pub programs: Vec<Program>,
    /// The tensors of a checkpoint that are in the buffers.
    pub tensors: Vec<PlannedTensor>,
}

/// A device buffer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Buffer {
    /// Its name: of a network's arena, `values/vae`; of a buffer of the model, its own; of scratch, `slot 3`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A range of a device buffer: its number, the first byte, and the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Range(pub usize, pub u64, pub u64);

/// A compute pipeline. Bind group 0 has its storage buffers in order, then the uniform.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub struct Pipeline {
    /// The name of the kernel or of its variant.
    pub name: &'static str,
    /// Numbers of its WGSL files; the module is their concatenation.
    pub files: Vec<usize>,
    /// Its entry point.
    pub entry: &'static str,
    /// Its constants.
    pub constants: BTreeMap<&'static str, u32>,
    /// Its storage buffers: name, `read` or `write`, and `f32` or `u32`.
    pub bindings: Vec<(&'static str, &'static str, &'static str)>,
    /// Its uniform: names and types of the fields, of four bytes each.
    pub uniform: Vec<(&'static str, &'static str)>,
    /// Invocations per workgroup.
    pub workgroup: [u32; 3],
}

/// A program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its calls.
    pub calls: Vec<PlannedCall>,
}

/// A dispatch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedCall {
    /// Its location in the model.
    pub label: String,
    /// Number of its pipeline.
    pub pipeline: usize,
    /// Workgroups along x, y and z.
    pub groups: [u32; 3],
    /// Its storage buffers.
    pub buffers: Vec<Range>,
    /// The words of its uniform.
    pub uniform: Vec<u32>,
}

/// A tensor of a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its place.
    pub at: Range,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Of a tensor in another order: the sizes of its axes in memory, and the axes in the order of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permuted: Option<[[usize; 4]; 2]>,
}

/// Collects programs that never run at the same time, and plans their memory.
pub struct Planner<'a> {
    model: &'a dyn Model,
    optimiser: Optimiser,
    programs: Vec<(String, Schedule)>,
    kept: Vec<BufferId>,
}

/// A plan, and the number of each of its device buffers.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    numbers: HashMap<BufferId, usize>,
}

impl Planned {
    /// The range of a buffer of a program or of a kept one.
    ///
    /// # Panics
    /// If the plan does not have the buffer.
    pub fn range(&self, buf: Buf) -> Range {
        self.find(buf).unwrap_or_else(|| panic!("the plan has no {:?}", buf.id))
    }

    /// The same; `None` if the plan does not have the buffer.
    pub fn find(&self, buf: Buf) -> Option<Range> {
        Some(Range(*self.numbers.get(&buf.id)?, u64::from(buf.offset) * 4, buf.bytes()))
    }

    /// The buffers of the model, each with its number.
    pub fn persistent(&self) -> Vec<(BufferId, usize)> {
        let found = self.numbers.iter().filter(|(id, _)| id.arena != Arena::Scratch);
        let mut found: Vec<_> = found.map(|(id, number)| (*id, *number)).collect();
        found.sort_by_key(|(_, number)| *number);
        found
    }
}

impl<'a> Planner<'a> {
    /// A planner of programs of a model.
    pub fn new(model: &'a dyn Model, optimiser: Optimiser) -> Self {
        Self { model, optimiser, programs: Vec::new(), kept: Vec::new() }
    }

    /// Adds a program.
    pub fn add(&mut self, name: impl Into<String>, schedule: Schedule) {
        self.programs.push((name.into(), schedule));
    }

    /// Adds a buffer of the model that no program needs to use.
    pub fn keep(&mut self, buf: Buf) {
        self.kept.push(buf.id);
    }

    /// Plans the memory of all programs.
    pub fn finish(self) -> Planned {
        let mut pool = Pool::default();
        let slots: Vec<_> = self.programs.iter().map(|(_, schedule)| slots(schedule, &mut pool)).collect();
        let mut made = Made { pool, ..Made::default() };
        for &id in &self.kept {
            made.persistent(self.model, self.optimiser, id);
        }
        let mut programs = Vec::new();
        for ((name, schedule), (plan, indices)) in self.programs.into_iter().zip(slots) {
            let calls = schedule.calls().iter().map(|call| {
                let number = |buf: &Buf| match plan.slot(buf.id) {
                    Some(slot) if buf.id.arena == Arena::Scratch => made.slot(buf.id, indices[slot]),
                    _ => made.persistent(self.model, self.optimiser, buf.id),
                };
                let numbers: Vec<usize> = call.bufs.iter().map(number).collect();
                made.call(call, &numbers)
            });
            programs.push(Program { name, calls: calls.collect() });
        }
        let tensors = tensors::of_checkpoint(self.model, self.optimiser);
        let tensors = tensors.into_iter().filter_map(|tensor| made.tensor(tensor)).collect();
        let Made { numbers, buffers, files, pipelines, .. } = made;
        Planned { plan: Plan { buffers, files, pipelines, programs, tensors }, numbers }
    }
}

/// The slots of a schedule, and the pool's slot of each.
fn slots(schedule: &Schedule, pool: &mut Pool) -> (Slots, Vec<usize>) {
    let plan = plan_slots(schedule, Sharing::On);
    let indices = pool.add(&plan, Sharing::On);
    (plan, indices)
}

/// The parts of a plan, each made at its first use.
#[derive(Default)]
struct Made {
    pool: Pool,
    numbers: HashMap<BufferId, usize>,
    of_slot: HashMap<usize, usize>,
    buffers: Vec<Buffer>,
    files: Vec<&'static str>,
    pipelines: Vec<Pipeline>,
    pipeline_numbers: HashMap<Pipeline, usize>,
}

impl Made {
    fn buffer(&mut self, name: String, len: usize) -> usize {
        self.buffers.push(Buffer { name, bytes: len as u64 * 4 });
        self.buffers.len() - 1
    }

    /// The number of the buffer of a slot.
    fn slot(&mut self, id: BufferId, slot: usize) -> usize {
        let number = match self.of_slot.get(&slot) {
            Some(&number) => number,
            None => self.buffer(format!("slot {slot}"), self.pool.slots[slot].len),
        };
        self.of_slot.insert(slot, number);
        self.numbers.insert(id, number);
        number
    }

    /// The number of a buffer of the model.
    fn persistent(&mut self, model: &dyn Model, optimiser: Optimiser, id: BufferId) -> usize {
        if let Some(&number) = self.numbers.get(&id) {
            return number;
        }
        let number = self.buffer(name(model, optimiser, id), model.memory().whole(id).len());
        self.numbers.insert(id, number);
        number
    }

    fn call(&mut self, call: &Call, numbers: &[usize]) -> PlannedCall {
        let shader = Portable::of(call);
        let ranges = call.bufs.iter().zip(numbers);
        let buffers = ranges.map(|(buf, &number)| Range(number, u64::from(buf.offset) * 4, buf.bytes())).collect();
        let (groups, label, uniform) = (shader.groups, call.label.clone(), call.params.clone());
        PlannedCall { label, pipeline: self.pipeline(call.kernel, shader), groups, buffers, uniform }
    }

    fn pipeline(&mut self, kernel: &'static Kernel, shader: Portable) -> usize {
        let Portable { name, entry, source, constants, workgroup, .. } = shader;
        let files = source.iter().map(|file| self.file(file)).collect();
        let bindings = kernel.bindings.iter().map(|binding| {
            let access = if binding.access == Access::Read { "read" } else { "write" };
            (binding.name, access, if binding.dtype == Dtype::F32 { "f32" } else { "u32" })
        });
        let (constants, bindings, uniform) =
            (constants.into_iter().collect(), bindings.collect(), kernel.params.to_vec());
        let pipeline = Pipeline { name, files, entry, constants, bindings, uniform, workgroup };
        *self.pipeline_numbers.entry(pipeline).or_insert_with_key(|pipeline| {
            self.pipelines.push(pipeline.clone());
            self.pipelines.len() - 1
        })
    }

    fn file(&mut self, text: &'static str) -> usize {
        self.files.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.files.push(text);
            self.files.len() - 1
        })
    }

    /// A tensor whose buffer is in the plan.
    fn tensor(&self, Tensor { name, buf, layout }: Tensor) -> Option<PlannedTensor> {
        let at = Range(*self.numbers.get(&buf.id)?, u64::from(buf.offset) * 4, buf.bytes());
        let shape = layout.file_shape(buf.shape);
        let permuted = match layout {
            Layout::Same => None,
            Layout::Permuted { view, axes, .. } => Some([view, axes]),
        };
        Some(PlannedTensor { name, at, shape, permuted })
    }
}

/// The name of a buffer of a model.
fn name(model: &dyn Model, optimiser: Optimiser, id: BufferId) -> String {
    if let Some(name) = model.memory().name(id) {
        return name.into();
    }
    let networks = model.networks().into_iter().chain(model.frozen());
    let found = networks.map(|network| &network.weights).find(|weights| weights.arena(Arena::Values).index == id.index);
    let network = found.map_or("network", |weights| weights.name());
    let arena = match id.arena {
        Arena::OptimSlot(slot) => format!("optim.{}", optimiser.slots()[usize::from(slot)]),
        Arena::MicroGradients => "micro_gradients".into(),
        arena => format!("{arena:?}").to_lowercase(),
    };
    format!("{arena}/{network}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use models::SetSpec;

    fn planned(recipe: &str, settings: &[&str]) -> (Box<dyn Model>, Planned) {
        let config = Config::load(recipe).unwrap();
        let config = settings.iter().fold(config, |config, setting| config.with(setting).unwrap());
        let spec = SetSpec { train: 64, test: 2, image: [8, 8, 1], classes: 1, variance: 1.0, points: None };
        let model = config.build(&spec.into());
        let mut planner = Planner::new(model.as_ref(), config.optimiser);
        for phase in model.train(4, &models::Training::whole(0, true, config.optimiser, 64)) {
            planner.add(phase.name, phase.schedule);
        }
        let sample = model.sampler().map(|sampler| sampler.sample(2, 0));
        if let Some(sample) = sample {
            planner.add("sample", sample.schedule);
        }
        planner.keep(model.buffers().first().test);
        let planned = planner.finish();
        (model, planned)
    }

    /// The rules of WebGPU.
    #[test]
    fn a_plan_binds_what_it_has_within_the_limits_of_webgpu() {
        for (recipe, settings) in [("vae", &["vae.hidden=[8]"][..]), ("dcgan", &["gan.width=2"]), ("vqvae", &[])] {
            let (_, Planned { plan, .. }) = planned(recipe, settings);
            for call in plan.programs.iter().flat_map(|program| &program.calls) {
                let pipeline = &plan.pipelines[call.pipeline];
                assert_eq!((call.buffers.len(), call.uniform.len()), (pipeline.bindings.len(), pipeline.uniform.len()));
                assert!(call.groups.iter().all(|&groups| (1..=65_535).contains(&groups)), "{call:?}");
                assert!(pipeline.workgroup.iter().product::<u32>() <= 256 && pipeline.bindings.len() <= 8);
                for (&Range(buffer, offset, bytes), (_, access, _)) in call.buffers.iter().zip(&pipeline.bindings) {
                    assert!(offset % 256 == 0 && bytes > 0 && offset + bytes <= plan.buffers[buffer].bytes, "{call:?}");
                    let bound = call.buffers.iter().filter(|range| range.0 == buffer).count();
                    assert!(*access == "read" || bound == 1, "{call:?} writes a buffer that it also reads");
                }
            }
            let names: Vec<&str> = plan.buffers.iter().map(|buffer| buffer.name.as_str()).collect();
            assert!(["clock", "ring", "test", "slot 0"].iter().all(|name| names.contains(name)), "{names:?}");
        }
    }

    #[test]
    fn tensors_have_the_names_and_shapes_of_a_checkpoint() {
        let (model, Planned { plan, .. }) = planned("conv-vae", &["vae.channels=[4]", "vae.hidden=[8]"]);
        let named = |name: &str| plan.tensors.iter().find(|tensor| tensor.name == name).expect("a tensor");
        let first = named("encoder.0.weight");
        assert_eq!((first.shape.as_slice(), first.permuted), (&[4, 1, 4, 4][..], Some([[4, 4, 4, 1], [0, 3, 1, 2]])));
        assert_eq!(plan.buffers[first.at.0].name, "values/vae");
        assert_eq!(plan.buffers[named("optim.v/encoder.0.weight").at.0].name, "optim.v/vae");
        let elements: u64 = plan.tensors.iter().filter(|t| !t.name.contains('/')).map(|t| t.at.2 / 4).sum();
        assert_eq!(elements as usize, model.networks()[0].weights.count());
    }

    #[test]
    fn a_shader_and_a_pipeline_are_in_a_plan_once() {
        let (_, Planned { plan, .. }) = planned("vae", &["vae.hidden=[8]"]);
        let files: std::collections::BTreeSet<_> = plan.files.iter().collect();
        assert_eq!(files.len(), plan.files.len());
        let pipelines: std::collections::HashSet<_> = plan.pipelines.iter().collect();
        assert_eq!(pipelines.len(), plan.pipelines.len());
        let calls: usize = plan.programs.iter().map(|program| program.calls.len()).sum();
        assert!(plan.pipelines.len() < calls);
    }
}
