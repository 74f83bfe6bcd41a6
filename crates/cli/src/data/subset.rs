//! A seeded, stratified subset of a data set.

use super::dataset::Split;
use xxhash_rust::xxh3::xxh3_64_with_seed;

impl Split {
    /// The rows of `count` images, in ascending order: of each class as many as its share of the images, to within one,
    /// and within a class at random by `seed`.
    ///
    /// The draw depends on the images and not on their order, so that files sorted by class give the same images as
    /// shuffled ones. Every row is drawn if `count` is the number of images.
    ///
    /// # Panics
    /// If there are fewer images.
    pub fn subset(&self, count: usize, seed: u64) -> Vec<usize> {
        assert!(count <= self.count, "{count} of {} images", self.count);
        let mut classes = vec![Vec::new(); 256];
        self.labels.iter().enumerate().for_each(|(row, &label)| classes[usize::from(label)].push(row));
        let shares = shares(&classes.iter().map(Vec::len).collect::<Vec<_>>(), count, seed);
        let mut drawn = Vec::with_capacity(count);
        for (mut rows, share) in classes.into_iter().zip(shares) {
            if share < rows.len() {
                rows.sort_by_cached_key(|&row| xxh3_64_with_seed(self.image(row), seed));
            }
            drawn.extend(&rows[..share]);
        }
        drawn.sort_unstable();
        drawn
    }

    /// The bytes of one image: height × width × channels.
    pub fn image(&self, row: usize) -> &[u8] {
        let pixels = self.images.len() / self.count;
        &self.images[row * pixels..(row + 1) * pixels]
    }

    /// Some images, as values from 0 (black) to 1 (white): `rows.len()` × height × width × channels.
    pub fn values(&self, rows: &[usize]) -> Vec<f32> {
        rows.iter().flat_map(|&row| self.image(row)).map(|&byte| f32::from(byte) / 255.0).collect()
    }
}

/// `count` divided in proportion to `sizes`, by the largest remainders; equal remainders take turns at random.
fn shares(sizes: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let all = sizes.iter().sum::<usize>().max(1) as u128;
    let product = |size: usize| size as u128 * count as u128;
    let mut shares: Vec<usize> = sizes.iter().map(|&size| (product(size) / all) as usize).collect();
    let mut classes: Vec<usize> = (0..sizes.len()).collect();
    classes.sort_by_cached_key(|&class| {
        (std::cmp::Reverse(product(sizes[class]) % all), xxh3_64_with_seed(&class.to_le_bytes(), seed))
    });
    let left = count - shares.iter().sum::<usize>();
    classes[..left].iter().for_each(|&class| shares[class] += 1);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Images of two bytes with such labels; no two are the same.
    fn split(labels: Vec<u8>) -> Split {
        let images = (0..labels.len()).flat_map(|row| (row as u16).to_le_bytes()).collect();
        Split { images, count: labels.len(), labels }
    }

    /// The same images in another order.
    fn reordered(split: &Split, order: &[usize]) -> Split {
        let images = order.iter().flat_map(|&row| split.image(row)).copied().collect();
        Split { images, labels: order.iter().map(|&row| split.labels[row]).collect(), count: split.count }
    }

    #[test]
    fn the_order_of_the_images_does_not_matter() {
        let sorted = split((0..1000).map(|row| (row / 100) as u8).collect());
        let shuffled = reordered(&sorted, &(0..1000).map(|row| row * 7 % 1000).collect::<Vec<_>>());
        let images = |split: &Split, rows: Vec<usize>| -> BTreeSet<Vec<u8>> {
            rows.into_iter().map(|row| split.image(row).to_vec()).collect()
        };
        for (count, seed) in [(1, 0), (3, 1), (64, 0), (64, 1), (995, 2)] {
            let [of_sorted, of_shuffled] = [&sorted, &shuffled].map(|split| images(split, split.subset(count, seed)));
            assert_eq!((of_sorted.len(), &of_sorted), (count, &of_shuffled), "{count}, seed {seed}");
        }
        assert!(sorted.subset(64, 0) != sorted.subset(64, 1), "a seed draws others");
        assert!(sorted.subset(64, 0).is_sorted());
        assert_eq!(sorted.subset(1000, 5), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn every_class_has_its_share() {
        // 300 of class 0, 100 of class 1, 3 of class 200.
        let labels = [vec![0; 300], vec![1; 100], vec![200; 3]].concat();
        let split = split(labels);
        let of = |count: usize, class: u8| {
            split.subset(count, 7).into_iter().filter(|&row| split.labels[row] == class).count()
        };
        assert_eq!([of(40, 0), of(40, 1), of(40, 200)], [30, 10, 0]);
        assert_eq!([of(400, 0), of(400, 1), of(400, 200)], [298, 99, 3]);
        // Fewer images than classes: other classes for other seeds.
        let many = self::split((0..200).collect());
        let first = |seed| many.subset(1, seed)[0];
        assert!((1..9).any(|seed| first(seed) != first(0)));
    }

    /// Draws of 1 of 4 images under many seeds: χ² with 3 degrees of freedom stays below its 0.1 % quantile.
    #[test]
    fn every_image_is_as_likely() {
        let split = split(vec![0; 4]);
        let mut counts = [0.0; 4];
        (0..4000).for_each(|seed| counts[split.subset(1, seed)[0]] += 1.0);
        let chi: f64 = counts.iter().map(|count: &f64| (count - 1000.0).powi(2) / 1000.0).sum();
        assert!(chi < 16.3, "{counts:?}");
    }

    #[test]
    fn values_are_shares_of_white() {
        let split = Split { images: vec![0, 51, 255, 102].into(), labels: vec![0, 0], count: 2 };
        assert_eq!(split.values(&[1, 0]), [1.0, 0.4, 0.0, 0.2]);
    }
}
