//! Differences between the record of a kernel or variant and its shader, as parsed by naga.

use gpu_core::{Access, Binding, Dtype, Kernel, Needs, Variant};
use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::compact::{KeepUnused, compact};
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};
use naga::{
    AddressSpace, Arena, ArraySize, Block, EntryPoint, Expression, Function, GlobalVariable, Handle, Literal,
    MathFunction, Module, Scalar, ScalarKind, ShaderStage, Statement, StorageAccess, Type, TypeInner, VectorSize,
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
    MathFunction::Transpose,
];

/// All differences between a kernel's record and its shader, and violations of the rules; empty if there are none.
pub(crate) fn faults(kernel: &Kernel) -> Vec<String> {
    match kernel.variants.first() {
        Some(default) => faults_of(&as_kernel(kernel, default), default),
        None => faults_with(kernel, PipelineConstants::default(), Capabilities::empty()),
    }
}

/// The record of a kernel that has only this variant.
fn as_kernel(kernel: &Kernel, variant: &Variant) -> Kernel {
    let Variant { entry, source, workgroup, .. } = *variant;
    Kernel { name: entry, source, workgroup, variants: &[], ..*kernel }
}

fn faults_of(as_kernel: &Kernel, variant: &Variant) -> Vec<String> {
    let constants = variant.constants(32).map(|(name, value)| (name.to_string(), f64::from(value)));
    faults_with(as_kernel, constants.collect(), capabilities(variant.needs))
}

fn faults_with(kernel: &Kernel, constants: PipelineConstants, capabilities: Capabilities) -> Vec<String> {
    let found = match Shader::new(kernel, &constants, capabilities) {
        Ok(shader) => shader.faults(),
        Err(fault) => vec![fault],
    };
    found.into_iter().map(|fault| format!("{} of shaders/{}.wgsl: {fault}", kernel.name, kernel.op)).collect()
}

/// The same for each variant, which must have the kernel's bindings and parameters, and for the list of variants.
pub(crate) fn variant_faults(kernel: &Kernel) -> Vec<String> {
    let Some(own) = kernel.variants.first() else { return Vec::new() };
    let mut found = Vec::new();
    if (own.name, own.workgroup) != (kernel.name, kernel.workgroup) {
        found.push(format!("the first variant of {} is not the default", kernel.name));
    }
    for variant in kernel.variants {
        if !variant.name.starts_with(kernel.name) {
            found.push(format!("{} does not begin with {}", variant.name, kernel.name));
        }
        found.extend(faults_of(&as_kernel(kernel, variant), variant));
    }
    found
}

/// The capabilities that a variant's shader needs from naga.
fn capabilities(needs: Needs) -> Capabilities {
    match needs {
        Needs::Nothing | Needs::FewColumns | Needs::Tuning | Needs::Quads => Capabilities::empty(),
        Needs::EightLanes | Needs::EightLanesQuads | Needs::EightLanesBlocks => Capabilities::SUBGROUP,
        Needs::Half => Capabilities::SHADER_FLOAT16,
        Needs::Cooperative(_) => Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX,
    }
}

/// A valid module, with the record of one of its entry points.
struct Shader<'a> {
    module: Module,
    info: ModuleInfo,
    /// The module as a pipeline has it: this entry point alone, with constants for overrides and without the branches
    /// that they switch off. Switches of the parameters have their defaults.
    run: Module,
    run_info: ModuleInfo,
    kernel: &'a Kernel,
}

impl<'a> Shader<'a> {
    fn new(kernel: &'a Kernel, constants: &PipelineConstants, capabilities: Capabilities) -> Result<Self, String> {
        let source = kernel.source.concat();
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        let module = naga::front::wgsl::parse_str(&source)
            .map_err(|error| format!("naga cannot parse it: {}", error.emit_to_string(&source)))?;
        let info = validator
            .validate(&module)
            .map_err(|error| format!("naga rejects it: {}", error.emit_to_string(&source)))?;
        if module.entry_points.iter().all(|entry| entry.name != kernel.name) {
            return Err("the shader has no entry point of that name".into());
        }
        let entry = Some((ShaderStage::Compute, kernel.name));
        let (run, _) = process_overrides(&module, &info, entry, constants)
            .map_err(|error| format!("naga rejects its constants {constants:?}: {error}"))?;
        let mut run = run.into_owned();
        drop_dead_branches(&mut run);
        compact(&mut run, KeepUnused::No);
        let run_info = validator
            .validate(&run)
            .map_err(|error| format!("naga rejects it with constants: {}", error.into_inner()))?;
        Ok(Self { module, info, run, run_info, kernel })
    }

    fn faults(&self) -> Vec<String> {
        let named = |entry: &EntryPoint| entry.name == self.kernel.name;
        let index = self.module.entry_points.iter().position(named).expect("the module has the entry point");
        let entry = &self.module.entry_points[index];
        [
            self.size_faults(&self.run.entry_points[0]),
            self.binding_faults(index),
            self.override_faults(),
            self.memory_faults().into_iter().collect(),
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

    /// The variables that the pipeline uses.
    fn run_uses(&self) -> impl Iterator<Item = (&GlobalVariable, GlobalUse)> {
        let uses = self.run_info.get_entry_point(0);
        self.run.global_variables.iter().map(move |(handle, variable)| (variable, uses[handle]))
    }

    /// Checks that the variables in use have the bindings and names of the record. Unused bindings may be missing.
    fn binding_faults(&self, entry: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let uniform = self.kernel.bindings.len();
        let mut uniform_found = false;
        for (variable, _) in self.used(entry) {
            let Some(resource) = variable.binding else { continue };
            let name = variable.name.as_deref().unwrap_or("a variable without a name");
            let at = resource.binding as usize;
            if resource.group != 0 || at > uniform {
                faults.push(format!("{name} is at group {}, binding {at}, where nothing is bound", resource.group));
            } else if at == uniform {
                uniform_found = true;
                faults.extend(self.uniform_faults(name, variable));
            } else {
                faults.extend(self.storage_faults(&self.kernel.bindings[at], name, variable));
            }
        }
        // Accesses that a constant switches off do not count.
        let outputs = self.kernel.bindings.iter().enumerate().filter(|(_, binding)| binding.access != Access::Read);
        for (at, binding) in outputs {
            let used = self
                .run_uses()
                .filter(|(variable, _)| variable.binding.is_some_and(|found| found.binding as usize == at));
            let used = used.fold(GlobalUse::empty(), |all, (_, used)| all | used);
            if !used.contains(GlobalUse::WRITE) {
                faults.push(format!("{} is written in the record but not in the shader", binding.name));
            } else if binding.access == Access::Write && used.contains(GlobalUse::READ) {
                faults.push(format!("{} is read as well as written: the record must say Update", binding.name));
            }
        }
        if !uniform_found && !self.kernel.params.is_empty() {
            faults.push(format!("no uniform at binding {uniform} is used"));
        }
        faults
    }

    fn storage_faults(&self, binding: &Binding, name: &str, variable: &GlobalVariable) -> Option<String> {
        let AddressSpace::Storage { access } = variable.space else {
            return Some(format!("{name} is not a storage buffer, but the record binds {} there", binding.name));
        };
        let writable = access.contains(StorageAccess::STORE);
        let dtype = match binding.dtype {
            Dtype::F32 => ScalarKind::Float,
            Dtype::U32 => ScalarKind::Uint,
        };
        let is = |wrong: bool, what: &str| wrong.then(|| format!("{name} {what}"));
        // A shader that reads an array by fours has it under another name beside the array of numbers.
        let plain = name.strip_suffix("_quads").unwrap_or(name);
        is(plain != binding.name, &format!("is called {} in the record", binding.name))
            .or_else(|| is(!self.is_array_of(variable.ty, dtype), "has elements of another type in the record"))
            .or_else(|| is(binding.access == Access::Read && writable, "is only read; declare it var<storage, read>"))
            .or_else(|| is(binding.access != Access::Read && !writable, "is written; declare it read_write"))
    }

    /// True for an array of scalars of that kind, or of vectors of four. Arrays of atomics do not count, because their
    /// results depend on the order of execution. (In workgroup memory they may count integers, whose sum does not;
    /// float atomics need a capability that is not enabled here.)
    fn is_array_of(&self, ty: Handle<Type>, kind: ScalarKind) -> bool {
        match self.module.types[ty].inner {
            TypeInner::Array { base, size: ArraySize::Dynamic, stride: 4 } => self.scalar(base) == Some(kind),
            TypeInner::Array { base, size: ArraySize::Dynamic, stride: 16 } => {
                let of_four = TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar { kind, width: 4 } };
                self.module.types[base].inner == of_four
            }
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

    fn memory_faults(&self) -> Option<String> {
        let shared =
            self.run_uses().filter(|(variable, used)| variable.space == AddressSpace::WorkGroup && !used.is_empty());
        let bytes: u32 = shared.map(|(variable, _)| self.run.types[variable.ty].inner.size(self.run.to_ctx())).sum();
        (bytes > WORKGROUP_BYTES)
            .then(|| format!("{bytes} bytes of workgroup memory exceed {WORKGROUP_BYTES}, WebGPU's default limit"))
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

/// Replaces branches on known constants by their taken side.
fn drop_dead_branches(module: &mut Module) {
    let functions = module.functions.iter_mut().map(|(_, function)| function);
    for function in functions.chain(module.entry_points.iter_mut().map(|entry| &mut entry.function)) {
        let body = std::mem::take(&mut function.body);
        function.body = taken(body, &function.expressions);
        // Names keep expressions of dropped branches.
        function.named_expressions.clear();
    }
}

fn taken(block: Block, expressions: &Arena<Expression>) -> Block {
    let mut kept = Block::new();
    for (statement, span) in block.span_into_iter() {
        let statement = match statement {
            Statement::If { condition, accept, reject } => {
                let [accept, reject] = [accept, reject].map(|block| taken(block, expressions));
                match expressions[condition] {
                    Expression::Literal(Literal::Bool(true)) => Statement::Block(accept),
                    Expression::Literal(Literal::Bool(false)) => Statement::Block(reject),
                    _ => Statement::If { condition, accept, reject },
                }
            }
            Statement::Block(block) => Statement::Block(taken(block, expressions)),
            Statement::Loop { body, continuing, break_if } => {
                let [body, continuing] = [body, continuing].map(|block| taken(block, expressions));
                Statement::Loop { body, continuing, break_if }
            }
            other => other,
        };
        kept.push(statement, span);
    }
    kept
}
