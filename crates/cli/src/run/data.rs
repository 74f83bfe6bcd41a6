//! The data of a run, read again. The split into training and test images is that of the run, even if the source
//! changed.

use crate::config::data::DataOptions;
use crate::data::{Changes, DataSet, Found, ImageList, Rule, is_built_in, read_by};
use crate::io::error::{Error, ErrorKind, Hint, Result};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::Run;
use std::collections::BTreeMap;

/// The data of a run, or other data in its place.
#[derive(Debug)]
pub struct RunData {
    /// The images: of the run's data, those that the run had and that are still there.
    pub data: DataSet,
    /// The difference from the data of the run, as a sentence; `None` if there is none.
    pub difference: Option<String>,
    /// True if the images and labels are those of the run.
    pub same: bool,
    /// True if the test images are those of the run.
    pub same_tests: bool,
}

impl RunData {
    /// Reads the data of a run as `options` describe it, whose source may be another one. `trained` is the source that
    /// the run was trained on, and `checkpoint` one of the run.
    ///
    /// The run's list of images decides which of them are training and test images. Images that were trained on are
    /// never test images, also of other data. A run without a list is one of version 0.1.0, or of built-in data.
    ///
    /// # Errors
    /// Those of [`read_by`], and of [`Run::read_images`].
    pub fn read(run: &Run, options: &DataOptions, trained: &str, checkpoint: &Checkpoint) -> Result<Self> {
        Self::listed(run.read_images()?.as_ref(), options, trained, &checkpoint.metadata)
    }

    /// The same, with the run's list of images and the notes of its checkpoint.
    ///
    /// # Errors
    /// Those of [`read_by`].
    pub fn listed(
        list: Option<&ImageList>,
        options: &DataOptions,
        trained: &str,
        notes: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let rule = match list {
            Some(list) => Rule::List(list),
            None if is_built_in(trained) => Rule::Content,
            None => Rule::Position,
        };
        let Found { mut data, skipped, changes, notes: warnings, .. } = read_by(options, rule)?;
        warnings.iter().for_each(|warning| log::warn!("{}: {warning}", options.source));
        if let Some(classes) = notes.get("classes").and_then(|names| serde_json::from_str(names).ok()) {
            relabel(&mut data, classes);
        }
        skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        let same = notes.get("data").is_none_or(|fingerprint| *fingerprint == data.fingerprint());
        let Changes { missing_tests, other, .. } = changes;
        let difference = match list {
            _ if same && changes.is_none() => None,
            Some(_) if other => Some(other_data(&data)),
            None if absolute(&options.source) != trained => Some(other_data(&data)),
            Some(_) => Some(format!("the data changed since training: {changes}")),
            None => Some(
                "the data changed since training; the run has no list of its images, so the test set may contain \
                 training images"
                    .into(),
            ),
        };
        let same_tests = if list.is_some() { missing_tests == 0 && !other } else { same };
        Ok(Self { data, difference, same, same_tests })
    }

    /// The data, which must be that of the run to continue its training.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if there is a difference.
    pub fn unchanged(self) -> Result<DataSet> {
        match self.difference {
            None => Ok(self.data),
            Some(difference) => {
                let message = format!("{difference}; training needs the data that it started with");
                Err(Error::new(ErrorKind::Data, message).with_hint(Hint::Data))
            }
        }
    }
}

/// The same options with absolute paths of both sources.
pub(crate) fn absolute_sources(options: DataOptions) -> DataOptions {
    let b = if options.b.is_empty() { String::new() } else { absolute(&options.b) };
    DataOptions { source: absolute(&options.source), b, ..options }
}

/// The absolute path of a source, so that a run is found from any folder; a built-in set by its name.
pub(crate) fn absolute(source: &str) -> String {
    let found = (!is_built_in(source)).then(|| files::absolute(source.as_ref())).flatten();
    found.map_or_else(|| source.into(), |path| path.display().to_string())
}

/// Gives images the labels that their classes have in the run, if it has all of them: a class whose images are gone
/// still counts.
fn relabel(data: &mut DataSet, classes: Vec<String>) {
    // The sides have their order, whatever their names.
    if data.sides.is_some() {
        return;
    }
    let of_run = |name: &String| classes.iter().position(|class| class == name).map(|label| label as u8);
    let Some(labels) = data.classes.iter().map(of_run).collect::<Option<Vec<u8>>>() else { return };
    for split in [&mut data.train, &mut data.test] {
        split.labels.iter_mut().for_each(|label| *label = labels[usize::from(*label)]);
    }
    data.classes = classes;
}

fn other_data(data: &DataSet) -> String {
    format!("{} is not the data that the run was trained on", data.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Split, read};

    #[test]
    fn a_class_that_is_gone_keeps_its_label() {
        let split =
            |labels: &[u8]| Split { images: labels.to_vec().into(), labels: labels.to_vec(), count: labels.len() };
        let of = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let mut data = DataSet::new("here".into(), split(&[0, 1]), split(&[1]), [1, 1, 1], of(&["bee", "dog"]));
        relabel(&mut data, of(&["ant", "bee", "cat", "dog"]));
        assert_eq!((&data.train.labels[..], &data.test.labels[..], data.classes.len()), (&[1, 3][..], &[3][..], 4));
        relabel(&mut data, of(&["ant", "bee"]));
        assert_eq!((&data.train.labels[..], data.classes.len()), (&[1, 3][..], 4), "other classes");
    }

    /// Version 0.1.0 noted only a fingerprint.
    #[test]
    fn a_run_without_a_list_has_the_split_of_version_0_1_0() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("images");
        std::fs::create_dir(&source).unwrap();
        for number in 0..40u8 {
            image::GrayImage::from_pixel(2, 2, image::Luma([number]))
                .save(source.join(format!("{number:02}.png")))
                .unwrap();
        }
        let run = Run::create(&folder.path().join("run")).unwrap();
        let trained = absolute(&source.display().to_string());
        let options = DataOptions { source: trained.clone(), ..DataOptions::default() };
        let mut checkpoint = Checkpoint::default();
        let positional = read_by(&options, Rule::Position).unwrap().data;
        // Every tenth of 40, from the middle of the first ten.
        assert_eq!(positional.test.images, [[5; 4], [15; 4], [25; 4], [35; 4]].concat());
        checkpoint.metadata.insert("data".into(), positional.fingerprint());
        let found = RunData::read(&run, &options, &trained, &checkpoint).unwrap();
        assert!(found.same && found.same_tests && found.difference.is_none());
        let data = found.unchanged().unwrap();
        assert_eq!(data.train, positional.train);

        // The list keeps that split, though the contents would give another.
        assert!(read(&options).unwrap().data.test != positional.test);
        run.write_images(&data.list).unwrap();
        let listed = RunData::read(&run, &options, &trained, &checkpoint).unwrap().unchanged().unwrap();
        assert_eq!((&listed.train, &listed.test), (&positional.train, &positional.test));
        image::GrayImage::from_pixel(2, 2, image::Luma([99])).save(source.join("00a.png")).unwrap();
        let changed = RunData::read(&run, &options, &trained, &checkpoint).unwrap();
        assert_eq!(changed.data.test, positional.test);
        let message = changed.unchanged().unwrap_err().to_string();
        assert!(message.starts_with("the data changed since training: 1 image added; training needs"), "{message}");
    }
}
