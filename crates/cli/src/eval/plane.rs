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
}
