//! Compares metrics of sets and pairs of images with torch-fidelity, prdc, scikit-image and pytorch-msssim.
//! tests/golden/README.md describes the file and the script that creates it.

#[path = "golden/vectors.rs"]
mod vectors;

use models::metrics::{
    Features, Prdc, Subsets, frechet_distance, kernel_distance, kernel_distance_of_subsets, mse, prdc, psnr, ssim,
};
use vectors::{Golden, Tensor, distance};

/// Both compute in f64; the results differ by the order of a few thousand additions.
const EXACT: f64 = 1e-12;

/// Compares numbers with a tensor, within a share of its largest number.
#[track_caller]
fn assert_near(golden: &Golden, name: &str, values: &[f64], tolerance: f64) {
    let error = distance(values, &golden.tensor(name).values);
    assert!(error <= tolerance, "{name}: error {error:.1e} exceeds {tolerance:.0e}");
}

/// The first rows of a tensor, or all.
fn features(golden: &Golden, name: &str, rows: usize) -> Features {
    let Tensor { dims, values } = golden.tensor(name);
    Features::new(values[..rows.min(dims[0]) * dims[1]].to_vec(), dims[1])
}

/// Both sets of a case, with at most `rows` rows.
fn sets(golden: &Golden, case: &str, rows: usize) -> [Features; 2] {
    ["real", "generated"].map(|set| features(golden, &format!("features/{case}/{set}"), rows))
}

/// Eigenvalues of covariances without full rank are rounded zeros, whose roots are about 1e-8 in either program.
#[test]
fn frechet_distances_agree_with_torch_fidelity() {
    let golden = Golden::open("metrics");
    for (case, tolerance) in [("full", EXACT), ("deficient", 1e-6)] {
        let [real, generated] = sets(&golden, case, usize::MAX);
        for (a, b) in [(&real, &generated), (&generated, &real)] {
            let found = frechet_distance(a, b).expect("enough rows");
            assert_near(&golden, &format!("features/{case}/frechet"), &[found], tolerance);
        }
    }
}

/// torch-fidelity uses the same number of rows from both sets.
#[test]
fn kernel_distances_agree_with_torch_fidelity() {
    let golden = Golden::open("metrics");
    for (case, size) in [("full", 100), ("deficient", 10)] {
        let [real, generated] = sets(&golden, case, size);
        let whole = kernel_distance(&real, &generated).expect("enough rows");
        let subsets = kernel_distance_of_subsets(&real, &generated, Subsets { count: 2, size, seed: 1 });
        for found in [whole, subsets.expect("enough rows").mean] {
            assert_near(&golden, &format!("features/{case}/kernel"), &[found], EXACT);
        }
    }
}

/// Ratios of counts: only the last bit of a mean may differ.
#[test]
fn manifolds_agree_with_prdc() {
    let golden = Golden::open("metrics");
    for case in ["full", "deficient"] {
        let [real, generated] = sets(&golden, case, usize::MAX);
        let k = golden.tensor(&format!("features/{case}/k")).values[0] as usize;
        let Prdc { precision, recall, density, coverage } = prdc(&real, &generated, k).expect("enough rows");
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
