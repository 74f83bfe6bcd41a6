//! Everything in which the record of a kernel, or of a variant, differs from its shader, as naga reads it.

use gpu_core::{Access, Binding, Dtype, Kernel, Needs};
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, ArraySize, Block, EntryPoint, GlobalVariable, Handle, Module, ScalarKind, ShaderStage, Statement,
    StorageAccess, Type, TypeInner,
};

/// WebGPU's default limits, which baseline kernels keep to.
const INVOCATIONS: u32 = 256;
const WORKGROUP_BYTES: u32 = 16 << 10;
const STORAGE_BUFFERS: usize = 8;

/// Everything in which a kernel's record and its shader differ, or break a rule; empty if nothing.
pub(crate) fn faults(kernel: &Kernel) -> Vec<String> {
    faults_with(kernel, Capabilities::empty())
}

fn faults_with(kernel: &Kernel, capabilities: Capabilities) -> Vec<String> {
    let source = kernel.source.concat();
    let found = match naga::front::wgsl::parse_str(&source) {
        Err(error) => vec![format!("naga cannot read it: {}", error.emit_to_string(&source))],
        Ok(module) => match Validator::new(ValidationFlags::all(), capabilities).validate(&module) {
            Err(error) => vec![format!("naga refuses it: {}", error.emit_to_string(&source))],
            Ok(info) => Shader { module: &module, info: &info, kernel }.faults(),
        },
    };
    found.into_iter().map(|fault| format!("{} of shaders/{}.wgsl: {fault}", kernel.name, kernel.op)).collect()
}

/// The same of each variant, which must keep to the kernel's bindings and parameters, and of the list of them.
pub(crate) fn variant_faults(kernel: &Kernel) -> Vec<String> {
    let Some(own) = kernel.variants.first() else { return Vec::new() };
    let mut found = Vec::new();
    if (own.name, own.entry, own.workgroup) != (kernel.name, kernel.name, kernel.workgroup) {
        found.push(format!("the first variant of {} is not the kernel's own", kernel.name));
    }
    for variant in kernel.variants {
        if !variant.name.starts_with(kernel.name) {
            found.push(format!("{} does not begin with {}", variant.name, kernel.name));
        }
        // The record that a kernel of this variant alone would have.
        let as_kernel = Kernel {
            name: variant.entry,
            source: variant.source,
            workgroup: variant.workgroup,
            variants: &[],
            ..*kernel
        };
        found.extend(faults_with(&as_kernel, capabilities(variant.needs)));
    }
    found
}

/// What naga must allow in a variant's shader.
fn capabilities(needs: Needs) -> Capabilities {
    match needs {
        Needs::Nothing | Needs::FewColumns => Capabilities::empty(),
        Needs::EightLanes => Capabilities::SUBGROUP,
        Needs::Half => Capabilities::SHADER_FLOAT16,
    }
}

/// A valid module, beside the record of one of its entry points.
struct Shader<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    kernel: &'a Kernel,
}

impl Shader<'_> {
    fn faults(&self) -> Vec<String> {
        let Some(index) = self.module.entry_points.iter().position(|entry| entry.name == self.kernel.name) else {
            return vec!["the shader has no entry point of that name".into()];
        };
        let entry = &self.module.entry_points[index];
        [
            self.size_faults(entry),
            self.binding_faults(index),
            self.override_faults(),
            self.memory_faults(index).into_iter().collect(),
            self.barrier_faults(&entry.function.body),
        ]
        .concat()
    }

    fn size_faults(&self, entry: &EntryPoint) -> Vec<String> {
        let mut faults = Vec::new();
        if entry.stage != ShaderStage::Compute {
            faults.push("it is no compute shader".into());
        }
        if entry.workgroup_size != self.kernel.workgroup {
            let [stated, found] = [self.kernel.workgroup, entry.workgroup_size];
            faults.push(format!("the record says a workgroup of {stated:?}, the shader {found:?}"));
        }
        if entry.workgroup_size.iter().product::<u32>() > INVOCATIONS {
            faults.push(format!("more than {INVOCATIONS} invocations in a workgroup"));
        }
        if self.kernel.bindings.len() > STORAGE_BUFFERS {
            faults.push(format!("more than {STORAGE_BUFFERS} storage buffers"));
        }
        faults
    }

    /// The variables that the entry point uses, itself or through what it calls.
    fn used(&self, entry: usize) -> impl Iterator<Item = (&GlobalVariable, GlobalUse)> {
        let uses = self.info.get_entry_point(entry);
        let variables = self.module.global_variables.iter();
        variables.map(move |(handle, variable)| (variable, uses[handle])).filter(|(_, used)| !used.is_empty())
    }

    /// The variables in use sit where the record has them, under its names; what an entry point does not use may
    /// be missing.
    fn binding_faults(&self, entry: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let uniform = self.kernel.bindings.len();
        let mut uniform_found = false;
        for (variable, used) in self.used(entry) {
            let Some(resource) = variable.binding else { continue };
            let name = variable.name.as_deref().unwrap_or("a variable without a name");
            let at = resource.binding as usize;
            if resource.group != 0 || at > uniform {
                faults.push(format!("{name} is at group {}, binding {at}, which nothing is bound to", resource.group));
            } else if at == uniform {
                uniform_found = true;
                faults.extend(self.uniform_faults(name, variable));
            } else {
                faults.extend(self.storage_faults(&self.kernel.bindings[at], name, variable, used));
            }
        }
        let outputs = self.kernel.bindings.iter().enumerate().filter(|(_, binding)| binding.access != Access::Read);
        for (at, binding) in outputs {
            let written = self.used(entry).any(|(variable, used)| {
                variable.binding.is_some_and(|found| found.binding as usize == at) && used.contains(GlobalUse::WRITE)
            });
            if !written {
                faults.push(format!("the record says that {} is written, the shader never does", binding.name));
            }
        }
        if !uniform_found && !self.kernel.params.is_empty() {
            faults.push(format!("it uses no uniform at binding {uniform}"));
        }
        faults
    }

    fn storage_faults(
        &self,
        binding: &Binding,
        name: &str,
        variable: &GlobalVariable,
        used: GlobalUse,
    ) -> Option<String> {
        let AddressSpace::Storage { access } = variable.space else {
            return Some(format!("{name} is no storage buffer, though the record binds {} there", binding.name));
        };
        let writable = access.contains(StorageAccess::STORE);
        let dtype = match binding.dtype {
            Dtype::F32 => ScalarKind::Float,
            Dtype::U32 => ScalarKind::Uint,
        };
        let is = |wrong: bool, what: &str| wrong.then(|| format!("{name} {what}"));
        is(name != binding.name, &format!("is called {} in the record", binding.name))
            .or_else(|| is(!self.is_array_of(variable.ty, dtype), "has elements of another type in the record"))
            .or_else(|| is(binding.access == Access::Read && writable, "is only read; declare it var<storage, read>"))
            .or_else(|| is(binding.access != Access::Read && !writable, "is written; declare it read_write"))
            .or_else(|| {
                let reads = binding.access == Access::Write && used.contains(GlobalUse::READ);
                is(reads, "is read as well as written: the record must say Update")
            })
    }

    /// An array of atomics is none: what they return depends on who came first. (In workgroup memory they may count
    /// whole numbers, whose sum does not; atomics of floats need a capability that is not granted here.)
    fn is_array_of(&self, ty: Handle<Type>, kind: ScalarKind) -> bool {
        match self.module.types[ty].inner {
            TypeInner::Array { base, size: ArraySize::Dynamic, stride: 4 } => self.scalar(base) == Some(kind),
            _ => false,
        }
    }

    /// The kind of a scalar of four bytes.
    fn scalar(&self, ty: Handle<Type>) -> Option<ScalarKind> {
        match self.module.types[ty].inner {
            TypeInner::Scalar(scalar) if scalar.width == 4 => Some(scalar.kind),
            _ => None,
        }
    }

    fn uniform_faults(&self, name: &str, variable: &GlobalVariable) -> Option<String> {
        if variable.space != AddressSpace::Uniform {
            return Some(format!("{name} stands where the uniform belongs: after the storage buffers"));
        }
        let TypeInner::Struct { members, .. } = &self.module.types[variable.ty].inner else {
            return Some(format!("{name} is no struct"));
        };
        let field = |member: &naga::StructMember| {
            let ty = match self.scalar(member.ty) {
                Some(ScalarKind::Float) => "f32",
                Some(ScalarKind::Uint) => "u32",
                _ => "something else",
            };
            (member.name.clone().unwrap_or_default(), ty, member.offset)
        };
        let found: Vec<_> = members.iter().map(field).collect();
        let stated = self.kernel.params.iter().zip((0..).step_by(4));
        let stated: Vec<_> = stated.map(|(&(field, ty), offset)| (field.to_string(), ty, offset)).collect();
        (found != stated).then(|| format!("{name} has the fields {found:?}, the record {stated:?}"))
    }

    fn override_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for name in self.kernel.overrides {
            let found = self.module.overrides.iter().find(|(_, found)| found.name.as_deref() == Some(*name));
            match found {
                None => faults.push(format!("the shader has no override {name}")),
                Some((_, found)) if self.scalar(found.ty) != Some(ScalarKind::Uint) => {
                    faults.push(format!("the override {name} is no u32"));
                }
                Some(_) => {}
            }
            if !self.kernel.params.contains(&(name, "u32")) {
                faults.push(format!("the override {name} is no u32 field of the parameters"));
            }
        }
        faults
    }

    fn memory_faults(&self, entry: usize) -> Option<String> {
        let shared = self.used(entry).filter(|(variable, _)| variable.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(variable, _)| self.bytes(variable.ty)).sum();
        (bytes > WORKGROUP_BYTES)
            .then(|| format!("{bytes} bytes of workgroup memory, and {WORKGROUP_BYTES} are promised everywhere"))
    }

    /// The size of a type; more than any device has where an override decides it.
    fn bytes(&self, ty: Handle<Type>) -> u32 {
        match self.module.types[ty].inner {
            TypeInner::Array { size: ArraySize::Pending(_), .. } => u32::MAX / 2,
            ref inner => inner.size(self.module.to_ctx()),
        }
    }

    /// A return before a barrier leaves the others waiting: browsers refuse it.
    fn barrier_faults(&self, body: &Block) -> Vec<String> {
        let bodies = self.module.functions.iter().map(|(_, function)| (function.name.as_deref(), &function.body));
        let mut faults = Vec::new();
        for (name, body) in bodies.chain([(Some(self.kernel.name), body)]) {
            let mut events = Vec::new();
            self.follow(body, &mut events);
            let last_barrier = events.iter().rposition(|event| *event == Event::Barrier);
            let first_return = events.iter().position(|event| *event == Event::Return);
            if last_barrier.zip(first_return).is_some_and(|(barrier, back)| back < barrier) {
                faults.push(format!("{} may return before a barrier", name.unwrap_or("a function")));
            }
        }
        faults
    }

    /// Returns and barriers in the order in which they may happen: loops go round twice, and a call stands for the
    /// barriers inside.
    fn follow(&self, block: &Block, events: &mut Vec<Event>) {
        for statement in block {
            match statement {
                Statement::Return { .. } => events.push(Event::Return),
                Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => events.push(Event::Barrier),
                Statement::Block(block) => self.follow(block, events),
                Statement::If { accept, reject, .. } => {
                    [accept, reject].into_iter().for_each(|block| self.follow(block, events));
                }
                Statement::Switch { cases, .. } => cases.iter().for_each(|case| self.follow(&case.body, events)),
                Statement::Loop { body, continuing, .. } => {
                    [body, continuing, body, continuing].into_iter().for_each(|block| self.follow(block, events));
                }
                Statement::Call { function, .. } => {
                    let mut inside = Vec::new();
                    self.follow(&self.module.functions[*function].body, &mut inside);
                    events.extend(inside.into_iter().filter(|event| *event == Event::Barrier));
                }
                _ => {}
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Return,
    Barrier,
}
