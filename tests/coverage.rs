//! Checks that every kernel is tested, and that the checks themselves detect errors.
//!
//! No test is needed for the existence of references: [`Kernel::reference`] is not an option, so a record without one
//! does not compile.

use frit_harness::{Case, Fill, adapter, cases, compare, coverage, differences, report};
use gpu_core::ops::activation::{ACTIVATION, Activation, ActivationParams, backward, forward};
use gpu_core::ops::density::Density;
use gpu_core::ops::gan_loss::GanLoss;
use gpu_core::ops::permute::permute;
use gpu_core::ops::tick::DecayKind;
use gpu_core::ops::{elementwise, gradient_penalty, kernels, loss, reduce};
use gpu_core::{
    Array, Buf, Call, Counters, Dtype, Error, Executor, Functions, Gradient, Grid, Kernel, Memory, Program, Reference,
    Schedule, Sharing, Ticket, Timing,
};
use std::collections::BTreeSet;

/// Does not compile if a reference becomes optional.
const _: fn(&Kernel) -> Functions = |kernel| kernel.reference;

fn every_case() -> Vec<Case> {
    cases::OPERATORS.iter().flat_map(|(_, make)| make()).collect()
}

fn quick_cases() -> Vec<Case> {
    cases::OPERATORS.iter().flat_map(|(op, _)| cases::quick(op)).collect()
}

fn calls(case: &Case, kernel: &Kernel) -> bool {
    case.schedule.calls().iter().any(|step| step.kernel.name == kernel.name)
}

fn needs_gradient_check(kernel: &Kernel) -> bool {
    !matches!(kernel.gradient, Gradient::None(_))
}

#[test]
fn every_kernel_has_a_case_and_a_gradient_check() {
    let omissions = coverage::omissions(&kernels(), &every_case());
    assert!(omissions.is_empty(), "add to tests/harness/cases/:\n{}", omissions.join("\n"));
}

/// Parameters that select a kind: the operator, the field, and the kinds that there are.
const KINDS: [(&str, &str, usize); 7] = [
    ("activation", "kind", Activation::ALL.len()),
    ("density", "kind", Density::ALL.len()),
    ("gan_loss", "kind", GanLoss::ALL.len()),
    ("gradient_penalty", "kind", gradient_penalty::Kind::ALL.len()),
    ("loss", "kind", loss::Kind::ALL.len()),
    ("reduce", "kind", reduce::Operation::ALL.len()),
    ("tick", "decay", DecayKind::ALL.len()),
];

#[test]
fn every_kind_has_a_case() {
    assert_kinds(&every_case());
}

/// `frit check --quick` misses no kernel, variant or kind.
#[test]
fn the_quick_cases_run_everything() {
    let cases = quick_cases();
    let omissions = coverage::omissions(&kernels(), &cases);
    let unseen: Vec<&String> = omissions.iter().filter(|omission| omission.ends_with("has no case")).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
    assert_kinds(&cases);
    let work = |cases: &[Case]| cases.iter().map(Case::work).sum::<u64>();
    let (quick, all) = (work(&cases), work(&every_case()));
    assert!(quick < all / 100, "{quick} of {all}: a kernel has no small case");
}

/// Every kind runs in a case of every kernel, and so does the first code that is none.
fn assert_kinds(cases: &[Case]) {
    for kernel in kernels() {
        let Some(&(_, name, count)) = KINDS.iter().find(|(op, ..)| *op == kernel.op) else {
            let unlisted = kernel.params.iter().any(|param| cases::KIND_FIELDS.contains(param));
            assert!(!unlisted, "add {} to KINDS", kernel.op);
            continue;
        };
        let calls = cases.iter().flat_map(|case| case.schedule.calls()).filter(|call| call.kernel.name == kernel.name);
        let found: BTreeSet<u32> = calls.filter_map(|call| call.param(name)).collect();
        // A bias gradient is a sum, and no other operation.
        let known: Vec<u32> =
            if kernel.name.starts_with("reduce_columns_add") { vec![0] } else { (0..count as u32).collect() };
        let wanted: BTreeSet<u32> = known.into_iter().chain([count as u32]).collect();
        assert_eq!(found, wanted, "the values of {name} in the cases of {}", kernel.name);
    }
}

/// The reference gives NaN, so that a shader that takes a new kind for another one, or does nothing, fails its case.
#[test]
fn an_unknown_kind_gives_nan() -> Result<(), Error> {
    let mut tried = BTreeSet::new();
    for (op, name, count) in KINDS {
        for case in cases::of(op) {
            let unknown = |call: &Call| call.kernel.op == op && call.param(name) == Some(count as u32);
            if !case.schedule.calls().iter().any(unknown) {
                continue;
            }
            let mut cpu = compare::reference(&Memory::default());
            let program = cpu.prepare(&case.schedule)?;
            case.values().iter().try_for_each(|(buf, values)| cpu.write(*buf, values))?;
            let ticket = cpu.submit(&[program], 1, &[])?;
            cpu.wait(ticket)?;
            for call in case.schedule.calls().iter().filter(|call| unknown(call)) {
                for buf in call.writes().filter(|buf| buf.dtype == Dtype::F32) {
                    let values = cpu.read(buf)?.to_f64();
                    assert!(values.iter().any(|value| value.is_nan()), "{}: {values:?}", call.label);
                }
                tried.insert(op);
            }
        }
    }
    assert_eq!(tried.len(), KINDS.len(), "{tried:?}");
    Ok(())
}

#[test]
fn a_kernel_without_cases_is_reported() {
    let mut cases = every_case();
    for kernel in kernels() {
        let (own, others): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|case| calls(case, kernel));
        let omissions = coverage::omissions(&[kernel], &others);
        assert!(omissions.contains(&format!("{} has no case", kernel.name)), "{}: {omissions:?}", kernel.name);
        cases = own.into_iter().chain(others).collect();
    }
}

#[test]
fn a_kernel_without_claims_is_reported() {
    let mut cases = every_case();
    cases.iter_mut().for_each(|case| case.claims.clear());
    for kernel in kernels() {
        let omissions = coverage::omissions(&[kernel], &cases);
        let named = omissions.iter().any(|omission| omission.starts_with(&format!("{} has no gradient", kernel.name)));
        assert_eq!(named, needs_gradient_check(kernel), "{}: {omissions:?}", kernel.name);
    }
}

/// Running a backward kernel in a case with claims does not check it: it must have computed the claimed gradient.
#[test]
fn an_unclaimed_backward_kernel_is_reported() {
    let mut case = Case::new("unclaimed");
    let (x, dy) = (case.input([7], Fill::OffZero), case.input([7], Fill::OffZero));
    let y = forward(&mut case.schedule, "y", x, Activation::Identity);
    backward(&mut case.schedule, "dx", x, dy, Activation::Identity);
    case.claim(y, dy, &[(x, dy)]);
    let omissions = coverage::omissions(&kernels(), &[case]);
    assert!(omissions.contains(&"activation_backward has no gradient check of its outputs".into()), "{omissions:?}");
    assert!(!omissions.iter().any(|omission| omission.starts_with("activation has")), "{omissions:?}");
}

/// A CPU executor that changes the results of each call: a wrong kernel that needs no device.
struct Impostor {
    cpu: Reference,
    output: Buf,
    spoil: fn(Array) -> Array,
}

impl Executor for Impostor {
    fn run_call(&mut self, program: Program, call: usize) -> Result<(), Error> {
        self.cpu.run_call(program, call)?;
        let spoilt = (self.spoil)(self.cpu.read(self.output)?);
        self.cpu.write(self.output, &spoilt)
    }
    fn describe(&self) -> String {
        "an impostor".into()
    }
    fn prepare(&mut self, schedule: &Schedule) -> Result<Program, Error> {
        self.cpu.prepare(schedule)
    }
    fn submit(&mut self, programs: &[Program], times: u32, watch: &[Buf]) -> Result<Ticket, Error> {
        self.cpu.submit(programs, times, watch)
    }
    fn wait(&mut self, ticket: Ticket) -> Result<Vec<Array>, Error> {
        self.cpu.wait(ticket)
    }
    fn read(&mut self, buf: Buf) -> Result<Array, Error> {
        self.cpu.read(buf)
    }
    fn write(&mut self, buf: Buf, values: &Array) -> Result<(), Error> {
        self.cpu.write(buf, values)
    }
    fn time_calls(&mut self, program: Program) -> Result<Timing, Error> {
        self.cpu.time_calls(program)
    }
    fn counters(&self) -> Counters {
        self.cpu.counters()
    }
}

/// The worst error of a case with one call whose output is changed, as a share of its tolerance.
fn share(case: &Case, spoil: fn(Array) -> Array) -> f64 {
    let memory = Memory::default();
    let output = case.schedule.calls()[0].writes().next().expect("a call has outputs");
    let mut impostor = Impostor { cpu: Reference::new(memory.clone(), Sharing::Off), output, spoil };
    let found = compare::call_by_call(&mut impostor, &memory, &case.schedule, &case.values());
    found.expect("the CPU executor runs")[0].error / case.tolerance
}

/// y = tanh x by a kernel with the buffers and parameters of `ACTIVATION`.
fn tanh(kernel: &'static Kernel) -> Case {
    let mut case = Case::new("tanh");
    let x = case.input([300], Fill::OffZero);
    let y = case.schedule.scratch([300]);
    let params = ActivationParams { len: 300, kind: Activation::Tanh.code(), alpha: 0.0 };
    case.schedule.push(kernel, "y", &[x, y], &params, Grid::Linear(2), 0);
    case
}

fn changed(array: Array, change: impl Fn(&mut [f64])) -> Array {
    let mut values = array.to_f64();
    change(&mut values);
    Array::F64(values)
}

#[test]
fn wrong_results_fail() {
    let case = tanh(&ACTIVATION);
    assert!(share(&case, |y| y) <= 1.0);
    assert!(share(&case, |y| changed(y, |y| y[299] += 2e-6)) > 1.0);
    // NaN is what `hand_over` writes first, so this is an element that the kernel leaves out.
    assert_eq!(share(&case, |y| changed(y, |y| y[0] = f64::NAN)), f64::INFINITY);
    assert_eq!(share(&case, |y| changed(y, |y| y[7] = f64::NEG_INFINITY)), f64::INFINITY);
}

#[test]
fn a_wrong_word_fails() {
    let mut case = Case::new("words");
    let clock = case.input([4], Fill::Exactly(vec![1, 0, 0, 9]));
    permute(&mut case.schedule, "order", 0..9, clock, 20, 7, true);
    let off_by_one = |order: Array| Array::U32(order.as_u32().expect("words").iter().map(|&row| row ^ 1).collect());
    assert_eq!(share(&case, |order| order), 0.0);
    assert_eq!(share(&case, off_by_one), f64::INFINITY);
}

/// A shader with a small error, on the best adapter.
#[test]
fn a_wrong_shader_fails() -> Result<(), Error> {
    let right = ACTIVATION.source.concat();
    let wrong =
        right.replace("y[i] = activate(kind, p.alpha, x[i]);", "y[i] = 1.00001 * activate(kind, p.alpha, x[i]);");
    assert_ne!(right, wrong);
    let source: &'static str = wrong.leak();
    let kernel = Box::leak(Box::new(Kernel { source: vec![source].leak(), ..ACTIVATION }));
    let rows = report::parity(&adapter(true), &[tanh(kernel)])?;
    assert!(rows[0].failed(), "{rows:?}");
    // Pipelines are cached by name, so the right shader needs a separate device.
    let rows = report::parity(&adapter(true), &[tanh(&ACTIVATION)])?;
    assert!(!rows[0].failed(), "{rows:?}");
    Ok(())
}

/// The worst error of the gradient dx of y = f(x), where `claim` computes both.
fn worst(claim: impl Fn(&mut Schedule, Buf, Buf) -> (Buf, Buf)) -> f64 {
    let mut case = Case::new("a claim");
    let (x, dy) = (case.input([5], Fill::OffZero), case.input([5], Fill::OffZero));
    let (y, dx) = claim(&mut case.schedule, x, dy);
    case.claim(y, dy, &[(x, dx)]);
    let slopes = differences::check(&case).expect("the CPU executor runs");
    assert_eq!(slopes.len(), 5);
    slopes.iter().map(differences::Slope::error).fold(0.0, f64::max)
}

#[test]
fn a_wrong_derivative_is_reported() {
    let right = worst(|s, x, dy| (forward(s, "y", x, Activation::Tanh), backward(s, "dx", x, dy, Activation::Tanh)));
    assert!(right < differences::TOLERANCE, "{right}");
    let ignored = worst(|s, x, dy| (forward(s, "y", x, Activation::Tanh), dy));
    assert!(ignored > differences::TOLERANCE, "{ignored}");
    let other = worst(|s, x, dy| (forward(s, "y", x, Activation::Tanh), backward(s, "dx", x, dy, Activation::Sigmoid)));
    assert!(other > differences::TOLERANCE, "{other}");
    let coefficient = worst(|s, x, dy| (elementwise::scale(s, "y", x, 0.75), elementwise::scale(s, "dx", dy, 0.751)));
    assert!(coefficient > differences::TOLERANCE, "{coefficient}");
}
