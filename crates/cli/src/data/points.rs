//! Sets of points in the plane, drawn from a named density.
//!
//! Training draws its points on the device, new ones in every step. The training set here is a fixed sample as large as
//! an epoch, for plots and as the floor of distances; the test set is another.

use super::dataset::DataSet;
use crate::config::data::DataOptions;
use crate::io::error::{Result, bail};
use gpu_core::ops::density::{Density, drawn_on_host};

/// Test points.
const TEST: usize = 10_000;
/// Seed of both sets: they are the same in every run.
const SEED: u64 = 0;

/// The points of a density.
///
/// # Errors
/// A setting is for images.
pub(super) fn points(density: Density, options: &DataOptions) -> Result<DataSet> {
    let of_images = [
        ("size", options.size),
        ("channels", options.channels),
        ("shard", options.shard),
        ("stacked", options.stacked),
        ("crop", options.crop),
    ];
    if let Some((key, value)) = of_images.into_iter().find(|(_, value)| *value > 0) {
        bail!(Setting, "data.{key} must be 0 for {}, which are points (got {value})", density.name());
    }
    if options.mirror {
        bail!(Setting, "data.mirror must be false for {}, which are points", density.name());
    }
    let draw = |count: usize, part: u32| drawn_on_host(density, count, part, SEED);
    Ok(DataSet::of_points(density, [draw(options.points, 0), draw(TEST, 1)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(source: &str, change: fn(&mut DataOptions)) -> Result<DataSet> {
        let mut options = DataOptions { source: source.into(), ..DataOptions::default() };
        change(&mut options);
        DataSet::load(&options)
    }

    #[test]
    fn points_are_numbers_and_the_same_every_time() {
        let moons = load("moons", |options| options.points = 500).unwrap();
        assert_eq!((moons.train.count, moons.test.count, moons.pixels()), (500, TEST, 2));
        let rows: Vec<usize> = (0..TEST).collect();
        let test = moons.values(&moons.test, &rows);
        assert_eq!(test, drawn_on_host(Density::Moons, TEST, 1, SEED));
        assert!(moons.values(&moons.train, &rows[..10]) != test[..20], "the parts differ");
        // Both coordinates have unit variance.
        assert!((moons.variance() - 1.0).abs() < 0.1, "{}", moons.variance());
        assert_eq!(moons.fingerprint(), load("moons", |options| options.points = 500).unwrap().fingerprint());
        assert!(moons.fingerprint() != load("swissroll", |options| options.points = 500).unwrap().fingerprint());
    }

    #[test]
    fn settings_of_images_are_refused() {
        let message = load("moons", |options| options.size = 8).unwrap_err().to_string();
        assert_eq!(message, "data.size must be 0 for moons, which are points (got 8)");
        assert!(load("8gaussians", |options| options.shard = 64).is_err());
        let message = load("moons", |options| options.mirror = true).unwrap_err().to_string();
        assert_eq!(message, "data.mirror must be false for moons, which are points");
    }
}
