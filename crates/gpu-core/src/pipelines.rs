//! Compute pipelines, each made once.

use crate::device::Device;
use crate::kernel::Access;
use crate::{Error, Kernel, Step};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

/// A pipeline and the layout of what it binds.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

/// A kernel's name, which is its own (tests/contract.rs), and the values of its overrides.
pub(crate) type Key = (&'static str, Vec<u32>);

/// The pipelines of a device, shared by its executors.
pub(crate) type Cache = Mutex<HashMap<Key, Pipeline>>;

/// The pipeline of each step; those not made yet are compiled side by side.
pub(crate) fn prepare(device: &Device, steps: &[Step]) -> Result<Vec<Pipeline>, Error> {
    let mut made = device.pipelines.lock().expect("no panic under this lock");
    let mut seen = BTreeSet::new();
    let missing: Vec<&Step> =
        steps.iter().filter(|step| !made.contains_key(&key(step)) && seen.insert(key(step))).collect();
    let fresh: Result<Vec<(Key, Pipeline)>, Error> = missing
        .par_iter()
        .map(|step| Ok((key(step), device.guarded(step.kernel.name, 0, || compile(device, step))?)))
        .collect();
    made.extend(fresh?);
    Ok(steps.iter().map(|step| made[&key(step)].clone()).collect())
}

fn key(step: &Step) -> Key {
    (step.kernel.name, overrides(step).map(|(_, value)| value).collect())
}

/// The parameters that are pipeline constants too.
fn overrides(step: &Step) -> impl Iterator<Item = (&'static str, u32)> + '_ {
    step.kernel.overrides.iter().map(|&name| {
        let field = step.kernel.params.iter().position(|(field, _)| *field == name);
        (name, step.params[field.expect("an override is a parameter; tests/contract.rs checks")])
    })
}

fn compile(device: &Device, step: &Step) -> Pipeline {
    let kernel = step.kernel;
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(kernel.op),
        source: wgpu::ShaderSource::Wgsl(kernel.source.concat().into()),
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
        label: Some(kernel.name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let constants: Vec<(&str, f64)> = overrides(step).map(|(name, value)| (name, f64::from(value))).collect();
    let pipeline = device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(kernel.name),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &constants,
            zero_initialize_workgroup_memory: device.checked,
        },
        cache: None,
    });
    Pipeline { pipeline, layout }
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
