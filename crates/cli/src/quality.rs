//! How near one set of pictures is to another, in the features of a classifier: two distances, and how much of either
//! set lies within the other.

use models::metrics::{Features, NEAREST, Subsets, frechet_distance, kernel_distance_of_subsets, prdc};
use serde_json::{Map, Value, json};

/// Pictures in each of the subsets of the kernel distance, at most.
const SUBSET: usize = 1_000;

/// The figures of `other`, measured against `real`, by name, each with `end` after it. What cannot be measured on so
/// few pictures is null.
pub(crate) fn quality(real: &Features, other: &Features, seed: u64, end: &str) -> Map<String, Value> {
    let subsets = Subsets { size: SUBSET.min(real.rows()).min(other.rows()), seed, ..Subsets::default() };
    let kernel = kernel_distance_of_subsets(real, other, subsets);
    let shares = prdc(real, other, NEAREST);
    let figures = [
        ("frechet", frechet_distance(real, other)),
        ("kernel_distance", kernel.map(|kernel| kernel.mean)),
        ("kernel_distance_deviation", kernel.map(|kernel| kernel.deviation)),
        ("precision", shares.map(|shares| shares.precision)),
        ("recall", shares.map(|shares| shares.recall)),
        ("density", shares.map(|shares| shares.density)),
        ("coverage", shares.map(|shares| shares.coverage)),
    ];
    figures.into_iter().map(|(name, value)| (format!("{name}{end}"), json!(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(shift: f64) -> Features {
        let number = |i: usize| (i as f64 * 0.7).sin() + (i as f64 * 1.3).cos() + shift;
        Features::new((0..400).map(number).collect(), 4)
    }

    #[test]
    fn a_set_is_as_near_as_can_be_to_itself_and_far_from_another() {
        let number = |figures: &Map<String, Value>, name: &str| figures[name].as_f64().unwrap();
        let same = quality(&features(0.0), &features(0.0), 0, "");
        assert!(number(&same, "frechet").abs() < 1e-9);
        assert_eq!((number(&same, "precision"), number(&same, "coverage")), (1.0, 1.0));
        let far = quality(&features(0.0), &features(5.0), 0, "_floor");
        assert!((number(&far, "frechet_floor") - 100.0).abs() < 1e-6, "{far:?}");
        assert_eq!(number(&far, "recall_floor"), 0.0);
    }

    #[test]
    fn of_one_picture_nothing_is_known() {
        let one = Features::new(vec![0.0; 4], 4);
        assert!(quality(&one, &one, 0, "").values().all(Value::is_null));
    }
}
