//! The data of a run, read again: its training and test images are those of the run, whatever the source has now.

use crate::config::data::DataOptions;
use crate::data::{Changes, DataSet, Found, Rule, is_built_in, read_by};
use crate::io::error::{Error, ErrorKind, Hint, Result};
use crate::io::files;
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::Run;

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
        let list = run.read_images()?;
        let rule = match &list {
            Some(list) => Rule::List(list),
            None if is_built_in(trained) => Rule::Content,
            None => Rule::Position,
        };
        let Found { data, skipped, changes, .. } = read_by(options, rule)?;
        skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
        let same = checkpoint.metadata.get("data").is_none_or(|fingerprint| *fingerprint == data.fingerprint());
        let Changes { missing_tests, other, .. } = changes;
        let difference = match &list {
            _ if same && changes.is_none() => None,
            Some(_) if other => Some(other_data(&data)),
            None if options.source != trained => Some(other_data(&data)),
            Some(_) => Some(format!("the data changed since training: {changes}")),
            None => Some(
                "the data changed since training; the run has no list of its images, so the test set may now have \
                 images that were trained on"
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
                let message = format!("{difference}; training continues only on the data that it started with");
                Err(Error::new(ErrorKind::Data, message).with_hint(Hint::Data))
            }
        }
    }
}

/// The absolute path of a source, so that a run is found from any folder; a built-in set by its name.
pub(crate) fn absolute(source: &str) -> String {
    let found = (!is_built_in(source)).then(|| files::absolute(source.as_ref())).flatten();
    found.map_or_else(|| source.into(), |path| path.display().to_string())
}

fn other_data(data: &DataSet) -> String {
    format!("{} is other data than the run was trained on", data.name)
}
