//! The `[data]` section of a configuration: what to read, and the pictures that it becomes.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// The name of the built-in digits, the default source.
pub const DIGITS: &str = "digits";
/// The most pixels on a side that pictures can be given.
const MAX_SIZE: usize = 4096;

/// What to train on, and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// The name of a built-in set, or a folder or file.
    pub source: String,
    /// Pixels on a side that pictures become; zero leaves them as they are, which must then be one size.
    pub size: usize,
    /// How a picture becomes a square of `size`.
    pub fit: Fit,
    /// Bytes of a pixel: 1 for grey, 3 for red, green and blue, 0 as the data has it.
    pub channels: usize,
    /// What lies under transparent pixels and beside padded pictures.
    pub background: Colour,
    /// The share of pictures that is held out for testing where the data has no part for it.
    pub test: f64,
    /// How many files may be unreadable; more are an error.
    pub unreadable: usize,
    /// Training images on the device at once; zero for all, or as many as it takes.
    pub shard: usize,
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            source: DIGITS.into(),
            size: 0,
            fit: Fit::Crop,
            channels: 0,
            background: Colour([255; 3]),
            test: 0.1,
            unreadable: 10,
            shard: 0,
        }
    }
}

impl DataOptions {
    /// Refuses settings that no data can be read with.
    ///
    /// # Errors
    /// One sentence.
    pub fn check(&self) -> Result<()> {
        let Self { size, channels, test, .. } = *self;
        if size > MAX_SIZE {
            bail!("data.size is {size}, and pictures have at most {MAX_SIZE} pixels on a side; give fewer");
        }
        if !matches!(channels, 0 | 1 | 3) {
            bail!("data.channels is {channels}; give 1 for grey, 3 for colour, or 0 for what the data has");
        }
        if !(test > 0.0 && test < 1.0) {
            bail!("data.test is {test}, which is not between 0 and 1; give the share to hold out, as in 0.1");
        }
        Ok(())
    }
}

/// How a picture that is not square, or of another size, becomes a square.
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
            _ => Err(format!("“{text}” is no colour of six hexadecimal digits, as ffffff is")),
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
    fn what_nothing_can_be_read_with_is_refused() {
        let said = |options: DataOptions| options.check().unwrap_err().to_string();
        let usual = DataOptions::default;
        assert!(usual().check().is_ok());
        assert!(said(DataOptions { size: 5000, ..usual() }).contains("data.size is 5000"));
        assert!(said(DataOptions { channels: 2, ..usual() }).contains("data.channels is 2"));
        for test in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(said(DataOptions { test, ..usual() }).contains("not between 0 and 1"));
        }
    }
}
