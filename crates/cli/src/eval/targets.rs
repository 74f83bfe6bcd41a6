//! Targets of a recipe: ranges of metrics, and the verdicts on an evaluation.

use crate::eval::measures::Evaluation;
use crate::eval::metrics::metric;
use crate::eval::quality;
use crate::io::error::{Result, bail, ensure};
use crate::io::format::short;
use crate::io::guess::did_you_mean;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Ranges by the key of a metric: lowest and highest value.
pub type Targets = BTreeMap<String, [f64; 2]>;

/// Checks that there are targets, and that each range can be met.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind) for the first target that cannot.
pub fn check_ranges(targets: &Targets, recipe: &str) -> Result<()> {
    ensure!(!targets.is_empty(), Setting, "{recipe} has no [target] section, e.g. neg_elbo = [105, 107]");
    for (key, [from, to]) in targets {
        ensure!(
            from.is_finite() && to.is_finite(),
            Setting,
            "target.{key} must be two finite numbers (got [{from}, {to}])"
        );
        ensure!(from <= to, Setting, "target.{key} must have the lower number first (got [{from}, {to}])");
    }
    Ok(())
}

/// Checks that every target is one of the `known` metrics.
///
/// # Errors
/// [`ErrorKind::Setting`](crate::ErrorKind) for the first target that is not.
pub fn check_keys(targets: &Targets, known: &[&str]) -> Result<()> {
    match targets.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            let guess = did_you_mean(key, known.iter().copied());
            bail!(Setting, "target.{key} is not a metric of this model{guess} (available: {})", known.join(", "))
        }
        None => Ok(()),
    }
}

/// True if a target needs generated images.
pub fn needs_generated(targets: &Targets) -> bool {
    targets.keys().any(|key| quality::NAMES.contains(&key.as_str()))
}

/// A metric and its target.
///
/// ```
/// use frit::eval::targets::{Targets, verdicts};
/// let evaluation = serde_json::json!({ "recon": 80.25 });
/// let targets = Targets::from([("recon".to_string(), [80.0, 81.0])]);
/// let verdict = &verdicts(&targets, evaluation.as_object().unwrap())[0];
/// assert!(verdict.passed && verdict.to_string().ends_with("passed"));
/// ```
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Verdict {
    /// Key of the metric.
    pub metric: String,
    /// Its value; `None` if it was not measured, or is not finite.
    pub value: Option<f64>,
    /// Lowest value that passes.
    pub from: f64,
    /// Highest value that passes.
    pub to: f64,
    /// True if the value is within the range.
    pub passed: bool,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { metric: key, value, from, to, passed } = self;
        let value = value.map_or("none".into(), short);
        let unit = metric(key).map_or("", |metric| metric.unit);
        let verdict = if *passed { "passed" } else { "FAILED" };
        let range = format!("{} to {}", short(*from), short(*to));
        write!(f, "{key:16} {value:>10}  target {} {verdict}", format!("{range} {unit}").trim_end())
    }
}

/// The verdict on each target.
pub fn verdicts(targets: &Targets, evaluation: &Evaluation) -> Vec<Verdict> {
    let verdict = |(key, &[from, to]): (&String, &[f64; 2])| {
        let value = evaluation.get(key).and_then(Value::as_f64);
        let passed = value.is_some_and(|value| (from..=to).contains(&value));
        Verdict { metric: key.clone(), value, from, to, passed }
    };
    targets.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(key: &str, range: [f64; 2]) -> Targets {
        Targets::from([(key.to_string(), range)])
    }

    #[test]
    fn a_metric_passes_within_its_range() {
        let evaluation = Evaluation::from_iter([("kl".to_string(), json!(20.5)), ("recall".into(), json!(f64::NAN))]);
        let passed = |key: &str, range| verdicts(&target(key, range), &evaluation)[0].passed;
        assert!(passed("kl", [20.0, 21.0]) && passed("kl", [20.5, 20.5]));
        assert!(!passed("kl", [20.6, 30.0]) && !passed("kl", [0.0, 20.4]) && !passed("recall", [0.0, 1.0]));
        let line = verdicts(&target("recall", [0.0, 1.0]), &evaluation)[0].to_string();
        assert!(line.contains("none  target 0.000 to 1.000 of test images FAILED"), "{line}");
    }

    #[test]
    fn targets_that_cannot_be_met_are_refused() {
        let message = |targets: Targets| check_ranges(&targets, "vae").unwrap_err().to_string();
        assert!(message(Targets::new()).starts_with("vae has no [target] section"));
        assert_eq!(
            message(target("kl", [300.0, 200.0])),
            "target.kl must have the lower number first (got [300, 200])"
        );
        for range in [[0.0, f64::INFINITY], [f64::NAN, 1.0]] {
            assert!(message(target("kl", range)).contains("two finite numbers"));
        }
        let message = check_keys(&target("nmse", [0.0, 1.0]), &["recon", "kl"]).unwrap_err().to_string();
        assert_eq!(message, "target.nmse is not a metric of this model (available: recon, kl)");
    }
}
