//! The test set of data that has none.

use super::dataset::Split;

/// Moves about `share` of the images into a test set, evenly over the images of each class: training set and test set,
/// both in the order of `all`. The same labels and share always give the same sets, each of at least one image.
///
/// # Panics
/// When there are fewer than two images.
pub(super) fn split(mut all: Split, share: f64) -> (Split, Split) {
    let held_out = select(&all.labels, share);
    let pixels = all.images.len() / all.count;
    let mut test = Split::default();
    let mut kept = 0;
    for (number, &held_out) in held_out.iter().enumerate() {
        let image = number * pixels..(number + 1) * pixels;
        if held_out {
            test.images.extend_from_slice(&all.images[image]);
            test.labels.push(all.labels[number]);
        } else {
            // The training set stays in its memory: a large one does not fit twice.
            all.images.copy_within(image, kept * pixels);
            all.labels[kept] = all.labels[number];
            kept += 1;
        }
    }
    test.count = test.labels.len();
    all.images.truncate(kept * pixels);
    all.images.shrink_to_fit();
    all.labels.truncate(kept);
    (Split { count: kept, ..all }, test)
}

/// True for each image that is held out: sorted by class, every (1 / `share`)th, from the middle of the first interval.
fn select(labels: &[u8], share: f64) -> Vec<bool> {
    let count = labels.len();
    assert!(count >= 2, "{count} images have no two splits");
    let mut by_class: Vec<usize> = (0..count).collect();
    by_class.sort_by_key(|&number| labels[number]);
    let wanted = ((count as f64 * share).round() as usize).clamp(1, count - 1);
    let mut held_out = vec![false; count];
    for interval in 0..wanted {
        held_out[by_class[(2 * interval + 1) * count / (2 * wanted)]] = true;
    }
    held_out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(labels: &[u8], share: f64) -> Vec<usize> {
        let held_out = select(labels, share);
        (0..labels.len()).filter(|&number| held_out[number]).collect()
    }

    #[test]
    fn held_out_images_are_spread_evenly_over_every_class() {
        assert_eq!(chosen(&[0; 10], 0.2), [2, 7]);
        // Two classes that alternate: each gives every fifth of its own.
        let labels: Vec<u8> = (0..40).map(|number| number % 2).collect();
        assert_eq!(chosen(&labels, 0.2), [4, 5, 14, 15, 24, 25, 34, 35]);
        let labels: Vec<u8> = (0..1000).map(|number| (number * number % 7) as u8).collect();
        let held_out = chosen(&labels, 0.1);
        assert_eq!(held_out.len(), 100);
        for class in 0..7 {
            let all = labels.iter().filter(|&&label| label == class).count() as f64;
            let taken = held_out.iter().filter(|&&number| labels[number] == class).count() as f64;
            assert!((taken - 0.1 * all).abs() <= 1.0, "{taken} of {all}");
        }
    }

    #[test]
    fn both_sets_have_an_image_and_together_they_are_all() {
        for (count, share) in [(2, 0.001), (2, 0.999), (3, 0.5), (11, 0.1)] {
            let all =
                Split { images: (0..2 * count).collect(), labels: vec![0; count as usize], count: count as usize };
            let (train, test) = split(all, share);
            assert!(train.count >= 1 && test.count >= 1 && train.count + test.count == count as usize);
            assert_eq!((train.images.len(), test.labels.len()), (2 * train.count, test.count));
            let mut images = [train.images.clone(), test.images].concat();
            assert!(train.images.is_sorted());
            images.sort_unstable();
            assert_eq!(images, (0..2 * count).collect::<Vec<u8>>());
        }
    }
}
