//! Files in layers, layers in order, no cycles.
//! `TIDY_PRINT=1 cargo test --test tidy structure -- --nocapture` prints the layers and the files that each file uses.

use crate::files::{assert_none, files};
use crate::modules::Sources;
use crate::uses::{Uses, uses};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Crates by the names that paths begin with.
const ROOTS: [(&str, &str); 4] = [
    ("gpu_core", "crates/gpu-core/src/lib.rs"),
    ("models", "crates/models/src/lib.rs"),
    ("frit", "crates/cli/src/lib.rs"),
    ("program", "crates/cli/src/main.rs"),
];

/// Layers from the lowest to the highest. A file uses files of the same layer and of lower ones. A path that ends in a
/// slash is a folder; of several paths that match a file, the longest counts.
const LAYERS: &[(&str, &[&str])] = &[
    ("gpu-core: schedule", &["crates/gpu-core/src/schedule/"]),
    ("gpu-core: ops and reference", &["crates/gpu-core/src/ops/", "crates/gpu-core/src/reference/"]),
    ("gpu-core: executor", &["crates/gpu-core/src/executor/"]),
    ("gpu-core: cpu", &["crates/gpu-core/src/cpu/"]),
    ("gpu-core: gpu", &["crates/gpu-core/src/gpu/"]),
    ("gpu-core: run", &["crates/gpu-core/src/run/"]),
    ("models: metrics", &["crates/models/src/metrics/"]),
    (
        "models: shared",
        &[
            "crates/models/src/capabilities.rs",
            "crates/models/src/data.rs",
            "crates/models/src/latents.rs",
            "crates/models/src/likelihood.rs",
            "crates/models/src/micro_batch.rs",
            "crates/models/src/network.rs",
            "crates/models/src/optimiser.rs",
            "crates/models/src/pass.rs",
            "crates/models/src/phase.rs",
            "crates/models/src/projection.rs",
            "crates/models/src/shared_buffers.rs",
            "crates/models/src/training.rs",
            "crates/models/src/validate.rs",
        ],
    ),
    (
        "models: interface",
        &["crates/models/src/initial.rs", "crates/models/src/model.rs", "crates/models/src/settings.rs"],
    ),
    ("models: network layers", &["crates/models/src/coder.rs", "crates/models/src/layers/", "crates/models/src/unet/"]),
    // Every other file of models.
    ("models: families", &["crates/models/src/"]),
    ("models: table of families", &["crates/models/src/families.rs"]),
    ("frit: io and terminal", &["crates/cli/src/io/", "crates/cli/src/terminal/"]),
    ("frit: config", &["crates/cli/src/config/"]),
    ("frit: data", &["crates/cli/src/data/"]),
    ("frit: run", &["crates/cli/src/run/"]),
    ("frit: eval", &["crates/cli/src/eval/"]),
    // Before training, which writes the report of its run.
    ("frit: report", &["crates/cli/src/report/"]),
    ("frit: train", &["crates/cli/src/train/"]),
    ("frit: export", &["crates/cli/src/export/"]),
    (
        "program",
        &["crates/cli/src/args/", "crates/cli/src/commands/", "crates/cli/src/output.rs", "crates/cli/src/main.rs"],
    ),
];

/// The position of a file's layer in the table.
fn layer(file: &str) -> Option<usize> {
    let longest = |paths: &[&str]| paths.iter().filter(|path| is_at(file, path)).map(|path| path.len()).max();
    let found = LAYERS.iter().enumerate().filter_map(|(position, (_, paths))| Some((longest(paths)?, position)));
    found.max().map(|(_, position)| position)
}

fn is_at(file: &str, path: &str) -> bool {
    if path.ends_with('/') { file.starts_with(path) } else { file == path }
}

/// An operator names its reference and a reference its operator's parameters: `ops/x.rs` and `reference/x.rs`.
fn are_twins(one: &str, other: &str) -> bool {
    let halves =
        |file: &str, folder: &str| file.split_once(folder).map(|(before, stem)| (before.to_string(), stem.to_string()));
    let ops = halves(one, "/ops/");
    ops.is_some() && ops == halves(other, "/reference/")
}

/// A line for each use of a higher layer, and for each file without a layer.
fn out_of_order(uses: &Uses) -> Vec<String> {
    let mut problems = Vec::new();
    for (file, used) in uses {
        // A crate's root declares and re-exports.
        if file.ends_with("/lib.rs") && used.is_empty() {
            continue;
        }
        let Some(own) = layer(file) else {
            problems.push(format!("{file} has no layer: add it to LAYERS in tests/tidy/structure.rs"));
            continue;
        };
        for (target, found) in used {
            let Some(other) = layer(target).filter(|other| *other > own) else { continue };
            problems.push(format!(
                "{file}:{} uses {} of {target}: layer \"{}\" is below \"{}\"; move one of the two",
                found.line, found.path, LAYERS[own].0, LAYERS[other].0
            ));
        }
    }
    problems
}

/// One shortest cycle through each file that lies on one, each cycle once, file by file.
fn cycles(uses: &Uses) -> Vec<String> {
    let mut seen: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    let mut problems = Vec::new();
    for file in uses.keys() {
        let Some(cycle) = cycle(uses, file) else { continue };
        if !seen.insert(cycle.iter().copied().collect()) {
            continue;
        }
        let steps = cycle.iter().zip(cycle.iter().cycle().skip(1)).map(|(from, to)| {
            let found = &uses[*from][*to];
            format!("\n  {from}:{} uses {} of {to}", found.line, found.path)
        });
        problems.push(format!(
            "a cycle of {} files: move what they share to a separate file{}",
            cycle.len(),
            steps.collect::<String>()
        ));
    }
    problems
}

/// The shortest way from a file back to itself. An operator's use of its reference does not count.
fn cycle<'a>(uses: &'a Uses, start: &'a str) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for target in uses.get(file)?.keys().filter(|target| !are_twins(file, target)) {
            if target == start {
                let mut cycle = vec![file];
                while cycle[cycle.len() - 1] != start {
                    cycle.push(before[cycle[cycle.len() - 1]]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !before.contains_key(target.as_str()) {
                before.insert(target, file);
                queue.push_back(target);
            }
        }
    }
    None
}

fn sources() -> Sources {
    let kept = files().into_iter().filter(|file| file.is("rs"));
    let shipped = kept.filter(|file| file.path.starts_with("crates/") && file.path.contains("/src/"));
    shipped.map(|file| (file.path, file.text)).collect()
}

fn print(uses: &Uses) {
    for (name, _) in LAYERS {
        println!("{name}");
        for (file, used) in uses.iter().filter(|(file, _)| layer(file).is_some_and(|own| LAYERS[own].0 == *name)) {
            println!("  {file}");
            for target in used.keys() {
                println!("    {target}");
            }
        }
    }
}

#[test]
fn structure_of_layers() {
    let uses = uses(&sources(), &ROOTS);
    if std::env::var_os("TIDY_PRINT").is_some() {
        print(&uses);
    }
    let edges: usize = uses.values().map(BTreeMap::len).sum();
    assert!(uses.len() > 150 && edges > 500, "only {} files and {edges} uses found", uses.len());
    for (from, to) in [
        // Through a re-export, through a module that is brought in, across crates, and within a macro's tokens.
        ("crates/gpu-core/src/cpu/mod.rs", "crates/gpu-core/src/schedule/plan.rs"),
        ("crates/gpu-core/src/ops/adam.rs", "crates/gpu-core/src/reference/adam.rs"),
        ("crates/models/src/vae/mod.rs", "crates/gpu-core/src/schedule/buf.rs"),
    ] {
        assert!(uses[from].contains_key(to), "{from} uses {to}");
    }
    let listed = LAYERS.iter().flat_map(|(_, paths)| paths.iter());
    let absent = listed.filter(|path| !uses.keys().any(|file| is_at(file, path)));
    let absent = absent.map(|path| format!("there is no {path}: correct LAYERS in tests/tidy/structure.rs")).collect();
    assert_none([cycles(&uses), out_of_order(&uses), absent].concat());
}

#[test]
fn structure_problems_are_found() {
    let file = |path: &str, text: &str| (format!("crates/gpu-core/src/{path}"), text.to_string());
    let sources = Sources::from([
        file("lib.rs", "mod gpu;\npub mod ops;\nmod reference;\nmod schedule;\npub use schedule::buf::Buf;\n"),
        file("schedule/mod.rs", "pub mod buf;\nmod call;\n"),
        file("schedule/buf.rs", "pub struct Buf;\nfn f() { crate::gpu::run(); }\n"),
        file("schedule/call.rs", "use crate::Buf;\n#[cfg(test)]\nmod tests { use crate::gpu::run; }\n"),
        file("gpu/mod.rs", "use crate::ops;\npub fn run() { println!(\"{}\", ops::add::add()); }\n"),
        file("ops/mod.rs", "pub mod add;\npub mod sub;\n"),
        file("ops/add.rs", "use super::sub::Sub;\nuse crate::reference;\npub fn add() { reference::add::add() }\n"),
        file("ops/sub.rs", "pub struct Sub;\nfn f() -> super::add::Add {}\n"),
        file("reference/mod.rs", "pub mod add;\n"),
        file("reference/add.rs", "\n\nuse crate::ops::add::add as twin;\npub fn add() { twin() }\n"),
        file("loose.rs", ""),
    ]);
    let uses = uses(&sources, &ROOTS[..1]);
    let used = |file: &str| uses[&format!("crates/gpu-core/src/{file}")].keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        used("schedule/call.rs"),
        ["crates/gpu-core/src/schedule/buf.rs"],
        "through a re-export, tests left out"
    );
    assert_eq!(used("gpu/mod.rs"), ["crates/gpu-core/src/ops/add.rs"], "through a module, within a macro");
    assert_eq!(used("reference/add.rs"), ["crates/gpu-core/src/ops/add.rs"], "under another name");
    assert_eq!(
        cycles(&uses),
        ["a cycle of 2 files: move what they share to a separate file\n  \
          crates/gpu-core/src/ops/add.rs:1 uses super::sub::Sub of crates/gpu-core/src/ops/sub.rs\n  \
          crates/gpu-core/src/ops/sub.rs:2 uses super::add::Add of crates/gpu-core/src/ops/add.rs"]
    );
    assert_eq!(
        out_of_order(&uses),
        ["crates/gpu-core/src/schedule/buf.rs:2 uses crate::gpu::run of crates/gpu-core/src/gpu/mod.rs: \
          layer \"gpu-core: schedule\" is below \"gpu-core: gpu\"; move one of the two"]
    );
    let loose = Uses::from([("crates/gpu-core/src/loose.rs".to_string(), BTreeMap::new())]);
    assert_eq!(out_of_order(&loose).len(), 1, "a file without a layer");
}
