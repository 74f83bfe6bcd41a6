//! Curves as SVG. The style sheet of the page sets their colours by class.

use crate::eval::metrics::{Axis, metric};
use crate::report::names::number;
use crate::report::scale::Scale;
use crate::report::thin::by_means;
use crate::run::metrics::{Column, Point};
use maud::{Markup, html};
use std::fmt::Write;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 210.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// Width of a letter in the labels of an axis.
const LETTER: f64 = 6.6;
/// Points of a curve, at most: about one to a pixel.
const MAX: usize = 600;
/// Points of a curve, at most, that have marks.
const MARKED: usize = 60;
/// Values above this are left out.
const LARGEST: f64 = 1e100;

/// The quantity on the horizontal axis.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Along {
    /// Steps.
    Step,
    /// Epochs, of this number of steps.
    Epoch(f64),
    /// Time of training, in a unit of this many seconds.
    Time(f64),
}

impl Along {
    /// Time in a unit that suits `seconds` of training.
    pub(crate) fn time(seconds: f64) -> Self {
        Self::Time(if seconds < 300.0 {
            1.0
        } else if seconds < 18_000.0 {
            60.0
        } else {
            3_600.0
        })
    }

    /// The class of its charts.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Step => "by-step",
            Self::Epoch(_) => "by-epoch",
            Self::Time(_) => "by-time",
        }
    }

    /// Its name, or its unit of time.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch(_) => "epoch",
            Self::Time(1.0) => "seconds",
            Self::Time(60.0) => "minutes",
            Self::Time(_) => "hours",
        }
    }

    /// The value of a point; `None` without a time.
    fn of(self, point: &Point) -> Option<f64> {
        match self {
            Self::Step => Some(point.step as f64),
            Self::Epoch(steps) => Some(point.step as f64 / steps),
            Self::Time(unit) => point.elapsed.map(|seconds| seconds / unit),
        }
    }
}

/// One curve of a chart.
struct Curve {
    name: &'static str,
    class: &'static str,
    points: Vec<Point>,
}

impl Curve {
    fn new(name: &'static str, class: &'static str, points: &[Point]) -> Self {
        let drawable = |point: &Point| Point { value: point.value.filter(|value| value.abs() < LARGEST), ..*point };
        let drawable: Vec<Point> = points.iter().map(drawable).collect();
        Self { name, class, points: by_means(&drawable, MAX) }
    }

    fn values(&self) -> impl Iterator<Item = f64> + Clone {
        self.points.iter().filter_map(|point| point.value)
    }
}

/// A chart.
pub(crate) struct Chart {
    /// A chart for each horizontal axis.
    pub svgs: Vec<Markup>,
    /// True if the vertical axis is logarithmic.
    pub logarithmic: bool,
}

/// The chart of a metric along each axis: its training curve and its test curve; `None` without values.
pub(crate) fn chart(column: &Column, title: &str, axes: &[Along]) -> Option<Chart> {
    // Means over epochs replace means over steps if there are too few of those for a curve.
    let coarse = column.windows.len() < 2 && !column.train.is_empty();
    let training = if coarse { &column.train } else { &column.windows };
    let curves = [
        Curve::new("training", "train", training),
        Curve::new("each epoch", "train", &column.epochs),
        Curve::new("test", "test", &column.test),
    ];
    let curves: Vec<Curve> = curves.into_iter().filter(|curve| curve.values().next().is_some()).collect();
    let (values, ends) = (curves.iter().flat_map(Curve::values), [HEIGHT - BOTTOM, TOP]);
    let axis = metric(&column.name).map_or(Axis::Logarithmic, |metric| metric.axis);
    let y = Scale::of(axis, values, ends)?;
    let svgs = axes.iter().map(|&along| drawing(&curves, &y, along, title)).collect();
    Some(Chart { svgs, logarithmic: y.is_logarithmic() })
}

/// The chart of the curves along one axis.
fn drawing(curves: &[Curve], y: &Scale, along: Along, title: &str) -> Markup {
    let y_ticks = y.ticks(4);
    let letters = y_ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
    let left = LETTER * letters as f64 + 12.0;
    let last = curves.iter().flat_map(|curve| &curve.points).filter_map(|point| along.of(point)).fold(0.0, f64::max);
    let x = Scale::up_to(last, [left, WIDTH - RIGHT]);
    let about = summary(title, curves, along, y.is_logarithmic());
    html! {
        svg class=(along.class()) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" tabindex="0" aria-label=(about) {
            (axes(&x, y, &y_ticks, left, along))
            @for curve in curves { (drawn(curve, &x, y, along)) }
            line.cursor x1="0" x2="0" y1=(TOP) y2=(HEIGHT - BOTTOM) visibility="hidden" {}
        }
    }
}

/// `−ELBO by step; training from 318.13 to 182.61; test from 222.39 to 174.53`
fn summary(title: &str, curves: &[Curve], along: Along, logarithmic: bool) -> String {
    let mut summary =
        format!("{title} by {}{}", along.name(), if logarithmic { ", on a logarithmic axis" } else { "" });
    for curve in curves {
        if let (Some(first), Some(last)) = (curve.values().next(), curve.values().last()) {
            let _ = write!(summary, "; {} from {} to {}", curve.name, number(first), number(last));
        }
    }
    summary
}

fn axes(x: &Scale, y: &Scale, y_ticks: &[(f64, String)], left: f64, along: Along) -> Markup {
    let floor = HEIGHT - BOTTOM;
    html! {
        g.axes {
            @for (value, label) in y_ticks {
                @let at = places(y.at(*value));
                line.grid x1=(left) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
                text x=(left - 7.0) y=(at) dy="0.32em" text-anchor="end" { (label) }
            }
            line.base x1=(left) x2=(WIDTH - RIGHT) y1=(floor) y2=(floor) {}
            @for (value, label) in x.ticks(5) {
                @let at = places(x.at(value));
                line.base x1=(at) x2=(at) y1=(floor) y2=(floor + 4.0) {}
                text x=(at) y=(floor + 17.0) text-anchor="middle" { @if value == 0.0 { (along.name()) " " } (label) }
            }
        }
    }
}

/// A line with gaps, and marks if there are few points. The attribute `data-points` has `x|y|value|position` of each
/// point, separated by semicolons.
fn drawn(curve: &Curve, x: &Scale, y: &Scale, along: Along) -> Markup {
    let place = |point: &Point| Some((x.at(along.of(point)?), y.at(point.value?)));
    let label = |point: &Point| {
        let (at, value) = (place(point)?, number(point.value?));
        let place = point.epoch.map_or(format!("step {}", point.step), |epoch| format!("epoch {epoch}"));
        Some(format!("{}|{}|{value}|{place}", places(at.0), places(at.1)))
    };
    let labels: Vec<String> = curve.points.iter().filter_map(label).collect();
    let marked = curve.class == "test" && labels.len() <= MARKED;
    html! {
        g class=(curve.class) data-name=(curve.name) data-points=(labels.join(";")) {
            path.curve d=(path(curve.points.iter().map(place))) {}
            @for (x, y) in curve.points.iter().filter_map(place).filter(|_| marked) {
                circle cx=(places(x)) cy=(places(y)) r="2.6" {}
            }
        }
    }
}

/// A line through the points. A point between two gaps is a line of length zero, which round caps make a dot.
fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for point in points {
        if let Some((x, y)) = point {
            let (x, y) = (places(x), places(y));
            let _ = if drawing { write!(path, "L{x} {y}") } else { write!(path, "M{x} {y}h0") };
        }
        drawing = point.is_some();
    }
    path
}

/// Rounds to a tenth of a pixel.
fn places(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[Option<f64>]) -> Column {
        let point = |(i, &value)| Point { step: 50 * (i as u64 + 1), epoch: None, elapsed: None, value };
        Column { windows: values.iter().enumerate().map(point).collect(), ..Column::default() }
    }

    fn drawing(column: &Column) -> String {
        chart(column, "loss", &[Along::Step]).unwrap().svgs.remove(0).into_string()
    }

    #[test]
    fn missing_values_leave_gaps() {
        let values = [Some(3.0), Some(2.0), None, Some(1.5), None, Some(1.0), Some(0.5)];
        let svg = drawing(&column(&values));
        let path = svg.split("class=\"curve\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (3, 2), "{path}");
        assert!(svg.contains("loss by step; training from 3 to 0.500"), "{svg}");
        assert_eq!(svg.matches("|step ").count(), 5);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn values_that_cannot_be_drawn_are_left_out() {
        assert!(chart(&column(&[]), "loss", &[Along::Step]).is_none());
        assert!(chart(&column(&[None, None]), "loss", &[Along::Step]).is_none());
        assert!(chart(&column(&[Some(1e300)]), "loss", &[Along::Step]).is_none());
        let one = Column { test: column(&[Some(2.0)]).windows, ..Column::default() };
        let svg = drawing(&one);
        assert!(svg.contains("<circle") && !svg.contains("class=\"train\""), "{svg}");
    }

    #[test]
    fn the_horizontal_axis_may_be_epochs_or_time() {
        let point = |step, elapsed| Point { step, epoch: None, elapsed, value: Some(step as f64) };
        let windows = vec![point(50, None), point(100, Some(120.0)), point(200, Some(600.0))];
        let column = Column { windows, ..Column::default() };
        let chart = chart(&column, "loss", &[Along::Step, Along::Epoch(100.0), Along::time(600.0)]).unwrap();
        let [steps, epochs, minutes] =
            chart.svgs.try_into().map(|svgs: [Markup; 3]| svgs.map(Markup::into_string)).unwrap();
        assert!(
            steps.contains("class=\"by-step\"") && steps.contains(">step 0<") && steps.contains(">200<"),
            "{steps}"
        );
        assert!(
            epochs.contains(">epoch 0<") && epochs.contains(">2.0<") && epochs.contains("loss by epoch"),
            "{epochs}"
        );
        assert!(minutes.contains(">minutes 0<") && minutes.contains(">10<"), "{minutes}");
        // A point without a time has no place there.
        assert_eq!([steps, epochs, minutes].map(|svg| svg.matches("|step ").count()), [3, 3, 2]);
    }

    #[test]
    fn a_long_curve_is_thinned() {
        let values: Vec<Option<f64>> = (0..20_000).map(|i| Some(1.0 / f64::from(i + 1))).collect();
        let svg = drawing(&column(&values));
        assert!(svg.matches("|step ").count() <= MAX && svg.contains("|step 50;") && svg.contains("|step 1000000\""));
        // From 1 to 1/20,000.
        assert!(svg.contains(">1e−4<") && svg.contains(">0.01<"), "the axis is logarithmic");
        assert!(svg.contains("aria-label=\"loss by step, on a logarithmic axis; training from 1 to"), "{svg}");
        let speed = Column { name: "images_per_second".into(), ..column(&values) };
        let svg = drawing(&speed);
        assert!(svg.contains(">0<") && !svg.contains("logarithmic"), "the axis of the speed begins at zero");
    }
}
