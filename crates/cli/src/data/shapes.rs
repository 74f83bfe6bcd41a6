//! The built-in shapes: 32 × 32 colour images, each of one shape in one colour on a plain ground. The built-in outlines
//! are the same shapes as lines of their colour on white, image by image.
//!
//! They are drawn from Philox words with additions, products, quotients and square roots only, which every machine
//! rounds alike: the images are the same everywhere.

use super::dataset::{SizedSplit, Split, Splits};
use gpu_core::random::{key, philox, unit};
use rayon::prelude::*;

const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE * 3;
const SEED: u64 = 0;
/// The second word of every counter, apart from the streams of training: “shap”.
const STREAM: u32 = u32::from_be_bytes(*b"shap");

/// Images of each class in the training set and in the test set.
const EACH: [usize; 2] = [250, 50];

/// Width of an outline, in pixels.
const THICKNESS: f64 = 2.0;

const COLOURS: [(&str, [f64; 3]); 6] = [
    ("red", [0.86, 0.16, 0.18]),
    ("orange", [0.96, 0.55, 0.10]),
    ("yellow", [0.97, 0.86, 0.20]),
    ("green", [0.18, 0.65, 0.28]),
    ("blue", [0.16, 0.38, 0.88]),
    ("purple", [0.58, 0.24, 0.72]),
];

const SHAPES: [(&str, Shape); 4] =
    [("circle", Shape::Circle), ("square", Shape::Square), ("triangle", Shape::Triangle), ("star", Shape::Star)];

#[derive(Clone, Copy)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
}

/// Draws the set: 6,000 training and 1,200 test images, the classes in turn.
pub(super) fn draw() -> Splits {
    draw_as(Scene::paint)
}

/// Draws the outlines of the same shapes in the same order.
pub(super) fn draw_outlines() -> Splits {
    draw_as(Scene::outline)
}

/// Draws scenes in some way.
fn draw_as(paint: fn(&Scene, &mut [u8])) -> Splits {
    let [train, test] = [0, 1].map(|split| draw_split(split, EACH[split] * classes().len(), paint));
    Splits { train, test: Some(test), classes: classes() }
}

fn classes() -> Vec<String> {
    SHAPES.iter().flat_map(|(shape, _)| COLOURS.iter().map(move |(colour, _)| format!("{colour} {shape}"))).collect()
}

fn draw_split(split: usize, count: usize, paint: fn(&Scene, &mut [u8])) -> SizedSplit {
    let label = |number: usize| number % (SHAPES.len() * COLOURS.len());
    let mut images = vec![0; count * PIXELS];
    images.par_chunks_exact_mut(PIXELS).enumerate().for_each(|(number, picture)| {
        let (shape, colour) = (label(number) / COLOURS.len(), label(number) % COLOURS.len());
        let mut draws = Draws::new(number as u32, split as u32);
        paint(&Scene::new(SHAPES[shape].1, COLOURS[colour].1, &mut draws), picture);
    });
    let labels = (0..count).map(|number| label(number) as u8).collect();
    SizedSplit { split: Split { images: images.into(), labels, count }, size: [SIDE, SIDE, 3] }
}

/// Sequential numbers in (0, 1) for one image of one split.
struct Draws {
    counter: [u32; 4],
    words: [u32; 4],
    used: usize,
}

impl Draws {
    fn new(picture: u32, split: u32) -> Self {
        Self { counter: [0, STREAM, picture, split], words: [0; 4], used: 4 }
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        if self.used == 4 {
            self.words = philox(self.counter, key(SEED));
            self.counter[0] += 1;
            self.used = 0;
        }
        self.used += 1;
        low + (high - low) * unit(self.words[self.used - 1])
    }

    /// A direction, each as likely: cosine and sine of an angle.
    fn direction(&mut self) -> [f64; 2] {
        // A point of the disc has one; sines could differ between machines.
        loop {
            let [x, y] = [self.between(-1.0, 1.0), self.between(-1.0, 1.0)];
            let square = x * x + y * y;
            if square > 0.01 && square <= 1.0 {
                return [x / square.sqrt(), y / square.sqrt()];
            }
        }
    }
}

/// The content of an image; lengths in pixels, colours in [0, 1].
struct Scene {
    shape: Shape,
    colour: [f64; 3],
    centre: [f64; 2],
    radius: f64,
    turn: [f64; 2],
    ground: [f64; 3],
    /// Increase of the ground's brightness a pixel to the right and down.
    slope: [f64; 2],
}

impl Scene {
    fn new(shape: Shape, colour: [f64; 3], draws: &mut Draws) -> Self {
        let brightness = draws.between(0.88, 1.0);
        let radius = draws.between(7.0, 11.0);
        // A corner's blur goes a pixel beyond it, and the outermost pixels' middles are half a pixel from the rim.
        let room = SIDE as f64 / 2.0 - 1.5 - radius * shape.reach();
        let middle = SIDE as f64 / 2.0;
        let centre = [0, 1].map(|_| middle + draws.between(-room, room));
        let turn = draws.direction();
        let tone = match draws.between(0.0, 1.0) {
            dark if dark < 0.5 => draws.between(0.04, 0.22),
            _ => draws.between(0.80, 0.96),
        };
        let ground = [0, 1, 2].map(|_| tone + draws.between(-0.04, 0.04));
        let steepness = draws.between(0.0, 0.003);
        let slope = draws.direction().map(|component| component * steepness);
        Self { shape, colour: colour.map(|channel| channel * brightness), centre, radius, turn, ground, slope }
    }

    /// The distance of a pixel's middle to the shape's edge, negative within, in pixels.
    fn distance(&self, [x, y]: [f64; 2]) -> f64 {
        let [dx, dy] = [x - self.centre[0], y - self.centre[1]];
        let [cos, sin] = self.turn;
        let turned = [(cos * dx + sin * dy) / self.radius, (cos * dy - sin * dx) / self.radius];
        self.radius * self.shape.distance(turned)
    }

    /// Fills an image of [`PIXELS`] bytes with the shape's outline, as far within its edge as it is thick.
    fn outline(&self, picture: &mut [u8]) {
        for (at, pixel) in picture.chunks_exact_mut(3).enumerate() {
            let distance = self.distance([(at % SIDE) as f64 + 0.5, (at / SIDE) as f64 + 0.5]);
            let line = (0.5 + THICKNESS / 2.0 - (distance + THICKNESS / 2.0).abs()).clamp(0.0, 1.0);
            for (byte, colour) in pixel.iter_mut().zip(self.colour) {
                *byte = (255.0 * (1.0 + line * (colour - 1.0)).clamp(0.0, 1.0)).round() as u8;
            }
        }
    }

    /// Fills an image of [`PIXELS`] bytes.
    fn paint(&self, picture: &mut [u8]) {
        for (at, pixel) in picture.chunks_exact_mut(3).enumerate() {
            let [x, y] = [(at % SIDE) as f64 + 0.5, (at / SIDE) as f64 + 0.5];
            // The part of the pixel that the shape covers, as if its edge were straight there.
            let covered = (0.5 - self.distance([x, y])).clamp(0.0, 1.0);
            let middle = SIDE as f64 / 2.0;
            let light = self.slope[0] * (x - middle) + self.slope[1] * (y - middle);
            for (channel, byte) in pixel.iter_mut().enumerate() {
                let ground = self.ground[channel] + light;
                let value = ground + covered * (self.colour[channel] - ground);
                *byte = (255.0 * value.clamp(0.0, 1.0)).round() as u8;
            }
        }
    }
}

impl Shape {
    /// Distance of the farthest point from the centre, for a radius of 1; all shapes cover about the same area.
    fn reach(self) -> f64 {
        match self {
            Self::Circle => 0.9,
            Self::Square => 0.8 * std::f64::consts::SQRT_2,
            Self::Triangle => 1.2,
            Self::Star => 1.25,
        }
    }

    /// The distance of a point to its edge, negative within, for a radius of 1.
    fn distance(self, [x, y]: [f64; 2]) -> f64 {
        match self {
            Self::Circle => (x * x + y * y).sqrt() - 0.9,
            Self::Square => x.abs().max(y.abs()) - 0.8,
            // Three lines, each half as far from the centre as the corners are.
            Self::Triangle => (y.max(SIN_60 * x.abs() - 0.5 * y)) - 0.6,
            Self::Star => star([x, y], 1.25),
        }
    }
}

const SIN_60: f64 = 0.866_025_403_784_438_6;
const SIN_36: f64 = 0.587_785_252_292_473_1;
const COS_36: f64 = 0.809_016_994_374_947_5;
/// Distance of the inner corners of a star from its centre, as a share of the outer ones.
const WAIST: f64 = 0.48;

/// The distance to a five-pointed star with corners `reach` from its centre: the point is folded into the sector of
/// one edge. Source: I. Quilez, *2D distance functions*, “Star 5”.
fn star([x, y]: [f64; 2], reach: f64) -> f64 {
    let fold = |[x, y]: [f64; 2], [nx, ny]: [f64; 2]| {
        let beyond = 2.0 * (x * nx + y * ny).max(0.0);
        [x - beyond * nx, y - beyond * ny]
    };
    let [x, y] = fold(fold([x.abs(), y], [COS_36, -SIN_36]), [-COS_36, -SIN_36]);
    let [x, y] = [x.abs(), y - reach];
    let [edge_x, edge_y] = [WAIST * SIN_36, WAIST * COS_36 - 1.0];
    let along = ((x * edge_x + y * edge_y) / (edge_x * edge_x + edge_y * edge_y)).clamp(0.0, reach);
    let [off_x, off_y] = [x - along * edge_x, y - along * edge_y];
    let distance = (off_x * off_x + off_y * off_y).sqrt();
    if y * edge_x > x * edge_y { distance } else { -distance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::data::DataOptions;
    use crate::data::DataSet;

    fn load() -> DataSet {
        DataSet::load(&DataOptions { source: "shapes".into(), ..DataOptions::default() }).unwrap()
    }

    #[test]
    fn they_never_change() {
        assert_eq!(load().fingerprint(), "6000x32x32x3-3588c434");
    }

    #[test]
    fn classes_are_balanced_and_named() {
        let shapes = load();
        assert_eq!((shapes.classes.len(), shapes.train.count, shapes.test.count), (24, 6000, 1200));
        assert_eq!((shapes.classes[0].as_str(), shapes.classes[23].as_str()), ("red circle", "purple star"));
        for (split, each) in [(&shapes.train, 250), (&shapes.test, 50)] {
            for class in 0..24 {
                assert_eq!(split.labels.iter().filter(|&&label| label == class).count(), each);
            }
        }
    }

    #[test]
    fn no_two_pictures_are_the_same_and_none_touches_its_rim() {
        let shapes = load();
        let all = [&shapes.train.images[..], &shapes.test.images].concat();
        let pictures: std::collections::BTreeSet<&[u8]> = all.chunks(PIXELS).collect();
        assert_eq!(pictures.len(), 7200);
        // Along the rim there is only the ground, which changes slowly.
        for picture in pictures {
            let top: Vec<u8> = picture[..SIDE * 3].iter().step_by(3).copied().collect();
            assert!(top.windows(2).all(|two| two[0].abs_diff(two[1]) <= 1), "{top:?}");
        }
    }

    /// By counting points, against closed forms.
    #[test]
    fn shapes_cover_their_area() {
        let area = |shape: Shape| {
            let steps = 1000;
            let at = |step: usize| (step as f64 + 0.5) / steps as f64 * 3.0 - 1.5;
            let inside = (0..steps * steps).filter(|i| shape.distance([at(i % steps), at(i / steps)]) < 0.0).count();
            9.0 * inside as f64 / (steps * steps) as f64
        };
        let near = |shape: Shape, expected: f64| assert!((area(shape) - expected).abs() < 0.01, "{}", area(shape));
        near(Shape::Circle, std::f64::consts::PI * 0.81);
        near(Shape::Square, 2.56);
        near(Shape::Triangle, 3.0 * 3f64.sqrt() / 4.0 * 1.44);
        near(Shape::Star, 10.0 * 0.5 * 1.25 * WAIST * 1.25 * SIN_36);
    }
}
