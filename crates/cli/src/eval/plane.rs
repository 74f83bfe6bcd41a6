//! Images of one size, of any number of channels.

/// Images of one size on the host.
#[derive(Clone, PartialEq, Debug)]
pub struct Plane {
    /// Values from 0 (black) to 1 (white), [n, height, width, channels].
    pub values: Vec<f32>,
    /// Height, width and channels.
    pub size: [usize; 3],
}

impl Plane {
    /// The same in red, green and blue; of more channels the first.
    pub(super) fn in_colour(&self) -> Vec<f32> {
        let channels = self.size[2];
        let colours = |pixel: &[f32]| [0, 1, 2].map(|colour| pixel[if channels < 3 { 0 } else { colour }]);
        self.values.chunks_exact(channels).flat_map(colours).collect()
    }

    /// The same in one or three channels: the luminance, or grey as a colour. A mask, the last of two or four channels,
    /// is left out.
    pub(super) fn with_channels(&self, channels: usize) -> Self {
        let [h, w, c] = self.size;
        let pixel = |pixel: &[f32]| -> Vec<f32> {
            match (c, channels) {
                (1 | 2, channels) => vec![pixel[0]; channels],
                (_, 1) => vec![0.2126 * pixel[0] + 0.7152 * pixel[1] + 0.0722 * pixel[2]],
                _ => pixel[..3].to_vec(),
            }
        };
        Self { values: self.values.chunks_exact(c).flat_map(pixel).collect(), size: [h, w, channels] }
    }

    /// Takes the pixels that another has and knows: its last channel, one more than these have, marks the others.
    pub(super) fn keep_known(&mut self, masked: &Self) {
        let c = self.size[2];
        let pixels = self.values.chunks_exact_mut(c).zip(masked.values.chunks_exact(c + 1));
        pixels.filter(|(_, given)| given[c] < 0.5).for_each(|(pixel, given)| pixel.copy_from_slice(&given[..c]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_pixels_are_kept() {
        let mut made = Plane { values: vec![0.1, 0.2, 0.3], size: [1, 3, 1] };
        made.keep_known(&Plane { values: vec![0.9, 0.0, 0.5, 1.0, 0.7, 0.0], size: [1, 3, 2] });
        assert_eq!(made.values, [0.9, 0.2, 0.7]);
    }

    #[test]
    fn channels_are_converted_without_a_mask() {
        let colour = Plane { values: vec![1.0, 0.0, 0.0, 1.0], size: [1, 1, 4] };
        assert_eq!(colour.with_channels(3).values, [1.0, 0.0, 0.0]);
        assert_eq!(colour.with_channels(1).values, [0.2126]);
        let grey = Plane { values: vec![0.5, 1.0], size: [1, 1, 2] };
        assert_eq!((grey.with_channels(3).values, grey.in_colour()), (vec![0.5; 3], vec![0.5; 3]));
    }
}
