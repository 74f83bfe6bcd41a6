//! Notes of a checkpoint on the images that its model was trained on. A file may note anything: each value is checked
//! before memory of its size is allocated.

use super::Checkpoint;
use crate::data::{Sequence, Sides};
use crate::io::error::{Context, ErrorKind as Kind, Result, ensure, error};

/// Most classes: a label is a byte.
const MAX_CLASSES: usize = 256;
/// Most numbers in an image: 4096 × 4096 in colour.
const MAX_PIXELS: usize = 4096 * 4096 * 3;

impl Checkpoint {
    /// Height, width and channels of the images.
    ///
    /// # Errors
    /// The file does not note a size, or one that no data set has.
    pub fn image_size(&self) -> Result<[usize; 3]> {
        let name = &self.name;
        let note = self.metadata.get("picture").with_context(Kind::Checkpoint, || {
            format!("{name} does not record the image size; train the model again")
        })?;
        let sizes: Option<Vec<usize>> = note.split('x').map(|size| size.parse().ok()).collect();
        let size: Option<[usize; 3]> = sizes.and_then(|sizes| sizes.try_into().ok());
        let known = size.filter(|&[height, width, channels]| {
            let pixels = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
            let possible = match self.sides() {
                Some(Sides::Paired { channels: [a, b] }) => channels == a + b,
                _ => matches!(channels, 1 | 3),
            };
            possible && pixels.is_some_and(|pixels| (1..=MAX_PIXELS).contains(&pixels))
        });
        known.ok_or_else(|| {
            error!(
                Checkpoint,
                "{name} records images of {note:?}, not height x width x channels of at most {MAX_PIXELS} numbers with \
                 1 or 3 channels; replace it by another checkpoint of the run"
            )
        })
    }

    /// The two sides of the data, of one image each without pairs; `None` for data of one side.
    pub fn sides(&self) -> Option<Sides> {
        match self.metadata.get("sides")?.as_str() {
            "unpaired" => Some(Sides::Unpaired { train: 1, test: 1 }),
            "1+1" => Some(Sides::Paired { channels: [1, 1] }),
            "1+3" => Some(Sides::Paired { channels: [1, 3] }),
            "3+1" => Some(Sides::Paired { channels: [3, 1] }),
            "3+3" => Some(Sides::Paired { channels: [3, 3] }),
            _ => None,
        }
    }

    /// The kind of sequences that the model was trained on; `None` for images.
    pub fn sequence(&self) -> Option<Sequence> {
        Sequence::of_note(self.metadata.get("sequence")?)
    }

    /// The note on the sides of data: `unpaired`, or the channels of both as `3+1`.
    pub fn note_of(sides: Sides) -> String {
        match sides {
            Sides::Unpaired { .. } => "unpaired".into(),
            Sides::Paired { channels: [a, b] } => format!("{a}+{b}"),
        }
    }

    /// Names of the classes; a single one called 0 if the file notes none.
    ///
    /// # Errors
    /// The note is not a list of 1 to 256 names.
    pub fn classes(&self) -> Result<Vec<String>> {
        let Some(note) = self.metadata.get("classes") else { return Ok(vec!["0".into()]) };
        let name = &self.name;
        let damaged = "replace it by another checkpoint of the run";
        let classes: Vec<String> = serde_json::from_str(note).with_context(Kind::Checkpoint, || {
            format!("{name} records classes that are not a list of names; {damaged}")
        })?;
        let count = classes.len();
        ensure!(
            (1..=MAX_CLASSES).contains(&count),
            Checkpoint,
            "{name} records {count} classes; expected 1 to {MAX_CLASSES}; {damaged}"
        );
        Ok(classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, note: &str) -> Checkpoint {
        let metadata = [(key.to_string(), note.to_string())].into();
        Checkpoint { name: "latest".into(), metadata, ..Checkpoint::default() }
    }

    #[test]
    fn an_image_size_is_one_that_a_data_set_has() {
        assert_eq!(with("picture", "28x20x1").image_size().unwrap(), [28, 20, 1]);
        let wrong = ["", "2x2", "2x2x0", "2x2x3x1", "axbxc", "2x2x2", "65536x65536x3", "-1x2x3"];
        for note in wrong.into_iter().chain(["99999999999x99999999999x3", "99999999999999999999x1x1"]) {
            let message = with("picture", note).image_size().unwrap_err().to_string();
            assert!(message.starts_with(&format!("latest records images of {note:?}, not height")), "{message}");
        }
        let message = with("classes", "[]").image_size().unwrap_err().to_string();
        assert!(message.starts_with("latest does not record the image size"), "{message}");
    }

    #[test]
    fn sides_are_read_as_they_were_noted() {
        let paired = [[1, 1], [1, 3], [3, 1], [3, 3]].map(|channels| Sides::Paired { channels });
        for sides in paired.into_iter().chain([Sides::Unpaired { train: 1, test: 1 }]) {
            assert_eq!(with("sides", &Checkpoint::note_of(sides)).sides(), Some(sides));
        }
        assert_eq!((with("sides", "2+2").sides(), with("classes", "[]").sides()), (None, None));
        let mut pairs = with("picture", "4x4x6");
        assert!(pairs.image_size().is_err());
        pairs.metadata.insert("sides".into(), "3+3".into());
        assert_eq!(pairs.image_size().unwrap(), [4, 4, 6]);
        pairs.metadata.insert("picture".into(), "4x4x3".into());
        assert!(pairs.image_size().is_err());
    }

    #[test]
    fn classes_are_a_list_of_names() {
        assert_eq!(with("classes", "[\"a\",\"b\"]").classes().unwrap(), ["a", "b"]);
        assert_eq!(with("picture", "1x1x1").classes().unwrap(), ["0"]);
        let message = |note: &str| with("classes", note).classes().unwrap_err().to_string();
        assert!(message("[]").starts_with("latest records 0 classes"));
        assert!(message(&serde_json::json!(vec!["a"; 257]).to_string()).contains("257 classes; expected 1 to"));
        for note in ["", "7", "[1]", "{\"a\":1}"] {
            assert!(message(note).contains("not a list of names"), "{note}");
        }
    }
}
