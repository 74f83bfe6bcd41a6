//! Kinds of sequences, and their notes in a checkpoint.

/// The kind of a data set of sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequence {
    /// Bytes of text.
    Text,
    /// µ-law codes of sound.
    Sound {
        /// Samples a second.
        rate: u32,
    },
    /// Codes of an autoregressive process with a known entropy rate.
    Process,
}

impl Sequence {
    /// The note of a checkpoint: `text`, `sound:8000` or `process`.
    pub fn note(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Sound { rate } => format!("sound:{rate}"),
            Self::Process => "process".into(),
        }
    }

    /// The kind with that note.
    pub fn of_note(note: &str) -> Option<Self> {
        match note {
            "text" => Some(Self::Text),
            "process" => Some(Self::Process),
            _ => Some(Self::Sound { rate: note.strip_prefix("sound:")?.parse().ok().filter(|&rate| rate > 0)? }),
        }
    }

    /// The ending of a file of it; a process is saved as numbers.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text | Self::Process => "txt",
            Self::Sound { .. } => "wav",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        for kind in [Sequence::Text, Sequence::Sound { rate: 22_050 }, Sequence::Process] {
            assert_eq!(Sequence::of_note(&kind.note()), Some(kind));
        }
        assert!(["", "sound", "sound:0", "sound:-1", "sound:x"].iter().all(|note| Sequence::of_note(note).is_none()));
    }
}
