//! The parts of `frit --version` that Cargo does not know: the commit, the version of wgpu, and MPI if it is there.

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    // A debug build would be made anew after every commit.
    let commit = match env::var("PROFILE").as_deref() {
        Ok("release") => commit(&root.join(".git"), |path| println!("cargo:rerun-if-changed={}", path.display())),
        _ => Some("debug build".into()),
    };
    let wgpu = fs::read_to_string(root.join("Cargo.lock")).ok().and_then(|lock| version(&lock, "wgpu"));
    let wgpu = wgpu.map(|version| format!("wgpu {version}"));
    let mpi = env::var_os("CARGO_FEATURE_MPI").map(|_| "MPI".to_string());
    let parts: Vec<String> = commit.into_iter().chain(wgpu).chain(mpi).collect();
    let build = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    println!("cargo:rustc-env=FRIT_BUILD={build}");
}

/// `commit` and the first digits of the hash that HEAD has; `None` outside a repository. Calls `watch` with the files
/// that were read.
pub(crate) fn commit(git: &Path, watch: impl Fn(&Path)) -> Option<String> {
    // In a separate work tree, `.git` is a file with the path of the folder.
    let folder = match fs::read_to_string(git) {
        Ok(text) => git.parent()?.join(text.strip_prefix("gitdir:")?.trim()),
        Err(_) => git.to_path_buf(),
    };
    let read = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        watch(path);
        Some(text)
    };
    let head = read(&folder.join("HEAD"))?;
    let hash = match head.trim().strip_prefix("ref: ") {
        None => head.trim().to_string(),
        Some(branch) => {
            let common = fs::read_to_string(folder.join("commondir")).ok();
            let common = common.map_or_else(|| folder.clone(), |path| folder.join(path.trim()));
            let packed = || {
                let refs = read(&common.join("packed-refs"))?;
                let hash = |line: &str| Some(line.strip_suffix(branch)?.strip_suffix(' ')?.to_string());
                refs.lines().find_map(hash)
            };
            read(&common.join(branch)).map(|hash| hash.trim().to_string()).or_else(packed)?
        }
    };
    let short = hash.get(..10).filter(|hash| hash.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some(format!("commit {short}"))
}

/// The version of a package in Cargo.lock.
pub(crate) fn version(lock: &str, package: &str) -> Option<String> {
    let (_, entry) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    entry.split('"').next().map(String::from)
}
