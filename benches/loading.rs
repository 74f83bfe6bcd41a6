//! Benchmarks of reading data sets from files: `cargo bench -p frit --bench loading`. Throughput is in images per
//! second (divan calls them items).
//!
//! They time `frit data inspect`, a whole process: it reads, decodes, resizes and counts every image, and draws a
//! contact sheet of 64.

use divan::Bencher;
use divan::counter::ItemsCount;
use std::path::Path;
use std::process::Command;

fn main() {
    divan::main();
}

/// Pseudo-random pixels, which no format compresses well.
fn pixels(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(0x9E37_79B9) >> 24) as u8).collect()
}

/// IDX files as MNIST's: 28×28 pixels.
#[divan::bench(args = [10_000, 60_000], sample_count = 5, sample_size = 1)]
fn idx(bencher: Bencher<'_, '_>, images: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).expect("disk space");
    for (part, count) in [("train", images), ("t10k", 1000)] {
        let header = |magic: u32, sizes: &[u32]| -> Vec<u8> {
            std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes()).collect()
        };
        let pictures = [header(0x803, &[count as u32, 28, 28]), pixels(count * 784)].concat();
        let labels = (0..count).map(|i| (i % 10) as u8).collect();
        file(&format!("{part}-images-idx3-ubyte"), pictures);
        file(&format!("{part}-labels-idx1-ubyte"), [header(0x801, &[count as u32]), labels].concat());
    }
    time(bencher, folder.path(), images + 1000);
}

/// PNG images in a folder: 64×64 pixels, three channels.
#[divan::bench(args = [2_000], sample_count = 5, sample_size = 1)]
fn png(bencher: Bencher<'_, '_>, images: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let noise = pixels(64 * 64 * 3 + images);
    for i in 0..images {
        let picture = image::RgbImage::from_raw(64, 64, noise[i..][..64 * 64 * 3].to_vec()).expect("the sizes agree");
        picture.save(folder.path().join(format!("{i}.png"))).expect("disk space");
    }
    time(bencher, folder.path(), images);
}

/// Times the program on a folder; its output must report the number of images.
fn time(bencher: Bencher<'_, '_>, folder: &Path, images: usize) {
    let sheets = tempfile::tempdir().expect("a temporary folder");
    let inspect = || {
        let mut frit = Command::new(env!("CARGO_BIN_EXE_frit"));
        frit.args(["data", "inspect", "--json", "--out"]).arg(sheets.path().join("sheet.png")).arg(folder);
        frit.output().expect("frit starts")
    };
    let output = inspect();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "not timed, failed: {}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_str(&report).expect("one JSON object");
    let count = |part: &str| found[part].as_u64().or_else(|| found[part]["images"].as_u64()).unwrap_or(0) as usize;
    assert_eq!(count("train") + count("test"), images, "not timed, wrong result: {report}");
    bencher.counter(ItemsCount::new(images)).bench_local(inspect);
}
