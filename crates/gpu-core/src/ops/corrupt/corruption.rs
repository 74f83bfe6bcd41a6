//! The corruptions and their spellings.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A corruption of images, spelled as in `noise:0.2`.
///
/// ```
/// use gpu_core::ops::corrupt::Corruption;
/// assert_eq!("mask:12".parse(), Ok(Corruption::Mask(12)));
/// assert_eq!(Corruption::Noise(0.2).to_string(), "noise:0.2");
/// let error = "blur".parse::<Corruption>().unwrap_err().to_string();
/// assert!(error.contains("blur:1.5"), "{error}");
/// ```
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Corruption {
    /// `noise:0.2`: Gaussian noise of this standard deviation, where black is 0 and white 1, clamped to the range.
    Noise(f32),
    /// `mask:12`: a square of as many rows and columns at a random place, set to the middle of the range; one more
    /// channel is white there and black elsewhere.
    Mask(usize),
    /// `gray`: the luminance of a colour image in each of its channels.
    Gray,
    /// `down:2`: the mean of each block of as many rows and columns; a block at the edge has the mean of its pixels.
    Down(usize),
    /// `blur:1.5`: a Gaussian blur of this standard deviation in pixels, with the edges repeated.
    Blur(f32),
    /// `jpeg:20`: JPEG's loss at this quality, without subsampling of colour.
    Jpeg(u32),
}

/// The random numbers of a corruption, for each image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Draws {
    /// None.
    None,
    /// As many standard normal numbers.
    Normal(usize),
    /// As many uniform numbers in (0, 1).
    Uniform(usize),
}

/// A text that is no corruption, or a corruption that images of a size cannot have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCorruption(String);

/// An example of each corruption.
const SPELLINGS: &str = "noise:0.2, mask:12, gray, down:2, blur:1.5 or jpeg:20";

impl FromStr for Corruption {
    type Err = InvalidCorruption;

    fn from_str(text: &str) -> Result<Self, InvalidCorruption> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let unknown = || InvalidCorruption(format!("unknown corruption '{text}'; use {SPELLINGS}"));
        let real = |low: f32, high: f32| {
            let of: f32 = number.and_then(|number| number.parse().ok()).ok_or_else(unknown)?;
            let problem = || InvalidCorruption(format!("{name} takes a number from {low} to {high} (got {of})"));
            if (low..=high).contains(&of) { Ok(of) } else { Err(problem()) }
        };
        let whole = |low: usize, high: usize| {
            let of: usize = number.and_then(|number| number.parse().ok()).ok_or_else(unknown)?;
            let problem = || InvalidCorruption(format!("{name} takes a whole number from {low} to {high} (got {of})"));
            if (low..=high).contains(&of) { Ok(of) } else { Err(problem()) }
        };
        match name {
            "noise" => real(0.001, 1.0).map(Self::Noise),
            "mask" => whole(1, 4096).map(Self::Mask),
            "gray" if number.is_none() => Ok(Self::Gray),
            "down" => whole(2, 64).map(Self::Down),
            "blur" => real(0.1, 32.0).map(Self::Blur),
            "jpeg" => whole(1, 100).map(|quality| Self::Jpeg(quality as u32)),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Corruption {
    type Error = InvalidCorruption;

    fn try_from(text: String) -> Result<Self, InvalidCorruption> {
        text.parse()
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noise(sigma) => write!(f, "noise:{sigma}"),
            Self::Mask(side) => write!(f, "mask:{side}"),
            Self::Gray => write!(f, "gray"),
            Self::Down(k) => write!(f, "down:{k}"),
            Self::Blur(sigma) => write!(f, "blur:{sigma}"),
            Self::Jpeg(quality) => write!(f, "jpeg:{quality}"),
        }
    }
}

impl From<Corruption> for String {
    fn from(corruption: Corruption) -> Self {
        corruption.to_string()
    }
}

impl Corruption {
    /// The channels of a corrupted image of `c` channels.
    pub fn channels(&self, c: usize) -> usize {
        if matches!(self, Self::Mask(_)) { c + 1 } else { c }
    }

    /// The random numbers for each image [h, w, c].
    pub fn draws(&self, [h, w, c]: [usize; 3]) -> Draws {
        match self {
            Self::Noise(_) => Draws::Normal(h * w * c),
            Self::Mask(_) => Draws::Uniform(2),
            Self::Gray | Self::Down(_) | Self::Blur(_) | Self::Jpeg(_) => Draws::None,
        }
    }

    /// Checks that images [h, w, c] can have it.
    ///
    /// # Errors
    /// A square that is larger than the image, or another number of channels than the corruption has.
    pub fn check(&self, [h, w, c]: [usize; 3]) -> Result<(), InvalidCorruption> {
        let problem = match *self {
            Self::Mask(side) if side > h.min(w) => {
                format!("{self} needs images of at least {side}×{side} pixels (got {h}×{w})")
            }
            Self::Gray if c != 3 => format!("gray needs images of three channels (got {c})"),
            Self::Jpeg(_) if c != 1 && c != 3 => format!("{self} needs images of one or three channels (got {c})"),
            _ => return Ok(()),
        };
        Err(InvalidCorruption(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_and_written() {
        for example in SPELLINGS.replace(" or ", ", ").split(", ") {
            assert_eq!(example.parse::<Corruption>().unwrap().to_string(), example);
        }
        let all =
            ["noise:0.001", "noise:1", "mask:1", "mask:4096", "down:64", "blur:0.1", "blur:32", "jpeg:1", "jpeg:100"];
        for text in all {
            assert_eq!(Corruption::try_from(text.to_string()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_typo_names_the_spellings() {
        for text in
            ["", "nois:0.2", "noise", "noise:", "noise:x", "Gray", "gray:1", "mask:1.5", "mask:-1", "jpeg:20%", ":"]
        {
            let error = text.parse::<Corruption>().unwrap_err().to_string();
            assert_eq!(error, format!("unknown corruption '{text}'; use {SPELLINGS}"));
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        for (text, range) in [
            ("noise:0", "noise takes a number from 0.001 to 1 (got 0)"),
            ("noise:1.5", "from 0.001 to 1 (got 1.5)"),
            ("noise:nan", "from 0.001 to 1 (got NaN)"),
            ("mask:0", "mask takes a whole number from 1 to 4096 (got 0)"),
            ("down:1", "from 2 to 64 (got 1)"),
            ("blur:inf", "from 0.1 to 32 (got inf)"),
            ("jpeg:101", "from 1 to 100 (got 101)"),
        ] {
            let error = text.parse::<Corruption>().unwrap_err().to_string();
            assert!(error.contains(range), "{text}: {error}");
        }
    }

    #[test]
    fn images_are_checked() {
        let refused = |text: &str, image: [usize; 3]| {
            text.parse::<Corruption>().unwrap().check(image).err().map(|error| error.to_string())
        };
        for (text, image) in [("mask:8", [8, 9, 1]), ("gray", [4, 4, 3]), ("jpeg:5", [1, 1, 1]), ("blur:2", [4, 4, 2])]
        {
            assert_eq!(refused(text, image), None);
        }
        assert_eq!(refused("mask:9", [8, 9, 1]).unwrap(), "mask:9 needs images of at least 9×9 pixels (got 8×9)");
        assert_eq!(refused("gray", [4, 4, 1]).unwrap(), "gray needs images of three channels (got 1)");
        assert_eq!(refused("jpeg:5", [4, 4, 2]).unwrap(), "jpeg:5 needs images of one or three channels (got 2)");
    }
}
