//! The contents of metrics.jsonl, column by column.

use crate::io::error::Result;
use crate::io::files;
use humantime::format_rfc3339_millis;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Instant, SystemTime};

/// The key that names a monitor, and that of version 0.1.
const MONITOR: [&str; 2] = ["monitor", "guard"];

/// Kinds of lines that [`parse`] reads; version 0.1.0 wrote none.
const KINDS: [&str; 5] = ["step", "epoch", "warning", "rollback", "error"];

/// Numbers of a line that are not metrics.
const PLACES: [&str; 3] = ["step", "epoch", "elapsed_s"];

/// The clock of a run: it adds the time to lines of metrics.jsonl. Only this file and the report depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    since: Instant,
    /// Seconds of training before.
    before: f64,
}

impl Clock {
    /// A clock that continues from the last line of a run's metrics, or from zero.
    pub fn after(metrics: &str) -> Self {
        let elapsed = |line: &str| Line::parse(line)?.elapsed;
        let before = metrics.lines().rev().find_map(elapsed).filter(|seconds| *seconds >= 0.0);
        Self { since: Instant::now(), before: before.unwrap_or_default() }
    }

    /// Adds `time`, in UTC by RFC 3339, and `elapsed_s`, the seconds of training over all processes.
    pub fn stamped(&self, line: &Value) -> Map<String, Value> {
        let mut line = line.as_object().cloned().unwrap_or_default();
        let elapsed = self.before + self.since.elapsed().as_secs_f64();
        line.insert("time".into(), json!(format_rfc3339_millis(SystemTime::now()).to_string()));
        line.insert("elapsed_s".into(), json!((1e3 * elapsed).round() / 1e3));
        line
    }
}

/// A line without the keys that [`Clock::stamped`] adds.
pub fn without_time(line: &str) -> Option<Value> {
    let mut line: Map<String, Value> = serde_json::from_str(line).ok()?;
    line.retain(|key, _| key != "time" && key != "elapsed_s");
    Some(line.into())
}

/// A value at a step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// The step, from one.
    pub step: u64,
    /// The epoch of a value that belongs to one.
    pub epoch: Option<u64>,
    /// Seconds of training; `None` in a line of version 0.1.0.
    pub elapsed: Option<f64>,
    /// `None` if it is missing or was not finite, which JSON writes as null.
    pub value: Option<f64>,
}

/// The values of one quantity during a run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Column {
    /// Name of the quantity.
    pub name: String,
    /// In training: means over the steps of a line.
    pub windows: Vec<Point>,
    /// In training: means over epochs.
    pub train: Vec<Point>,
    /// On the test set, after each epoch.
    pub test: Vec<Point>,
    /// Other values of an epoch, such as its speed.
    pub epochs: Vec<Point>,
}

/// A warning of a monitor.
#[derive(Clone, PartialEq, Debug)]
pub struct Warning {
    /// The step, from one.
    pub step: u64,
    /// The epoch, if the warning is of one.
    pub epoch: Option<u64>,
    /// Name of the monitor.
    pub monitor: String,
    /// Observation.
    pub seen: String,
    /// Settings that may help.
    pub advice: String,
}

/// The metrics of a run; empty before the first line.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Metrics {
    /// In alphabetical order.
    pub columns: Vec<Column>,
    /// Warnings of monitors.
    pub warnings: Vec<Warning>,
    /// Each epoch's number and its last step.
    pub epochs: Vec<(u64, u64)>,
    /// The last recorded step.
    pub steps: u64,
    /// Seconds of training.
    pub elapsed: Option<f64>,
    /// Times of the first and the last line, in UTC by RFC 3339.
    pub times: Option<[String; 2]>,
}

/// Reads a run's metrics; empty without a file.
///
/// # Errors
/// The file cannot be read.
pub fn read(run_path: &Path) -> Result<Metrics> {
    Ok(parse(&text(run_path)?))
}

fn text(run_path: &Path) -> Result<String> {
    let bytes = files::read_if_exists(&run_path.join("metrics.jsonl"), files::TEXT)?;
    // A torn line may end inside a character.
    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
}

/// The text without an unfinished last line.
fn whole(text: &str) -> &str {
    text.rsplit_once('\n').map_or("", |(whole, _)| whole)
}

/// The lines of a run's metrics in order; none without a file. A line that does not read is left out.
///
/// # Errors
/// The file cannot be read.
pub fn lines(run_path: &Path) -> Result<Vec<Map<String, Value>>> {
    let text = text(run_path)?;
    Ok(whole(&text).lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// True for the numbers of a line that are not metrics: step, epoch and time.
pub fn is_place(key: &str) -> bool {
    PLACES.contains(&key)
}

/// Parses the lines of a run's metrics. An unfinished last line is skipped.
pub fn parse(text: &str) -> Metrics {
    let lines: Vec<Line> = whole(text).lines().filter_map(Line::parse).collect();
    let steps = lines.iter().map(|line| line.step).max().unwrap_or_default();
    let elapsed = lines.iter().filter_map(|line| line.elapsed).reduce(f64::max);
    let mut times = lines.iter().filter_map(|line| line.fields.get("time")?.as_str());
    let times = times.next().map(|first| [first, times.next_back().unwrap_or(first)].map(String::from));
    let (warnings, lines): (Vec<_>, Vec<_>) =
        lines.into_iter().partition(|line| MONITOR.iter().any(|key| line.fields.contains_key(*key)));
    let (epochs, windows): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.epoch.is_some());
    let mut columns: BTreeMap<String, Column> = BTreeMap::new();
    let mut column = |name: &str, put: &dyn Fn(&mut Column)| {
        put(columns.entry(name.into()).or_insert_with(|| Column { name: name.into(), ..Column::default() }));
    };
    for key in quantities(&windows) {
        column(&key, &|column| column.windows = points(&windows, &key));
    }
    if let Some(sums) = sums(&windows) {
        column("neg_elbo", &|column| column.windows = sums.clone());
    }
    for key in quantities(&epochs) {
        let points = points(&epochs, &key);
        match key.split_once('_') {
            Some(("train", name)) => column(name, &|column| column.train = points.clone()),
            Some(("test", name)) => column(name, &|column| column.test = points.clone()),
            _ => column(&key, &|column| column.epochs = points.clone()),
        }
    }
    Metrics {
        columns: columns.into_values().collect(),
        warnings: warnings.iter().map(Line::warning).collect(),
        epochs: epochs.iter().filter_map(|line| Some((line.epoch?, line.step))).collect(),
        steps,
        elapsed,
        times,
    }
}

impl Metrics {
    /// The last step of an epoch.
    pub fn step_of(&self, epoch: u64) -> Option<u64> {
        self.epochs.iter().rfind(|(number, _)| *number == epoch).map(|(_, step)| *step)
    }
}

/// A line that has a step.
struct Line {
    step: u64,
    epoch: Option<u64>,
    elapsed: Option<f64>,
    fields: Map<String, Value>,
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let fields: Map<String, Value> = serde_json::from_str(line).ok()?;
        let number = |key: &str| fields.get(key).and_then(Value::as_u64);
        let (step, epoch) = (number("step")?, number("epoch"));
        let elapsed = fields.get("elapsed_s").and_then(Value::as_f64);
        let known = fields.get("kind").is_none_or(|kind| KINDS.iter().any(|known| kind == known));
        known.then_some(Self { step, epoch, elapsed, fields })
    }

    fn warning(&self) -> Warning {
        let text = |key: &str| self.fields.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
        let monitor = MONITOR.into_iter().map(text).find(|name| !name.is_empty()).unwrap_or_default();
        Warning { step: self.step, epoch: self.epoch, monitor, seen: text("seen"), advice: text("try") }
    }
}

/// The names of the lines' metrics.
fn quantities(lines: &[Line]) -> BTreeSet<String> {
    let fields = lines.iter().flat_map(|line| &line.fields);
    let numbers = fields.filter(|(key, value)| (value.is_number() || value.is_null()) && !is_place(key));
    numbers.map(|(key, _)| key.clone()).collect()
}

fn points(lines: &[Line], key: &str) -> Vec<Point> {
    let value = |line: &Line| line.fields.get(key).and_then(Value::as_f64);
    let point = |line: &Line| Point { step: line.step, epoch: line.epoch, elapsed: line.elapsed, value: value(line) };
    lines.iter().map(point).collect()
}

/// −ELBO of every window, if the lines have its terms and not their sum.
fn sums(windows: &[Line]) -> Option<Vec<Point>> {
    let has = |key: &str| windows.iter().any(|line| line.fields.contains_key(key));
    let [recons, kls] = ["recon", "kl"].map(|key| points(windows, key));
    let sum = |(recon, kl): (Point, Point)| Point { value: recon.value.zip(kl.value).map(|(a, b)| a + b), ..recon };
    (has("recon") && has("kl") && !has("neg_elbo")).then(|| recons.into_iter().zip(kls).map(sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_columns() {
        let metrics = parse(concat!(
            "{\"recon\":3.5,\"step\":50}\n",
            "{\"recon\":null,\"kl\":1,\"step\":100}\n",
            "no JSON\n{\"recon\":1}\n",
            "{\"epoch\":1,\"step\":120,\"train_recon\":3,\"test_recon\":2.5,\"images_per_second\":9.5}\n",
            "{\"epoch\":1,\"step\":120,\"guard\":\"collapse\",\"seen\":\"a\",\"try\":\"b\"}\n",
            "{\"epoch\":1,\"step\":120,\"monitor\":\"collapse\",\"seen\":\"a\",\"try\":\"b\"}\n",
            "{\"recon\":2.5,\"kl\":0.5,\"step\":150}\n",
            "{\"recon\":1,\"step\":200",
        ));
        let names: Vec<&str> = metrics.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["images_per_second", "kl", "neg_elbo", "recon"]);
        let point = |step, epoch, value| Point { step, epoch, elapsed: None, value };
        let recon = &metrics.columns[3];
        assert_eq!(recon.windows, [point(50, None, Some(3.5)), point(100, None, None), point(150, None, Some(2.5))]);
        assert_eq!(recon.test, [point(120, Some(1), Some(2.5))]);
        let kl = [point(50, None, None), point(100, None, Some(1.0)), point(150, None, Some(0.5))];
        assert_eq!(metrics.columns[1].windows, kl);
        let sums = [point(50, None, None), point(100, None, None), point(150, None, Some(3.0))];
        assert_eq!(metrics.columns[2].windows, sums, "−ELBO is there as often as its parts");
        assert_eq!(metrics.columns[0].epochs, [point(120, Some(1), Some(9.5))]);
        assert_eq!((metrics.warnings.len(), metrics.warnings[0].monitor.as_str()), (2, "collapse"));
        assert_eq!((metrics.step_of(1), metrics.step_of(2), metrics.steps), (Some(120), None, 150));
    }

    #[test]
    fn lines_have_a_time_that_continues() {
        let stamped = |clock: Clock, line: Value| Value::from(clock.stamped(&line));
        let first = stamped(Clock::after(""), json!({ "kind": "step", "step": 5, "kl": 1.5 }));
        let time = first["time"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok() && time.ends_with('Z'), "{time}");
        assert!((0.0..60.0).contains(&first["elapsed_s"].as_f64().unwrap()));
        let text = "{\"step\":1,\"elapsed_s\":7.5}\n{\"step\":2}\n";
        let next = stamped(Clock::after(text), json!({ "step": 3 }));
        assert!((7.5..60.0).contains(&next["elapsed_s"].as_f64().unwrap()), "{next}");
        assert_eq!(without_time(&first.to_string()), Some(json!({ "kind": "step", "step": 5, "kl": 1.5 })));
        let metrics = parse(&format!("{first}\n{{\"kind\":\"later\",\"step\":9}}\n{next}\n"));
        assert_eq!((metrics.steps, metrics.elapsed), (5, next["elapsed_s"].as_f64()));
        assert_eq!(metrics.times.unwrap()[0], time);
        assert_eq!(metrics.columns.len(), 1, "the time is not a metric");
    }

    #[test]
    fn a_torn_line_is_left_out_even_if_it_reads() {
        assert_eq!(parse("{\"step\":5,\"a\":1}"), Metrics::default());
        assert_eq!(parse("{\"step\":5,\"a\":1}\n{\"step\":50,\"a\":1}").steps, 5);
    }
}
