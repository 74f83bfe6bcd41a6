//! Points in the plane, drawn from a named density: data of which everything is known.
//!
//! `y[b] = (shape + σ z − centre) · scale`, where `shape` is a mode, a point of a curve or one of a square, and z is
//! standard normal. Point b is computed from the four words of `philox((order[b], stream, step, 0), seed)`.

use crate::random::{Stream, key};
use crate::schedule::kernel::{Gradient, Kernel, read, write};
use crate::{Buf, Grid, Params, Schedule, functions, params, reference, shader};
use std::f64::consts::{E, PI, SQRT_2, TAU};

kinds! {
    /// A density of points in the plane.
    Density {
        /// Eight normal modes on a circle of radius 2, σ = 0.02 (WGAN-GP: Gulrajani et al., 2017).
        EightGaussians = 0;
        /// A grid of 5×5 normal modes, 2 apart, σ = 0.05 (the same).
        TwentyFiveGaussians = 1;
        /// Two half circles, σ = 0.06 (scikit-learn's `make_moons`).
        Moons = 2;
        /// A spiral of one and a half turns, σ = 0.25 (x and z of scikit-learn's `make_swiss_roll`).
        SwissRoll = 3;
        /// The eight dark squares of a board of 4×4 on [−2, 2]², each point of them equally likely.
        Checkerboard = 4;
    }
}

impl Density {
    /// The name as a data source: `25gaussians`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EightGaussians => "8gaussians",
            Self::TwentyFiveGaussians => "25gaussians",
            Self::Moons => "moons",
            Self::SwissRoll => "swissroll",
            Self::Checkerboard => "checkerboard",
        }
    }

    /// The density of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|density| density.name() == name)
    }

    /// Standard deviation of the noise, before scaling; 0 for none.
    fn noise(self) -> f64 {
        match self {
            Self::EightGaussians => 0.02,
            Self::TwentyFiveGaussians => 0.05,
            Self::Moons => 0.06,
            Self::SwissRoll => 0.25,
            Self::Checkerboard => 0.0,
        }
    }

    /// The point that becomes the origin, and the numbers that divide each coordinate. Moons get a mean of zero and a
    /// variance of one; other densities are scaled as in the publications that use them.
    fn frame(self) -> [[f64; 2]; 2] {
        match self {
            Self::EightGaussians => [[0.0; 2], [1.414; 2]],
            Self::TwentyFiveGaussians => [[0.0; 2], [2.828; 2]],
            // E x² = 1 and E y² = 5/8 − 1/π on the half circles.
            Self::Moons => {
                let variance = [0.75, 0.5625 - 1.0 / PI].map(|of_curve| of_curve + self.noise().powi(2));
                [[0.5, 0.25], variance.map(f64::sqrt)]
            }
            Self::SwissRoll => [[0.0; 2], [7.5; 2]],
            Self::Checkerboard => [[0.0; 2], [1.0; 2]],
        }
    }

    /// The modes of a mixture of normals, all equally likely; empty for other densities.
    pub fn modes(self) -> Vec<[f64; 2]> {
        let [_, [divisor, _]] = self.frame();
        let scaled = |mode: [f64; 2]| mode.map(|x| x / divisor);
        match self {
            Self::EightGaussians => {
                (0..8).map(|k| TAU * f64::from(k) / 8.0).map(|t| scaled([2.0 * t.cos(), 2.0 * t.sin()])).collect()
            }
            Self::TwentyFiveGaussians => {
                let along = |k: i32| f64::from(2 * k - 4);
                (0..25).map(|k| scaled([along(k / 5), along(k % 5)])).collect()
            }
            Self::Moons | Self::SwissRoll | Self::Checkerboard => Vec::new(),
        }
    }

    /// The standard deviation of a mode; `None` for densities that are no mixture of normals.
    pub fn deviation(self) -> Option<f64> {
        let [_, [divisor, _]] = self.frame();
        matches!(self, Self::EightGaussians | Self::TwentyFiveGaussians).then(|| self.noise() / divisor)
    }

    /// The differential entropy, in nats: no model has a lower mean of −log p. Modes of a mixture do not overlap; of
    /// the curves, the integral of −p log p over a grid of 2,400² points.
    pub fn entropy(self) -> f64 {
        let normal = (TAU * E * self.noise().powi(2)).ln();
        let as_made = match self {
            Self::EightGaussians => 8f64.ln() + normal,
            Self::TwentyFiveGaussians => 25f64.ln() + normal,
            Self::Moons => 0.477_05,
            Self::SwissRoll => 4.487_92,
            Self::Checkerboard => 8f64.ln(),
        };
        let [_, divisors] = self.frame();
        as_made - divisors.iter().map(|divisor| divisor.ln()).sum::<f64>()
    }

    /// Half the side of a square around the origin that holds nearly all points.
    pub fn reach(self) -> f32 {
        match self {
            Self::EightGaussians | Self::TwentyFiveGaussians => 1.25 * SQRT_2 as f32,
            Self::Moons | Self::SwissRoll => 2.3,
            Self::Checkerboard => 2.2,
        }
    }

    /// The uniform of a draw of `len` points.
    pub(crate) fn params(self, len: usize, seed: u64, stream: Stream) -> DensityParams {
        let [key0, key1] = key(seed);
        let [[centre_x, centre_y], [scale_x, scale_y]] = self.frame().map(|pair| pair.map(|x| x as f32));
        DensityParams {
            len: len as u32,
            kind: self.code(),
            stream: stream as u32,
            key0,
            key1,
            sigma: self.noise() as f32,
            centre_x,
            centre_y,
            scale_x: 1.0 / scale_x,
            scale_y: 1.0 / scale_y,
        }
    }
}

params! {
    /// The uniform of the kernel.
    pub struct DensityParams {
        /// Points.
        len: u32,
        /// [`Density::code`].
        kind: u32,
        /// The second word of the counter: a [`Stream`].
        stream: u32,
        /// Low word of the seed.
        key0: u32,
        /// High word of the seed.
        key1: u32,
        /// Standard deviation of the noise.
        sigma: f32,
        /// The point that becomes the origin.
        centre_x: f32,
        /// Its second coordinate.
        centre_y: f32,
        /// Multiplies the first coordinate.
        scale_x: f32,
        /// Multiplies the second coordinate.
        scale_y: f32,
    }
}

const INVOCATIONS: usize = 64;

/// Points [rows, 2] of a density.
pub static DENSITY: Kernel = Kernel {
    name: "density",
    op: "density",
    source: shader!("density", "grid", "nan", "elementary", "philox"),
    bindings: &[read("order").of_u32(), read("clock").of_u32(), write("y")],
    params: DensityParams::FIELDS,
    overrides: &["kind"],
    workgroup: [INVOCATIONS as u32, 1, 1],
    variants: &[],
    reference: functions!(reference::density::density),
    gradient: Gradient::None("random, not computed from an input"),
};

/// The kernels of this operator.
pub static KERNELS: &[&Kernel] = &[&DENSITY];

/// The points with the numbers `order`, `u32 [rows]`, of the step that the clock is at, as a new buffer [rows, 2]. The
/// same numbers in another step are other points. `clock` is `u32 [4]`; its first element is the step.
///
/// # Panics
/// If `clock` is not `[4]`.
pub fn density(
    s: &mut Schedule,
    label: &str,
    order: Buf,
    clock: Buf,
    seed: u64,
    stream: Stream,
    density: Density,
) -> Buf {
    assert_eq!(clock.len(), 4, "{label}: the clock has shape {}", clock.shape);
    let y = s.scratch([order.len(), 2]);
    let params = density.params(order.len(), seed, stream);
    let grid = Grid::Linear(order.len().div_ceil(INVOCATIONS));
    s.push(&DENSITY, label, &[order, clock, y], &params, grid, 60 * order.len() as u64);
    y
}

/// Points 0 to `count` of step 0, drawn on the host: [count, 2]. `part` is the fourth word of the counter, which the
/// kernel has at zero; steps of training are counted from one.
pub fn drawn_on_host(density: Density, count: usize, part: u32, seed: u64) -> Vec<f32> {
    let params = density.params(count, seed, Stream::Points);
    let point = |number: usize| reference::density::point(&params, [number as u32, params.stream, 0, part]);
    (0..count).flat_map(point).map(|x| x as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 200_000;

    fn points(density: Density) -> Vec<[f64; 2]> {
        let drawn = drawn_on_host(density, COUNT, 0, 7);
        drawn.chunks_exact(2).map(|point| [f64::from(point[0]), f64::from(point[1])]).collect()
    }

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        values.sum::<f64>() / COUNT as f64
    }

    /// Means, variances and covariance, in the scale that the points are used in.
    fn moments(density: Density) -> [f64; 5] {
        let points = points(density);
        let [mx, my] = [0, 1].map(|axis| mean(points.iter().map(|point| point[axis])));
        let about = |f: &dyn Fn(f64, f64) -> f64| mean(points.iter().map(|[x, y]| f(x - mx, y - my)));
        [mx, my, about(&|x, _| x * x), about(&|_, y| y * y), about(&|x, y| x * y)]
    }

    /// Moments of the swiss roll's curve t (cos t, sin t), t uniform over (1.5π, 4.5π), by their integrals.
    fn spiral() -> [f64; 5] {
        let steps = 100_000;
        let at = |k: usize| 1.5 * PI * (1.0 + 2.0 * (k as f64 + 0.5) / f64::from(steps));
        let mean = |f: &dyn Fn(f64) -> f64| (0..steps as usize).map(|k| f(at(k))).sum::<f64>() / f64::from(steps);
        let (x, y) = (|t: f64| t * t.cos() / 7.5, |t: f64| t * t.sin() / 7.5);
        let [mx, my] = [mean(&x), mean(&y)];
        let noise = (0.25f64 / 7.5).powi(2);
        let squares = [mean(&|t| (x(t) - mx).powi(2)) + noise, mean(&|t| (y(t) - my).powi(2)) + noise];
        [mx, my, squares[0], squares[1], mean(&|t| (x(t) - mx) * (y(t) - my))]
    }

    #[test]
    fn moments_are_those_of_the_law() {
        let ring = 2.0 / 1.414f64.powi(2) + (0.02f64 / 1.414).powi(2);
        let grid = 8.0 / 2.828f64.powi(2) + (0.05f64 / 2.828).powi(2);
        // E xy is 0 on the upper half circle and ½ − 2/π on the lower one.
        let moons = (0.25 - 1.0 / PI - 0.5 * 0.25) / (0.868_101 * 0.497_785);
        for (density, expected) in [
            (Density::EightGaussians, [0.0, 0.0, ring, ring, 0.0]),
            (Density::TwentyFiveGaussians, [0.0, 0.0, grid, grid, 0.0]),
            (Density::Moons, [0.0, 0.0, 1.0, 1.0, moons]),
            (Density::SwissRoll, spiral()),
            (Density::Checkerboard, [0.0, 0.0, 4.0 / 3.0, 4.0 / 3.0, 0.25]),
        ] {
            let found = moments(density);
            // Five standard errors of a mean of numbers of variance up to 2.
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.016);
            assert!(near, "{}: {found:?}, not {expected:?}", density.name());
        }
    }

    #[test]
    fn modes_are_equally_likely_and_as_wide_as_they_say() {
        for density in [Density::EightGaussians, Density::TwentyFiveGaussians] {
            let (modes, sigma) = (density.modes(), density.deviation().unwrap());
            let mut found = vec![(0.0, 0.0); modes.len()];
            for [x, y] in points(density) {
                let squares = modes.iter().map(|mode| (x - mode[0]).powi(2) + (y - mode[1]).powi(2));
                let nearest = squares.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
                found[nearest.0].0 += 1.0;
                found[nearest.0].1 += nearest.1 / (2.0 * sigma * sigma);
            }
            let expected = COUNT as f64 / modes.len() as f64;
            for (count, squares) in found {
                assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{}: {count}", density.name());
                // Half the squared distance over σ² is exponential, of mean and deviation one.
                assert!((squares / count - 1.0).abs() < 5.0 / count.sqrt(), "{}: {squares}", density.name());
            }
        }
    }

    #[test]
    fn the_checkerboard_has_points_on_eight_squares_only() {
        let mut counts = [[0; 4]; 4];
        for [x, y] in points(Density::Checkerboard) {
            counts[(x + 2.0) as usize][(y + 2.0) as usize] += 1;
        }
        for (column, counts) in counts.iter().enumerate() {
            for (row, &count) in counts.iter().enumerate() {
                let dark = (column + row) % 2 == 0;
                assert!(if dark { (24_000..26_000).contains(&count) } else { count == 0 }, "{column} {row}: {count}");
            }
        }
    }

    /// The mean of −log p over drawn points, with p of a curve as the mean of normals along it.
    #[test]
    fn entropies_of_curves_are_those_of_drawn_points() {
        let moons = |u: f64| {
            let (sin, cos) = (TAU * u).sin_cos();
            if sin >= 0.0 { [cos, sin] } else { [1.0 + cos, 0.5 + sin] }
        };
        let roll = |u: f64| {
            let t = 1.5 * PI * (1.0 + 2.0 * u);
            [t * t.cos(), t * t.sin()]
        };
        type Curve<'a> = &'a dyn Fn(f64) -> [f64; 2];
        for (density, curve) in [(Density::Moons, &moons as Curve), (Density::SwissRoll, &roll)] {
            let [centre, divisor] = density.frame();
            let (along, drawn, noise) = (1500, 6000, density.noise());
            let curve: Vec<[f64; 2]> = (0..along).map(|k| curve((f64::from(k) + 0.5) / f64::from(along))).collect();
            let points = points(density);
            let minus_log = points[..drawn].iter().map(|point| {
                let [x, y] = [0, 1].map(|axis| point[axis] * divisor[axis] + centre[axis]);
                let squares =
                    curve.iter().map(|at| ((x - at[0]).powi(2) + (y - at[1]).powi(2)) / (2.0 * noise * noise));
                let sum: f64 = squares.filter(|&square| square < 40.0).map(|square| (-square).exp()).sum();
                -(sum / f64::from(along) / (TAU * noise * noise) * divisor[0] * divisor[1]).ln()
            });
            let entropy = minus_log.sum::<f64>() / drawn as f64;
            assert!((entropy - density.entropy()).abs() < 0.05, "{}: {entropy}", density.name());
        }
    }

    #[test]
    fn names_find_their_densities_and_nearly_all_points_are_within_reach() {
        for &density in Density::ALL {
            assert_eq!(Density::find(density.name()), Some(density));
            let reach = f64::from(density.reach());
            let outside = points(density).into_iter().filter(|[x, y]| x.abs().max(y.abs()) > reach).count();
            assert!(outside < COUNT / 500, "{}: {outside}", density.name());
        }
        assert_eq!(Density::find("digits"), None);
        assert!(drawn_on_host(Density::Moons, 3, 0, 0) != drawn_on_host(Density::Moons, 3, 1, 0), "parts differ");
        let params = Density::Moons.params(1, 0, Stream::Points);
        let in_step = |step: u32| reference::density::point(&params, [5, params.stream, step, 0]);
        assert!(in_step(1) != in_step(2), "a point of the same number is another one in every step");
    }
}
