//! `frit runs`: the runs of a folder.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::Result;
use frit::eval::metrics::metric;
use frit::io::format::{lasting, short};
use frit::report::runs::{RunSummary, State, runs as list};
use serde_json::json;

pub(crate) fn runs(args: &args::Runs) -> Result<Ending> {
    let found = list(&args.folder)?;
    if args.json {
        put_json("runs", json!({ "runs": found }))?;
        return Ok(Ending::Done);
    }
    if found.is_empty() {
        out!("no runs in {}", args.folder.display())?;
        return Ok(Ending::Done);
    }
    let heads = ["run", "model", "data", "epochs", "best", "state", "changed"].map(String::from);
    let rows: Vec<[String; 7]> = [heads].into_iter().chain(found.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out!("{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(Ending::Done)
}

/// The cells of a run.
fn row(run: &RunSummary) -> [String; 7] {
    let last = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_string();
    let best = run.metric.as_deref().and_then(metric).zip(run.best);
    let state = match run.state {
        State::Running => "running",
        State::Finished => "finished",
        State::Interrupted => "interrupted",
        State::Unreadable => "unreadable",
    };
    [
        last(&run.path.display().to_string()),
        run.model.clone(),
        last(&run.data),
        format!("{}/{}", run.epochs, run.of_epochs),
        best.map_or_else(|| "-".into(), |(metric, value)| format!("{} {}", metric.name, short(value))),
        state.into(),
        run.age_s.map_or_else(|| "-".into(), |seconds| format!("{} ago", lasting(seconds as f64))),
    ]
}
