//! The sides of a data set for image-to-image translation: their images, sizes and numbers.
//!
//! Data of one side has side 0 alone, which is all of it.

use super::channels::convert;
use super::dataset::{DataSet, Sides, Split};
use super::image_list::ImageList;
use super::pixels::Pixels;
use std::borrow::Cow;

impl DataSet {
    /// Two sets of images of one size without pairs, as the sides of one with these names.
    pub(super) fn unpaired(a: Self, b: Self, names: [String; 2]) -> Self {
        let sides = Sides::Unpaired { train: a.train.count, test: a.test.count };
        let size = [a.height, a.width, a.channels];
        let both = |a: Split, b: Split| {
            let labels = [vec![0; a.count], vec![1; b.count]].concat();
            let mut images = a.images;
            images.to_mut().extend_from_slice(&b.images);
            Split { images, labels, count: a.count + b.count }
        };
        let list =
            ImageList { train: [a.list.train, b.list.train].concat(), test: [a.list.test, b.list.test].concat() };
        let mut data = Self::new(a.name, both(a.train, b.train), both(a.test, b.test), size, names.into());
        (data.list, data.sides) = (list, Some(sides));
        data
    }

    /// Number of sides: 1 or 2.
    pub fn side_total(&self) -> usize {
        if self.sides.is_some() { 2 } else { 1 }
    }

    /// Training images of an epoch: of two sets without pairs, those of the larger one.
    pub fn epoch_images(&self) -> usize {
        match self.sides {
            Some(Sides::Unpaired { .. }) => (0..2).map(|side| self.side_count(&self.train, side)).max().unwrap_or(0),
            Some(Sides::Paired { .. }) | None => self.train.count,
        }
    }

    /// Number of images that a side has in a split.
    pub fn side_count(&self, split: &Split, side: usize) -> usize {
        match self.sides {
            Some(Sides::Unpaired { .. }) => self.rows_of_side(split, side).len(),
            Some(Sides::Paired { .. }) | None => split.count,
        }
    }

    /// Height, width and channels of a side's images.
    pub fn side_size(&self, side: usize) -> [usize; 3] {
        let channels = match self.sides {
            Some(Sides::Paired { channels }) => channels[side],
            Some(Sides::Unpaired { .. }) | None => self.channels,
        };
        [self.height, self.width, channels]
    }

    /// Bytes of the images of one side, `count` × height × width × channels: of all, or of these rows. Rows count
    /// within the side; of pairs, a row has one number on both sides.
    ///
    /// # Panics
    /// If the side has no such row.
    pub fn side<'a>(&self, split: &'a Split, side: usize, rows: Option<&[usize]>) -> Cow<'a, [u8]> {
        let pixels = split.images.len() / split.count.max(1);
        let of_side = self.rows_of_side(split, side);
        let Some(Sides::Paired { channels }) = self.sides else {
            return match rows {
                None => split.images[of_side.start * pixels..of_side.end * pixels].into(),
                Some(rows) => {
                    let row = |&row: &usize| {
                        assert!(row < of_side.len(), "row {row} of {} images", of_side.len());
                        split.image(of_side.start + row)
                    };
                    rows.iter().map(row).collect::<Vec<_>>().concat().into()
                }
            };
        };
        let first = if side == 0 { 0 } else { channels[0] };
        let of_image = |image: &'a [u8]| {
            image.chunks_exact(self.channels).flat_map(move |pixel| &pixel[first..first + channels[side]]).copied()
        };
        match rows {
            None => of_image(&split.images).collect(),
            Some(rows) => rows.iter().flat_map(|&row| of_image(split.image(row))).collect(),
        }
    }

    /// Labels of the images of one side, of all or of these rows; 0 where there are two sides.
    pub fn side_labels(&self, split: &Split, side: usize, rows: Option<&[usize]>) -> Vec<u8> {
        match (self.sides, rows) {
            (Some(_), rows) => vec![0; rows.map_or(self.side_count(split, side), <[usize]>::len)],
            (None, Some(rows)) => rows.iter().map(|&row| split.labels[row]).collect(),
            (None, None) => split.labels.clone(),
        }
    }

    /// Variance of a side's bytes of the training set over 255, or of the coordinates of points. Computed at the first
    /// call and kept.
    pub fn side_variance(&self, side: usize) -> f64 {
        let of_bytes = |side: usize| Pixels::of(self.side(&self.train, side, None).iter()).variance;
        match self.sides {
            None => self.variance(),
            Some(_) => self.side_variances.get_or_init(|| [0, 1].map(of_bytes))[side],
        }
    }

    /// Names of both sides, for messages.
    pub fn side_names(&self) -> [&str; 2] {
        match (self.sides, &self.classes[..]) {
            (Some(Sides::Unpaired { .. }), [a, b]) => [a, b],
            _ => ["A", "B"],
        }
    }

    /// Test images that one pass over the test set takes: without pairs, as many as the smaller side has.
    pub fn tests(&self) -> usize {
        (0..self.side_total()).map(|side| self.side_count(&self.test, side)).min().unwrap_or_default()
    }

    /// Rows of `count` test images, below [`DataSet::tests`]: of each class its share, by `seed`.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn test_rows(&self, count: usize, seed: u64) -> Vec<usize> {
        let Some(Sides::Unpaired { .. }) = self.sides else { return self.test.subset(count, seed) };
        let rows: Vec<usize> = (0..self.tests()).collect();
        let images = self.side(&self.test, 0, Some(&rows)).into_owned();
        Split { images: images.into(), labels: vec![0; rows.len()], count: rows.len() }.subset(count, seed)
    }

    /// Both sides of these rows as one image each, A on the left: values from 0 to 1 and the height, width and channels
    /// of such an image. It has colours if one of the sides has.
    ///
    /// # Panics
    /// If there are no two sides, or a side has no such row.
    pub fn side_by_side(&self, split: &Split, rows: &[usize]) -> (Vec<f32>, [usize; 3]) {
        let channels = [0, 1].map(|side| self.side_size(side)[2]);
        let to = channels[0].max(channels[1]);
        let of_side = |side: usize| convert(self.side(split, side, Some(rows)).into_owned(), channels[side], to);
        let [a, b] = [0, 1].map(of_side);
        let lines = a.chunks_exact(self.width * to).zip(b.chunks_exact(self.width * to));
        let values = lines.flat_map(|(a, b)| a.iter().chain(b)).map(|&byte| f32::from(byte) / 255.0).collect();
        (values, [self.height, 2 * self.width, to])
    }

    /// The images of a split, for messages: `300 images of photos`, `300 pairs of photos`, or for two sides without
    /// pairs `300 images of photos and 200 of paintings`.
    pub fn described(&self, split: &Split) -> String {
        let (count, name) = (split.count, &self.name);
        match self.sides {
            None => format!("{count} {}s of {name}", self.noun()),
            Some(Sides::Paired { .. }) => format!("{count} pairs of {name}"),
            Some(Sides::Unpaired { .. }) => {
                let ([a, b], [of_a, of_b]) = (self.side_names(), [0, 1].map(|side| self.side_count(split, side)));
                format!("{of_a} images of {a} and {of_b} of {b}")
            }
        }
    }

    /// A data set of one black image on each side, of `size`, for models that are not trained: [`DataSet::black`] with
    /// such sides.
    pub fn black_sides(size: [usize; 3], classes: Vec<String>, sides: Option<Sides>) -> Self {
        let mut black = Self::black(size, classes);
        black.sides = sides;
        if sides.is_none() {
            return black;
        }
        let (name, channels) = (black.name.clone(), black.given_channels());
        let test = Split { images: vec![0; size[0] * size[1] * channels].into(), labels: vec![0], count: 1 };
        black.with_given(name, test, channels)
    }

    /// The same data with other test images, of `channels`. Of two sides, each has all of them: a model translates them
    /// in either direction. The training set of each side is then one black image.
    pub fn with_given(self, name: String, test: Split, channels: usize) -> Self {
        let size @ [height, width, _] = [self.height, self.width, self.channels];
        let Some(sides) = self.sides else {
            return Self::new(name, self.train, test, size, self.classes);
        };
        let both = |split: Split| match sides {
            Sides::Unpaired { .. } => {
                let labels = [vec![0; split.count], vec![1; split.count]].concat();
                Split { images: split.images.repeat(2).into(), labels, count: 2 * split.count }
            }
            Sides::Paired { channels: to } => {
                let [a, b] = to.map(|to| convert(split.images.to_vec(), channels, to));
                Split { images: interleaved([&a, &b], to).into(), labels: vec![0; split.count], count: split.count }
            }
        };
        let black = Split { images: vec![0; height * width * channels].into(), labels: vec![0], count: 1 };
        let sides_now = match sides {
            Sides::Unpaired { .. } => Sides::Unpaired { train: 1, test: test.count },
            Sides::Paired { .. } => sides,
        };
        let mut data = Self::new(name, both(black), both(test), size, self.classes);
        data.sides = Some(sides_now);
        data
    }

    /// Channels of an image that is given for either side: those of the side with more.
    pub fn given_channels(&self) -> usize {
        (0..self.side_total()).map(|side| self.side_size(side)[2]).max().unwrap_or(self.channels)
    }

    /// Rows of a side in a split without pairs; all of them otherwise.
    fn rows_of_side(&self, split: &Split, side: usize) -> std::ops::Range<usize> {
        match (self.sides, side) {
            (Some(Sides::Unpaired { .. }), 0) => 0..split.labels.partition_point(|&label| label == 0),
            (Some(Sides::Unpaired { .. }), _) => split.labels.partition_point(|&label| label == 0)..split.count,
            _ => 0..split.count,
        }
    }
}

/// Pixels of both sides as pixels with the channels of A, then those of B.
pub(super) fn interleaved([a, b]: [&[u8]; 2], channels: [usize; 2]) -> Vec<u8> {
    let pixels = a.chunks_exact(channels[0]).zip(b.chunks_exact(channels[1]));
    pixels.flat_map(|(a, b)| a.iter().chain(b)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_images_are_on_both_sides() {
        let given = Split { images: vec![7; 12].into(), labels: vec![3], count: 1 };
        let unpaired =
            DataSet::black_sides([2, 2, 3], vec!["a".into(), "b".into()], Some(Sides::Unpaired { train: 1, test: 1 }));
        assert_eq!((unpaired.train.count, unpaired.test.count, unpaired.tests()), (2, 2, 1));
        let data = unpaired.with_given("mine".into(), given.clone(), 3);
        assert_eq!((data.side(&data.test, 1, None), data.tests()), (vec![7; 12].into(), 1));
        let paired = DataSet::black_sides([2, 2, 4], vec!["images".into()], Some(Sides::Paired { channels: [1, 3] }));
        let data = paired.with_given("mine".into(), given, 3);
        assert_eq!(
            (data.side(&data.test, 0, None), data.side(&data.test, 1, None)),
            (vec![7; 4].into(), vec![7; 12].into())
        );
    }
}
