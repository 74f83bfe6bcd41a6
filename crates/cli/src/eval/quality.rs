//! Comparison of two sets of images in the features of a network: Fréchet and kernel distance, precision, recall,
//! density and coverage.

use models::metrics::{Features, NEAREST, Subsets, frechet_distance, kernel_distance_of_subsets, prdc};
use serde_json::{Map, Value, json};

/// Images in each subset of the kernel distance, at most.
const SUBSET: usize = 1_000;

/// Keys of the metrics. Between real images they end in `_floor`.
pub const NAMES: [&str; 6] = ["frechet", "kernel_distance", "precision", "recall", "density", "coverage"];

/// The metrics of `other` against `real`, each key with `end` appended. A metric that needs more images is null. The
/// kernel distance has a deviation unless its one subset is all of both sets.
pub fn quality(real: &Features, other: &Features, seed: u64, end: &str) -> Map<String, Value> {
    let size = SUBSET.min(real.rows()).min(other.rows());
    let whole = size == real.rows() && size == other.rows();
    let subsets = Subsets { size, seed, count: if whole { 1 } else { Subsets::default().count } };
    let kernel = kernel_distance_of_subsets(real, other, subsets);
    let shares = prdc(real, other, NEAREST);
    let values = [
        frechet_distance(real, other),
        kernel.map(|kernel| kernel.mean),
        shares.map(|shares| shares.precision),
        shares.map(|shares| shares.recall),
        shares.map(|shares| shares.density),
        shares.map(|shares| shares.coverage),
    ];
    let mut figures: Map<String, Value> =
        NAMES.iter().zip(values).map(|(name, value)| (format!("{name}{end}"), json!(value))).collect();
    if let Some(kernel) = kernel.filter(|_| !whole) {
        figures.insert(format!("kernel_distance_deviation{end}"), json!(kernel.deviation));
    }
    figures
}

/// The metrics that sets of `fewest` images have not, with the number of images that they need.
pub fn not_measured(fewest: usize) -> Option<String> {
    let shares = format!("precision, recall, density and coverage, which need {} images of each set", NEAREST + 1);
    match fewest {
        0..2 => Some(format!("distances, which need 2 images of each set, and {shares}")),
        2..=NEAREST => Some(shares),
        _ => None,
    }
}

/// The caution on a Fréchet distance of sets with no more images than features: their covariances are singular.
pub fn caution(fewest: usize, width: usize) -> Option<String> {
    (2..=width).contains(&fewest).then(|| {
        format!(
            "the Fréchet distance of {fewest} images in {width} features is far above that of many images, for real \
             images too; compare the kernel distance"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(shift: f64) -> Features {
        rows(100, shift)
    }

    fn rows(count: usize, shift: f64) -> Features {
        let number = |i: usize| (i as f64 * 0.7).sin() + (i as f64 * 1.3).cos() + shift;
        Features::new((0..4 * count).map(number).collect(), 4)
    }

    #[test]
    fn distances_are_zero_for_equal_sets() {
        let number = |figures: &Map<String, Value>, name: &str| figures[name].as_f64().unwrap();
        let same = quality(&features(0.0), &features(0.0), 0, "");
        assert!(number(&same, "frechet").abs() < 1e-9);
        assert_eq!((number(&same, "precision"), number(&same, "coverage")), (1.0, 1.0));
        let far = quality(&features(0.0), &features(5.0), 0, "_floor");
        assert!((number(&far, "frechet_floor") - 100.0).abs() < 1e-6, "{far:?}");
        assert_eq!(number(&far, "recall_floor"), 0.0);
    }

    #[test]
    fn one_image_has_no_metrics() {
        let one = Features::new(vec![0.0; 4], 4);
        assert!(quality(&one, &one, 0, "").values().all(Value::is_null));
    }

    #[test]
    fn subsets_have_a_deviation_unless_they_are_the_whole_sets() {
        let deviation = |real: usize, other: usize| {
            let figures = quality(&rows(real, 0.0), &rows(other, 0.5), 0, "_floor");
            figures.get("kernel_distance_deviation_floor").map(|value| value.as_f64().unwrap())
        };
        assert_eq!([deviation(50, 50), deviation(1000, 1000)], [None, None]);
        assert!(deviation(80, 50).unwrap() > 1e-6 && deviation(1100, 1100).unwrap() > 1e-6);
    }

    #[test]
    fn no_more_images_than_features_are_too_few() {
        assert_eq!([caution(65, 64), caution(1, 64)], [None, None]);
        assert!(caution(64, 64).unwrap().contains("of 64 images in 64 features"));
    }

    #[test]
    fn metrics_that_need_more_images_are_named() {
        for count in 1..9 {
            let figures = quality(&rows(20, 0.0), &rows(count, 0.5), 0, "");
            let none = |name: &str| figures[name].is_null();
            let message = not_measured(count).unwrap_or_default();
            assert_eq!(
                [none("frechet"), none("kernel_distance")],
                [message.contains("distances, which need 2"); 2],
                "{message}"
            );
            assert_eq!(
                [none("precision"), none("coverage")],
                [message.contains("coverage, which need 6"); 2],
                "{message}"
            );
        }
    }
}
