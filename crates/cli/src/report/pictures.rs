//! Images of a run, as a page embeds them.

use crate::io::error::{Error, ErrorKind as Kind, Result};
use crate::io::files;
use crate::report::thin::evenly;
use crate::run::folder::Run;
use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageDecoder, ImageFormat, ImageReader};
use std::fmt::{self, Display, Formatter};
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Previews in a page, at most.
const MAX: usize = 60;
/// Bytes of their files, at most; base64 adds a third.
const BYTES: u64 = 12 << 20;

/// A PNG file.
pub(crate) struct Png {
    /// Contents of the file.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Channels.
    pub channels: u8,
}

impl Png {
    /// Reads an image; `None` if there is no file.
    ///
    /// # Errors
    /// [`Kind::File`] if the file cannot be read, or is not a PNG.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = files::read_if_exists(path, files::BINARY)? else { return Ok(None) };
        let decoder = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Png).into_decoder();
        let decoder =
            decoder.map_err(|error| file(format!("{} is not a PNG file ({error}); remove it", path.display())))?;
        let ((width, height), channels) = (decoder.dimensions(), decoder.color_type().channel_count());
        drop(decoder);
        Ok(Some(Self { bytes, width, height, channels }))
    }

    /// The image as a data URL.
    pub(crate) fn address(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(&self.bytes))
    }
}

/// The time of a preview.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Drawn {
    /// After this epoch.
    Epoch(u64),
    /// After this step, if `train.sample_every` is set.
    Step(u64),
}

impl Display for Drawn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch(epoch) => write!(f, "epoch {epoch}"),
            Self::Step(step) => write!(f, "step {step}"),
        }
    }
}

/// The previews of a run, in order.
///
/// # Errors
/// [`Kind::File`] if the folder or the configuration cannot be read.
pub(crate) fn samples(run: &Run) -> Result<Vec<(Drawn, PathBuf)>> {
    numbered(run, "png")
}

/// The previews of a run whose files have that ending, in order.
///
/// # Errors
/// [`Kind::File`] if the folder or the configuration cannot be read.
pub(crate) fn numbered(run: &Run, ending: &str) -> Result<Vec<(Drawn, PathBuf)>> {
    let config: toml::Table = run.read_config()?.parse().unwrap_or_default();
    let every = config.get("train").and_then(|train| train.get("sample_every")).and_then(toml::Value::as_integer);
    let drawn = if every.is_some_and(|every| every > 0) { Drawn::Step } else { Drawn::Epoch };
    let sample = run.sample(0);
    let folder = sample.parent().expect("a sample has a folder");
    let numbered = |path: PathBuf| {
        let number = path.file_name()?.to_str()?.strip_suffix(ending)?.strip_suffix('.')?.parse().ok()?;
        Some((drawn(number), path))
    };
    let mut samples: Vec<_> = files::list(folder)?.into_iter().filter_map(numbered).collect();
    samples.sort();
    Ok(samples)
}

/// Evenly spaced previews, as many as a page embeds; always the first and the last.
pub(crate) fn fitting(samples: &[(Drawn, PathBuf)]) -> Vec<&(Drawn, PathBuf)> {
    let sizes: Vec<u64> = samples.iter().map(|(_, path)| files::size(path).unwrap_or(0)).collect();
    let fits = |chosen: &Vec<usize>| chosen.len() <= 2 || chosen.iter().map(|&i| sizes[i]).sum::<u64>() <= BYTES;
    let chosen = (2..=MAX).rev().map(|most| evenly(samples.len(), most)).find(fits);
    chosen.unwrap_or_default().into_iter().map(|i| &samples[i]).collect()
}

fn file(message: String) -> Error {
    Error::new(Kind::File, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_page_embeds_a_limited_number_of_previews() {
        let folder = tempfile::tempdir().unwrap();
        let sized = |count: u64, bytes: usize| -> Vec<(Drawn, PathBuf)> {
            let path = folder.path().join(format!("{bytes}"));
            fs::write(&path, vec![0; bytes]).unwrap();
            (1..=count).map(|epoch| (Drawn::Epoch(epoch), path.clone())).collect()
        };
        for (count, bytes, expected) in
            [(0, 1, 0), (1, 1, 1), (7, 1, 7), (500, 1, 60), (50, 1 << 20, 12), (9, 9 << 20, 2)]
        {
            let samples = sized(count, bytes);
            let chosen = fitting(&samples);
            assert_eq!(chosen.len(), expected);
            assert_eq!((chosen.first(), chosen.last()), (samples.first().as_ref(), samples.last().as_ref()));
        }
    }

    #[test]
    fn samples_are_of_epochs_or_of_steps() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("samples")).unwrap();
        for name in ["000100.png", "1000000.png", "000020.png", "x.png", "7.txt"] {
            put(&format!("samples/{name}"), "");
        }
        for (config, drawn) in [("", Drawn::Epoch as fn(u64) -> Drawn), ("train.sample_every = 20", Drawn::Step)] {
            put("config.toml", &format!("family = \"vae\"\n{config}"));
            let samples = samples(&Run::open_to_read(folder.path()).unwrap()).unwrap();
            let found: Vec<Drawn> = samples.into_iter().map(|(drawn, _)| drawn).collect();
            assert_eq!(found, [20, 100, 1_000_000].map(drawn));
        }
        assert_eq!(Drawn::Step(20).to_string(), "step 20");
    }

    #[test]
    fn a_file_that_is_no_png_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reals.png");
        assert!(Png::read(&path).unwrap().is_none());
        fs::write(&path, "text").unwrap();
        let message = Png::read(&path).err().unwrap().to_string();
        assert!(message.contains("reals.png is not a PNG file") && message.ends_with("remove it"), "{message}");
    }
}
