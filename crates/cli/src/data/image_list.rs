//! The images of a data set by their content: those that are trained on, and those that are tested on.

use crate::io::error::{Result, error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// The images of the training set and of the test set: the contents of a run's `images.json`. Empty for built-in data.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImageList {
    /// Images of the training set, in its order.
    pub train: Vec<Entry>,
    /// Images of the test set, in its order.
    pub test: Vec<Entry>,
}

/// One image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Hash of the file's bytes; of an array, of the image's bytes. Of a pair of files, a hash of both; of the second
    /// of two sets without pairs, its complement.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub id: u64,
    /// Path below the folder that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl ImageList {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.train.len() + self.test.len()
    }

    /// True for built-in data.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list with the complement of each id, of an image that is in two sets.
    pub(super) fn complement(&self) -> Self {
        let of = |entries: &[Entry]| {
            entries.iter().map(|Entry { id, path }| Entry { id: !id, path: path.clone() }).collect()
        };
        Self { train: of(&self.train), test: of(&self.test) }
    }

    /// The list as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a list has no keys but names")
    }

    /// Reads a list; `name` is that of its file.
    ///
    /// # Errors
    /// The text is not that of a list.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| error!(Run, "{name} is not a list of images ({error}); restore it"))
    }

    /// The number of copies of each image: for training and for testing.
    pub(super) fn copies(&self) -> HashMap<u64, [usize; 2]> {
        let mut copies: HashMap<u64, [usize; 2]> = HashMap::with_capacity(self.len());
        for (part, entries) in [&self.train, &self.test].into_iter().enumerate() {
            entries.iter().for_each(|entry| copies.entry(entry.id).or_default()[part] += 1);
        }
        copies
    }
}

/// The difference between the images of a run and those that its data has now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Images that the run did not have.
    pub added: usize,
    /// Training images that are gone.
    pub missing: usize,
    /// Test images that are gone.
    pub missing_tests: usize,
    /// True if fewer than half of the run's images are there: it is other data.
    pub other: bool,
}

impl Changes {
    /// Compares the images that a list has with those that are there now, by their ids.
    pub(super) fn of(list: &ImageList, ids: impl Iterator<Item = u64>) -> Self {
        let mut copies = list.copies();
        let (mut added, mut known) = (0, 0);
        for id in ids {
            let left = copies.get_mut(&id).and_then(|copies| copies.iter_mut().find(|left| **left > 0));
            match left {
                Some(left) => (*left, known) = (*left - 1, known + 1),
                None => added += 1,
            }
        }
        let missing = |part: usize| copies.values().map(|copies| copies[part]).sum();
        Self { added, missing: missing(0), missing_tests: missing(1), other: 2 * known < list.len() }
    }

    /// True if the images are those of the run.
    pub fn is_none(&self) -> bool {
        self.added + self.missing + self.missing_tests == 0
    }
}

/// `3 images added, 1 missing`, with the number of test images among the missing ones.
impl Display for Changes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { added, missing, missing_tests, .. } = *self;
        let images = |count: usize| if count == 1 { "image" } else { "images" };
        let gone = missing + missing_tests;
        match (added, gone) {
            (0, 0) => write!(f, "the images have another order, other labels or another size")?,
            (added, 0) => write!(f, "{added} {} added", images(added))?,
            (0, gone) => write!(f, "{gone} {} missing", images(gone))?,
            (added, gone) => write!(f, "{added} {} added, {gone} missing", images(added))?,
        }
        if missing_tests > 0 {
            write!(f, " ({missing_tests} of the test set)")?;
        }
        Ok(())
    }
}

fn to_hex<S: Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{id:016x}"))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    u64::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(train: &[u64], test: &[u64]) -> ImageList {
        let entries = |ids: &[u64]| ids.iter().map(|&id| Entry { id, path: None }).collect();
        ImageList { train: entries(train), test: entries(test) }
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let mut written = list(&[u64::MAX, 1], &[0]);
        written.test[0].path = Some("cat/\"1\".png".into());
        let text = written.to_json();
        assert!(text.contains("\"ffffffffffffffff\""), "{text}");
        assert_eq!(ImageList::parse(&text, "images.json").unwrap(), written);
        for wrong in ["", "{}", r#"{"train":[{"id":"xyz"}],"test":[]}"#] {
            let message = ImageList::parse(wrong, "images.json").unwrap_err().to_string();
            assert!(message.starts_with("images.json is not a list of images"), "{message}");
        }
    }

    #[test]
    fn changes_are_counted_with_their_copies() {
        let list = list(&[1, 2, 2, 3], &[4, 5]);
        let changes = |ids: &[u64]| Changes::of(&list, ids.iter().copied());
        assert!(changes(&[5, 4, 3, 2, 1, 2]).is_none());
        assert_eq!(changes(&[1, 2, 2, 3, 4, 5, 6, 2]).to_string(), "2 images added");
        assert_eq!(changes(&[1, 2, 3, 4, 5]).to_string(), "1 image missing");
        assert_eq!(changes(&[1, 2, 3, 4, 9]).to_string(), "1 image added, 2 missing (1 of the test set)");
        assert!(!changes(&[1, 2, 4]).other && changes(&[1, 2, 7, 8, 9, 10]).other);
    }
}
