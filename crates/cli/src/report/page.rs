//! The HTML page of a run.

use crate::config::data::DIGITS;
use crate::eval::metrics::{Better, better, compared, metric, name, position};
use crate::io::format::lasting;
use crate::report::charts::{Along, Chart, chart};
use crate::report::evaluation::{ORIGIN_KEYS, Origin, table_of};
use crate::report::names::{family, number};
use crate::report::pictures::{Drawn, Png};
use crate::report::sequences::Sequences;
use crate::run::metrics::{Column, Metrics, Warning};
use gpu_core::ops::density::Density;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use models::Family;
use serde_json::{Map, Value};

/// Content security policy: the page loads nothing from outside.
const POLICY: &str =
    "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
/// Width in pixels to which small images are enlarged, by whole factors.
const ACROSS: u32 = 480;

/// The contents of a page.
pub(crate) struct Page {
    /// Name of the run folder.
    pub name: String,
    /// Configuration, as TOML.
    pub config: String,
    /// Contents of env.json.
    pub environment: Map<String, Value>,
    /// Contents of metrics.jsonl.
    pub metrics: Metrics,
    /// Contents of evaluation.json.
    pub evaluation: Map<String, Value>,
    /// Previews.
    pub samples: Vec<(Drawn, Png)>,
    /// Training images.
    pub reals: Option<Png>,
    /// Test images above their reconstructions.
    pub reconstructions: Option<Png>,
    /// Images between latents.
    pub interpolation: Option<Png>,
    /// Images along latent dimensions.
    pub traversal: Option<Png>,
    /// The latest text or sound of a model of sequences.
    pub sequences: Option<Sequences>,
}

impl Page {
    /// The page as HTML. All text from outside is escaped.
    pub(crate) fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.name) " · frit" }
                    style { (PreEscaped(include_str!("page.css"))) }
                }
                body {
                    main {
                        (self.header())
                        (tiles(&self.metrics))
                        (warnings(&self.metrics.warnings))
                        (curves(&self.metrics))
                        (self.pictures())
                        @if let Some(sequences) = &self.sequences { (sequences.section()) }
                        (self.tables())
                    }
                    script { (PreEscaped(include_str!("page.js"))) }
                }
            }
        };
        page.into_string()
    }

    fn config(&self) -> toml::Table {
        self.config.parse().unwrap_or_default()
    }

    /// The source of the data.
    fn source(&self) -> Option<String> {
        self.config().get("data")?.get("source")?.as_str().map(String::from)
    }

    /// The configuration; with targets only where they are for its data, the built-in digits.
    fn shown_config(&self) -> String {
        let mut config = self.config();
        if self.source().is_none_or(|source| source == DIGITS) || config.remove("target").is_none() {
            return self.config.clone();
        }
        toml::to_string(&config).unwrap_or_default()
    }

    fn family(&self) -> String {
        self.config().get("family").and_then(toml::Value::as_str).unwrap_or("model").to_string()
    }

    fn header(&self) -> Markup {
        // The last part of a path.
        let source = self.source().map(|source| source.rsplit(['/', '\\']).next().unwrap_or(&source).to_string());
        let noted = |key: &str| self.environment.get(key).and_then(Value::as_str);
        let Metrics { epochs, steps, elapsed, times, .. } = &self.metrics;
        // `2026-11-28T22:59:10.123Z` to the minute.
        let started = times.as_ref().and_then(|[first, _]| first.get(..16));
        let epoch = epochs.last().map(|(epoch, _)| format!("{}, ", count(*epoch, "epoch")));
        let length = format!("{}{}", epoch.unwrap_or_default(), count(*steps, "step"));
        let facts = [
            source,
            noted("executor").or(noted("device")).map(String::from),
            Some(length).filter(|_| *steps > 0),
            elapsed.map(|seconds| format!("{} of training", lasting(seconds))),
            started.map(|time| format!("{} UTC", time.replace('T', " "))),
            noted("system").map(String::from),
            noted("frit").map(|version| format!("frit {version}")),
        ];
        html! {
            header {
                p.run { (self.name) }
                h1 { (family(&self.family())) }
                ul.facts { @for fact in facts.iter().flatten() { li { (fact) } } }
            }
        }
    }

    fn pictures(&self) -> Markup {
        // Models with a prior draw samples; the others draw test images above their reconstructions.
        let draws = Family::find(&self.family()).is_some_and(Family::has_prior);
        let of = if draws { "Samples" } else { "Reconstructions" };
        let captions = match self.source().and_then(|source| Density::find(&source)) {
            Some(_) => ["Training points", "Reconstructions over test points"],
            None => ["Training images", "Test images above their reconstructions"],
        };
        let last = self.samples.len().saturating_sub(1);
        let others = [&self.reals, &self.reconstructions, &self.interpolation, &self.traversal];
        if self.samples.is_empty() && others.iter().all(|picture| picture.is_none()) {
            return html! {};
        }
        html! {
            section {
                h2 { "Images" }
                div.pictures {
                    @if let Some((drawn, _)) = self.samples.last() {
                        figure.samples {
                            figcaption { (of) " after " output { (drawn) } }
                            div.stack {
                                @for (i, (drawn, png)) in self.samples.iter().enumerate() {
                                    (picture(png, &format!("{of} after {drawn}"), i == last, Some(*drawn)))
                                }
                            }
                            @if last > 0 {
                                div.player hidden {
                                    button type="button" { "Play" }
                                    input type="range" min="0" max=(last) value=(last) aria-label="when";
                                }
                            }
                        }
                    }
                    @if let Some(reals) = &self.reals {
                        (captioned(reals, captions[0]))
                    }
                    // Without a prior, the samples are reconstructions too.
                    @if let (true, Some(pairs)) = (draws, &self.reconstructions) {
                        (captioned(pairs, captions[1]))
                    }
                    @if let Some(rows) = &self.interpolation {
                        (captioned(rows, "Interpolation between latents, row by row"))
                    }
                    @if let Some(rows) = &self.traversal {
                        (captioned(rows, "One latent dimension varied in each row"))
                    }
                }
            }
        }
    }

    fn tables(&self) -> Markup {
        let environment: Vec<_> = self.environment.iter().filter(|(_, value)| !is_empty(value)).collect();
        html! {
            div.columns {
                div {
                    (evaluation(&self.evaluation, self.metrics.steps))
                    @if !environment.is_empty() {
                        section {
                            h2 { "Environment" }
                            table { @for (key, value) in environment { (row(key, key, value, "")) } }
                        }
                    }
                }
                section {
                    h2 { "Configuration" }
                    pre { code { (self.shown_config().trim_end()) } }
                }
            }
        }
    }
}

/// `1 epoch`, `2 epochs`
fn count(count: u64, of: &str) -> String {
    format!("{} {of}{}", number(count as f64), if count == 1 { "" } else { "s" })
}

/// The metrics in the order of the table.
fn ordered(metrics: &Metrics) -> Vec<&Column> {
    let mut columns: Vec<&Column> = metrics.columns.iter().collect();
    columns.sort_by_key(|column| position(&column.name));
    columns
}

/// The last metrics of the test set, with the best value of a metric that has a direction.
fn tiles(metrics: &Metrics) -> Markup {
    let tested = ordered(metrics).into_iter().filter_map(|column| {
        let seen = || column.test.iter().filter_map(|point| Some((point.epoch?, point.value?)));
        let first_by = |is_better: fn(f64, f64) -> bool| {
            seen().reduce(|best, next| if is_better(next.1, best.1) { next } else { best })
        };
        let best = match better(&column.name) {
            Better::Lower => first_by(|a, b| a < b),
            Better::Higher => first_by(|a, b| a > b),
            Better::Neither => None,
        };
        Some((column, seen().next_back()?, best))
    });
    let epoch = metrics.epochs.last().map(|(epoch, _)| epoch);
    html! {
        @if let Some(epoch) = epoch {
            section {
                h2 { "Test set after epoch " (epoch) }
                dl.tiles {
                    @for (column, (_, value), best) in tested {
                        div {
                            dt title=[about(&column.name)] { (named(&column.name)) }
                            dd.value { (number(value)) }
                            dd.unit { (unit(&column.name)) }
                            @if let Some((epoch, best)) = best {
                                dd.best { "best " (number(best)) ", epoch " (epoch) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn warnings(warnings: &[Warning]) -> Markup {
    html! {
        @if !warnings.is_empty() {
            section.warnings {
                h2 { "Warnings" }
                ul {
                    @for Warning { step, epoch, monitor, seen, advice } in warnings {
                        li {
                            p.monitor {
                                (name(monitor))
                                span { @if let Some(epoch) = epoch { "epoch " (epoch) ", " } "step " (step) }
                            }
                            p { (seen) @if !advice.is_empty() { "; " (advice) } "." }
                        }
                    }
                }
            }
        }
    }
}

fn curves(metrics: &Metrics) -> Markup {
    let axes = axes(metrics);
    let charts = ordered(metrics).into_iter().filter_map(|column| {
        let title = name(&column.name);
        Some((chart(column, &title, &axes)?, column.name.as_str(), title))
    });
    let charts: Vec<_> = charts.collect();
    html! {
        @if !charts.is_empty() {
            section {
                h2 { "Curves" }
                p.legend { span.train { "training" } span.test { "test set" } }
                // The style sheet shows the charts of the chosen axis, without scripts.
                @for axis in axes.iter().filter(|_| axes.len() > 1) {
                    input.axis type="radio" name="axis" id=(axis.class()) checked[*axis == Along::Step];
                    label for=(axis.class()) { (axis.name()) }
                }
                div.charts {
                    @for (Chart { svgs, logarithmic }, key, title) in charts {
                        figure.chart data-metric=(key) {
                            figcaption title=[about(key)] {
                                (title)
                                @if !unit(key).is_empty() { span.unit { (unit(key)) } }
                                @if logarithmic { span.unit { "logarithmic axis" } }
                            }
                            @for svg in svgs { (svg) }
                        }
                    }
                }
            }
        }
    }
}

/// The horizontal axes that the metrics have.
fn axes(metrics: &Metrics) -> Vec<Along> {
    // The last epoch may be a part; the others tell how many steps one has.
    let steps = metrics.epochs.iter().map(|(epoch, step)| *step as f64 / (*epoch).max(1) as f64).fold(0.0, f64::max);
    let epoch = (metrics.epochs.len() > 1 && steps > 0.0).then_some(Along::Epoch(steps));
    let time = metrics.elapsed.filter(|seconds| *seconds > 0.0).map(Along::time);
    [Some(Along::Step), epoch, time].into_iter().flatten().collect()
}

/// An image element.
fn picture(png: &Png, about: &str, shown: bool, drawn: Option<Drawn>) -> Markup {
    let width = png.width * (ACROSS / png.width.max(1)).max(1);
    html! {
        img.shown[shown] src=(png.address()) alt=(about) width=(png.width) height=(png.height) data-drawn=[drawn]
            style={ "width:" (width) "px" };
    }
}

fn captioned(png: &Png, about: &str) -> Markup {
    html! {
        figure { figcaption { (about) } div.stack { (picture(png, about, true, None)) } }
    }
}

/// The evaluation of a run that is now at `steps`.
fn evaluation(evaluation: &Map<String, Value>, steps: u64) -> Markup {
    let mut figures: Vec<_> = evaluation.iter().filter(|(_, value)| !value.is_null()).collect();
    // The value of real images is shown in the row of its metric.
    let is_floor = |key: &str| key.strip_suffix("_floor").is_some_and(|base| evaluation.contains_key(base));
    figures.retain(|(key, _)| *key != "family" && !ORIGIN_KEYS.contains(&key.as_str()) && !is_floor(key));
    figures.sort_by_key(|(key, _)| position(key));
    let floor = |key: &str| evaluation.get(&format!("{key}_floor")).filter(|value| value.is_number()).map(plain);
    let unit = |key: &str| match (unit(key), floor(key)) {
        (unit, None) => unit.to_string(),
        ("", Some(floor)) => format!("(real images: {floor})"),
        (unit, Some(floor)) => format!("{unit} (real images: {floor})"),
    };
    let Origin { weights, since } = Origin::of(evaluation, steps);
    html! {
        @if !figures.is_empty() {
            section {
                h2 { "Evaluation" }
                p.origin { (weights) @if let Some(since) = since { " " span.since { (since) } } }
                table { @for (key, value) in figures { (row(key, &named(key), value, &unit(key))) } }
            }
        }
    }
}

/// The name of a metric with its direction: `recall ↑`.
fn named(key: &str) -> String {
    format!("{} {}", name(key), better(key).arrow()).trim_end().into()
}

/// The unit of a metric; empty without one.
fn unit(key: &str) -> &'static str {
    metric(key).map_or("", |metric| metric.unit)
}

/// The description of a metric, for a tooltip.
fn about(key: &str) -> Option<&'static str> {
    metric(key).map(|metric| metric.about)
}

/// A row of a table; counts have bars.
fn row(key: &str, name: &str, value: &Value, unit: &str) -> Markup {
    let counts = value.as_object().filter(|counts| !counts.is_empty() && counts.values().all(Value::is_number));
    html! {
        tr {
            th title=[about(key)] { (name) }
            td {
                @if let Some(counts) = counts { (bars(counts)) }
                @else if let Some(rows) = compared(value) { (table_of(&rows)) }
                @else { (plain(value)) }
                @if !unit.is_empty() { " " span.unit { (unit) } }
            }
        }
    }
}

/// True for a value without contents.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value as text.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::String(text) => text.clone(),
        Value::Number(x) => x.as_f64().map_or_else(|| x.to_string(), number),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key}: {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Counts, each with a bar relative to the largest.
fn bars(counts: &Map<String, Value>) -> Markup {
    let size = |count: &Value| count.as_f64().filter(|size| size.is_finite()).unwrap_or(0.0).max(0.0);
    let most = counts.values().map(size).fold(f64::MIN_POSITIVE, f64::max);
    html! {
        ul.bars {
            @for (class, count) in counts {
                li {
                    span { (class) }
                    span.bar { span style={ "width:" (format!("{:.1}", 100.0 * size(count) / most)) "%" } {} }
                    span { (plain(count)) }
                }
            }
        }
    }
}
