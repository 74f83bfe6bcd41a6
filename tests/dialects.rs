//! Every baseline entry point in other compilers: Tint, which browsers have, accepts the WGSL; spirv-val accepts the
//! SPIR-V and glslang the GLSL that naga writes of it. `scripts/test` installs the three; without one, a line says so.

#[path = "../crates/cli/tests/browser/mod.rs"]
mod browser;

use gpu_core::ops::kernels;
use gpu_core::{Kernel, Needs};
use naga::back::pipeline_constants::process_overrides;
use naga::back::{PipelineConstants, glsl, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// An entry point, with the constants of a tile.
struct Entry {
    name: &'static str,
    entry: &'static str,
    source: &'static [&'static str],
    constants: PipelineConstants,
}

/// The entry points that need no optional feature.
fn entries() -> Vec<Entry> {
    let of_kernel = |kernel: &'static Kernel| {
        let own = kernel.variants.is_empty().then(|| Entry {
            name: kernel.name,
            entry: kernel.name,
            source: kernel.source,
            constants: PipelineConstants::default(),
        });
        let baseline = [Needs::Nothing, Needs::FewColumns, Needs::Tuning, Needs::Quads];
        let variants = kernel.variants.iter().filter(move |variant| baseline.contains(&variant.needs));
        own.into_iter().chain(variants.map(|variant| Entry {
            name: variant.name,
            entry: variant.entry,
            source: variant.source,
            constants: variant.constants(0).map(|(name, value)| (name.to_string(), f64::from(value))).collect(),
        }))
    };
    kernels().into_iter().flat_map(of_kernel).collect()
}

impl Entry {
    /// The module as naga has it, with its constants in place, and `write` of it.
    fn with_module<T>(&self, write: impl FnOnce(&Module, &ModuleInfo) -> T) -> T {
        let source = self.source.concat();
        let module = naga::front::wgsl::parse_str(&source).expect("tests/contract.rs parses it");
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let info = validator.validate(&module).expect("tests/contract.rs validates it");
        let entry = Some((ShaderStage::Compute, self.entry));
        let (module, info) = process_overrides(&module, &info, entry, &self.constants).expect("its constants exist");
        write(&module, &info)
    }

    fn spirv(&self) -> Vec<u8> {
        let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
        let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: self.entry.into() };
        let words = self.with_module(|module, info| spv::write_vec(module, info, &options, Some(&pipeline)));
        words.expect("naga writes SPIR-V").iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn glsl(&self) -> String {
        let options = glsl::Options { version: glsl::Version::new_gles(310), ..glsl::Options::default() };
        let (shader_stage, entry_point) = (ShaderStage::Compute, self.entry.to_string());
        let pipeline = glsl::PipelineOptions { shader_stage, entry_point, multiview: None };
        self.with_module(|module, info| {
            let mut text = String::new();
            let policies = BoundsCheckPolicies::default();
            let writer = glsl::Writer::new(&mut text, module, info, &options, &pipeline, policies);
            writer.and_then(|mut writer| writer.write()).expect("naga writes GLSL");
            text
        })
    }
}

/// True if a tool starts; else a line says what is skipped.
fn has(tool: &str, package: &str) -> bool {
    let starts = Command::new(tool).arg("--version").output().is_ok();
    if !starts {
        println!("skipped: {tool} does not start; run `apt-get install {package}`");
    }
    starts
}

/// Writes a file for each entry point, and runs a tool on each.
fn accepted(tool: &str, arguments: &[&str], extension: &str, write: impl Fn(&Entry, &Path)) {
    let folder = TempDir::new().unwrap();
    let entries = entries();
    let mut refused = Vec::new();
    for entry in &entries {
        let path = folder.path().join(format!("{}.{extension}", entry.name));
        write(entry, &path);
        let output = Command::new(tool).args(arguments).arg(&path).output().unwrap();
        if !output.status.success() {
            let [out, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
            refused.push(format!("{}: {out}{errors}", entry.name));
        }
    }
    println!("{tool}: {} of {} entry points", entries.len() - refused.len(), entries.len());
    assert!(refused.is_empty() && entries.len() > 150, "{tool} refuses\n{}", refused.join("\n"));
}

#[test]
fn spirv_val_accepts_every_entry_point() {
    if has("spirv-val", "spirv-tools") {
        let arguments = ["--target-env", "vulkan1.1"];
        accepted("spirv-val", &arguments, "spv", |entry, path| fs::write(path, entry.spirv()).unwrap());
    }
}

#[test]
fn glslang_accepts_every_entry_point() {
    if has("glslangValidator", "glslang-tools") {
        accepted("glslangValidator", &[], "comp", |entry, path| fs::write(path, entry.glsl()).unwrap());
    }
}

/// Browsers also check that an entry point's constants are constants of the module.
#[test]
fn tint_accepts_every_module() {
    if browser::browser().is_none() {
        println!("skipped: Tint; {}", browser::ADVICE);
        return;
    }
    let modules: BTreeSet<String> = entries().iter().map(|entry| entry.source.concat()).collect();
    let modules: Vec<String> = modules.into_iter().collect();
    let page = format!(
        "<!doctype html><meta charset=utf-8><pre id=result></pre>
<script type=\"application/json\" id=modules>{}</script>
<script>(async () => {{
  let text;
  try {{
    const device = await (await navigator.gpu.requestAdapter()).requestDevice();
    const found = [];
    for (const [number, code] of JSON.parse(document.getElementById('modules').textContent).entries()) {{
      const {{ messages }} = await device.createShaderModule({{ code }}).getCompilationInfo();
      messages.forEach(({{ type, lineNum, message }}) => {{
        found.push(`module ${{number}}:${{lineNum}}: ${{type}}: ${{message}}`);
      }});
    }}
    text = `done\\n${{found.join('\\n')}}`;
  }} catch (error) {{
    text = error.message;
  }}
  document.getElementById('result').textContent = text;
  window.finished = true;
}})();
(function wait() {{ if (!window.finished) setTimeout(wait, 1); }})();</script>",
        serde_json::to_string(&modules).unwrap().replace('<', "\\u003c")
    );
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("modules.html");
    fs::write(&path, page).unwrap();
    let dom = browser::browse(&path, 100_000_000, &["--enable-unsafe-webgpu", "--dump-dom"]);
    let result = dom.split("<pre id=\"result\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    println!("Tint: {} modules", modules.len());
    assert_eq!(result.map(str::trim), Some("done"), "messages of Tint");
}
