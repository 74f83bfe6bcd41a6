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
    /// The picture.
    pub svg: Markup,
    /// True if the vertical axis is logarithmic.
    pub logarithmic: bool,
}

/// The chart of a metric: its training curve and its test curve; `None` without values.
pub(crate) fn chart(column: &Column, title: &str) -> Option<Chart> {
    // Means over epochs replace means over steps if there are too few of those for a curve.
    let coarse = column.windows.len() < 2 && !column.train.is_empty();
    let training = if coarse { &column.train } else { &column.windows };
    let curves = [
        Curve::new("training", "train", training),
        Curve::new("each epoch", "train", &column.epochs),
        Curve::new("test", "test", &column.test),
    ];
    let curves: Vec<Curve> = curves.into_iter().filter(|curve| curve.values().next().is_some()).collect();
    let last_step = curves.iter().flat_map(|curve| &curve.points).map(|point| point.step).max()?;
    let (values, ends) = (curves.iter().flat_map(Curve::values), [HEIGHT - BOTTOM, TOP]);
    let axis = metric(&column.name).map_or(Axis::Logarithmic, |metric| metric.axis);
    let y = Scale::of(axis, values, ends)?;
    let y_ticks = y.ticks(4);
    let letters = y_ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
    let left = LETTER * letters as f64 + 12.0;
    let x = Scale::of_steps(last_step, [left, WIDTH - RIGHT]);
    let logarithmic = y.is_logarithmic();
    let about = summary(title, &curves, logarithmic);
    let svg = html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" tabindex="0" aria-label=(about) {
            (axes(&x, &y, &y_ticks, left))
            @for curve in &curves { (drawn(curve, &x, &y)) }
            line.cursor x1="0" x2="0" y1=(TOP) y2=(HEIGHT - BOTTOM) visibility="hidden" {}
        }
    };
    Some(Chart { svg, logarithmic })
}

/// `−ELBO by step; training from 318.13 to 182.61; test from 222.39 to 174.53`
fn summary(title: &str, curves: &[Curve], logarithmic: bool) -> String {
    let mut summary = format!("{title} by step{}", if logarithmic { ", on a logarithmic axis" } else { "" });
    for curve in curves {
        if let (Some(first), Some(last)) = (curve.values().next(), curve.values().last()) {
            let _ = write!(summary, "; {} from {} to {}", curve.name, number(first), number(last));
        }
    }
    summary
}

fn axes(x: &Scale, y: &Scale, y_ticks: &[(f64, String)], left: f64) -> Markup {
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
                text x=(at) y=(floor + 17.0) text-anchor="middle" { @if value == 0.0 { "step " } (label) }
            }
        }
    }
}

/// A line with gaps, and marks if there are few points. The attribute `data-points` has `x|y|value|position` of each
/// point, separated by semicolons.
fn drawn(curve: &Curve, x: &Scale, y: &Scale) -> Markup {
    let place = |point: &Point| point.value.map(|value| (x.at(point.step as f64), y.at(value)));
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
        chart(column, "loss").unwrap().svg.into_string()
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
        assert!(chart(&column(&[]), "loss").is_none());
        assert!(chart(&column(&[None, None]), "loss").is_none());
        assert!(chart(&column(&[Some(1e300)]), "loss").is_none());
        let one = Column { test: column(&[Some(2.0)]).windows, ..Column::default() };
        let svg = drawing(&one);
        assert!(svg.contains("<circle") && !svg.contains("class=\"train\""), "{svg}");
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
