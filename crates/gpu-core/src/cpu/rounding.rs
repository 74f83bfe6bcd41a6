//! A sample of results whose rounding depends on the processor, its caches and the system's elementary functions.

use crate::Element;
use crate::ops::matmul::MatmulParams;
use crate::reference::matmul::{Threads, dense};

/// Rows, columns and terms of products: a square one, long enough to be added in blocks, and one of a single row.
const PRODUCTS: [[u32; 3]; 2] = [[128, 128, 2048], [1, 128, 2048]];

/// Arguments of each elementary function.
const ARGUMENTS: usize = 1000;

/// The bits of products and of elementary functions, as the executors on the CPU compute them in this precision. Two
/// computers that differ in them train differently; takes a few milliseconds.
pub fn rounding<E: Element>() -> Vec<u8> {
    let mut found = Vec::new();
    for [m, n, k] in PRODUCTS {
        let (a, b) = (numbers::<E>(m * k, 2f64.sqrt()), numbers::<E>(k * n, 3f64.sqrt()));
        let mut y = vec![E::zero(); (m * n) as usize];
        let params = MatmulParams { m, n, k, ..Default::default() };
        dense(&params, &a, &b, 0..k as usize, &mut y, false, Threads::One);
        found.extend(y);
    }
    for x in numbers::<E>(ARGUMENTS as u32, 5f64.sqrt()) {
        // From zero to one, from minus ten to ten, and an exponent for each.
        let (unit, wide) = (x + E::of(0.5), x * E::of(20));
        let (sin, cos) = wide.sin_cos();
        found.extend([wide.exponential(), wide.hyperbolic_tangent(), unit.log_one_plus(), (-unit).exp_minus_one()]);
        found.extend([
            wide.exp(),
            wide.tanh(),
            unit.ln_1p(),
            (unit + E::one()).ln(),
            sin,
            cos,
            wide.cos(),
            unit.sqrt(),
        ]);
        found.extend([(unit + E::one()).powf(wide), unit.powi(3)]);
    }
    found.into_iter().flat_map(|x| x.wide().to_bits().to_le_bytes()).collect()
}

/// Irregular numbers from minus a half to a half: multiples of an irrational number, modulo 1.
fn numbers<E: Element>(count: u32, step: f64) -> Vec<E> {
    (1..=count).map(|i| E::of((f64::from(i) * step).fract() - 0.5)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_the_same_each_time_and_depends_on_the_precision() {
        let single = rounding::<f32>();
        assert!(single == rounding::<f32>() && single != rounding::<f64>());
        let finite = |bytes: &[u8; 8]| f64::from_le_bytes(*bytes).is_finite();
        assert!(single.as_chunks().0.iter().all(finite));
    }
}
