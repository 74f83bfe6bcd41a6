//! Removal of classes without training images.

use super::dataset::{SizedSplit, Split};
use crate::io::error::Result;
use std::mem::take;

/// Leaves out classes without training images, with their test images, and logs a warning. The others keep their
/// names: labels from 1 to 10 are ten classes, called 1 to 10.
pub(super) fn drop_empty(
    name: &str,
    train: &mut SizedSplit,
    test: &mut SizedSplit,
    classes: &mut Vec<String>,
) -> Result<()> {
    let count = |split: &Split, class: usize| split.labels.iter().filter(|&&label| usize::from(label) == class).count();
    let mut kept = Vec::new();
    // The new label of each old one.
    let mut labels = Vec::new();
    for (class, class_name) in classes.drain(..).enumerate() {
        let has_images = count(&train.split, class) > 0;
        labels.push(has_images.then_some(kept.len() as u8));
        match (has_images, count(&test.split, class)) {
            (true, _) => kept.push(class_name),
            // A number that no image has names nothing.
            (false, 0) if class_name.parse::<usize>() == Ok(class) => {}
            (false, 0) => log::warn!("class {class_name} of {name} has no images; it is left out"),
            (false, tests) => log::warn!(
                "class {class_name} of {name} has no training images: it is left out, with its {tests} test images"
            ),
        }
    }
    *classes = kept;
    keep(train, &labels)?;
    keep(test, &labels)
}

/// Gives each image its new label, and removes those without one.
fn keep(SizedSplit { split, size }: &mut SizedSplit, new: &[Option<u8>]) -> Result<()> {
    let labels: Vec<Option<u8>> = split.labels.iter().map(|&label| new[usize::from(label)]).collect();
    split.images = take(&mut split.images).keep(size.iter().product(), |number| labels[number].is_some())?;
    split.labels = labels.into_iter().flatten().collect();
    split.count = split.labels.len();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(labels: &[u8]) -> SizedSplit {
        let images = labels.iter().flat_map(|&label| [label, 100 + label]).collect();
        SizedSplit { split: Split { images, labels: labels.to_vec(), count: labels.len() }, size: [1, 2, 1] }
    }

    fn dropped(train: &[u8], test: &[u8], classes: &[&str]) -> (Split, Split, Vec<String>) {
        let (mut train, mut test) = (split(train), split(test));
        let mut classes = classes.iter().map(ToString::to_string).collect();
        drop_empty("here", &mut train, &mut test, &mut classes).unwrap();
        (train.split, test.split, classes)
    }

    #[test]
    fn labels_from_one_have_no_class_zero() {
        let (train, test, classes) = dropped(&[1, 3, 2, 1], &[2, 3], &["0", "1", "2", "3"]);
        assert_eq!((train.labels, test.labels), (vec![0, 2, 1, 0], vec![1, 2]));
        assert_eq!(
            (train.images.into_vec(), classes),
            (vec![1, 101, 3, 103, 2, 102, 1, 101], vec!["1".into(), "2".into(), "3".into()])
        );
    }

    #[test]
    fn a_class_that_only_the_test_set_has_is_left_out_of_both() {
        let (train, test, classes) = dropped(&[0, 2], &[1, 2, 1, 0], &["cat", "dog", "fox"]);
        assert_eq!((train.labels, test.labels), (vec![0, 1], vec![1, 0]));
        assert_eq!(
            (test.images.into_vec(), test.count, classes),
            (vec![2, 102, 0, 100], 2, vec!["cat".into(), "fox".into()])
        );
    }
}
