//! Lines that fit a width.

use super::timer::StepTimer;
use crate::io::format::{clock, sparkline};
use std::time::Instant;

/// Widths of the bar, in cells.
const CELLS: [usize; 3] = [32, 16, 10];

/// The state of the work, beside its steps.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Status {
    /// Values, each with its name: `recon 80.80`.
    pub values: Vec<String>,
    /// Earlier values, for a sparkline.
    pub history: Vec<f64>,
    /// The speed: `5120 images/s`.
    pub speed: String,
}

/// A bar with the steps, the values, the speed and the time left, in at most `columns` columns.
///
/// A narrow terminal has a shorter bar, then no sparkline, no speed, and fewer values.
pub(super) fn bar_line(timer: &StepTimer, now: Instant, status: &Status, columns: usize, colour: bool) -> String {
    let spark = sparkline(&status.history);
    let all = status.values.len();
    let wide = [(CELLS[0], true, true, all), (CELLS[1], true, true, all), (CELLS[1], false, true, all)];
    let narrow = (0..=all).rev().map(|values| (CELLS[2], false, false, values));
    let plans = wide.into_iter().chain([(CELLS[2], false, true, all)]).chain(narrow);
    let mut rest = String::new();
    let mut cells = 0;
    for (width, with_spark, with_speed, values) in plans {
        let mut parts = vec![steps(timer)];
        parts.extend(with_spark.then(|| spark.clone()));
        parts.extend_from_slice(&status.values[..values]);
        parts.extend(with_speed.then(|| status.speed.clone()));
        parts.extend(left(timer, now));
        parts.retain(|part| !part.is_empty());
        (cells, rest) = (width, parts.join("  "));
        if width + 1 + rest.chars().count() <= columns {
            break;
        }
    }
    if cells + 1 + rest.chars().count() > columns {
        return shortened(&rest, columns);
    }
    format!("{} {rest}", bar(timer, cells, colour))
}

/// The same without a bar, for a file.
pub(super) fn plain_line(timer: &StepTimer, now: Instant, status: &Status) -> String {
    let speed = Some(status.speed.clone()).filter(|speed| !speed.is_empty());
    let parts = [format!("step {}/{}", timer.done, timer.total)];
    let parts = parts.into_iter().chain(status.values.iter().cloned()).chain(speed).chain(left(timer, now));
    parts.collect::<Vec<_>>().join("  ")
}

/// The first line that fits, or the last one shortened.
pub(super) fn fitting(lines: &[String], columns: usize) -> String {
    let found = lines.iter().find(|line| line.chars().count() <= columns);
    found.cloned().unwrap_or_else(|| lines.last().map(|line| shortened(line, columns)).unwrap_or_default())
}

fn steps(timer: &StepTimer) -> String {
    format!("{}/{} steps", timer.done, timer.total)
}

fn left(timer: &StepTimer, now: Instant) -> Option<String> {
    timer.seconds_left(now).map(|seconds| format!("{} left", clock(seconds)))
}

fn bar(timer: &StepTimer, cells: usize, colour: bool) -> String {
    let done = (timer.done.min(timer.total) as f64 / timer.total.max(1) as f64 * cells as f64) as usize;
    let head = if done < cells { "╸" } else { "" };
    let (start, end) = if colour { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
    let rest = "─".repeat(cells - done - head.chars().count());
    format!("{start}{}{head}{end}{rest}", "━".repeat(done))
}

/// The start of a line and an ellipsis.
fn shortened(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.into();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Lines at 240 of 7900 steps, after 24 seconds.
    fn at(columns: usize, values: &[&str]) -> String {
        let start = Instant::now();
        let mut timer = StepTimer::new(7900, 0, start);
        (0..=240).for_each(|_| timer.step(start));
        let status = Status {
            values: values.iter().map(|value| value.to_string()).collect(),
            history: vec![1.0, 0.5, 0.0],
            speed: "12345 images/s".into(),
        };
        bar_line(&timer, start + Duration::from_secs(24), &status, columns, false)
    }

    #[test]
    fn a_line_fits_the_width() {
        let vae = ["recon 80.80", "kl 24.78"];
        let gan = ["d_loss 0.809", "g_loss 1.487", "d_real 0.705", "d_fake 0.273"];
        for values in [&vae[..], &gan, &[]] {
            for columns in 1..=160 {
                let line = at(columns, values);
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
        let wide = at(160, &vae);
        assert!(wide.contains("241/7900 steps  █▅▁  recon 80.80  kl 24.78  12345 images/s  12:46 left"), "{wide}");
        assert_eq!(at(77, &vae), "╸───────── 241/7900 steps  recon 80.80  kl 24.78  12345 images/s  12:46 left");
        assert_eq!(at(77, &gan), "╸───────── 241/7900 steps  d_loss 0.809  g_loss 1.487  12:46 left");
        assert_eq!(at(20, &vae), "241/7900 steps  12:…");
    }

    #[test]
    fn the_bar_is_full_at_the_end() {
        let timer = |done| StepTimer::new(8, done, Instant::now());
        assert_eq!([0, 4, 8].map(|done| bar(&timer(done), 4, false)), ["╸───", "━━╸─", "━━━━"]);
        assert_eq!(bar(&timer(4), 4, true), "\x1b[36m━━╸\x1b[0m─");
    }

    #[test]
    fn the_longest_fitting_line_is_chosen() {
        let lines = ["a longer line".to_string(), "a line".into()];
        assert_eq!([80, 8, 4].map(|columns| fitting(&lines, columns)), ["a longer line", "a line", "a l…"]);
    }
}
