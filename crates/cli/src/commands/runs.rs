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
    out!("{:16} {:10} {:14} {:>9}  {:24} {:12} changed", "run", "model", "data", "epochs", "best", "state")?;
    found.iter().try_for_each(|run| out!("{}", row(run)))?;
    Ok(Ending::Done)
}

fn row(run: &RunSummary) -> String {
    let last = |path: &str| path.rsplit(['/', '\\']).next().unwrap_or_default().to_string();
    let name = last(&run.path.display().to_string());
    let epochs = format!("{}/{}", run.epochs, run.of_epochs);
    let best = run.metric.as_deref().and_then(metric).zip(run.best);
    let best = best.map_or_else(|| "-".into(), |(metric, value)| format!("{} {}", metric.name, short(value)));
    let state = match run.state {
        State::Running => "running",
        State::Finished => "finished",
        State::Interrupted => "interrupted",
        State::Unreadable => "unreadable",
    };
    let age = run.age_s.map_or_else(|| "-".into(), |seconds| format!("{} ago", lasting(seconds as f64)));
    format!("{name:16} {:10} {:14} {epochs:>9}  {best:24} {state:12} {age}", run.model, last(&run.data))
}
