//! `frit eval`: evaluates a trained model on the test set.

use crate::Ending;
use crate::args;
use crate::commands::trained::open;
use crate::output::{out, put_json};
use anyhow::{Result, ensure};
use frit::eval::metrics::{METRICS, compared, name};
use frit::eval::{EvalOptions, FeatureChoice, Opened, evaluate, origin};
use frit::io::format::short;
use frit::terminal::Terminal;
use serde_json::{Map, Value};

pub(crate) fn eval(args: &args::Eval, terminal: &Terminal) -> Result<Ending> {
    ensure!(args.n.is_none() || args.generative, "-n requires --generative");
    ensure!(args.features.is_none() || args.generative, "--features requires --generative");
    let features = args.features.as_deref().map_or(Ok(FeatureChoice::Auto), str::parse)?;
    let Opened { run, step, mut session, backend, data } = open(&args.trained, terminal)?;
    let options = EvalOptions {
        importance_samples: args.iw,
        generative: args.generative,
        images: args.n,
        features,
        seed: args.seed,
    };
    let mut evaluation = evaluate(&mut session, &backend, &options, terminal)?;
    evaluation.extend(origin(&run, args.trained.weights(), args.trained.average, step, &data));
    let noun = session.data.noun();
    match run.write_evaluation(&evaluation, data.same_tests) {
        Ok(_) if data.same_tests => {}
        Ok(path) => {
            terminal.say(&format!("the test {noun}s differ from those of the run; saved to {}", path.display()))
        }
        Err(error) => terminal.say(&format!("the evaluation was not saved: {error}")),
    }
    match args.json {
        true => put_json("eval", Value::Object(evaluation))?,
        false => {
            let with_noun = |text: &str| text.replace("image", noun);
            print_table(&evaluation, with_noun, |_, unit| with_noun(unit))?;
        }
    }
    Ok(Ending::Done)
}

/// Prints the metrics in the order of the table. `name_of` makes the name from a metric's usual one, and `unit_of` the
/// unit from its key and its usual unit.
pub(crate) fn print_table(
    evaluation: &Map<String, Value>,
    name_of: impl Fn(&str) -> String,
    unit_of: impl Fn(&str, &str) -> String,
) -> Result<()> {
    for metric in METRICS {
        if let Some(rows) = evaluation.get(metric.key).and_then(compared) {
            print_compared(&name_of(metric.name), &rows)?;
            continue;
        }
        let text = match evaluation.get(metric.key) {
            None | Some(Value::Null | Value::Bool(false)) => continue,
            Some(Value::Bool(true)) => "yes".into(),
            Some(Value::Number(number)) if number.is_f64() => short(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(counts)) => {
                counts.iter().map(|(class, count)| format!("{class}: {count}")).collect::<Vec<_>>().join("  ")
            }
            Some(Value::Array(counts)) => counts.iter().map(Value::to_string).collect::<Vec<_>>().join(" and "),
            Some(other) => other.to_string(),
        };
        let name = format!("{} {}", name_of(metric.name), metric.better.arrow());
        out!("{}", format!("{name:32} {text} {}", unit_of(metric.key, metric.unit)).trim_end())?;
    }
    Ok(())
}

/// Prints a table of methods that are compared by the same metrics.
fn print_compared(title: &str, rows: &[(&String, &Map<String, Value>)]) -> Result<()> {
    let heads: Vec<String> = rows[0].1.keys().map(|key| format!("{:>10}", name(key))).collect();
    out!("{}", format!("{title:32} {}", heads.join(" ")).trim_end())?;
    for (method, values) in rows {
        let numbers = values.values().map(|value| format!("{:>10}", short(value.as_f64().unwrap_or(f64::NAN))));
        out!("  {method:30} {}", numbers.collect::<Vec<_>>().join(" "))?;
    }
    Ok(())
}
