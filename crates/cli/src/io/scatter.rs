//! Scatter plots of points in the plane.

use image::{DynamicImage, Rgb, RgbImage};

/// Side of a plot in pixels.
const SIDE: usize = 600;
/// Grey of the axes.
const AXIS: [f32; 3] = [225.0; 3];
/// Colours of real points and of others, their opacity, and the radius of a dot in pixels.
const REAL: Dot = Dot { colour: [150.0; 3], opacity: 0.35, radius: 1.6 };
const OTHER: Dot = Dot { colour: [20.0, 90.0, 200.0], opacity: 0.5, radius: 1.6 };

struct Dot {
    colour: [f32; 3],
    opacity: f32,
    radius: f32,
}

/// A square plot of [−reach, reach]² with `points` in blue over `real` ones in grey, both [n, 2]. The second coordinate
/// points up. Points outside, and those that are not numbers, are left out.
pub fn scatter(points: &[f32], real: &[f32], reach: f32) -> DynamicImage {
    let mut plot = vec![[255.0; 3]; SIDE * SIDE];
    for at in 0..SIDE {
        for middle in [SIDE / 2 - 1, SIDE / 2] {
            plot[middle * SIDE + at] = AXIS;
            plot[at * SIDE + middle] = AXIS;
        }
    }
    for (points, dot) in [(real, REAL), (points, OTHER)] {
        points.chunks_exact(2).for_each(|point| dot.put(&mut plot, point, reach));
    }
    let pixel = |x: u32, y: u32| Rgb(plot[y as usize * SIDE + x as usize].map(|value| value.round() as u8));
    RgbImage::from_fn(SIDE as u32, SIDE as u32, pixel).into()
}

impl Dot {
    /// Blends a dot into a plot, with a soft rim of a pixel.
    fn put(&self, plot: &mut [[f32; 3]], point: &[f32], reach: f32) {
        let half = SIDE as f32 / 2.0;
        let (x, y) = (half + half * point[0] / reach, half - half * point[1] / reach);
        let side = 0.0..SIDE as f32;
        if !side.contains(&x) || !side.contains(&y) {
            return;
        }
        let pixels = |at: f32| (at - self.radius - 1.0).max(0.0) as usize..SIDE.min((at + self.radius + 2.0) as usize);
        for row in pixels(y) {
            for column in pixels(x) {
                let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
                let share = self.opacity * (self.radius + 0.5 - distance).clamp(0.0, 1.0);
                let pixel = &mut plot[row * SIDE + column];
                pixel.iter_mut().zip(self.colour).for_each(|(value, colour)| *value += share * (colour - *value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_where_they_belong() {
        let plot = scatter(&[1.0, 0.5, 9.0, 9.0, f32::NAN, 0.0], &[-1.0, -1.0], 2.0).into_rgb8();
        let at = |x: u32, y: u32| plot.get_pixel(x, y).0;
        let [red, _, blue] = at(450, 225);
        assert!(blue > red + 40, "a blue dot at the upper right: {:?}", at(450, 225));
        assert!(at(150, 450)[0] < 240, "a grey dot at the lower left");
        let dark = plot.pixels().filter(|pixel| pixel.0[0] < 220).count();
        assert!((10..40).contains(&dark), "{dark} pixels: points outside and NaN are left out");
        assert_eq!((at(10, 10), at(300, 10)), ([255; 3], [225; 3]));
    }
}
