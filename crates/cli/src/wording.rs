//! How losses are put into lines: for people, and for metrics.jsonl.

use crate::evaluation::Tested;
use models::{Model, Objective};
use serde_json::{Map, Value, json};

/// Values in a [`sparkline`].
const SPARKS: usize = 16;

/// A number with as many decimals as tell something.
pub(crate) fn short(x: f64) -> String {
    match x.abs() {
        x_abs if x_abs >= 1e7 => format!("{x:.3e}"),
        x_abs if x_abs >= 10.0 => format!("{x:.2}"),
        x_abs if x_abs >= 0.1 || x == 0.0 => format!("{x:.3}"),
        _ => format!("{x:.5}"),
    }
}

/// A length of time, given in seconds, as one says it.
pub(crate) fn lasting(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6_000.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3_600.0),
    }
}

/// Heights of the last values between the least and the greatest of them, as a line of blocks.
pub(crate) fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let last = &values[values.len().saturating_sub(SPARKS)..];
    let (least, most) = last.iter().fold((f64::MAX, f64::MIN), |(least, most), &x| (least.min(x), most.max(x)));
    let height = |x: f64| if most > least { ((x - least) / (most - least) * 7.0).round() as usize } else { 0 };
    last.iter().map(|&x| BLOCKS[height(x).min(7)]).collect()
}

/// `recon 80.80  kl 24.78`
pub(crate) fn columns_line(columns: &[&str], means: &[f64]) -> String {
    joined(columns, means, "  ")
}

fn joined(columns: &[&str], means: &[f64], between: &str) -> String {
    let parts = columns.iter().zip(means).map(|(column, &mean)| format!("{column} {}", short(mean)));
    parts.collect::<Vec<_>>().join(between)
}

/// One line of metrics for an epoch.
pub(crate) fn epoch_line(
    model: &dyn Model,
    [epoch, step]: [u64; 2],
    learning_rate: f64,
    train: &Tested,
    test: &Tested,
    rate: f64,
) -> Value {
    let mut line = Map::from_iter([("epoch".into(), json!(epoch)), ("step".into(), json!(step))]);
    for (part, tested) in [("train", train), ("test", test)] {
        let named = figures(model, tested).into_iter().map(|(name, value)| (format!("{part}_{name}"), json!(value)));
        line.extend(named);
    }
    line.insert("learning_rate".into(), json!(learning_rate));
    line.insert("images_per_second".into(), json!(rate));
    line.into()
}

/// What was measured, by name: the columns, their sum where it has a name, and what codes were used.
pub(crate) fn figures(model: &dyn Model, tested: &Tested) -> Vec<(&'static str, f64)> {
    let mut figures: Vec<(&str, f64)> = model.columns().iter().copied().zip(tested.means.iter().copied()).collect();
    if let Objective::Sum(name) = model.objective() {
        figures.push((name, tested.means.iter().sum()));
    }
    if let Some(code_use) = tested.code_use {
        figures.extend([("perplexity", code_use.perplexity), ("used_codes", code_use.used as f64)]);
    }
    figures
}

/// One line for people for an epoch.
pub(crate) fn epoch_message(
    model: &dyn Model,
    epoch: u64,
    epochs: u64,
    train: &Tested,
    test: &Tested,
    rate: f64,
) -> String {
    let parts = |tested: &Tested| match model.objective() {
        Objective::Sum(_) => {
            format!("{} = {}", short(tested.means.iter().sum()), joined(model.columns(), &tested.means, " + "))
        }
        _ => columns_line(model.columns(), &tested.means),
    };
    let codes = |tested: &Tested| {
        tested.code_use.map_or(String::new(), |code_use| {
            format!("  perplexity {:.1}  codes {}/{}", code_use.perplexity, code_use.used, code_use.codes)
        })
    };
    format!(
        "epoch {epoch}/{epochs}  train {}{}  test {}{}  {rate:.0} images/s",
        parts(train),
        codes(train),
        parts(test),
        codes(test)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_blocks_go_from_the_least_to_the_greatest() {
        assert_eq!(sparkline(&[7.0, 3.5, 0.0]), "█▅▁");
        assert_eq!((sparkline(&[]), sparkline(&[2.0, 2.0])), (String::new(), "▁▁".into()));
        assert_eq!(sparkline(&[9.0; 40]).chars().count(), SPARKS);
        assert_eq!([12.34, 600.0, 7_200.0].map(lasting), ["12.3 s", "10 minutes", "2.0 hours"]);
    }

    #[test]
    fn numbers_keep_what_tells_something() {
        assert_eq!(
            [105.583, 0.4321, 0.00512, 0.0, -12.0, 1.5e38].map(short),
            ["105.58", "0.432", "0.00512", "0.000", "-12.00", "1.500e38"]
        );
    }
}
