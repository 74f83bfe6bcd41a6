//! How near one set of pictures is to another, in the features of a classifier: two distances, and how much of either
//! set lies within the other.

use models::metrics::{Features, NEAREST, Subsets, frechet_distance, kernel_distance_of_subsets, prdc};
use serde_json::{Map, Value, json};

/// Pictures in each of the subsets of the kernel distance, at most.
const SUBSET: usize = 1_000;

/// The figures, by name. What they come to between real images has `_floor` after its name.
pub const NAMES: [&str; 6] = ["frechet", "kernel_distance", "precision", "recall", "density", "coverage"];

/// The figures of `other`, measured against `real`, by name, each with `end` after it. What cannot be measured on so
/// few pictures is null. The kernel distance has a deviation where its subsets differ, and not where they are all of
/// both sets.
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

/// Which figures there are none of where the smaller set has so few pictures, and how many they need.
pub fn not_measured(fewest: usize) -> Option<String> {
    let shares = format!("precision, recall, density and coverage, which need {} pictures of either kind", NEAREST + 1);
    match fewest {
        0..2 => Some(format!("distances, which need 2 pictures of either kind, and {shares}")),
        2..=NEAREST => Some(shares),
        _ => None,
    }
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

    #[test]
    fn subsets_deviate_where_they_are_not_all_there_is() {
        let deviation = |real: usize, other: usize| {
            let figures = quality(&rows(real, 0.0), &rows(other, 0.5), 0, "_floor");
            figures.get("kernel_distance_deviation_floor").map(|value| value.as_f64().unwrap())
        };
        assert_eq!([deviation(50, 50), deviation(1000, 1000)], [None, None]);
        assert!(deviation(80, 50).unwrap() > 1e-6 && deviation(1100, 1100).unwrap() > 1e-6);
    }

    #[test]
    fn what_so_few_pictures_have_none_of_is_named() {
        for count in 1..9 {
            let figures = quality(&rows(20, 0.0), &rows(count, 0.5), 0, "");
            let none = |name: &str| figures[name].is_null();
            let said = not_measured(count).unwrap_or_default();
            assert_eq!(
                [none("frechet"), none("kernel_distance")],
                [said.contains("distances, which need 2"); 2],
                "{said}"
            );
            assert_eq!([none("precision"), none("coverage")], [said.contains("coverage, which need 6"); 2], "{said}");
        }
    }
}
