//! A user's images instead of the test set.

use crate::config::data::DataOptions;
use crate::data::{DataSet, Given, Split, read_given};
use crate::io::error::{Result, ensure};
use crate::terminal::Terminal;

/// Images to reconstruct, to encode, or to interpolate between.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnImages {
    /// Image files, folders, or other sources of data.
    pub sources: Vec<String>,
    /// Class of all of them, for a class-conditional model. `None` for the classes of the sources, by name.
    pub class: Option<String>,
}

/// The images of some sources.
pub(super) struct OwnData {
    /// A data set with these as its test set, of two sides on both. Its training set is one black image.
    pub(super) data: DataSet,
    /// An image whose class is none of the run's.
    pub(super) unlabelled: Option<String>,
}

impl OwnImages {
    /// Reads the images, fitted to the size of those of `like` as its `options` ask.
    pub(super) fn read(&self, like: DataSet, options: &DataOptions, terminal: &Terminal) -> Result<OwnData> {
        let size @ [height, width, channels] = [like.height, like.width, like.given_channels()];
        // Only squares are fitted.
        let options = DataOptions { size: if height == width { height } else { 0 }, channels, ..options.clone() };
        let mut test = Split::default();
        let mut unlabelled = None;
        for source in &self.sources {
            let given = read_given(source, &options)?;
            given.skipped.iter().for_each(|skipped| log::warn!("left out: {skipped}"));
            let [found_height, found_width, _] = given.size;
            ensure!(
                given.size == size,
                Data,
                "{source} is {found_height}×{found_width}, but the images of the run are {height}×{width}; resize it"
            );
            if let Some(([from_height, from_width], count)) = given.resized() {
                let all = given.images.count;
                terminal.say(&format!(
                    "resized {count} of {all} images of {source} (e.g. {from_height}×{from_width}) to \
                     {height}×{width}"
                ));
            }
            let labels = self.labels(&given, &like.classes);
            if labels.contains(&None) {
                unlabelled.get_or_insert_with(|| source.clone());
            }
            test.labels.extend(labels.into_iter().map(Option::unwrap_or_default));
            test.images.to_mut().extend_from_slice(&given.images.images);
            test.count += given.images.count;
        }
        Ok(OwnData { data: like.with_given(self.sources.join(", "), test, channels), unlabelled })
    }

    /// The label of each image among the classes of a run, by name; `None` for another class.
    fn labels(&self, given: &Given, classes: &[String]) -> Vec<Option<u8>> {
        let of_name = |name: &String| classes.iter().position(|class| class == name).map(|class| class as u8);
        match &self.class {
            Some(name) => vec![of_name(name); given.images.count],
            None => given.images.labels.iter().map(|&label| of_name(&given.classes[usize::from(label)])).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_fitted_and_their_classes_are_those_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for (name, value) in [("dog/1.png", 9), ("cat/1.png", 7), ("cow/1.png", 5)] {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            image::GrayImage::from_pixel(6, 4, image::Luma([value])).save(path(name)).unwrap();
        }
        let like = |size| DataSet::black(size, ["bee", "cat", "dog"].map(String::from).to_vec());
        let read = |sources: &[&str], class: Option<&str>, size: [usize; 3]| {
            let sources = sources.iter().map(|source| path(source)).collect();
            let own = OwnImages { sources, class: class.map(String::from) };
            own.read(like(size), &DataOptions::default(), &Terminal::new(true))
        };
        let OwnData { data, unlabelled } = read(&["", "dog/1.png"], None, [2, 2, 1]).unwrap();
        assert_eq!(data.test.images, [[7; 4], [5; 4], [9; 4], [9; 4]].concat());
        assert_eq!((&data.test.labels[..], unlabelled), (&[1, 0, 2, 0][..], Some(path(""))));
        let OwnData { data, unlabelled } = read(&["dog/1.png"], Some("dog"), [2, 2, 3]).unwrap();
        assert_eq!((data.test.images.into_vec(), data.test.labels, unlabelled), (vec![9; 12], vec![2], None));
        let message = read(&["cat"], None, [4, 4, 1]).map(|own| own.data.test.count);
        assert_eq!(message.unwrap(), 1);
        let message = read(&["cat"], None, [4, 8, 1]).err().unwrap().to_string();
        assert!(message.contains("cat is 4×6, but the images of the run are 4×8; resize it"), "{message}");
    }
}
