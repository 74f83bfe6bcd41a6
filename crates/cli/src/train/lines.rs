//! Losses as text: lines for the terminal, and lines of metrics.jsonl.

use crate::eval::measures::Evaluation;
use crate::eval::passes::{Tested, metrics_of};
use crate::io::format::short;
use models::{Model, Objective};
use serde_json::{Map, Value, json};

/// Losses by name: `recon 80.80  kl 24.78`.
pub(crate) fn columns_line(columns: &[&str], means: &[f64]) -> String {
    joined(columns, means, "  ")
}

fn joined(columns: &[&str], means: &[f64], between: &str) -> String {
    let parts = columns.iter().zip(means).map(|(column, &mean)| format!("{column} {}", short(mean)));
    parts.collect::<Vec<_>>().join(between)
}

/// One line of metrics.jsonl for an epoch; `others` has the metrics of the test set that are no losses.
pub(crate) fn epoch_line(
    model: &dyn Model,
    [epoch, step]: [u64; 2],
    learning_rate: f64,
    train: &Tested,
    test: &Tested,
    others: &Evaluation,
    rate: f64,
) -> Value {
    let mut line = Map::from_iter([("epoch".into(), json!(epoch)), ("step".into(), json!(step))]);
    for (part, tested) in [("train", train), ("test", test)] {
        let named = metrics_of(model, tested).into_iter().map(|(name, value)| (format!("{part}_{name}"), json!(value)));
        line.extend(named);
    }
    line.extend(others.iter().map(|(key, value)| (format!("test_{key}"), value.clone())));
    line.insert("learning_rate".into(), json!(learning_rate));
    line.insert("images_per_second".into(), json!(rate));
    line.into()
}

/// One line of the terminal for an epoch.
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
