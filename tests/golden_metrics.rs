//! Measures of sets and pairs of images against torch-fidelity, prdc, scikit-image and pytorch-msssim.
//! tests/golden/README.md says what the file holds, and the script beside it how it came to be.

#[path = "golden/vectors.rs"]
mod vectors;

use models::metrics::{
    Features, Prdc, Subsets, frechet_distance, kernel_distance, kernel_distance_of_subsets, mse, prdc, psnr, ssim,
};
use vectors::{Golden, Tensor, distance};

/// Both compute in f64; what differs is the order of a few thousand additions.
const EXACT: f64 = 1e-12;

/// Holds numbers against a tensor, within a share of the largest.
#[track_caller]
fn assert_near(golden: &Golden, name: &str, values: &[f64], tolerance: f64) {
    let error = distance(values, &golden.tensor(name).values);
    assert!(error <= tolerance, "{name}: off by {error:.1e}, {tolerance:.0e} allowed");
}

/// The first rows of a tensor, or all.
fn features(golden: &Golden, name: &str, rows: usize) -> Features {
    let Tensor { dims, values } = golden.tensor(name);
    Features::new(values[..rows.min(dims[0]) * dims[1]].to_vec(), dims[1])
}

/// Both sets of a case, with at most so many rows.
fn sets(golden: &Golden, case: &str, rows: usize) -> [Features; 2] {
    ["real", "generated"].map(|set| features(golden, &format!("features/{case}/{set}"), rows))
}

/// Rounded zeros have roots of 1e-8: the eigenvalues of covariances without full rank, in either program.
#[test]
fn frechet_distances_agree_with_torch_fidelity() {
    let golden = Golden::open("metrics");
    for (case, tolerance) in [("full", EXACT), ("deficient", 1e-6)] {
        let [real, generated] = sets(&golden, case, usize::MAX);
        for (a, b) in [(&real, &generated), (&generated, &real)] {
            let found = frechet_distance(a, b).expect("rows enough");
            assert_near(&golden, &format!("features/{case}/frechet"), &[found], tolerance);
        }
    }
}

/// Theirs takes as many rows of either set.
#[test]
fn kernel_distances_agree_with_torch_fidelity() {
    let golden = Golden::open("metrics");
    for (case, size) in [("full", 100), ("deficient", 10)] {
        let [real, generated] = sets(&golden, case, size);
        let whole = kernel_distance(&real, &generated).expect("rows enough");
        let subsets = kernel_distance_of_subsets(&real, &generated, Subsets { count: 2, size, seed: 1 });
        for found in [whole, subsets.expect("rows enough").mean] {
            assert_near(&golden, &format!("features/{case}/kernel"), &[found], EXACT);
        }
    }
}

/// Counts over counts: what may differ is the last bit of a mean.
#[test]
fn manifolds_agree_with_prdc() {
    let golden = Golden::open("metrics");
    for case in ["full", "deficient"] {
        let [real, generated] = sets(&golden, case, usize::MAX);
        let k = golden.tensor(&format!("features/{case}/k")).values[0] as usize;
        let Prdc { precision, recall, density, coverage } = prdc(&real, &generated, k).expect("rows enough");
        let found = [("precision", precision), ("recall", recall), ("density", density), ("coverage", coverage)];
        for (name, value) in found {
            assert_near(&golden, &format!("features/{case}/{name}"), &[value], 1e-15);
        }
    }
}

/// The weights of the small window are rounded to f32 in pytorch-msssim.
#[test]
fn images_agree_with_scikit_image() {
    let golden = Golden::open("metrics");
    for (case, tolerance) in [("grey", EXACT), ("colour", EXACT), ("small", 1e-6)] {
        let tensor = |name: &str| golden.tensor(&format!("images/{case}/{name}"));
        let pixels = |name: &str| tensor(name).values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
        let (x, y) = (pixels("x"), pixels("y"));
        let image = tensor("x").dims[1..].try_into().expect("NHWC");
        assert_near(&golden, &format!("images/{case}/mse"), &mse(&x, &y, image), EXACT);
        assert_near(&golden, &format!("images/{case}/psnr"), &psnr(&x, &y, image), EXACT);
        assert_near(&golden, &format!("images/{case}/ssim"), &ssim(&x, &y, image), tolerance);
    }
}
