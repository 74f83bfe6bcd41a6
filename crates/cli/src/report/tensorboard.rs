//! A run as TensorBoard reads it: an event file, which is a row of protocol buffers in TFRecord's frames.
//!
//! It is made anew from the run's metrics and pictures, and holds nothing of the clock on the wall: a run that was
//! stopped and went on has the same file, byte for byte, as one that was not. So an event's time is its step in
//! seconds, and the run's speed is left out.
//!
//! Messages: `tensorflow/core/util/event.proto` and `tensorflow/core/framework/summary.proto`.

use crate::io::atomic_write::{self, could_not_save};
use crate::report::pictures::{self, Drawn, Png};
use crate::run::folder::Run;
use crate::run::metrics::{self, Metrics, Point};
use anyhow::Result;
use prost::Message;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = "tensorboard";
/// The name's middle tells TensorBoard what it is.
const FILE: &str = "events.out.tfevents.0.frit";
/// The version of the messages, which opens a file.
const VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 1 is grey, 3 is red, green and blue.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded_image_string: Vec<u8>,
}

/// An event file under construction.
struct Events(Vec<u8>);

impl Events {
    fn new() -> Self {
        let mut events = Self(Vec::new());
        events.append(&Event { file_version: Some(VERSION.into()), ..Event::default() });
        events
    }

    /// A number at a step, in TensorBoard's single precision.
    fn scalar(&mut self, step: u64, tag: &str, value: f32) {
        self.value(step, Value { tag: tag.into(), simple_value: Some(value), image: None });
    }

    /// A picture at a step.
    fn image(&mut self, step: u64, tag: &str, png: Png) {
        let image = Image {
            height: png.height as i32,
            width: png.width as i32,
            colorspace: png.channels.into(),
            encoded_image_string: png.bytes,
        };
        self.value(step, Value { tag: tag.into(), simple_value: None, image: Some(image) });
    }

    fn value(&mut self, step: u64, value: Value) {
        let summary = Some(Summary { value: vec![value] });
        self.append(&Event { wall_time: step as f64, step: step as i64, file_version: None, summary });
    }

    /// One frame: length, checksum of the length, message, checksum of the message, all with the low byte first.
    fn append(&mut self, event: &Event) {
        let message = event.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let sums = [&length[..], &message].map(|bytes| masked_sum(bytes).to_le_bytes());
        self.0.extend([&length[..], &sums[0], &message, &sums[1]].concat());
    }
}

/// CRC-32C, turned and shifted: `tensorflow/core/lib/hash/crc32c.h`.
fn masked_sum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Writes the event file of a run into its folder `tensorboard`, for `tensorboard --logdir RUN`. Returns where.
///
/// Scalars are `NAME/train` (means over some steps), `NAME/train_epoch` and `NAME/test`; images are `reals` and
/// `samples`. What is not finite is left out.
///
/// # Errors
/// One sentence that names the folder, if it holds no run, or the file that cannot be read or saved.
pub fn write(run_path: &Path) -> Result<PathBuf> {
    let run = Run::open_to_read(run_path)?;
    let bytes = encode(&run, &metrics::read(run_path)?)?;
    let folder = run_path.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| could_not_save(&folder, &error))?;
    let path = folder.join(FILE);
    atomic_write::write(&path, &bytes)?;
    Ok(path)
}

fn encode(run: &Run, metrics: &Metrics) -> Result<Vec<u8>> {
    let mut events = Events::new();
    if let Some(reals) = Png::read(&run.reals())? {
        events.image(0, "reals", reals);
    }
    for column in &metrics.columns {
        let parts = [("train", &column.windows), ("train_epoch", &column.train), ("test", &column.test)];
        for (part, points) in parts {
            let tag = format!("{}/{part}", column.name);
            for &Point { step, value, .. } in points {
                let value = value.map(|value| value as f32).filter(|value| value.is_finite());
                value.into_iter().for_each(|value| events.scalar(step, &tag, value));
            }
        }
    }
    for (drawn, path) in pictures::samples(run)? {
        let step = match drawn {
            Drawn::Step(step) => Some(step),
            Drawn::Epoch(epoch) => metrics.step_of(epoch),
        };
        // A picture of an epoch that the metrics do not know was drawn by a process that was then killed.
        let Some(step) = step else { continue };
        if let Some(png) = Png::read(&path)? {
            events.image(step, "samples", png);
        }
    }
    Ok(events.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a file whose checksums are all right.
    fn parse(mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            (taken.to_vec(), rest.is_empty())
        };
        loop {
            let length = take(8).0;
            assert_eq!(take(4).0, masked_sum(&length).to_le_bytes());
            let message = take(u64::from_le_bytes(length.try_into().unwrap()) as usize).0;
            let (sum, ended) = take(4);
            assert_eq!(sum, masked_sum(&message).to_le_bytes());
            events.push(Event::decode(&message[..]).unwrap());
            if ended {
                return events;
            }
        }
    }

    #[test]
    fn sums_are_those_of_others() {
        // RFC 3720, B.4, and the catalogue's check value.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // How every file of TensorFlow's that opens with a message of 24 bytes begins.
        assert_eq!(masked_sum(&24_u64.to_le_bytes()).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn a_run_becomes_events_and_again_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(6, 4).write_to(&mut png, image::ImageFormat::Png).unwrap();
        fs::create_dir(folder.path().join("samples")).unwrap();
        put("config.toml", b"");
        put("samples/000001.png", png.get_ref());
        put("samples/000002.png", png.get_ref());
        let metrics = |rate: f64| {
            format!(
                "{{\"step\":50,\"kl\":0}}\n{{\"step\":100,\"kl\":null}}\n{{\"step\":110,\"kl\":1e99}}\n\
                 {{\"epoch\":1,\"step\":120,\"test_kl\":2.5,\"images_per_second\":{rate}}}\n"
            )
        };
        put("metrics.jsonl", metrics(1.0).as_bytes());
        let bytes = fs::read(write(folder.path()).unwrap()).unwrap();
        let events = parse(&bytes);
        assert_eq!(events[0].file_version.as_deref(), Some(VERSION));
        let values = events[1..].iter().map(|event| (event.step, &event.summary.as_ref().unwrap().value[0]));
        let values: Vec<_> = values.collect();
        let tags = values.iter().map(|(step, value)| (*step, value.tag.as_str(), value.simple_value));
        let tags: Vec<_> = tags.collect();
        assert_eq!(tags, [(50, "kl/train", Some(0.0)), (120, "kl/test", Some(2.5)), (120, "samples", None)]);
        let image = values[2].1.image.as_ref().unwrap();
        assert_eq!((image.height, image.width, image.colorspace), (4, 6, 3));
        assert_eq!(&image.encoded_image_string, png.get_ref());
        put("metrics.jsonl", metrics(2.0).as_bytes());
        assert!(fs::read(write(folder.path()).unwrap()).unwrap() == bytes, "the clock on the wall is not in it");
    }
}
