//! Directions of a latent space in which images change most.

use crate::eval::latents::{is_class_conditional, latent_width, pictures_of_latents};
use crate::io::error::Result;
use crate::run::session::Session;
use gpu_core::Array;
use gpu_core::random::{Stream, StreamRng, unit};
use models::latents::principal;
use rand::Rng;

/// Directions that a page has a slider for, at most.
const DIRECTIONS: usize = 8;
/// Latents at which images are differentiated.
const POINTS: usize = 4;
/// Half the distance of a difference.
const STEP: f32 = 0.5;
/// Numbers in a latent, at most.
const MAX_WIDTH: usize = 512;
/// Floating-point operations of all decodings, at most.
const MAX_FLOPS: u64 = 40_000_000_000;

/// Unit vectors of the latents of a normal prior, the one in which images change most first: the eigenvectors of the
/// mean of JᵀJ over latents of the prior, where J is the derivative of an image by differences. None if the model has
/// no such prior, or if decoding takes too long.
pub(super) fn directions(session: &mut Session) -> Result<Vec<Vec<f32>>> {
    let prior = session.model.sampler().and_then(|sampler| sampler.latent());
    let Some((width, decoder)) = prior.zip(session.model.decoder()) else { return Ok(Vec::new()) };
    let flops: u64 = decoder.decode_latents(1).pass.schedule.calls().iter().map(|call| call.flops).sum();
    if width > MAX_WIDTH || width != latent_width(session)? || flops * (2 * POINTS * width) as u64 > MAX_FLOPS {
        return Ok(Vec::new());
    }
    let mut gram = vec![0.0; width * width];
    for point in 0..POINTS {
        let images = around(session, &normal(width, point), point)?;
        let size = images.len() / (2 * width);
        // The derivative by each number of the latent.
        let slopes: Vec<Vec<f64>> = (images.chunks_exact(2 * size))
            .map(|pair| (0..size).map(|i| f64::from((pair[i] - pair[size + i]) / (2.0 * STEP))).collect())
            .collect();
        for (i, left) in slopes.iter().enumerate() {
            for (j, right) in slopes.iter().enumerate() {
                gram[i * width + j] += left.iter().zip(right).map(|(a, b)| a * b).sum::<f64>();
            }
        }
    }
    // The search for eigenvectors does not end with a NaN.
    if gram.iter().any(|x| !x.is_finite()) {
        return Ok(Vec::new());
    }
    Ok(principal(&gram, width, DIRECTIONS.min(width)))
}

/// Images of the latents a step before and after `z` in each number, in pairs.
fn around(session: &mut Session, z: &[f32], point: usize) -> Result<Vec<f32>> {
    let mut latents = Vec::with_capacity(2 * z.len() * z.len());
    for number in 0..z.len() {
        for step in [STEP, -STEP] {
            latents.extend(z.iter().enumerate().map(|(i, x)| if i == number { x + step } else { *x }));
        }
    }
    let classes = session.model.buffers().first().spec.classes.max(1);
    let classes = is_class_conditional(session).then(|| vec![(point % classes) as u8; 2 * z.len()]);
    pictures_of_latents(session, &Array::F32(latents), classes.as_deref())
}

/// A latent of the prior, the same in every export.
fn normal(width: usize, point: usize) -> Vec<f32> {
    let mut words = StreamRng::new(0, Stream::Latent, point as u32);
    let mut number = || {
        let radius = (-2.0 * unit(words.next_u32()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * unit(words.next_u32())).cos()) as f32
    };
    (0..width).map(|_| number()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::DataSet;
    use gpu_core::Backend;

    #[test]
    fn directions_are_orthogonal_and_change_images_less_and_less() {
        let config = Config::load("vae").unwrap().with("vae.hidden=[8]").unwrap().with("vae.latent=4").unwrap();
        let data = DataSet::black([4, 4, 1], vec!["0".into()]);
        let mut session = Session::open(config, data.into(), &Backend::Cpu).unwrap();
        session.initialise().unwrap();
        let found = directions(&mut session).unwrap();
        assert_eq!(found.len(), 4);
        let mut change = |direction: &[f32]| {
            let ends = [-0.1, 0.1].map(|t| direction.iter().map(|x| t * x).collect::<Vec<f32>>()).concat();
            let images = pictures_of_latents(&mut session, &Array::F32(ends), None).unwrap();
            let (a, b) = images.split_at(16);
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
        };
        let changes: Vec<f32> = found.iter().map(|direction| change(direction)).collect();
        assert!(changes[0] > changes[3], "{changes:?}");
        for (i, left) in found.iter().enumerate() {
            for (j, right) in found.iter().enumerate() {
                let dot: f32 = left.iter().zip(right).map(|(a, b)| a * b).sum();
                assert!((dot - f32::from(u8::from(i == j))).abs() < 1e-4, "{i} and {j}: {dot}");
            }
        }
    }
}
