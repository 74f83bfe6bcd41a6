//! The page itself.

use crate::report::charts::{Chart, chart};
use crate::report::evaluation::{Origin, SAID};
use crate::report::names::{family, least_is_best, name, number, rank, unit};
use crate::report::pictures::{Drawn, Png};
use crate::run::metrics::{Column, Metrics, Warning};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

/// Nothing but what the page itself holds is loaded.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
/// Pixels across a picture, which small ones are enlarged to, by whole numbers.
const ACROSS: u32 = 480;

/// What a page shows.
pub struct Page {
    /// The run's folder.
    pub name: String,
    /// TOML.
    pub config: String,
    pub environment: Map<String, Value>,
    pub metrics: Metrics,
    pub evaluation: Map<String, Value>,
    pub samples: Vec<(Drawn, Png)>,
    pub reals: Option<Png>,
    pub reconstructions: Option<Png>,
}

impl Page {
    /// The page as HTML. All text from outside is escaped.
    pub fn html(&self) -> String {
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

    fn family(&self) -> String {
        self.config().get("family").and_then(toml::Value::as_str).unwrap_or("model").to_string()
    }

    fn header(&self) -> Markup {
        let config = self.config();
        let source = config.get("data").and_then(|data| data.get("source")).and_then(toml::Value::as_str);
        // Of a path, the name.
        let source = source.map(|source| source.rsplit(['/', '\\']).next().unwrap_or(source).to_string());
        let noted = |key: &str| self.environment.get(key).and_then(Value::as_str);
        let Metrics { epochs, steps, .. } = &self.metrics;
        let epoch = epochs.last().map(|(epoch, _)| format!("{}, ", count(*epoch, "epoch")));
        let length = format!("{}{}", epoch.unwrap_or_default(), count(*steps, "step"));
        let facts = [
            source,
            noted("executor").or(noted("device")).map(String::from),
            Some(length).filter(|_| *steps > 0),
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
        // What has a prior draws from it; the others show test images over their reconstructions.
        let draws = matches!(self.family().as_str(), "vae" | "gan");
        let of = if draws { "Samples" } else { "Reconstructions" };
        let last = self.samples.len().saturating_sub(1);
        if self.samples.is_empty() && self.reals.is_none() && self.reconstructions.is_none() {
            return html! {};
        }
        html! {
            section {
                h2 { "Pictures" }
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
                        (captioned(reals, "Training images"))
                    }
                    @if let Some(pairs) = &self.reconstructions {
                        (captioned(pairs, "Test images over their reconstructions"))
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
                            table { @for (key, value) in environment { (row(key, value, "")) } }
                        }
                    }
                }
                section {
                    h2 { "Configuration" }
                    pre { code { (self.config.trim_end()) } }
                }
            }
        }
    }
}

/// `1 epoch`, `2 epochs`
fn count(count: u64, of: &str) -> String {
    format!("{} {of}{}", number(count as f64), if count == 1 { "" } else { "s" })
}

/// The columns in the order in which they are shown.
fn ordered(metrics: &Metrics) -> Vec<&Column> {
    let mut columns: Vec<&Column> = metrics.columns.iter().collect();
    columns.sort_by_key(|column| rank(&column.name));
    columns
}

/// The last figures of the test set, and the best where one can be better than another.
fn tiles(metrics: &Metrics) -> Markup {
    let tested = ordered(metrics).into_iter().filter_map(|column| {
        let seen = || column.test.iter().filter_map(|point| Some((point.epoch?, point.value?)));
        let best = seen().reduce(|best, next| if next.1 < best.1 { next } else { best });
        Some((column, seen().next_back()?, best.filter(|_| least_is_best(&column.name))))
    });
    let epoch = metrics.epochs.last().map(|(epoch, _)| epoch);
    html! {
        @if let Some(epoch) = epoch {
            section {
                h2 { "Test set after epoch " (epoch) }
                dl.tiles {
                    @for (column, (_, value), best) in tested {
                        div {
                            dt { (name(&column.name)) }
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
                    @for Warning { step, epoch, guard, seen, advice } in warnings {
                        li {
                            p.guard {
                                (name(guard))
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
    let charts = ordered(metrics).into_iter().filter_map(|column| {
        let title = name(&column.name);
        Some((chart(column, &title)?, unit(&column.name), title))
    });
    let charts: Vec<_> = charts.collect();
    html! {
        @if !charts.is_empty() {
            section {
                h2 { "Curves" }
                p.legend { span.train { "training" } span.test { "test set" } }
                div.charts {
                    @for (Chart { svg, logarithmic }, unit, title) in charts {
                        figure.chart {
                            figcaption {
                                (title)
                                @if !unit.is_empty() { span.unit { (unit) } }
                                @if logarithmic { span.unit { "logarithmic axis" } }
                            }
                            (svg)
                        }
                    }
                }
            }
        }
    }
}

/// One picture of a stack, or one that stands alone.
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

/// What was measured of weights that the run, at `steps` now, had or has.
fn evaluation(evaluation: &Map<String, Value>, steps: u64) -> Markup {
    let mut figures: Vec<_> = evaluation.iter().filter(|(_, value)| !value.is_null()).collect();
    // What real images come to stands beside what it is the floor of.
    let beside = |key: &str| key.strip_suffix("_floor").is_some_and(|base| evaluation.contains_key(base));
    figures.retain(|(key, _)| *key != "family" && !SAID.contains(&key.as_str()) && !beside(key));
    figures.sort_by_key(|(key, _)| rank(key));
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
                table { @for (key, value) in figures { (row(&name(key), value, &unit(key))) } }
            }
        }
    }
}

/// A line of a table; counts have bars.
fn row(name: &str, value: &Value, unit: &str) -> Markup {
    let counts = value.as_object().filter(|counts| !counts.is_empty() && counts.values().all(Value::is_number));
    html! {
        tr {
            th { (name) }
            td {
                @if let Some(counts) = counts { (bars(counts)) } @else { (plain(value)) }
                @if !unit.is_empty() { " " span.unit { (unit) } }
            }
        }
    }
}

/// Whether there is nothing to put into a cell.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A value in a cell.
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

/// Counts, each with a bar by its share of the largest.
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
