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
}
