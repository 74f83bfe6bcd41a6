//! `frit check`: every kernel against its reference on this device.

use crate::Ending;
use crate::args;
use crate::output::{out, put_json};
use anyhow::{Result, bail, ensure};
use frit::run::device;
use frit::terminal::Terminal;
use frit_harness::report::{self, Row};
use frit_harness::{Case, cases};
use gpu_core::{Backend, DeviceChoice, Memory, Sharing};
use serde_json::{Value, json};

pub(crate) fn check(args: &args::Check, terminal: &Terminal) -> Result<Ending> {
    let known: Vec<&str> = cases::OPERATORS.iter().map(|(op, _)| *op).collect();
    if let Some(unknown) = args.ops.iter().find(|op| !known.contains(&op.as_str())) {
        bail!("no operator '{unknown}'; there are matmul, adam and others (`frit check --quick` lists their kernels)");
    }
    let choice = args.device.choice().unwrap_or(DeviceChoice::Gpu);
    let (backend, why, _) = device::choose(&choice, args.device.checked)?;
    if let Backend::Reference = backend {
        bail!("the reference executor is the reference itself; use --device cpu or --device gpu");
    }
    let device = backend.executor(Memory::default(), Sharing::Off).describe();
    terminal.say(&format!("checking {why}"));
    let asked = known.into_iter().filter(|op| args.ops.is_empty() || args.ops.iter().any(|asked| asked == op));
    let work: Vec<(&str, Vec<Case>)> =
        asked.map(|op| (op, if args.quick { cases::quick(op) } else { cases::of(op) })).collect();
    let mut count = terminal.count("cases", work.iter().map(|(_, cases)| cases.len()).sum());
    let mut rows = Vec::new();
    for (op, cases) in work {
        let (mut of_op, mut gradients) = (Vec::new(), report::gradient_row(op));
        for case in &cases {
            report::add_parity(&backend, case, &mut of_op)?;
            report::add_gradients(case, &mut gradients)?;
            count.next(op);
        }
        of_op.extend((gradients.cases > 0).then_some(gradients));
        if !args.json {
            count.aside(|| of_op.iter().try_for_each(print_row))?;
        }
        rows.extend(of_op);
    }
    drop(count);
    ensure!(!rows.is_empty(), "nothing to check");
    let failed = rows.iter().filter(|row| row.failed()).count();
    if args.json {
        let kernels: Vec<Value> = rows.iter().map(json_of).collect();
        let passed = rows.len() - failed;
        put_json("check", json!({ "device": device, "kernels": kernels, "passed": passed, "failed": failed }))?;
    } else {
        out!("{} passed, {failed} failed on {device}", rows.len() - failed)?;
    }
    Ok(ending(&rows))
}

/// `Failed` if any row failed.
fn ending(rows: &[Row]) -> Ending {
    if rows.iter().any(Row::failed) { Ending::Failed } else { Ending::Done }
}

/// Prints the kernel, number of cases, worst error, its share of the tolerance, and the result.
fn print_row(row: &Row) -> Result<()> {
    let verdict = if row.failed() { format!("FAILED in {}", row.location) } else { "ok".into() };
    let share = 100.0 * row.share;
    out!("{:34} {:4} cases  worst error {:8.1e}  {share:4.0} % of tolerance  {verdict}", row.name, row.cases, row.error)
}

fn json_of(row: &Row) -> Value {
    // JSON has no infinity; a value that is not finite fails in any case.
    let number = |x: f64| if x.is_finite() { json!(x) } else { json!(null) };
    json!({
        "name": row.name,
        "cases": row.cases,
        "worst_error": number(row.error),
        "share_of_tolerance": number(row.share),
        "passed": !row.failed(),
        "worst_case": row.location,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_the_check() {
        let row = |share: f64| Row { name: "k".into(), cases: 1, error: share, share, location: "here".into() };
        assert_eq!(ending(&[row(0.2), row(1.0)]), Ending::Done);
        for share in [1.01, f64::INFINITY, f64::NAN] {
            assert_eq!(ending(&[row(0.2), row(share)]), Ending::Failed);
        }
    }
}
