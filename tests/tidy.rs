//! Rules of the repository: names line up, layers are apart, files are short. Each message has a remedy.

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/structure.rs"]
mod structure;
#[path = "tidy/uses.rs"]
mod uses;
#[path = "tidy/words.rs"]
mod words;

use files::{File, assert_none, files, paths, root};
use gpu_core::ops::kernels;
use std::collections::BTreeSet;

const LINE: usize = 120;
const FUNCTION: usize = 90;
const FILE: usize = 450;

fn code() -> Vec<File> {
    files().into_iter().filter(|file| file.is("rs") || file.is("wgsl")).collect()
}

/// The stems of the files of a folder, without the module's own.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let within = |path: &str| {
        let stem = path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(extension)?.strip_suffix('.')?;
        (!stem.contains('/') && stem != "mod").then(|| stem.to_string())
    };
    paths().iter().filter_map(|path| within(path)).collect()
}

#[test]
fn stems_line_up() {
    let folders = [
        ("shaders", "wgsl"),
        ("crates/gpu-core/src/ops", "rs"),
        ("crates/gpu-core/src/reference", "rs"),
        ("tests/harness/cases", "rs"),
    ];
    let all: BTreeSet<String> = folders.iter().flat_map(|(folder, extension)| stems(folder, extension)).collect();
    let mut problems = Vec::new();
    for (folder, extension) in folders {
        let missing = all.difference(&stems(folder, extension)).cloned().collect::<Vec<_>>();
        problems.extend(
            missing.iter().map(|op| {
                format!("{folder}/{op}.{extension} is missing: an operator has one stem in all of {folders:?}")
            }),
        );
    }
    assert_none(problems);
}

#[test]
fn every_operator_is_listed() {
    let registered: BTreeSet<String> = kernels().iter().map(|kernel| kernel.op.to_string()).collect();
    let cased: BTreeSet<String> = frit_harness::cases::OPERATORS.iter().map(|(op, _)| op.to_string()).collect();
    let mut problems = Vec::new();
    for op in stems("shaders", "wgsl") {
        if !registered.contains(&op) {
            problems.push(format!("add {op}::KERNELS to kernels() in ops/mod.rs"));
        }
        if !cased.contains(&op) {
            problems.push(format!("add {op} to OPERATORS in tests/harness/cases/mod.rs"));
        }
    }
    assert_none(problems);
}

#[test]
fn references_have_their_kernels_names() {
    let mut problems = Vec::new();
    for kernel in kernels() {
        let path = format!("crates/gpu-core/src/reference/{}.rs", kernel.op);
        let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        if !text.contains(&format!("pub fn {}<E: Element>(args: &mut Args<'_, E>)", kernel.name)) {
            problems.push(format!("{path} has no `pub fn {}`: a reference is called as its kernel", kernel.name));
        }
        let ops = std::fs::read_to_string(root().join(format!("crates/gpu-core/src/ops/{}.rs", kernel.op)));
        if !ops.unwrap_or_default().contains(&format!("reference::{}::{}", kernel.op, kernel.name)) {
            problems.push(format!("ops/{}.rs gives {} another reference than its own", kernel.op, kernel.name));
        }
    }
    assert_none(problems);
}

#[test]
fn layers_stay_apart() {
    let devices = ["caps", "device", "early", "executor", "open", "pipeline_cache", "pipelines", "run", "timing"]
        .map(|stem| format!("crates/gpu-core/src/gpu/{stem}.rs"));
    let mut problems = Vec::new();
    for file in code().iter().filter(|file| file.path.starts_with("crates/")) {
        // Unit tests, which end a file, may do as they like; comments may name anything.
        let lines = || file.lines().take_while(|(_, line)| *line != "#[cfg(test)]");
        let code = || lines().filter(|(_, line)| !line.trim_start().starts_with("//"));
        let mut forbid = |word: &str, advice: &str| {
            let found = code().filter(|(_, line)| line.contains(word));
            problems.extend(found.map(|(number, _)| format!("{}:{number} names {word}: {advice}", file.path)));
        };
        if !devices.contains(&file.path) {
            for path in ["wgpu::", "use wgpu"] {
                forbid(path, "only the device and the GPU executor of gpu-core know it");
            }
        }
        if file.path.starts_with("crates/models/") {
            forbid("std::fs", "models are pure; files belong to the cli");
            forbid("std::time", "models are pure; clocks belong to the cli");
            forbid("gpu_core::device", "models are pure; devices belong to the cli");
            forbid("Gpu::", "models never see a device");
        }
        if file.path.starts_with("crates/gpu-core/") {
            forbid("models::", "gpu-core knows nothing of networks");
            forbid("std::fs", "gpu-core reads no files");
        }
        let program = ["args/", "commands/", "main.rs", "output.rs"].map(|path| format!("crates/cli/src/{path}"));
        if file.path.contains("/src/") && !program.iter().any(|path| file.path.starts_with(path)) {
            forbid("println!", "a library does not print; return it, or use log");
            forbid("anyhow", "a library returns its own error type");
        }
    }
    assert_none(problems);
}

/// Sources that operate on files by themselves.
const DOORS: &[&str] = &[
    "crates/cli/src/io/files/folders.rs",
    "crates/cli/src/io/files/lock.rs",
    "crates/cli/src/io/files/read.rs",
    "crates/cli/src/io/files/unnamed.rs",
    "crates/cli/src/io/files/write.rs",
    // Readers of data sets.
    "crates/cli/src/data/formats.rs",
    "crates/cli/src/data/numpy.rs",
    "crates/cli/src/data/scan.rs",
    // The temporary folder of `frit verify`.
    "crates/cli/src/commands/verify.rs",
];

#[test]
fn files_have_one_door() {
    let words = ["std::fs", "fs::", "File::open", "File::create", "OpenOptions::new", ".exists()", ".is_file()"];
    let mut problems = Vec::new();
    for file in code().iter().filter(|file| file.path.starts_with("crates/cli/src/")) {
        let lines = file.lines().take_while(|(_, line)| *line != "#[cfg(test)]");
        let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
        let found: Vec<_> = code.filter(|(_, line)| words.iter().any(|word| line.contains(word))).collect();
        let listed = DOORS.contains(&file.path.as_str());
        if listed && found.is_empty() {
            problems.push(format!("{} needs no place in DOORS of tests/tidy.rs", file.path));
        }
        if !listed {
            let advice = "use io::files, where tests make every operation fail";
            problems.extend(found.iter().map(|(number, _)| format!("{}:{number}: {advice}", file.path)));
        }
    }
    assert_none(problems);
}

#[test]
fn dependencies_point_down() {
    let mut problems = Vec::new();
    let forbidden =
        [("crates/gpu-core", "models"), ("crates/models", "wgpu"), ("crates/cli", "wgpu"), ("crates/models", "frit")];
    for (folder, dependency) in forbidden {
        let text = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a crate has a manifest");
        if text.lines().any(|line| line.starts_with(dependency)) {
            problems.push(format!("{folder} must not depend on {dependency}: cli → models → gpu-core → wgpu"));
        }
    }
    assert_none(problems);
}

#[test]
fn nothing_is_left_over() {
    // In pieces, so that this file does not find itself.
    let words: Vec<String> = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X"),
        ("db", "g!("),
        ("to", "do!("),
        ("unimple", "mented!("),
        ("#[ign", "ore"),
    ]
    .iter()
    .map(|(head, tail)| format!("{head}{tail}"))
    .collect();
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for (number, line) in file.lines() {
            let found = words.iter().filter(|word| line.contains(word.as_str()));
            problems.extend(found.map(|word| format!("{}:{number}: {word} — finish it or drop it", file.path)));
        }
    }
    assert_none(problems);
}

#[test]
fn no_path_of_one_machine() {
    let folders: Vec<String> = ["home", "work", "root", "Users"].iter().map(|name| format!("/{name}/")).collect();
    let mut problems = Vec::new();
    for file in files() {
        for (number, line) in file.lines() {
            let starts = |folder: &String| {
                // Text that follows a word is a part of a relative path or of an address.
                line.match_indices(folder.as_str()).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric()))
            };
            if let Some(folder) = folders.iter().find(|folder| starts(folder)) {
                problems.push(format!("{}:{number} names {folder}…, which is not on other machines", file.path));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn lines_and_files_are_short() {
    let mut problems = Vec::new();
    for file in code() {
        let long = file.lines().filter(|(_, line)| line.chars().count() > LINE);
        problems.extend(long.map(|(number, _)| format!("{}:{number} is longer than {LINE}: break it", file.path)));
        let count = file.text.lines().count();
        if count > FILE {
            problems.push(format!("{} has {count} lines: it holds two ideas, so make it two files", file.path));
        }
    }
    assert_none(problems);
}

#[test]
fn functions_fit_a_screen() {
    let mut problems = Vec::new();
    for file in code() {
        for (name, start, length) in functions(&file.text) {
            if length > FUNCTION {
                problems.push(format!("{}:{start}: {name} has {length} lines: split it", file.path));
            }
        }
    }
    assert_none(problems);
}

/// Name, first line and length of each function, which ends with a brace indented as its `fn`.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let head = line.split_once("fn ").filter(|(before, _)| before.split_whitespace().all(is_qualifier));
        let Some((_, rest)) = head else { continue };
        let name = rest.split(['(', '<']).next().unwrap_or_default().to_string();
        let closes = |other: &str| indent(other) == indent(line) && other.trim_end().ends_with('}');
        let length = match line.trim_end().ends_with('}') || line.trim_end().ends_with(';') {
            true => 1,
            false => lines[start + 1..].iter().position(|other| closes(other)).map_or(1, |below| below + 2),
        };
        found.push((name, start + 1, length));
    }
    found
}

fn is_qualifier(word: &str) -> bool {
    word.starts_with("pub") || ["const", "unsafe", "async", "extern", "in"].contains(&word)
}

#[test]
fn functions_are_measured() {
    let text = "impl A {\n    pub const fn one(\n        a: u32,\n    ) -> u32 {\n        a\n    }\n}\nfn two() { }\n";
    assert_eq!(functions(text), [("one".into(), 2, 5), ("two".into(), 8, 1)]);
}

#[test]
fn shaders_open_with_a_comment() {
    let files = files();
    let shaders = files.iter().filter(|file| file.is("wgsl"));
    let silent = shaders.filter(|file| !file.text.starts_with("// "));
    assert_none(silent.map(|file| format!("{} opens with no comment: give its formula", file.path)).collect());
}

/// Every shader's opening says which common files it needs, and its kernels are given exactly these.
#[test]
fn shaders_name_what_they_need() {
    let mut problems = Vec::new();
    for kernel in kernels() {
        let own =
            std::fs::read_to_string(root().join(format!("shaders/{}.wgsl", kernel.op))).expect("an operator's file");
        for name in stems("shaders/common", "wgsl") {
            let text = std::fs::read_to_string(root().join(format!("shaders/common/{name}.wgsl"))).expect("listed");
            let opening = own.lines().take_while(|line| line.starts_with("//"));
            let named = opening.into_iter().any(|line| line.contains(&format!("common/{name}.wgsl")));
            if named != kernel.source.contains(&text.as_str()) {
                problems.push(format!(
                    "shaders/{}.wgsl and the source of {} disagree on whether common/{name}.wgsl is needed",
                    kernel.op, kernel.name
                ));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| file.is("md")) {
        let folder = root().join(&file.path).parent().expect("a file lies in a folder").to_path_buf();
        for (number, line) in file.lines() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
            let local = targets.filter(|target| !target.is_empty() && !target.contains("://"));
            let dead = local.filter(|target| !folder.join(target).exists());
            problems.extend(dead.map(|target| format!("{}:{number}: there is no {target}", file.path)));
        }
    }
    assert_none(problems);
}
