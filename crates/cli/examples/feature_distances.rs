//! Fréchet distances of damaged images from real ones in each feature space, next to that of undamaged images.
//!
//! `cargo run --release --example feature_distances -- mnist`

use frit::config::data::DataOptions;
use frit::data::DataSet;
use frit::eval::{FeatureChoice, FeatureSpace};
use frit::{Backend, Terminal};
use models::metrics::frechet_distance;
use std::sync::Arc;

/// Deviations of blurs in pixels, and amplitudes of noise.
pub(crate) const DAMAGE: [[f32; 3]; 2] = [[0.5, 1.0, 2.0], [0.1, 0.2, 0.4]];

/// The distance of undamaged training images from `count` test images, then those of blurred and of noisy ones.
pub(crate) fn distances(space: &mut FeatureSpace, data: &DataSet, count: usize) -> frit::Result<[Vec<f64>; 3]> {
    let [real, other] = [&data.test, &data.train].map(|split| split.values(&split.subset(count, 0)));
    let real = space.features(&real)?;
    let mut to = |images: Vec<f32>| Ok(frechet_distance(&real, &space.features(&images)?).unwrap_or(f64::NAN));
    let blurs = DAMAGE[0].map(|deviation| blurred(&other, [data.height, data.width, data.channels], deviation));
    let noises = DAMAGE[1].map(|amplitude| noisy(&other, amplitude));
    let mut all = |images: Vec<Vec<f32>>| images.into_iter().map(&mut to).collect::<frit::Result<_>>();
    Ok([all(vec![other])?, all(blurs.into())?, all(noises.into())?])
}

/// Images convolved with a normal density along rows, then along columns.
fn blurred(images: &[f32], [height, width, channels]: [usize; 3], deviation: f32) -> Vec<f32> {
    let along = |images: &[f32], size: usize, stride: usize| -> Vec<f32> {
        let pixel = |i: usize| {
            let (at, first) = (i / stride % size, i - i / stride % size * stride);
            let weight = |j: usize| (-0.5 * ((j as f32 - at as f32) / deviation).powi(2)).exp();
            let sum: f32 = (0..size).map(|j| weight(j) * images[first + j * stride]).sum();
            sum / (0..size).map(weight).sum::<f32>()
        };
        (0..images.len()).map(pixel).collect()
    };
    along(&along(images, width, channels), height, width * channels)
}

/// Images with uniform noise, by a linear congruential generator.
fn noisy(images: &[f32], amplitude: f32) -> Vec<f32> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        amplitude * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
    };
    images.iter().map(|x| (x + next()).clamp(0.0, 1.0)).collect()
}

fn main() -> frit::Result<()> {
    let source = std::env::args().nth(1).unwrap_or("digits".into());
    let data = Arc::new(DataSet::load(&DataOptions { source, ..DataOptions::default() })?);
    for choice in [FeatureChoice::Classifier, FeatureChoice::Autoencoder, FeatureChoice::Random] {
        let mut space = FeatureSpace::open(&choice, &data, &Backend::Cpu, "", &Terminal::new(false))?;
        let [real, blurred, noisy] = distances(&mut space, &data, 1000.min(data.test.count))?;
        println!("{}: real {real:.4?}, blurred {blurred:.4?}, noisy {noisy:.4?}", space.name()?);
    }
    Ok(())
}
