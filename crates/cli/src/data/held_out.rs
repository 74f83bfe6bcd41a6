//! The test part of data that has none of its own.

use super::Split;

/// Takes about `share` of the pictures out, evenly over the pictures of each class: training part and test part, both
/// in the order of `all`. The same labels and share always give the same parts, each of at least one picture.
///
/// # Panics
/// When there are fewer than two pictures.
pub(super) fn split(all: Split, share: f64) -> (Split, Split) {
    let held_out = select(&all.labels, share);
    let pixels = all.images.len() / all.count;
    let part = |taken: bool| {
        let mut part = Split { images: Vec::new(), labels: Vec::new(), count: 0 };
        for number in (0..all.count).filter(|&number| held_out[number] == taken) {
            part.images.extend_from_slice(&all.images[number * pixels..][..pixels]);
            part.labels.push(all.labels[number]);
            part.count += 1;
        }
        part
    };
    (part(false), part(true))
}

/// Whether each picture is held out. Sorted by class, every (1 / `share`)th is, from the middle of the first stretch.
fn select(labels: &[u8], share: f64) -> Vec<bool> {
    let count = labels.len();
    assert!(count >= 2, "{count} pictures have no two parts");
    let mut by_class: Vec<usize> = (0..count).collect();
    by_class.sort_by_key(|&number| labels[number]);
    let wanted = ((count as f64 * share).round() as usize).clamp(1, count - 1);
    let mut held_out = vec![false; count];
    for stretch in 0..wanted {
        held_out[by_class[(2 * stretch + 1) * count / (2 * wanted)]] = true;
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
    fn it_is_spread_evenly_over_every_class() {
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
    fn both_parts_have_a_picture_and_together_they_are_all() {
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
