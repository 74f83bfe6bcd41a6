//! Compares the reference with PyTorch for the operators of image translation and restoration. tests/golden/README.md
//! describes translation_ops.safetensors and translation_ops.py, which creates it.

#[path = "golden/bench.rs"]
mod bench;
#[path = "golden/vectors.rs"]
mod vectors;

use bench::Bench;
use gpu_core::ops::corrupt::{self, Corruption};
use gpu_core::ops::{elementwise, replay_pool};
use gpu_core::{Array, Dtype, Error};

#[test]
fn operators_of_translation_agree_with_pytorch() -> Result<(), Error> {
    bench::agree("translation_ops", |bench, op, kind| match op {
        "corrupt" => corrupted(bench, kind),
        "replay_pool" => replayed(bench),
        _ => panic!("no test for {op}"),
    })
}

fn corrupted(bench: &mut Bench<'_>, spelling: &str) {
    let range = ["low", "high"].map(|end| bench.scalar(end));
    let corruption: Corruption = spelling.parse().expect("a case is called as its corruption");
    let x = bench.input("x");
    let drawn = matches!(corruption, Corruption::Noise(_) | Corruption::Mask(_));
    let draws = drawn.then(|| bench.input("draws"));
    let y = corrupt::forward(&mut bench.s, "y", x, draws, corruption, range);
    bench.expect("y", y);
    if matches!(corruption, Corruption::Mask(_)) {
        let mask = bench.input("mask");
        let y = corrupt::masked(&mut bench.s, "masked", x, mask, range);
        bench.expect("y", y);
    }
}

fn replayed(bench: &mut Bench<'_>) {
    let dims = bench.tensor("pool").dims;
    let pool = bench.feed(&dims, vec![0.0; dims.iter().product()]);
    let count = bench.s.scratch_of([4], Dtype::U32);
    bench.s.feed(count);
    bench.inputs.push((count, Array::U32(vec![0; 4])));
    for batch in ["first", "second"] {
        let [images, draws] = ["images", "draws"].map(|name| bench.input(&format!("{batch}_{name}")));
        let y = replay_pool::exchange(&mut bench.s, batch, images, pool, count, draws);
        bench.expect(&format!("{batch}_y"), y);
    }
    let stored = elementwise::scale(&mut bench.s, "stored", pool, 1.0);
    bench.expect("pool", stored);
}
