//! The shapes and statistics of a data set, for which a model is built.

use crate::config::Config;
use crate::data::{DataSet, Sides};
use crate::run::epoch_plan::EpochPlan;
use models::{DataSpec, SetSpec};

/// The shapes and statistics of a data set for a model: a set for each side.
pub fn spec(config: &Config, data: &DataSet) -> DataSpec {
    let set = |side: usize| {
        let variance = data.side_variance(side) as f32;
        SetSpec {
            train: match data.sides {
                Some(Sides::Unpaired { .. }) => data.side_count(&data.train, side),
                Some(Sides::Paired { .. }) | None => EpochPlan::new(config, data.epoch_images()).shard_images(),
            },
            test: data.side_count(&data.test, side),
            image: data.side_size(side),
            classes: if data.sides.is_some() { 1 } else { data.classes.len() },
            // Images of a single grey have no variance; errors are then divided by 1.
            variance: if variance > 0.0 { variance } else { 1.0 },
            points: data.points,
        }
    };
    DataSpec { sets: (0..data.side_total()).map(set).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::DataOptions;
    use crate::data::{Pixels, Split};

    #[test]
    fn the_spec_divides_by_a_variance_above_zero() {
        let config = Config::load("ae").unwrap();
        let black = DataSet::black([2, 2, 1], vec!["0".into()]);
        assert_eq!(spec(&config, &black).first().variance, 1.0);
        let digits = DataSet::load(&DataOptions::default()).unwrap();
        let expected = Pixels::of(&*digits.train.images).variance as f32;
        assert_eq!(spec(&config, &digits).first().variance, expected);
    }

    #[test]
    fn two_sides_are_two_sets() {
        let split = |labels: &[u8], pixel: [u8; 4]| Split {
            images: (0..labels.len()).flat_map(|row| pixel.map(|byte| byte + 9 * row as u8)).collect(),
            labels: labels.to_vec(),
            count: labels.len(),
        };
        let names = vec!["a".into(), "b".into()];
        let mut data =
            DataSet::new("here".into(), split(&[0, 1, 1], [3; 4]), split(&[0, 0, 1], [4; 4]), [1, 1, 4], names);
        let config = Config::load("ae").unwrap().with("train.batch_size=1").unwrap();
        data.sides = Some(Sides::Unpaired { train: 1, test: 2 });
        let sets = spec(&config, &data).sets;
        let sizes = |set: &SetSpec| (set.train, set.test, set.image, set.classes);
        assert_eq!((sizes(&sets[0]), sizes(&sets[1])), ((1, 2, [1, 1, 4], 1), (2, 1, [1, 1, 4], 1)));
        assert!(sets[0].variance == 1.0 && (sets[1].variance - (4.5f32 / 255.0).powi(2)).abs() < 1e-9);
        let error = config.check(&spec(&config, &data), 3).unwrap_err().to_string();
        assert_eq!(
            error,
            "data.source has two sets of images, but the model, of the family ae, takes one; name one of them alone"
        );

        let pairs = vec!["images".into()];
        let mut data = DataSet::new("here".into(), split(&[0; 3], [3; 4]), split(&[0; 3], [4; 4]), [1, 1, 4], pairs);
        data.sides = Some(Sides::Paired { channels: [1, 3] });
        let sharded = config.with("data.shard=2").unwrap();
        let sets = spec(&sharded, &data).sets;
        assert_eq!((sizes(&sets[0]), sizes(&sets[1])), ((2, 3, [1, 1, 1], 1), (2, 3, [1, 1, 3], 1)));
    }
}
