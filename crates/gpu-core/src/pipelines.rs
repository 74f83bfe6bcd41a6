//! Compute pipelines, each made once.

use crate::device::Device;
use crate::kernel::Access;
use crate::{Error, Kernel, Step, Variant};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

/// A pipeline and the layout of what it binds.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// The name of a kernel or a variant, which is its own (tests/contract.rs), and the values of its overrides.
pub(crate) type Key = (&'static str, Vec<u32>);

/// The pipelines of a device, shared by its executors.
pub(crate) type Cache = Mutex<HashMap<Key, Pipeline>>;

/// A step as a device runs it.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    pub(crate) pipeline: Pipeline,
    /// Workgroups along x, y and z.
    pub(crate) groups: [u32; 3],
}

/// The pipeline and the workgroups of each step; pipelines not made yet are compiled side by side.
pub(crate) fn prepare(device: &Device, steps: &[Step]) -> Result<Vec<Dispatch>, Error> {
    let shaders: Vec<Shader<'_>> = steps.iter().map(|step| Shader::of(device, step)).collect();
    let mut made = device.pipelines.lock().expect("no panic under this lock");
    let mut seen = BTreeSet::new();
    let missing: Vec<&Shader<'_>> =
        shaders.iter().filter(|shader| !made.contains_key(&shader.key()) && seen.insert(shader.key())).collect();
    let fresh: Result<Vec<(Key, Pipeline)>, Error> = missing
        .par_iter()
        .map(|shader| Ok((shader.key(), device.guarded(shader.name, 0, || shader.compile(device))?)))
        .collect();
    made.extend(fresh?);
    let dispatch = |shader: &Shader<'_>| Dispatch { pipeline: made[&shader.key()].clone(), groups: shader.groups() };
    Ok(shaders.iter().map(dispatch).collect())
}

/// What is compiled for a step: its kernel, or the variant that was picked for it.
struct Shader<'a> {
    step: &'a Step,
    name: &'static str,
    entry: &'static str,
    source: &'static [&'static str],
    constants: &'static [(&'static str, u32)],
    tile: [usize; 2],
}

impl<'a> Shader<'a> {
    fn of(device: &Device, step: &'a Step) -> Self {
        let kernel = step.kernel;
        match device.variant(step) {
            Some(&Variant { name, entry, source, constants, tile, .. }) => {
                Self { step, name, entry, source, constants, tile }
            }
            None => Self {
                step,
                name: kernel.name,
                entry: kernel.name,
                source: kernel.source,
                constants: &[],
                tile: [1; 2],
            },
        }
    }

    fn key(&self) -> Key {
        (self.name, self.step.overrides().map(|(_, value)| value).collect())
    }

    fn groups(&self) -> [u32; 3] {
        self.step.grid.groups(self.tile).expect("push has asked this of every tile")
    }

    fn compile(&self, device: &Device) -> Pipeline {
        let kernel = self.step.kernel;
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(kernel.op),
            source: wgpu::ShaderSource::Wgsl(self.source.concat().into()),
        };
        let module = match device.checked {
            true => device.device.create_shader_module(descriptor),
            // SAFETY: the kernels stay inside their buffers and their loops end; the tests run them with the
            // checks on and with them off, at sizes around every edge.
            false => unsafe {
                device.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            },
        };
        let layout = layout(&device.device, kernel);
        let pipeline_layout = device.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(self.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants = self.step.overrides().chain(self.constants.iter().copied());
        let constants: Vec<(&str, f64)> = constants.map(|(name, value)| (name, f64::from(value))).collect();
        let pipeline = device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(self.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: device.checked,
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    }
}

/// Storage buffers in order, then the uniform.
fn layout(device: &wgpu::Device, kernel: &Kernel) -> wgpu::BindGroupLayout {
    let entry = |(index, ty): (usize, wgpu::BufferBindingType)| wgpu::BindGroupLayoutEntry {
        binding: index as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let storage = kernel
        .bindings
        .iter()
        .map(|binding| wgpu::BufferBindingType::Storage { read_only: binding.access == Access::Read });
    let entries: Vec<_> = storage.chain([wgpu::BufferBindingType::Uniform]).enumerate().map(entry).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.name), entries: &entries })
}
