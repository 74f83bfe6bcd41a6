//! Differences between the record of a kernel or variant and its shader, as parsed by naga.

use gpu_core::{Access, Binding, Dtype, Kernel, Needs};
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, ArraySize, Block, EntryPoint, Expression, Function, GlobalVariable, Handle, MathFunction, Module,
    ScalarKind, ShaderStage, Statement, StorageAccess, Type, TypeInner,
};

/// WebGPU's default limits, which baseline kernels stay within.
const INVOCATIONS: u32 = 256;
const WORKGROUP_BYTES: u32 = 16 << 10;
const STORAGE_BUFFERS: usize = 8;

/// The functions of a driver that shaders may use: those that Vulkan bounds to a few units in the last place for every
/// argument, or that are exact. Others are in shaders/common/elementary.wgsl.
const FUNCTIONS: &[MathFunction] = &[
    MathFunction::Abs,
    MathFunction::Min,
    MathFunction::Max,
    MathFunction::Clamp,
    MathFunction::Floor,
    MathFunction::Sign,
    MathFunction::Mix,
    MathFunction::Sqrt,
    MathFunction::InverseSqrt,
];

/// All differences between a kernel's record and its shader, and violations of the rules; empty if there are none.
pub(crate) fn faults(kernel: &Kernel) -> Vec<String> {
    faults_with(kernel, Capabilities::empty())
}

fn faults_with(kernel: &Kernel, capabilities: Capabilities) -> Vec<String> {
    let source = kernel.source.concat();
    let found = match naga::front::wgsl::parse_str(&source) {
        Err(error) => vec![format!("naga cannot parse it: {}", error.emit_to_string(&source))],
        Ok(module) => match Validator::new(ValidationFlags::all(), capabilities).validate(&module) {
            Err(error) => vec![format!("naga rejects it: {}", error.emit_to_string(&source))],
            Ok(info) => Shader { module: &module, info: &info, kernel }.faults(),
        },
    };
    found.into_iter().map(|fault| format!("{} of shaders/{}.wgsl: {fault}", kernel.name, kernel.op)).collect()
}

/// The same for each variant, which must have the kernel's bindings and parameters, and for the list of variants.
pub(crate) fn variant_faults(kernel: &Kernel) -> Vec<String> {
    let Some(own) = kernel.variants.first() else { return Vec::new() };
    let mut found = Vec::new();
    if (own.name, own.entry, own.workgroup) != (kernel.name, kernel.name, kernel.workgroup) {
        found.push(format!("the first variant of {} is not the default", kernel.name));
    }
    for variant in kernel.variants {
        if !variant.name.starts_with(kernel.name) {
            found.push(format!("{} does not begin with {}", variant.name, kernel.name));
        }
        // The record of a kernel that has only this variant.
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

/// The capabilities that a variant's shader needs from naga.
fn capabilities(needs: Needs) -> Capabilities {
    match needs {
        Needs::Nothing | Needs::FewColumns => Capabilities::empty(),
        Needs::EightLanes => Capabilities::SUBGROUP,
        Needs::Half => Capabilities::SHADER_FLOAT16,
    }
}

/// A valid module, with the record of one of its entry points.
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
            self.function_faults(&entry.function),
            self.barrier_faults(&entry.function.body),
        ]
        .concat()
    }

    fn size_faults(&self, entry: &EntryPoint) -> Vec<String> {
        let mut faults = Vec::new();
        if entry.stage != ShaderStage::Compute {
            faults.push("it is not a compute shader".into());
        }
        if entry.workgroup_size != self.kernel.workgroup {
            let [stated, found] = [self.kernel.workgroup, entry.workgroup_size];
            faults.push(format!("workgroup {stated:?} in the record, {found:?} in the shader"));
        }
        if entry.workgroup_size.iter().product::<u32>() > INVOCATIONS {
            faults.push(format!("more than {INVOCATIONS} invocations in a workgroup"));
        }
        if self.kernel.bindings.len() > STORAGE_BUFFERS {
            faults.push(format!("more than {STORAGE_BUFFERS} storage buffers"));
        }
        faults
    }

    /// The variables that the entry point uses, directly or through calls.
    fn used(&self, entry: usize) -> impl Iterator<Item = (&GlobalVariable, GlobalUse)> {
        let uses = self.info.get_entry_point(entry);
        let variables = self.module.global_variables.iter();
        variables.map(move |(handle, variable)| (variable, uses[handle])).filter(|(_, used)| !used.is_empty())
    }

    /// Checks that the variables in use have the bindings and names of the record. Unused bindings may be missing.
    fn binding_faults(&self, entry: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let uniform = self.kernel.bindings.len();
        let mut uniform_found = false;
        for (variable, used) in self.used(entry) {
            let Some(resource) = variable.binding else { continue };
            let name = variable.name.as_deref().unwrap_or("a variable without a name");
            let at = resource.binding as usize;
            if resource.group != 0 || at > uniform {
                faults.push(format!("{name} is at group {}, binding {at}, where nothing is bound", resource.group));
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
                faults.push(format!("{} is written in the record but not in the shader", binding.name));
            }
        }
        if !uniform_found && !self.kernel.params.is_empty() {
            faults.push(format!("no uniform at binding {uniform} is used"));
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
            return Some(format!("{name} is not a storage buffer, but the record binds {} there", binding.name));
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

    /// Arrays of atomics do not count, because their results depend on the order of execution. (In workgroup memory
    /// they may count integers, whose sum does not; float atomics need a capability that is not enabled here.)
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
            return Some(format!("{name} is at the binding of the uniform, after the storage buffers"));
        }
        let TypeInner::Struct { members, .. } = &self.module.types[variable.ty].inner else {
            return Some(format!("{name} is not a struct"));
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
                    faults.push(format!("the override {name} is not u32"));
                }
                Some(_) => {}
            }
            if !self.kernel.params.contains(&(name, "u32")) {
                faults.push(format!("the override {name} is not a u32 field of the parameters"));
            }
        }
        faults
    }

    fn memory_faults(&self, entry: usize) -> Option<String> {
        let shared = self.used(entry).filter(|(variable, _)| variable.space == AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(variable, _)| self.bytes(variable.ty)).sum();
        (bytes > WORKGROUP_BYTES)
            .then(|| format!("{bytes} bytes of workgroup memory exceed {WORKGROUP_BYTES}, WebGPU's default limit"))
    }

    /// The size of a type; larger than any limit if an override determines it.
    fn bytes(&self, ty: Handle<Type>) -> u32 {
        match self.module.types[ty].inner {
            TypeInner::Array { size: ArraySize::Pending(_), .. } => u32::MAX / 2,
            ref inner => inner.size(self.module.to_ctx()),
        }
    }

    /// Reports functions of the driver that differ between drivers by more than rounding.
    fn function_faults(&self, entry: &Function) -> Vec<String> {
        let functions = self.module.functions.iter().map(|(_, function)| function);
        let expressions = functions.chain([entry]).flat_map(|function| function.expressions.iter());
        let called = expressions.filter_map(|(_, expression)| match expression {
            Expression::Math { fun, .. } if !FUNCTIONS.contains(fun) => Some(*fun),
            _ => None,
        });
        called.map(|fun| format!("{fun:?} of the driver; write it in shaders/common/elementary.wgsl")).collect()
    }

    /// Reports returns before a barrier, which browsers reject because the other invocations would wait for ever.
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

    /// Collects returns and barriers in the order in which they may happen. Loops are followed twice; a call counts as
    /// the barriers inside it.
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
