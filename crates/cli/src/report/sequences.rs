//! The latest text or sound of a run's previews, as a page shows it.

use crate::io::error::Result;
use crate::io::files;
use crate::io::sound::read_wav;
use crate::report::pictures::{Drawn, numbered};
use crate::run::folder::Run;
use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{Markup, html};

/// Bytes of a sound that a page embeds, at most.
const MAX_SOUND: usize = 12 << 20;
/// Characters of a text that a page shows, at most.
const MAX_TEXT: usize = 20_000;
/// Width and height of a waveform, in columns and in units of its view box.
const COLUMNS: usize = 480;
const HEIGHT: f32 = 96.0;
/// The rate at which a waveform is drawn.
const RATE: u32 = 8000;

/// The latest preview of a model of sequences.
pub(crate) struct Sequences {
    drawn: Drawn,
    kind: Kind,
}

enum Kind {
    Text(String),
    /// A WAV file and its samples.
    Sound(Vec<u8>, Vec<f32>),
}

impl Sequences {
    /// The latest preview of a run; `None` for a model of images.
    ///
    /// # Errors
    /// [`ErrorKind::File`](crate::ErrorKind) if the folder or the preview cannot be read.
    pub(crate) fn latest(run: &Run) -> Result<Option<Self>> {
        if let Some((drawn, path)) = numbered(run, "txt")?.pop() {
            let text = String::from_utf8_lossy(&files::read(&path, files::TEXT)?).into_owned();
            let text: String = text.chars().take(MAX_TEXT).collect();
            return Ok(Some(Self { drawn, kind: Kind::Text(text) }));
        }
        let Some((drawn, path)) = numbered(run, "wav")?.pop() else { return Ok(None) };
        let bytes = files::read(&path, files::BINARY)?;
        Ok(Some(Self { drawn, kind: Kind::Sound(bytes, read_wav(&path, RATE)?) }))
    }

    /// The section of a page.
    pub(crate) fn section(&self) -> Markup {
        html! {
            section.sequences {
                h2 { "Samples after " (self.drawn) }
                @match &self.kind {
                    Kind::Text(text) => pre { (text) },
                    Kind::Sound(bytes, samples) => {
                        (waveform(samples))
                        @if bytes.len() <= MAX_SOUND {
                            audio controls src=(format!("data:audio/wav;base64,{}", STANDARD.encode(bytes))) {}
                        }
                    }
                }
            }
        }
    }
}

/// The range of the samples in each column.
fn waveform(samples: &[f32]) -> Markup {
    let of_column = samples.len().div_ceil(COLUMNS).max(1);
    let y = |x: f32| (1.0 - x) / 2.0 * HEIGHT;
    let line = |(column, part): (usize, &[f32])| {
        let [low, high] = [f32::min as fn(f32, f32) -> f32, f32::max].map(|of| part.iter().copied().fold(part[0], of));
        // At least as high as the line is wide, so that silence is seen.
        format!("M{column} {:.1}V{:.1}", y(high) - 0.5, y(low) + 0.5)
    };
    let path: String = samples.chunks(of_column).enumerate().map(line).collect();
    html! {
        svg.waveform viewBox=(format!("0 0 {COLUMNS} {HEIGHT}")) role="img" aria-label="waveform" {
            path d=(path) stroke="currentColor" fill="none" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sound::{SILENCE, write_wav};

    #[test]
    fn texts_and_sounds_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("run")).unwrap();
        run.write_config("family = \"wavenet\"\n").unwrap();
        assert!(Sequences::latest(&run).unwrap().is_none());
        let codes: Vec<u8> = [vec![SILENCE; 4000], vec![255; 4000]].concat();
        write_wav(&run.sample(3).with_extension("wav"), &codes, 8000).unwrap();
        let page = Sequences::latest(&run).unwrap().unwrap().section().into_string();
        assert!(page.contains("data:audio/wav;base64,UklGR") && page.contains("Samples after epoch 3"), "{page}");
        assert!(page.contains("M0 47.5V48.5") && page.contains("V0.5\""), "a flat line, then the top: {page}");
        std::fs::write(run.sample(4).with_extension("txt"), "a <b> c").unwrap();
        let page = Sequences::latest(&run).unwrap().unwrap().section().into_string();
        assert!(page.contains("<pre>a &lt;b&gt; c</pre>"), "{page}");
    }
}
