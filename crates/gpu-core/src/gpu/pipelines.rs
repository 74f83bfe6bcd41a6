//! Compilation of compute pipelines, each once per device.

use super::caps::DeviceKind;
use super::device::Device;
use super::early::Early;
use super::pipeline_cache::{Key, Pipeline};
use crate::ops::activation::Activation;
use crate::ops::conv2d;
use crate::{Access, Call, Error, Kernel, Needs, Variant};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// A call, ready to be dispatched.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    pub(crate) pipeline: Pipeline,
    /// Workgroups along x, y and z.
    pub(crate) groups: [u32; 3],
}

/// Returns the pipeline and workgroups of each call, compiling missing modules and pipelines in parallel.
pub(crate) fn prepare(device: &Device, calls: &[Call]) -> Result<Vec<Dispatch>, Error> {
    let shaders: Vec<Shader<'_>> = calls.iter().map(|call| Shader::of(device, call)).collect();
    let mut compiled = device.cache.pipelines.lock().expect("the lock is not poisoned");
    let mut seen = BTreeSet::new();
    let missing: Vec<&Shader<'_>> =
        shaders.iter().filter(|shader| !compiled.contains_key(&shader.key()) && seen.insert(shader.key())).collect();
    let modules = modules(device, &missing)?;
    let fresh: Result<Vec<(Key, Pipeline)>, Error> = missing
        .par_iter()
        .map(|shader| {
            let compile = || shader.compile(device, &modules[&shader.source.concat()]);
            let pipeline = device.with_error_scopes(shader.name, 0, compile)?;
            if device.caps.kind == DeviceKind::Software {
                let early = || Early::start(device.device.clone(), device.queue.clone());
                let Pipeline { pipeline, layout } = pipeline.clone();
                let bindings = shader.call.kernel.bindings.len();
                device.cache.early.get_or_init(early).add((pipeline, layout, bindings));
            }
            Ok((shader.key(), pipeline))
        })
        .collect();
    compiled.extend(fresh?);
    let dispatch =
        |shader: &Shader<'_>| Dispatch { pipeline: compiled[&shader.key()].clone(), groups: shader.groups() };
    Ok(shaders.iter().map(dispatch).collect())
}

/// The shader modules by source, one for each distinct source.
fn modules(device: &Device, shaders: &[&Shader<'_>]) -> Result<HashMap<String, wgpu::ShaderModule>, Error> {
    let mut modules = device.cache.modules.lock().expect("the lock is not poisoned");
    let mut missing: HashMap<String, &str> = HashMap::new();
    for shader in shaders {
        let text = shader.source.concat();
        if !modules.contains_key(&text) {
            missing.insert(text, shader.name);
        }
    }
    let fresh: Result<Vec<_>, Error> = missing
        .into_par_iter()
        .map(|(text, name)| {
            let module = device.with_error_scopes(name, 0, || module(device, name, &text))?;
            Ok((text, module))
        })
        .collect();
    modules.extend(fresh?);
    Ok(modules.clone())
}

fn module(device: &Device, label: &str, text: &str) -> wgpu::ShaderModule {
    let source = wgpu::ShaderSource::Wgsl(text.into());
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
    match device.checked {
        true => device.device.create_shader_module(descriptor),
        // SAFETY: kernels stay within their buffers and their loops end; the tests run them with checks on and off, at
        // sizes around every edge.
        false => unsafe {
            device.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        },
    }
}

/// The shader of a call: its kernel, or the variant chosen for it.
struct Shader<'a> {
    call: &'a Call,
    name: &'static str,
    entry: &'static str,
    source: &'static [&'static str],
    /// The pipeline's constants.
    constants: Vec<(&'static str, u32)>,
    tile: [usize; 2],
}

impl<'a> Shader<'a> {
    fn of(device: &Device, call: &'a Call) -> Self {
        let kernel = call.kernel;
        let Some(variant) = device.variant(call) else {
            let (name, constants) = (kernel.name, call.overrides().collect());
            return Self { call, name, entry: name, source: kernel.source, constants, tile: [1; 2] };
        };
        let Variant { entry, source, tile, .. } = *variant;
        // Kernels share the pipelines of lanes, so those go by their entry point.
        let (name, switches): (_, Vec<_>) = match variant.needs {
            Needs::EightLanes | Needs::EightLanesQuads | Needs::EightLanesBlocks => {
                (entry, call.overrides().filter_map(of_lanes).collect())
            }
            _ => (variant.name, call.overrides().collect()),
        };
        let constants = switches.into_iter().chain(variant.constants(device.caps.subgroup.0)).collect();
        Self { call, name, entry, source, constants, tile }
    }

    fn key(&self) -> Key {
        (self.name, self.constants.clone())
    }

    fn groups(&self) -> [u32; 3] {
        self.call.grid.groups(self.tile).expect("Schedule::push checks every tile size")
    }

    fn compile(&self, device: &Device, module: &wgpu::ShaderModule) -> Pipeline {
        let layout = layout(&device.device, self.call.kernel);
        let pipeline_layout = device.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(self.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> =
            self.constants.iter().map(|&(name, value)| (name, f64::from(value))).collect();
        let pipeline = device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.name),
            layout: Some(&pipeline_layout),
            module,
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

/// The constant that a switch of a call is to the shaders of lanes; `None` if they read it from the uniform.
/// Activations that need elementary functions are constants, and the two kinds of sums of a convolution.
fn of_lanes((name, value): (&'static str, u32)) -> Option<(&'static str, u32)> {
    match name {
        "role" if value == conv2d::WEIGHT => Some((name, value)),
        "role" => Some((name, conv2d::TAPS)),
        "activation" | "gate" if value > Activation::LeakyRelu(0.0).code() => Some((name, value)),
        _ => None,
    }
}

/// The bind group layout: storage buffers in order, then the uniform.
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
