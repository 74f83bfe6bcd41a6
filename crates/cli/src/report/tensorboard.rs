//! An event file for TensorBoard: protocol buffers in TFRecord frames.
//!
//! The file is written from the metrics and pictures of a run, without wall-clock times: an interrupted and resumed run
//! has the same file, byte for byte, as an uninterrupted one. The time of an event is its step in seconds, and the
//! speed is left out.
//!
//! Messages: `tensorflow/core/util/event.proto` and `tensorflow/core/framework/summary.proto`.

use crate::eval::metrics::metric;
use crate::io::error::Result;
use crate::io::files;
use crate::report::pictures::{self, Drawn, Png};
use crate::run::folder::Run;
use crate::run::metrics::{self, Metrics, Point};
use prost::Message;
use std::path::{Path, PathBuf};

const FOLDER: &str = "tensorboard";
/// The name of an event file contains `tfevents`.
const FILE: &str = "events.out.tfevents.0.frit";
/// The version in the first message of a file.
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
    #[prost(message, optional, tag = "9")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(string, tag = "2")]
    display_name: String,
    #[prost(string, tag = "3")]
    summary_description: String,
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

    /// Appends a number at a step.
    fn scalar(&mut self, step: u64, tag: &str, value: f32, metadata: Option<Metadata>) {
        self.value(step, Value { tag: tag.into(), simple_value: Some(value), image: None, metadata });
    }

    /// Appends a picture at a step.
    fn image(&mut self, step: u64, tag: &str, png: Png) {
        let image = Image {
            height: png.height as i32,
            width: png.width as i32,
            colorspace: png.channels.into(),
            encoded_image_string: png.bytes,
        };
        self.value(step, Value { tag: tag.into(), simple_value: None, image: Some(image), metadata: None });
    }

    fn value(&mut self, step: u64, value: Value) {
        let summary = Some(Summary { value: vec![value] });
        self.append(&Event { wall_time: step as f64, step: step as i64, file_version: None, summary });
    }

    /// Appends one frame: length, checksum of the length, message, checksum of the message, all little-endian.
    fn append(&mut self, event: &Event) {
        let message = event.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let sums = [&length[..], &message].map(|bytes| masked_sum(bytes).to_le_bytes());
        self.0.extend([&length[..], &sums[0], &message, &sums[1]].concat());
    }
}

/// CRC-32C, rotated and offset: `tensorflow/core/lib/hash/crc32c.h`.
fn masked_sum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Writes the event file of a run into its folder `tensorboard`, for `tensorboard --logdir RUN`. Returns its path.
///
/// Scalars are `KEY/train` (means over 50 steps), `KEY/train_epoch` and `KEY/test`, with names and descriptions from
/// the table of metrics; images are `reals` and `samples`. Values that are not finite are left out.
///
/// # Errors
/// [`ErrorKind::Run`](crate::ErrorKind) if the folder holds no run, [`ErrorKind::File`](crate::ErrorKind) if a file
/// cannot be read or saved.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let run = folder.path();
/// std::fs::write(run.join("config.toml"), "family = \"vae\"")?;
/// std::fs::write(run.join("metrics.jsonl"), "{\"step\":50,\"kl\":20.5}\n")?;
/// assert!(frit::report::tensorboard::write(run)?.exists());
/// # Ok(())
/// # }
/// ```
pub fn write(run_path: &Path) -> Result<PathBuf> {
    let run = Run::open_to_read(run_path)?;
    let bytes = encode(&run, &metrics::read(run_path)?)?;
    let folder = run_path.join(FOLDER);
    files::create_folder(&folder)?;
    let path = folder.join(FILE);
    files::write(&path, &bytes)?;
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
            // TensorBoard reads the metadata of a tag's first value.
            let mut metadata = described(&column.name, part);
            for &Point { step, value, .. } in points {
                let value = value.map(|value| value as f32).filter(|value| value.is_finite());
                value.into_iter().for_each(|value| events.scalar(step, &tag, value, metadata.take()));
            }
        }
    }
    for (drawn, path) in pictures::samples(run)? {
        let step = match drawn {
            Drawn::Step(step) => Some(step),
            Drawn::Epoch(epoch) => metrics.step_of(epoch),
        };
        // A process that was killed may leave a picture of an epoch that is not in the metrics.
        let Some(step) = step else { continue };
        if let Some(png) = Png::read(&path)? {
            events.image(step, "samples", png);
        }
    }
    Ok(events.0)
}

/// The name, unit and description of a metric; `None` if it is unknown.
fn described(key: &str, part: &str) -> Option<Metadata> {
    let metric = metric(key)?;
    let unit = if metric.unit.is_empty() { String::new() } else { format!(" [{}]", metric.unit) };
    let display_name = format!("{}{unit}, {}", metric.name.trim_start(), part.replace('_', " "));
    Some(Metadata { display_name, summary_description: metric.about.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The messages of a file. Panics on a wrong checksum.
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
    fn checksums_are_those_of_the_standards() {
        // RFC 3720, B.4, and the catalogue's check value.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        // The first bytes of a TensorFlow file whose first message has 24 bytes.
        assert_eq!(masked_sum(&24_u64.to_le_bytes()).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn events_repeat_byte_for_byte() {
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
        let metadata = values[0].1.metadata.as_ref().unwrap();
        assert_eq!(metadata.display_name, "KL [nats/image], train");
        assert!(metadata.summary_description.starts_with("KL divergence"));
        let image = values[2].1.image.as_ref().unwrap();
        assert_eq!((image.height, image.width, image.colorspace), (4, 6, 3));
        assert_eq!(&image.encoded_image_string, png.get_ref());
        put("metrics.jsonl", metrics(2.0).as_bytes());
        assert!(fs::read(write(folder.path()).unwrap()).unwrap() == bytes, "the file depends on wall-clock time");
    }
}
