//! Compares every kernel record with its shader, as parsed by naga.

#[path = "contract/record.rs"]
mod record;

use gpu_core::ops::{activation, elementwise, fill, kernels, kl, softmax};
use gpu_core::{Kernel, read, update, write};
use record::{faults, variant_faults};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn every_record_matches_its_shader() {
    let faults: Vec<String> =
        kernels().into_iter().flat_map(|kernel| [faults(kernel), variant_faults(kernel)].concat()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_entry_point_is_one_registered_kernel() {
    let faults = register_faults(&kernels());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Differences between the list of kernels and the entry points of the shader files, and names used twice.
fn register_faults(kernels: &[&Kernel]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut registered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for kernel in kernels {
        if !names.insert(kernel.name) {
            faults.push(format!("two kernels are called {}", kernel.name));
        }
        let own = kernel.variants.is_empty().then_some(kernel.name);
        let entries = kernel.variants.iter().map(|variant| variant.entry).chain(own);
        registered.entry(kernel.op.into()).or_default().extend(entries.map(String::from));
        for variant in kernel.variants.iter().skip(1).filter(|variant| !names.insert(variant.name)) {
            faults.push(format!("two variants are called {}", variant.name));
        }
    }
    for (op, written) in entry_points() {
        let registered = registered.remove(&op).unwrap_or_default();
        let missing = written.difference(&registered);
        faults.extend(missing.map(|name| format!("{name} of shaders/{op}.wgsl is not in KERNELS of ops/{op}.rs")));
        let absent = registered.difference(&written);
        faults.extend(absent.map(|name| format!("{name} of ops/{op}.rs is not in shaders/{op}.wgsl")));
    }
    faults.extend(registered.keys().map(|op| format!("shaders/{op}.wgsl not found")));
    faults
}

/// The entry points in each file of shaders/, including the files of variants.
fn entry_points() -> BTreeMap<String, BTreeSet<String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let stem = |path: &Path| path.file_stem().expect("a file has a stem").to_string_lossy().into_owned();
    let names = |path: PathBuf| {
        let op = stem(&path);
        let variants = shaders(&folder.join(&op));
        (op, variants.iter().chain([&path]).flat_map(|path| entries(path)).collect())
    };
    shaders(&folder).into_iter().map(names).collect()
}

/// The WGSL files of a folder; empty if there is no such folder.
fn shaders(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("readable").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl")).collect()
}

fn entries(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("shaders are UTF-8");
    let after = text.split("@compute").skip(1).filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
    after.map(|(name, _)| name.trim().to_string()).collect()
}

/// A copy of the kernel with another shader.
fn with_source(kernel: &Kernel, change: impl Fn(String) -> String) -> Kernel {
    let changed: &'static str = change(kernel.source.concat()).leak();
    Kernel { source: vec![changed].leak(), ..*kernel }
}

/// A copy of the kernel with `from` replaced by `to` in its shader.
fn replaced(kernel: &Kernel, from: &str, to: &str) -> Kernel {
    with_source(kernel, |source| {
        assert!(source.contains(from), "{} does not contain {from}", kernel.name);
        source.replacen(from, to, 1)
    })
}

#[track_caller]
fn assert_reported(kernel: &Kernel, fault: &str) {
    let faults = faults(kernel);
    assert!(faults.iter().any(|found| found.contains(fault)), "not reported: {fault}; reported: {faults:?}");
}

#[test]
fn a_wrong_record_is_reported() {
    let kernel = &activation::ACTIVATION;
    assert_reported(&Kernel { workgroup: [64, 1, 1], ..*kernel }, "workgroup [64, 1, 1] in the record");
    assert_reported(&Kernel { name: "activate", ..*kernel }, "no entry point");
    assert_reported(&Kernel { overrides: &["alpha"], ..*kernel }, "no override alpha");
    assert_reported(&Kernel { overrides: &["alpha"], ..*kernel }, "is not a u32 field");
    let params = &[("kind", "u32"), ("len", "u32"), ("alpha", "f32")];
    assert_reported(&Kernel { params, ..*kernel }, "p has the fields");
}

#[test]
fn wrong_bindings_are_reported() {
    let wrong = [
        (vec![read("y"), write("x")], "x is called y in the record"),
        (vec![read("x"), read("y")], "y is only read"),
        (vec![update("x"), write("y")], "x is written; declare it read_write"),
        (vec![update("x"), write("y")], "x is written in the record but not in the shader"),
        (vec![read("x").of_u32(), write("y")], "elements of another type"),
        (vec![read("x")], "y is at the binding of the uniform"),
        (vec![read("x"), write("y"), read("z")], "p is not a storage buffer"),
        (vec![read("x"); 9], "more than 8 storage buffers"),
    ];
    for (bindings, fault) in wrong {
        assert_reported(&Kernel { bindings: bindings.leak(), ..activation::ACTIVATION }, fault);
    }
    let bindings = vec![read("heads"), read("rates"), write("dheads")].leak();
    assert_reported(&Kernel { bindings, ..kl::KL_BACKWARD }, "dheads is read as well as written");
}

#[test]
fn a_wrong_shader_is_reported() {
    let kernel = &elementwise::MULTIPLY;
    assert_reported(&replaced(kernel, "a[i] * b[i]", "a[i] * c[i]"), "naga cannot parse it");
    assert_reported(&replaced(kernel, "a[i] * b[i]", "a[i] * 1u"), "naga");
    assert_reported(&replaced(kernel, "@workgroup_size(256)\nfn multiply", "@workgroup_size(512)\nfn multiply"), "512");
    assert_reported(
        &replaced(kernel, "@binding(1) var<storage, read> b", "@group(1) @binding(1) var<storage, read> b"),
        "naga",
    );
    assert_reported(&replaced(kernel, "@binding(3) var<uniform> p_m", "@binding(7) var<uniform> p_m"), "binding 7");
    assert_reported(
        &replaced(&activation::ACTIVATION, "len: u32,\n    kind: u32", "kind: u32,\n    len: u32"),
        "p has the fields",
    );
    let signed =
        replaced(&activation::ACTIVATION, "override kind: u32 = 0u", "const zero = 0u; override kind: i32 = 0");
    assert_reported(&with_source(&signed, |source| source.replace("(kind,", "(zero,")), "the override kind is not u32");
    let atomic = replaced(kernel, "b: array<f32>", "c: array<f32>");
    let atomic =
        replaced(&atomic, "struct MultiplyParams", "var<workgroup> b: array<atomic<f32>, 4>; struct MultiplyParams");
    assert_reported(&atomic, "naga");
    let atomic = replaced(&fill::FILL, "y: array<f32>", "y: array<atomic<u32>>");
    let atomic = replaced(&atomic, "y[i] = p.value", "atomicAdd(&y[i], 1u)");
    assert_reported(&atomic, "elements of another type");
    assert_reported(
        &replaced(&kl::KL, "var<workgroup> tree: array<f32, 64>", "var<workgroup> tree: array<f32, 8192>"),
        "bytes of",
    );
}

/// Drivers differ in them, so that results would.
#[test]
fn a_function_of_the_driver_is_reported() {
    let kernel = &elementwise::MULTIPLY;
    for (call, function) in
        [("cos(a[i])", "Cos"), ("pow(a[i], b[i])", "Pow"), ("exp(a[i])", "Exp"), ("tanh(a[i])", "Tanh")]
    {
        assert_reported(&replaced(kernel, "a[i] * b[i]", call), &format!("{function} of the driver"));
    }
    assert!(faults(&replaced(kernel, "a[i] * b[i]", "sqrt(abs(a[i])) * b[i]")).is_empty());
    // In a function that the entry point calls.
    assert_reported(&replaced(&softmax::LOGSUMEXP, "ln(found.y)", "log(found.y)"), "Log of the driver");
    let called = replaced(&softmax::LOGSUMEXP, "return exponential(v - top);", "return exp(v - top);");
    assert_reported(&called, "Exp of the driver");
}

#[test]
fn a_return_before_a_barrier_is_reported() {
    let direct = replaced(&kl::KL, "tree[local] = sum;", "if p.m > 7u { return; }\n    tree[local] = sum;");
    assert_reported(&direct, "kl may return before a barrier");
    let called = replaced(&softmax::LOGSUMEXP, "let found", "if p.n == 0u { return; }\n    let found");
    assert_reported(&called, "logsumexp may return before a barrier");
    let looped = replaced(&kl::KL, "tree[local + reach]; }", "tree[local + reach]; }\n        if p.m > 7u { return; }");
    assert_reported(&looped, "sum_tree may return before a barrier");
}

#[test]
fn an_unregistered_entry_point_is_reported() {
    let mut list = kernels();
    list.retain(|kernel| kernel.name != "softmax_backward");
    assert_eq!(
        register_faults(&list),
        ["softmax_backward of shaders/softmax.wgsl is not in KERNELS of ops/softmax.rs"]
    );
    let mut list = kernels();
    list.push(&activation::ACTIVATION);
    assert_eq!(register_faults(&list), ["two kernels are called activation"]);
    let stranger: &Kernel = Box::leak(Box::new(Kernel { name: "stranger", ..activation::ACTIVATION }));
    list = kernels();
    list.push(stranger);
    assert_eq!(register_faults(&list), ["stranger of ops/activation.rs is not in shaders/activation.wgsl"]);
}
