//! The data that a model is built for.

use gpu_core::ops::density::Density;

/// One set of images.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SetSpec {
    /// Training images on the device at once, at most.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Height, width and channels of an image.
    pub image: [usize; 3],
    /// Classes.
    pub classes: usize,
    /// Variance of the training pixels on the scale from black, 0, to white, 1.
    pub variance: f32,
    /// The density of a set of points, which count as images of 1×1 with a channel for each coordinate. Training points
    /// are drawn on the device, new ones in every step.
    pub points: Option<Density>,
}

impl SetSpec {
    /// The shape of `n` images.
    pub fn images(&self, n: usize) -> [usize; 4] {
        let [h, w, c] = self.image;
        [n, h, w, c]
    }

    /// Numbers in an image.
    pub fn width(&self) -> usize {
        self.image.iter().product()
    }
}

/// The word for one of a set with that density, in messages: `point`, or `image` without a density.
pub fn noun(points: Option<Density>) -> &'static str {
    if points.is_some() { "point" } else { "image" }
}

/// The data that a model is built for: one set of images, or several.
#[derive(Clone, PartialEq, Debug)]
pub struct DataSpec {
    /// The sets; there is at least one.
    pub sets: Vec<SetSpec>,
}

impl DataSpec {
    /// The first set, the only one of most families.
    ///
    /// # Panics
    /// When there is none.
    pub fn first(&self) -> &SetSpec {
        self.sets.first().expect("data has at least one set")
    }
}

impl From<SetSpec> for DataSpec {
    fn from(set: SetSpec) -> Self {
        Self { sets: vec![set] }
    }
}

/// One of the two sets of image-to-image translation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The first set.
    A,
    /// The second set.
    B,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// Its place among the sets.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The name on the command line: `a` or `b`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// The numbers that are black and white in a model's images.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range {
    /// Black.
    pub low: f32,
    /// White.
    pub high: f32,
}

impl Range {
    /// From 0 to 1.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0 };
    /// From −1 to 1, the range of tanh.
    pub const TANH: Self = Self { low: -1.0, high: 1.0 };
    /// From −½ to ½.
    pub const CENTRED: Self = Self { low: -0.5, high: 0.5 };

    /// A number of an image on the scale from black, 0, to white, 1.
    pub fn to_unit(self, x: f32) -> f32 {
        (x - self.low) / (self.high - self.low)
    }

    /// The inverse of [`Range::to_unit`].
    pub fn of_unit(self, share: f32) -> f32 {
        self.low + share * (self.high - self.low)
    }
}
