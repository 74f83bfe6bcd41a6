//! Losses as text: lines for the terminal, and lines of metrics.jsonl.

use crate::eval::measures::Evaluation;
use crate::eval::passes::{Tested, metrics_of};
use crate::io::format::short;
use crate::terminal::Status;
use models::{Model, Objective, noun};
use serde_json::{Map, Value, json};

/// The status of a bar: losses by name, earlier values of one of them, and the speed.
pub(crate) fn status(columns: &[&str], means: &[f64], history: &[f64], speed: String) -> Status {
    Status { values: named(columns, means), history: history.to_vec(), speed }
}

/// Losses by name: `recon 80.80`, `kl 24.78`.
fn named(columns: &[&str], means: &[f64]) -> Vec<String> {
    columns.iter().zip(means).map(|(column, &mean)| format!("{column} {}", short(mean))).collect()
}

/// `12346 images/s`, or points, or pieces of sequences.
pub(crate) fn speed(rate: f64, noun: &str) -> String {
    format!("{rate:.0} {noun}s/s")
}

/// One line of metrics.jsonl for an epoch; `others` has the metrics of the test set that are not losses.
pub(crate) fn epoch_line(
    model: &dyn Model,
    [epoch, step]: [u64; 2],
    learning_rate: f64,
    train: &Tested,
    test: &Tested,
    others: &Evaluation,
    rate: f64,
) -> Value {
    let mut line =
        Map::from_iter([("kind".into(), json!("epoch")), ("epoch".into(), json!(epoch)), ("step".into(), json!(step))]);
    for (part, tested) in [("train", train), ("test", test)] {
        let named = metrics_of(model, tested).into_iter().map(|(name, value)| (format!("{part}_{name}"), json!(value)));
        line.extend(named);
    }
    line.extend(others.iter().map(|(key, value)| (format!("test_{key}"), value.clone())));
    line.insert("learning_rate".into(), json!(shortest(learning_rate)));
    line.insert("images_per_second".into(), json!(rate));
    line.into()
}

/// A number of single precision, as the shortest decimal that rounds to it: 0.001, and not 0.0010000000474974513.
fn shortest(x: f64) -> f64 {
    (x as f32).to_string().parse().expect("the decimals of a number")
}

/// An epoch on the terminal, in one line: the longest form first, the shortest one last.
pub(crate) fn epoch_messages(
    model: &dyn Model,
    [epoch, epochs]: [u64; 2],
    train: &Tested,
    test: &Tested,
    rate: f64,
) -> Vec<String> {
    let columns = |tested: &Tested, between: &str| named(model.columns(), &tested.means).join(between);
    let codes = |tested: &Tested| {
        tested.code_use.map_or(String::new(), |code_use| {
            format!("  perplexity {:.1}  codes {}/{}", code_use.perplexity, code_use.used, code_use.codes)
        })
    };
    let objective = |tested: &Tested| model.objective().of(&tested.means).map(short);
    let full = |tested: &Tested| match (model.objective(), objective(tested)) {
        (Objective::Sum(_), Some(sum)) => format!("{sum} = {}{}", columns(tested, " + "), codes(tested)),
        _ => format!("{}{}", columns(tested, "  "), codes(tested)),
    };
    let noun = if model.sequencer().is_some() { "piece" } else { noun(model.buffers().first().spec.points) };
    let (start, speed) = (format!("epoch {epoch}/{epochs}"), speed(rate, noun));
    let mut lines = vec![format!("{start}  train {}  test {}  {speed}", full(train), full(test))];
    match (objective(train), objective(test)) {
        (Some(train), Some(of_test)) => {
            lines.push(format!("{start}  train {train}  test {}  {speed}", full(test)));
            lines.push(format!("{start}  train {train}  test {of_test}{}  {speed}", codes(test)));
            lines.push(format!("{start}  train {train}  test {of_test}  {speed}"));
            lines.push(format!("{start}  train {train}  test {of_test}"));
        }
        _ => {
            lines.push(format!("{start}  test {}  {speed}", full(test)));
            lines.push(format!("{start}  test {}", full(test)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use models::SetSpec;

    #[test]
    fn an_epoch_has_a_short_form() {
        let spec = SetSpec { train: 100, test: 10, image: [8, 8, 1], classes: 2, variance: 0.1, points: None };
        let tested = |means: &[f64]| Tested { means: means.to_vec(), code_use: None };
        let lines = |recipe: &str, means: &[f64]| {
            let model = Config::load(recipe).unwrap().build(&spec.into());
            epoch_messages(model.as_ref(), [7, 100], &tested(means), &tested(means), 12_345.6)
        };
        let vae = lines("vae", &[101.25, 20.5]);
        assert_eq!(
            vae[0],
            "epoch 7/100  train 121.75 = recon 101.25 + kl 20.50  test 121.75 = recon 101.25 + kl 20.50  12346 images/s"
        );
        assert_eq!(vae.last().unwrap(), "epoch 7/100  train 121.75  test 121.75");
        let gan = lines("gan", &[0.809, 1.487, 0.705, 0.273]);
        assert_eq!(gan[2], "epoch 7/100  test d_loss 0.809  g_loss 1.487  d_real 0.705  d_fake 0.273");
        for lines in [vae, gan, lines("ae", &[80.0]), lines("classifier", &[0.1, 0.05])] {
            assert!(lines.is_sorted_by_key(|line| std::cmp::Reverse(line.len())), "{lines:?}");
            assert!(lines.last().unwrap().len() <= 77, "{lines:?}");
        }
    }
}
