//! `frit eval`: a trained model on the test set.

use crate::Ending;
use crate::args::{self, Trained};
use crate::commands::trained::{Opened, open};
use crate::output::out;
use anyhow::{Result, ensure};
use frit::eval::figures::LINES;
use frit::eval::measure::{Asked, measure, origin};
use frit::io::format::short;
use frit::terminal::Terminal;
use serde_json::{Map, Value};

/// The most draws per image.
const MAX: usize = 100_000;

pub(crate) fn eval(args: &args::Eval, terminal: &Terminal) -> Result<Ending> {
    ensure!(
        args.n.is_none() || args.generative,
        "-n is how many pictures are drawn for --generative; add --generative, or leave -n out"
    );
    if let Some(samples) = args.iw {
        ensure!((1..=MAX).contains(&samples), "--iw {samples} is not between 1 and {MAX}; try --iw 100");
    }
    let Opened { run, step, mut session, backend } = open(&args.trained, terminal)?;
    let asked = Asked { iw: args.iw, generative: args.generative, n: args.n, seed: args.seed };
    let mut figures = measure(&asked, &mut session, &backend, terminal)?;
    let Trained { best, average, checkpoint, .. } = args.trained;
    let which = match checkpoint {
        Some(_) => "kept",
        None if best => "best",
        None => "latest",
    };
    figures.extend(origin(&run, which, average, step));
    run.write_evaluation(&Value::Object(figures.clone()), terminal);
    match args.json {
        true => out!("{}", Value::Object(figures))?,
        false => print_table(&figures)?,
    }
    Ok(Ending::Done)
}

fn print_table(summary: &Map<String, Value>) -> Result<()> {
    print_lines(summary, |_, unit| unit.into())
}

/// The table, with the unit that `unit_of` makes of a figure's key and its usual one.
pub(crate) fn print_lines(summary: &Map<String, Value>, unit_of: impl Fn(&str, &str) -> String) -> Result<()> {
    for (key, name, unit) in LINES {
        let text = match summary.get(*key) {
            None | Some(Value::Null | Value::Bool(false)) => continue,
            Some(Value::Bool(true)) => "yes".into(),
            Some(Value::Number(number)) if number.is_f64() => short(number.as_f64().unwrap_or(f64::NAN)),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(counts)) => {
                counts.iter().map(|(class, count)| format!("{class}: {count}")).collect::<Vec<_>>().join("  ")
            }
            // Of two folders, the one and the other.
            Some(Value::Array(counts)) => counts.iter().map(Value::to_string).collect::<Vec<_>>().join(" and "),
            Some(other) => other.to_string(),
        };
        out!("{}", format!("{name:30} {text} {}", unit_of(key, unit)).trim_end())?;
    }
    Ok(())
}
