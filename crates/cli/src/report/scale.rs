//! Axes: values to positions in pixels, and tick labels.

use crate::eval::metrics::Axis;

/// Ratio of the largest to the smallest value above which an axis may be logarithmic.
const WIDE: f64 = 1000.0;
/// Margin above and below a curve, as a share of its range.
const MARGIN: f64 = 0.06;
/// Range below which values count as equal, as a share of the largest of them, and at all: what a difference of two
/// numbers resolves, and what can still be divided.
const EQUAL: [f64; 2] = [1e-12, 1e-290];

/// An axis.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Positions of `low` and `high`, in pixels.
    ends: [f64; 2],
}

impl Scale {
    /// The axis of a metric; `None` without values.
    pub(crate) fn of(axis: Axis, values: impl Iterator<Item = f64> + Clone, ends: [f64; 2]) -> Option<Self> {
        match axis {
            Axis::Logarithmic => Self::around(values, ends),
            Axis::Linear => Self::linear(values, ends),
            Axis::FromZero => Self::from_zero(values, ends),
        }
    }

    /// An axis from zero to `last`.
    pub(crate) fn up_to(last: f64, ends: [f64; 2]) -> Self {
        Self { low: 0.0, high: if differ(0.0, last) { last } else { 1.0 }, logarithmic: false, ends }
    }

    /// An axis around `values`: logarithmic if they are positive and far apart, else linear; `None` without values.
    pub(crate) fn around(values: impl Iterator<Item = f64> + Clone, ends: [f64; 2]) -> Option<Self> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.clone().reduce(f64::max)?;
        if low > 0.0 && high / low > WIDE {
            return Some(Self { low: low / 1.3, high: high * 1.3, logarithmic: true, ends });
        }
        Self::linear(values, ends)
    }

    /// A linear axis around `values`; `None` without values.
    pub(crate) fn linear(values: impl Iterator<Item = f64> + Clone, ends: [f64; 2]) -> Option<Self> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.reduce(f64::max)?;
        let margin = match differ(low, high) {
            true => (high - low) * MARGIN,
            false => (low.abs() / 10.0).max(0.1),
        };
        // The axis of values that are not negative does not go below zero.
        let below = if low >= 0.0 { (low - margin).max(0.0) } else { low - margin };
        Some(Self { low: below, high: high + margin, logarithmic: false, ends })
    }

    /// A linear axis from zero; around `values` if one is negative.
    pub(crate) fn from_zero(values: impl Iterator<Item = f64> + Clone, ends: [f64; 2]) -> Option<Self> {
        let low = values.clone().reduce(f64::min)?;
        let high = values.clone().reduce(f64::max)?;
        if low < 0.0 || !differ(0.0, high) {
            return Self::linear(values, ends);
        }
        Some(Self { low: 0.0, high: high * (1.0 + MARGIN), logarithmic: false, ends })
    }

    /// True for a logarithmic axis.
    pub(crate) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// The position of `value`, in pixels.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = match self.logarithmic {
            // A ratio of numbers this far apart may be infinite.
            true => (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
            false => (value - self.low) / (self.high - self.low),
        };
        self.ends[0] + share * (self.ends[1] - self.ends[0])
    }

    /// About `count` round values, with their labels.
    pub(crate) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.logarithmic {
            return self.decades(count);
        }
        let step = round_step((self.high - self.low) / count as f64);
        let multiples = ((self.low / step).ceil() as i64)..=((self.high / step).floor() as i64);
        let most = self.high.abs().max(self.low.abs());
        let (divisor, suffix) = match most {
            most if most >= 1e7 => (1e6, "M"),
            most if most >= 1e4 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let decimals = (-(step / divisor).log10().floor()).clamp(0.0, 9.0) as usize;
        let digits = (most / step).log10().ceil().clamp(0.0, 9.0) as usize;
        let label = |value: f64| match value == 0.0 {
            true => "0".into(),
            false if !(1e-6..1e10).contains(&most) => format!("{value:.digits$e}").replace('-', "−"),
            false => format!("{:.decimals$}{suffix}", value / divisor).replace('-', "−"),
        };
        multiples.map(|multiple| multiple as f64 * step).map(|value| (value, label(value))).collect()
    }

    /// Powers of ten.
    fn decades(&self, count: usize) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10().ceil() as i32, self.high.log10().floor() as i32);
        let stride = ((last - first + 1).max(1) as usize).div_ceil(count + 2);
        // `powi` is zero below 1e−308.
        let value = |power: i32| 10_f64.powf(power.into());
        let label = |power: i32| match power {
            -3..=4 => format!("{}", value(power)),
            _ => format!("1e{power}").replace('-', "−"),
        };
        (first..=last).step_by(stride).map(|power| (value(power), label(power))).collect()
    }
}

/// True if two numbers, the larger one second, are far enough apart for an axis between them.
fn differ(low: f64, high: f64) -> bool {
    let [relative, absolute] = EQUAL;
    high - low > (relative * low.abs().max(high.abs())).max(absolute)
}

/// 1, 2 or 5 times a power of ten: the nearest to `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let digit = match step / power {
        digit if digit < 1.5 => 1.0,
        digit if digit < 3.5 => 2.0,
        digit if digit < 7.5 => 5.0,
        _ => 10.0,
    };
    digit * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64]) -> Vec<String> {
        let scale = Scale::around(values.iter().copied(), [0.0, 100.0]).unwrap();
        scale.ticks(4).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&[100.0, 347.0]), ["100", "150", "200", "250", "300", "350"]);
        assert_eq!(labels(&[0.2, 0.95]), ["0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&[-1.0, 1.0]), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        assert_eq!(labels(&[17_000.0, 27_000.0]), ["18k", "20k", "22k", "24k", "26k"]);
        assert_eq!(labels(&[32.0, 32.0]), ["30", "32", "34"]);
        assert_eq!(labels(&[0.0, 0.0]), ["0", "0.02", "0.04", "0.06", "0.08", "0.10"]);
        let steps = Scale::up_to(30_000.0, [0.0, 1.0]).ticks(5);
        assert_eq!(steps.last().unwrap(), &(30_000.0, "30k".to_string()));
    }

    #[test]
    fn a_wide_range_is_logarithmic() {
        assert_eq!(labels(&[0.02, 300.0]), ["0.1", "1", "10", "100"]);
        assert_eq!(labels(&[1e-9, 1.0]), ["1e−9", "1e−7", "1e−5", "0.001", "0.1"]);
        let scale = Scale::around([1.0, 1e4].into_iter(), [0.0, 100.0]).unwrap();
        assert!((scale.at(100.0) - 50.0).abs() < 1e-9);
        // Values that are close together, or not positive, have a linear axis.
        assert_eq!(labels(&[1.0, 900.0]), ["0", "200", "400", "600", "800"]);
        assert_eq!(labels(&[0.0, 9000.0]), ["0", "2000", "4000", "6000", "8000"]);
    }

    #[test]
    fn an_axis_may_begin_at_zero() {
        let scale = |values: &[f64]| Scale::from_zero(values.iter().copied(), [100.0, 0.0]).unwrap();
        let labels: Vec<String> = scale(&[12_000.0, 15_000.0]).ticks(4).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "5k", "10k", "15k"]);
        assert_eq!(scale(&[12.0, 15_000.0]).at(0.0), 100.0, "however wide apart the values are");
        assert!(scale(&[-1.0, 1.0]).at(-1.0) < 100.0 && scale(&[0.0]).at(0.0) <= 100.0);
    }

    /// Every pair of values that a file may hold has an axis with a few ticks.
    #[test]
    fn degenerate_ranges_have_an_axis() {
        let values = [0.0, 5e-324, 1e-308, 1e-300, 1e-290, 1e-30, 1.0, 1.0 + f64::EPSILON, 1e15, 9e99];
        let values: Vec<f64> = values.into_iter().flat_map(|value| [value, -value]).collect();
        for (a, b) in values.iter().flat_map(|&a| values.iter().map(move |&b| (a, b))) {
            for axis in [Axis::Linear, Axis::Logarithmic, Axis::FromZero] {
                let scale = Scale::of(axis, [a, b].into_iter(), [0.0, 100.0]).unwrap();
                let ticks = scale.ticks(4);
                assert!((1..=12).contains(&ticks.len()), "{a} {b} {axis:?}: {} ticks", ticks.len());
                for (value, label) in &ticks {
                    assert!((-1e-6..=100.0 + 1e-6).contains(&scale.at(*value)), "{a} {b} {axis:?}: {value}");
                    assert!(label.len() < 20 && !label.contains("NaN") && !label.contains("inf"), "{label}");
                }
                assert!([a, b].iter().all(|&value| (-1e-6..=100.0 + 1e-6).contains(&scale.at(value))), "{a} {b}");
            }
        }
    }

    #[test]
    fn values_are_between_the_ends() {
        let scale = Scale::around([3.0, 7.0, 5.0].into_iter(), [200.0, 10.0]).unwrap();
        assert!(scale.at(3.0) < 200.0 && scale.at(3.0) > 180.0 && scale.at(7.0) > 10.0 && scale.at(7.0) < 30.0);
        assert_eq!(scale.at(5.0), 105.0);
        assert_eq!(Scale::around([].into_iter(), [0.0, 1.0]), None);
    }
}
