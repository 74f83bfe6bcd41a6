//! The `[data]` section of a configuration: the source, and the size and channels of its images.

use crate::io::error::{Result, bail};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The name of the built-in digits, the default source.
pub const DIGITS: &str = "digits";
/// Largest size of images.
const MAX_SIZE: usize = 4096;
/// Most points of an epoch.
const MAX_POINTS: usize = 1 << 24;
/// Most stacked images.
const MAX_STACKED: usize = 1 << 20;
/// Most codes of a piece of a sequence.
const MAX_LENGTH: usize = 1 << 20;
/// Rates of sound.
const RATES: RangeInclusive<usize> = 100..=192_000;

/// The data set and its preparation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// Name of a built-in set, of a density of points or of a process, or path of a folder or file.
    pub source: String,
    /// Source of the second set, B, of image-to-image translation; empty for none.
    pub b: String,
    /// Images of A and B that belong together.
    pub pairs: Pairs,
    /// Height and width of the images; 0 keeps those of the files, which must then be equal.
    pub size: usize,
    /// Method that makes a square of `size` of an image.
    pub fit: Fit,
    /// Channels: 1 for grey, 3 for red, green and blue, 0 for those of the files.
    pub channels: usize,
    /// Colour under transparent pixels and around padded images.
    pub background: Colour,
    /// Share of the images held out for testing, if the data has no test set.
    pub test: f64,
    /// Most unreadable files; more are an error.
    pub unreadable: usize,
    /// Training images on the device at once; 0 for as many as fit.
    pub shard: usize,
    /// Mirrors each training image, left to right, with a probability of ½.
    pub mirror: bool,
    /// The most pixels by which each training image is moved; its edge is repeated.
    pub crop: usize,
    /// Points of an epoch, of a density.
    pub points: usize,
    /// Training images made of three random grey images each, as red, green and blue; 0 for the images themselves.
    pub stacked: usize,
    /// Codes of a piece of a sequence: bytes of text, or samples of sound.
    pub length: usize,
    /// Samples a second, to which sound is resampled.
    pub rate: usize,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            source: DIGITS.into(),
            b: String::new(),
            pairs: Pairs::None,
            size: 0,
            fit: Fit::Crop,
            channels: 0,
            background: Colour([255; 3]),
            test: 0.1,
            unreadable: 10,
            shard: 0,
            mirror: false,
            crop: 0,
            points: 65_536,
            stacked: 0,
            length: 1024,
            rate: 8000,
        }
    }
}

impl DataOptions {
    /// Checks the settings.
    ///
    /// # Errors
    /// A setting is out of range.
    pub fn check(&self) -> Result<()> {
        let Self { size, channels, test, crop, points, stacked, length, rate, .. } = *self;
        if size > MAX_SIZE {
            bail!(Setting, "data.size must be at most {MAX_SIZE} (got {size})");
        }
        if !matches!(channels, 0 | 1 | 3) {
            bail!(Setting, "data.channels must be 0 (as in the files), 1 (grey) or 3 (colour) (got {channels})");
        }
        if !(test > 0.0 && test < 1.0) {
            bail!(Setting, "data.test must be above 0 and below 1 (got {test})");
        }
        if crop > MAX_SIZE {
            bail!(Setting, "data.crop must be at most {MAX_SIZE} (got {crop})");
        }
        if !(1..=MAX_POINTS).contains(&points) {
            bail!(Setting, "data.points must be between 1 and {MAX_POINTS} (got {points})");
        }
        if stacked > MAX_STACKED {
            bail!(Setting, "data.stacked must be at most {MAX_STACKED} (got {stacked})");
        }
        if !(2..=MAX_LENGTH).contains(&length) {
            bail!(Setting, "data.length must be between 2 and {MAX_LENGTH} (got {length})");
        }
        if !RATES.contains(&rate) {
            bail!(Setting, "data.rate must be between {} and {} (got {rate})", RATES.start(), RATES.end());
        }
        if self.pairs == Pairs::Split && !self.b.is_empty() {
            bail!(Setting, "data.b must be empty with data.pairs = split: each image has both sides (got {})", self.b);
        }
        Ok(())
    }

    /// True if the settings ask for images of two sides. A folder with `trainA` and `trainB` has them without.
    pub fn has_two_sides(&self) -> bool {
        !self.b.is_empty() || self.pairs != Pairs::None
    }

    /// Takes the data of another source; a second set of the recipe belongs to its own source, so it is kept only if it
    /// is `given` too.
    pub fn take(&mut self, source: &str, given: bool) {
        source.clone_into(&mut self.source);
        if !given {
            self.b.clear();
        }
    }

    /// Names the place of the second set, of data that has one.
    ///
    /// # Errors
    /// The data has no second set.
    pub fn move_b(&mut self, b: &str) -> Result<()> {
        if self.b.is_empty() {
            bail!(Setting, "the run has no second source of data, so {b} is not its place; leave it out");
        }
        self.b = b.into();
        Ok(())
    }

    /// The same options for images of one side.
    pub fn of_one_side(&self) -> Self {
        Self { b: String::new(), pairs: Pairs::None, ..self.clone() }
    }
}

/// Images of two sides, A and B, that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairs {
    /// None.
    None,
    /// Those whose files have one name, whatever its ending.
    Name,
    /// The left and the right half of each image.
    Split,
}

/// Method that makes a square of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// The square in its middle, scaled: the short side fits.
    Crop,
    /// All of it, each side scaled by its own factor.
    Stretch,
    /// All of it, scaled so that the long side fits, in the middle of the background.
    Pad,
}

/// Red, green and blue, written `rrggbb` in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix('#').unwrap_or(&text);
        // `from_str_radix` takes a sign too.
        let hexadecimal = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u32::from_str_radix(digits, 16) {
            Ok(colour) if hexadecimal => Ok(Self([(colour >> 16) as u8, (colour >> 8) as u8, colour as u8])),
            _ => Err(format!("expected six hexadecimal digits, such as ffffff (got '{text}')")),
        }
    }
}

impl From<Colour> for String {
    fn from(Colour([red, green, blue]): Colour) -> Self {
        format!("{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_a_file_and_know_their_keys() {
        let text =
            "source = \"photos\"\nsize = 64\nfit = \"pad\"\nchannels = 3\nbackground = \"#0A0b0c\"\ntest = 0.25\n";
        let options: DataOptions = toml::from_str(text).unwrap();
        assert_eq!((options.fit, options.background, options.unreadable), (Fit::Pad, Colour([10, 11, 12]), 10));
        assert_eq!(toml::from_str::<DataOptions>(&toml::to_string(&options).unwrap()).unwrap(), options);
        assert!(toml::to_string(&options).unwrap().contains("background = \"0a0b0c\""));
        for wrong in
            ["folder = \"x\"", "fit = \"squeeze\"", "size = -1", "background = \"red\"", "background = \"+12345\""]
        {
            assert!(toml::from_str::<DataOptions>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let message = |options: DataOptions| options.check().unwrap_err().to_string();
        let usual = DataOptions::default;
        assert!(usual().check().is_ok());
        assert!(message(DataOptions { size: 5000, ..usual() }).contains("at most 4096 (got 5000)"));
        assert!(message(DataOptions { channels: 2, ..usual() }).contains("(got 2)"));
        let halves = DataOptions { pairs: Pairs::Split, b: "masks".into(), ..usual() };
        assert!(message(halves).contains("data.b must be empty with data.pairs = split"));
        assert!(message(DataOptions { crop: 5000, ..usual() }).contains("data.crop must be at most 4096 (got 5000)"));
        assert!(message(DataOptions { points: 0, ..usual() }).contains("between 1 and 16777216 (got 0)"));
        assert!(message(DataOptions { stacked: 1 << 21, ..usual() }).contains("at most 1048576 (got 2097152)"));
        assert!(message(DataOptions { length: 1, ..usual() }).contains("between 2 and 1048576 (got 1)"));
        assert!(message(DataOptions { rate: 0, ..usual() }).contains("between 100 and 192000 (got 0)"));
        for test in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(message(DataOptions { test, ..usual() }).contains("above 0 and below 1"));
        }
    }
}
