//! An event file for TensorBoard: protocol buffers in TFRecord frames.
//!
//! The events follow the lines of a run's metrics: a line is appended as its events while the run trains, and the file
//! is written anew when a run is resumed. Either way it holds every step once. The time of an event is that of its
//! line; of a line of version 0.1.0, which has none, its step in seconds.
//!
//! Messages: `tensorflow/core/util/event.proto` and `tensorflow/core/framework/summary.proto`.

use crate::eval::metrics::metric;
use crate::io::error::Result;
use crate::io::files;
use crate::report::pictures::{self, Drawn, Png};
use crate::run::folder::Run;
use crate::run::metrics;
use prost::Message;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const FOLDER: &str = "tensorboard";
/// The name of an event file contains `tfevents`.
const FILE: &str = "events.out.tfevents.0.frit";
/// The tag of samples.
const SAMPLES: &str = "samples";
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

/// Events that are not yet written.
#[derive(Default)]
struct Events {
    bytes: Vec<u8>,
    /// Time of the last line, in seconds; `None` before the first event.
    time: Option<f64>,
    /// Tags with a description: TensorBoard reads that of a tag's first value.
    described: BTreeSet<String>,
}

impl Events {
    /// Appends the first event of a file.
    fn start(&mut self, time: f64) {
        self.time = Some(time);
        let version = Some(VERSION.into());
        self.append(&Event { wall_time: time, step: 0, file_version: version, summary: None });
    }

    /// Appends the numbers of a line of metrics; those that are not finite are left out.
    fn line(&mut self, line: &Map<String, Json>) {
        let Some(step) = line.get("step").and_then(Json::as_u64) else { return };
        self.time = Some(time_of(line).unwrap_or(step as f64));
        let number = |key: &str| line.get(key).and_then(Json::as_f64);
        let is_epoch = line.contains_key("epoch");
        for (key, value) in line {
            let Some(value) = value.as_f64().filter(|_| !metrics::is_place(key)) else { continue };
            match key.split_once('_') {
                _ if !is_epoch => self.scalar(step, key, "train", value),
                Some(("train", name)) => self.scalar(step, name, "train_epoch", value),
                Some(("test", name)) => self.scalar(step, name, "test", value),
                _ => self.scalar(step, key, "epoch", value),
            }
        }
        if let (false, Some(recon), Some(kl), None) = (is_epoch, number("recon"), number("kl"), number("neg_elbo")) {
            self.scalar(step, "neg_elbo", "train", recon + kl);
        }
    }

    /// Appends a number at a step.
    fn scalar(&mut self, step: u64, key: &str, part: &str, value: f64) {
        let value = value as f32;
        if !value.is_finite() {
            return;
        }
        let tag = format!("{key}/{part}");
        let metadata = if self.described.insert(tag.clone()) { described(key, part) } else { None };
        self.value(step, Value { tag, simple_value: Some(value), image: None, metadata });
    }

    /// Appends an image at a step.
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
        let wall_time = self.time.unwrap_or_default();
        self.append(&Event { wall_time, step: step as i64, file_version: None, summary });
    }

    /// Appends one frame: length, checksum of the length, message, checksum of the message, all little-endian.
    fn append(&mut self, event: &Event) {
        let message = event.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        let sums = [&length[..], &message].map(|bytes| masked_sum(bytes).to_le_bytes());
        self.bytes.extend([&length[..], &sums[0], &message, &sums[1]].concat());
    }
}

/// CRC-32C, rotated and offset: `tensorflow/core/lib/hash/crc32c.h`.
fn masked_sum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The time of a line of metrics, in seconds since 1970.
fn time_of(line: &Map<String, Json>) -> Option<f64> {
    let time = humantime::parse_rfc3339(line.get("time")?.as_str()?).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

/// Writes the event file of a run into its folder `tensorboard`, for `tensorboard --logdir RUN`. Returns its path.
///
/// Scalars are `KEY/train` (means over a few steps), `KEY/train_epoch`, `KEY/test` and `KEY/epoch`, with names and
/// descriptions from the table of metrics; images are `reals` and `samples`. Values that are not finite are left out.
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
    Ok(EventFile::rewrite(run_path)?.path)
}

/// The event file of a run that trains.
pub(crate) struct EventFile {
    path: PathBuf,
    events: Events,
}

impl EventFile {
    /// Writes the events of all that the run has so far, in place of an earlier file.
    pub(crate) fn rewrite(run_path: &Path) -> Result<Self> {
        let mut events = encode(&Run::open_to_read(run_path)?)?;
        let folder = run_path.join(FOLDER);
        files::create_folder(&folder)?;
        files::sweep(&folder)?;
        let path = folder.join(FILE);
        files::write(&path, &std::mem::take(&mut events.bytes))?;
        Ok(Self { path, events })
    }

    /// Appends a line of metrics.
    pub(crate) fn line(&mut self, line: &Map<String, Json>) -> Result<()> {
        self.events.line(line);
        self.flush()
    }

    /// Appends the samples of a step.
    pub(crate) fn samples(&mut self, step: u64, path: &Path) -> Result<()> {
        if let Some(png) = Png::read(path)? {
            self.events.image(step, SAMPLES, png);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        let bytes = std::mem::take(&mut self.events.bytes);
        if bytes.is_empty() { Ok(()) } else { files::append(&self.path, &bytes) }
    }
}

fn encode(run: &Run) -> Result<Events> {
    let lines = metrics::lines(&run.path)?;
    let number = |line: &Map<String, Json>, key: &str| line.get(key).and_then(Json::as_u64);
    let step_of = |epoch: u64| {
        let found = lines.iter().rfind(|line| number(line, "epoch") == Some(epoch))?;
        number(found, "step")
    };
    let samples = pictures::samples(run)?.into_iter().filter_map(|(drawn, path)| match drawn {
        Drawn::Step(step) => Some((step, path)),
        // A process that was killed may leave an image of an epoch that is not in the metrics.
        Drawn::Epoch(epoch) => Some((step_of(epoch)?, path)),
    });
    let mut samples: VecDeque<_> = samples.collect();
    let mut events = Events::default();
    let elapsed = |line: &Map<String, Json>| line.get("elapsed_s").and_then(Json::as_f64).unwrap_or_default();
    events.start(match lines.first() {
        Some(line) => time_of(line).map_or(0.0, |time| time - elapsed(line)),
        None => UNIX_EPOCH.elapsed().map_or(0.0, |time| time.as_secs_f64()),
    });
    if let Some(reals) = Png::read(&run.reals())? {
        events.image(0, "reals", reals);
    }
    let mut draw_before = |events: &mut Events, step: u64| -> Result<()> {
        while samples.front().is_some_and(|(at, _)| *at < step) {
            let Some((at, path)) = samples.pop_front() else { break };
            if let Some(png) = Png::read(&path)? {
                events.image(at, SAMPLES, png);
            }
        }
        Ok(())
    };
    for line in &lines {
        draw_before(&mut events, number(line, "step").unwrap_or_default())?;
        events.line(line);
    }
    draw_before(&mut events, u64::MAX)?;
    Ok(events)
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
    fn events_follow_the_lines_of_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(6, 4).write_to(&mut png, image::ImageFormat::Png).unwrap();
        fs::create_dir(folder.path().join("samples")).unwrap();
        put("config.toml", b"family = 1");
        put("samples/000001.png", png.get_ref());
        put("samples/000002.png", png.get_ref());
        let lines = [
            "{\"step\":50,\"kl\":0,\"time\":\"1970-01-01T00:16:40Z\",\"elapsed_s\":10}",
            "{\"step\":100,\"kl\":null}",
            "{\"step\":110,\"kl\":1e99}",
            "{\"epoch\":1,\"step\":120,\"test_kl\":2.5,\"time\":\"1970-01-01T00:16:41.5Z\"}",
            "{\"epoch\":1,\"step\":120,\"monitor\":\"a\",\"seen\":\"b\",\"try\":\"c\"}",
            "{\"step\":130,\"kl\":3}",
        ];
        put("metrics.jsonl", (lines.join("\n") + "\n").as_bytes());
        let path = write(folder.path()).unwrap();
        let bytes = fs::read(&path).unwrap();
        let events = parse(&bytes);
        assert_eq!((events[0].file_version.as_deref(), events[0].wall_time), (Some(VERSION), 990.0));
        let values = events[1..].iter().map(|event| (event.step, &event.summary.as_ref().unwrap().value[0]));
        let values: Vec<_> = values.collect();
        let tags = values.iter().map(|(step, value)| (*step, value.tag.as_str(), value.simple_value));
        let tags: Vec<_> = tags.collect();
        let expected = [
            (50, "kl/train", Some(0.0)),
            (120, "kl/test", Some(2.5)),
            (120, "samples", None),
            (130, "kl/train", Some(3.0)),
        ];
        assert_eq!(tags, expected);
        let times: Vec<f64> = events[1..].iter().map(|event| event.wall_time).collect();
        assert_eq!(times, [1000.0, 1001.5, 120.0, 130.0]);
        let metadata = values[0].1.metadata.as_ref().unwrap();
        assert_eq!(metadata.display_name, "KL [nats/image], train");
        assert!(metadata.summary_description.starts_with("KL divergence") && values[3].1.metadata.is_none());
        let image = values[2].1.image.as_ref().unwrap();
        assert_eq!((image.height, image.width, image.colorspace), (4, 6, 3));
        assert_eq!(&image.encoded_image_string, png.get_ref());

        // Line by line, as in training, they are the same bytes.
        put("metrics.jsonl", format!("{}\n", lines[0]).as_bytes());
        let mut file = EventFile::rewrite(folder.path()).unwrap();
        for line in &lines[1..] {
            file.line(&serde_json::from_str(line).unwrap()).unwrap();
            if line.contains("monitor") {
                file.samples(120, &folder.path().join("samples/000001.png")).unwrap();
            }
        }
        assert!(fs::read(&path).unwrap() == bytes);
    }
}
