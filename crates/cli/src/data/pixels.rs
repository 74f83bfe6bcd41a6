//! Statistics of pixels.

/// Statistics of the bytes of images.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pixels {
    /// Darkest value.
    pub least: u8,
    /// Lightest value.
    pub most: u8,
    /// Mean of bytes over 255.
    pub mean: f64,
    /// Variance of bytes over 255.
    pub variance: f64,
}

impl Pixels {
    /// The statistics of some bytes; mean and variance are NaN for none.
    pub fn of<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> Self {
        let mut histogram = [0u64; 256];
        bytes.into_iter().for_each(|&byte| histogram[usize::from(byte)] += 1);
        let count = histogram.iter().sum::<u64>() as f64;
        let there = || (0..=255u8).filter(|&byte| histogram[usize::from(byte)] > 0);
        let average = |of: &dyn Fn(f64) -> f64| {
            let sum: f64 = there().map(|byte| histogram[usize::from(byte)] as f64 * of(f64::from(byte) / 255.0)).sum();
            sum / count
        };
        let mean = average(&|x| x);
        let variance = average(&|x| (x - mean) * (x - mean));
        Self { least: there().next().unwrap_or(0), most: there().next_back().unwrap_or(0), mean, variance }
    }
}
