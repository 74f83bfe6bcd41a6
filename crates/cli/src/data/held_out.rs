//! The split into training and test images.

use super::dataset::Split;
use super::image_list::ImageList;
use crate::io::error::Result;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// The part of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Train,
    Test,
    /// Neither of both: the image was added after the run had started.
    Neither,
}

/// Divides images into a training set and a test set, both in the order of `all`.
pub(super) fn divide(all: Split, parts: &[Part]) -> Result<(Split, Split)> {
    let pixels = all.images.len() / all.count.max(1);
    let numbers = |of: Part| (0..parts.len()).filter(move |&number| parts[number] == of);
    let labels = |of: Part| -> Vec<u8> { numbers(of).map(|number| all.labels[number]).collect() };
    let [train_labels, test_labels] = [Part::Train, Part::Test].map(labels);
    let tests = numbers(Part::Test).flat_map(|number| &all.images[number * pixels..][..pixels]).copied().collect();
    let images = all.images.keep(pixels, |number| parts[number] == Part::Train)?;
    let split = |images, labels: Vec<u8>| Split { images, count: labels.len(), labels };
    Ok((split(images, train_labels), split(tests, test_labels)))
}

/// The part of each image, by its content: it is tested on if the hash of its id is below `share` of all hashes. Images
/// that are added or removed change the part of no other image, and copies of an image are in one part.
///
/// Two exceptions are for small sets. Every class has a training image: if all of its images would be tested on, the
/// one with the largest hash is trained on. The set has a test image: if none would be, it is the one with the smallest
/// hash, of a class with two images if there is one.
///
/// # Panics
/// When there are fewer than two images.
pub(super) fn by_content(labels: &[u8], ids: &[u64], share: f64) -> Vec<Part> {
    assert!(ids.len() >= 2 && ids.len() == labels.len(), "{} images have no two splits", ids.len());
    let hashes: Vec<u64> = ids.iter().map(|id| xxh3_64(&id.to_le_bytes())).collect();
    // 2⁶⁴ times the share; a share below one is below the largest hash.
    let is_below = |hash: u64| (hash as f64) < share * 2f64.powi(64);
    let mut classes: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
    for (&label, &hash) in labels.iter().zip(&hashes) {
        classes.entry(label).or_default().insert(hash);
    }
    let largest = classes.values().filter_map(|hashes| hashes.last().copied().filter(|&hash| is_below(hash)));
    let kept: BTreeSet<u64> = largest.collect();
    let mut parts: Vec<Part> = hashes
        .iter()
        .map(|hash| if is_below(*hash) && !kept.contains(hash) { Part::Test } else { Part::Train })
        .collect();
    if !parts.contains(&Part::Test) {
        let smallest = |classes: &mut dyn Iterator<Item = &BTreeSet<u64>>| {
            classes.filter_map(|hashes| hashes.first().copied()).min().expect("there are images")
        };
        let mut several = classes.values().filter(|hashes| hashes.len() > 1).peekable();
        let chosen = if several.peek().is_some() { smallest(&mut several) } else { smallest(&mut classes.values()) };
        let all_alike = hashes.iter().all(|&hash| hash == chosen);
        let copies = if all_alike { 1 } else { hashes.len() };
        let chosen = (0..hashes.len()).filter(|&number| hashes[number] == chosen).take(copies);
        chosen.for_each(|number| parts[number] = Part::Test);
    }
    parts
}

/// The part of each image as version 0.1.0 chose it: sorted by class, every (1 / `share`)th is tested on, from the
/// middle of the first interval.
///
/// # Panics
/// When there are fewer than two images.
pub(super) fn by_position(labels: &[u8], share: f64) -> Vec<Part> {
    let count = labels.len();
    assert!(count >= 2, "{count} images have no two splits");
    let mut by_class: Vec<usize> = (0..count).collect();
    by_class.sort_by_key(|&number| labels[number]);
    let wanted = ((count as f64 * share).round() as usize).clamp(1, count - 1);
    let mut parts = vec![Part::Train; count];
    for interval in 0..wanted {
        parts[by_class[(2 * interval + 1) * count / (2 * wanted)]] = Part::Test;
    }
    parts
}

/// The part of each image in a list; of the copies of an image, as many as the list has in each part. `found` has the
/// part where an image is now, and for data without a test set the test set: the first copies were held out.
pub(super) fn by_list(list: &ImageList, ids: &[u64], found: &[Part]) -> Vec<Part> {
    let mut copies = list.copies();
    let mut part_of = |(id, found): (&u64, &Part)| {
        let Some([train, test]) = copies.get_mut(id) else { return Part::Neither };
        let (left, part) = match found {
            Part::Test if *test > 0 => (test, Part::Test),
            _ if *train > 0 => (train, Part::Train),
            _ if *test > 0 => (test, Part::Test),
            _ => return Part::Neither,
        };
        *left -= 1;
        part
    };
    ids.iter().zip(found).map(&mut part_of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::image_list::Entry;
    use super::*;

    fn chosen(parts: &[Part]) -> Vec<usize> {
        (0..parts.len()).filter(|&number| parts[number] == Part::Test).collect()
    }

    /// Ids as hashes of files have them.
    fn ids(numbers: impl Iterator<Item = u64>) -> Vec<u64> {
        numbers.map(|number| xxh3_64(format!("file {number}").as_bytes())).collect()
    }

    #[test]
    fn by_position_images_are_spread_evenly_over_every_class() {
        let chosen = |labels: &[u8], share: f64| chosen(&by_position(labels, share));
        assert_eq!(chosen(&[0; 10], 0.2), [2, 7]);
        // Two classes that alternate: each gives every fifth of its images.
        let labels: Vec<u8> = (0..40).map(|number| number % 2).collect();
        assert_eq!(chosen(&labels, 0.2), [4, 5, 14, 15, 24, 25, 34, 35]);
        let labels: Vec<u8> = (0..1000).map(|number| (number * number % 7) as u8).collect();
        assert_eq!(chosen(&labels, 0.1).len(), 100);
    }

    #[test]
    fn a_set_that_grows_moves_no_image() {
        let ids = ids(0..400);
        let labels: Vec<u8> = (0..400).map(|number| (number % 4) as u8).collect();
        let all = by_content(&labels, &ids, 0.2);
        let tests = chosen(&all).len();
        assert!((60..=100).contains(&tests), "{tests} of 400");
        for count in 60..400 {
            assert_eq!(by_content(&labels[..count], &ids[..count], 0.2), all[..count], "{count}");
        }
        // Whatever is removed, and in whatever order the files are.
        let odd: Vec<usize> = (0..400).rev().filter(|number| number % 3 > 0).collect();
        let of = |numbers: &[usize]| -> (Vec<u8>, Vec<u64>) {
            numbers.iter().map(|&number| (labels[number], ids[number])).unzip()
        };
        let (some_labels, some_ids) = of(&odd);
        let expected: Vec<Part> = odd.iter().map(|&number| all[number]).collect();
        assert_eq!(by_content(&some_labels, &some_ids, 0.2), expected);
    }

    #[test]
    fn copies_are_in_one_part() {
        let ids: Vec<u64> = ids((0..50).chain(0..50));
        let labels: Vec<u8> = (0..100).map(|number| u8::from(number >= 50)).collect();
        for share in [0.02, 0.3, 0.98] {
            let parts = by_content(&labels, &ids, share);
            assert_eq!(parts[..50], parts[50..], "{share}");
        }
    }

    #[test]
    fn small_sets_have_both_parts_and_every_class_is_trained_on() {
        for seed in 0..200 {
            for count in [2, 3, 5, 9] {
                for share in [0.001, 0.1, 0.5, 0.999] {
                    let ids = ids(seed * 100..seed * 100 + count);
                    let labels: Vec<u8> = (0..count).map(|number| (number % 2) as u8).collect();
                    let parts = by_content(&labels, &ids, share);
                    let trained = |class: u8| {
                        labels.iter().zip(&parts).any(|(&label, &part)| label == class && part == Part::Train)
                    };
                    assert!(!chosen(&parts).is_empty() && parts.contains(&Part::Train), "{count} {share}");
                    // Two classes of one image each cannot both be trained on.
                    assert!(count == 2 || (trained(0) && trained(1)), "{count} {share} {seed}");
                }
            }
        }
        assert_eq!(by_content(&[0; 3], &[7; 3], 0.1), [Part::Test, Part::Train, Part::Train], "all are alike");
    }

    #[test]
    fn a_list_keeps_the_parts_of_a_run() {
        let entries = |ids: &[u64]| ids.iter().map(|&id| Entry { id, path: None }).collect();
        let list = ImageList { train: entries(&[1, 2, 2]), test: entries(&[3, 2]) };
        use Part::{Neither, Test, Train};
        // Held out: of the copies of 2, the first.
        assert_eq!(
            by_list(&list, &[2, 1, 9, 2, 3, 2, 2], &[Test; 7]),
            [Test, Train, Neither, Train, Test, Train, Neither]
        );
        // In separate folders; 1 was moved into that of the test set.
        assert_eq!(
            by_list(&list, &[2, 2, 3, 2, 1], &[Train, Train, Test, Test, Test]),
            [Train, Train, Test, Test, Train]
        );
    }

    #[test]
    fn both_sets_together_are_all() {
        let all = Split { images: (0..12).collect(), labels: vec![0, 1, 2, 3, 4, 5], count: 6 };
        use Part::{Neither, Test, Train};
        let (train, test) = divide(all, &[Train, Test, Neither, Train, Test, Train]).unwrap();
        assert_eq!((train.images.into_vec(), train.labels, train.count), (vec![0, 1, 6, 7, 10, 11], vec![0, 3, 5], 3));
        assert_eq!((test.images.into_vec(), test.labels, test.count), (vec![2, 3, 8, 9], vec![1, 4], 2));
    }
}
