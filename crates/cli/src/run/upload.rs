//! Images and labels on their way to the device.

use crate::data::{DataSet, Split};
use crate::io::error::Result;
use gpu_core::ops::gather;
use gpu_core::{Array, Buf, Executor};

/// Bytes of a data set that are packed and written at once; a multiple of 4.
pub(super) const UPLOAD_BYTES: usize = 1 << 24;

/// Puts images of one side of a split onto the device, these rows or all; with `labels`, a buffer and a number of
/// classes, their labels too.
pub(super) fn put(
    executor: &mut dyn Executor,
    data: &DataSet,
    split: &Split,
    side: usize,
    rows: Option<&[usize]>,
    to: Buf,
    labels: Option<(Buf, usize)>,
) -> Result<()> {
    upload(executor, to, &data.side(split, side, rows))?;
    let Some((to, classes)) = labels else { return Ok(()) };
    upload(executor, to, &one_hot(&data.side_labels(split, side, rows), classes))
}

/// Writes bytes to the start of a buffer, a piece at a time: a whole data set is not copied on the host.
fn upload(executor: &mut dyn Executor, to: Buf, bytes: &[u8]) -> Result<()> {
    for (piece, bytes) in bytes.chunks(UPLOAD_BYTES).enumerate() {
        let words = gather::pack(bytes);
        let offset = to.offset + (piece * UPLOAD_BYTES / 4) as u32;
        executor.write(Buf { offset, shape: [words.len()].into(), ..to }, &Array::U32(words))?;
    }
    Ok(())
}

/// A row of bytes for each label, 255 at its class.
pub(super) fn one_hot(labels: &[u8], classes: usize) -> Vec<u8> {
    let mut rows = vec![0; labels.len() * classes];
    labels.iter().enumerate().for_each(|(i, &label)| rows[i * classes + usize::from(label)] = 255);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::Sides;
    use crate::run::epoch_plan::EpochPlan;
    use crate::run::session::{Session, spec};
    use gpu_core::Backend;

    /// A split of images of 2×1×`channels`, with other bytes from `first` on.
    fn split(labels: &[u8], channels: usize, first: u8) -> Split {
        let bytes = 2 * channels * labels.len();
        Split { images: (first..first + bytes as u8).collect(), labels: labels.to_vec(), count: labels.len() }
    }

    /// The first bytes on the device of both sides, of the training set or of the test set.
    fn on_device(session: &mut Session, test: bool, counts: [usize; 2]) -> [Vec<u8>; 2] {
        [0, 1].map(|side| {
            let set = session.model.buffers().sets[side];
            let words = session.executor.read(if test { set.test } else { set.train }).unwrap();
            let bytes: Vec<u8> = words.as_u32().unwrap().iter().flat_map(|word| word.to_le_bytes()).collect();
            bytes[..counts[side]].to_vec()
        })
    }

    fn open(data: DataSet, settings: &[&str]) -> Session {
        let config = Config::load("ae").unwrap().with("ae.hidden=[2]").unwrap();
        let config = settings.iter().fold(config, |config, setting| config.with(setting).unwrap());
        // No family is needed to fill the buffers.
        let model = config.build(&spec(&config, &data));
        Session::open_model(config, data.into(), model, &Backend::Cpu).unwrap()
    }

    #[test]
    fn both_sides_of_a_set_without_pairs_are_on_the_device() {
        let (train, test) = (split(&[0, 0, 1], 1, 0), split(&[0, 0, 1, 1, 1], 1, 100));
        let mut data = DataSet::new("here".into(), train, test, [2, 1, 1], vec!["a".into(), "b".into()]);
        data.sides = Some(Sides::Unpaired { train: 2, test: 2 });
        let mut session = open(data, &[]);
        assert_eq!(on_device(&mut session, true, [4, 6]), [(100..104).collect::<Vec<_>>(), (104..110).collect()]);
        let steps = EpochPlan::new(&session.config, 3);
        session.put_shard(&steps, &steps.at(0)).unwrap();
        assert_eq!(on_device(&mut session, false, [4, 2]), [vec![0, 1, 2, 3], vec![4, 5]]);
        let rows = session.with_test_rows(&[1, 0], |session| Ok(on_device(session, true, [4, 6]))).unwrap();
        assert_eq!(rows, [vec![102, 103, 100, 101], vec![106, 107, 104, 105, 108, 109]]);
        assert_eq!(on_device(&mut session, true, [4, 4]), [vec![100, 101, 102, 103], vec![104, 105, 106, 107]]);
    }

    #[test]
    fn shards_of_pairs_have_both_sides() {
        let images = vec!["images".into()];
        let mut data = DataSet::new("here".into(), split(&[0; 4], 4, 0), split(&[0; 2], 4, 100), [2, 1, 4], images);
        data.sides = Some(Sides::Paired { channels: [3, 1] });
        let mut session = open(data, &["train.batch_size=1", "data.shard=2", "train.shuffle=false"]);
        let of_test = [vec![100, 101, 102, 104, 105, 106, 108, 109, 110, 112, 113, 114], vec![103, 107, 111, 115]];
        assert_eq!(on_device(&mut session, true, [12, 4]), of_test);
        let steps = EpochPlan::new(&session.config, 4);
        session.put_shard(&steps, &steps.at(2)).unwrap();
        let second = [vec![16, 17, 18, 20, 21, 22, 24, 25, 26, 28, 29, 30], vec![19, 23, 27, 31]];
        assert_eq!(on_device(&mut session, false, [12, 4]), second);
        let rows = session.with_test_rows(&[1], |session| Ok(on_device(session, true, [6, 2]))).unwrap();
        assert_eq!(rows, [vec![108, 109, 110, 112, 113, 114], vec![111, 115]]);
    }
}
