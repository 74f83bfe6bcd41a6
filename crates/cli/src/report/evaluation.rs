//! The origin of an evaluation: its checkpoint, and the steps that the run has done since.

use crate::eval::metrics::name;
use crate::report::names::number;
use maud::{Markup, html};
use serde_json::{Map, Value};

/// Methods that are compared by the same metrics, as a table.
pub(crate) fn table_of(rows: &[(&String, &Map<String, Value>)]) -> Markup {
    let text = |value: &Value| value.as_f64().map_or_else(|| value.to_string(), number);
    html! {
        table {
            tr { th {} @for key in rows[0].1.keys() { th { (name(key)) } } }
            @for (method, values) in rows {
                tr { th { (method) } @for value in values.values() { td { (text(value)) } } }
            }
        }
    }
}

/// Keys that [`Origin`] reads, which are not rows of the table.
pub(crate) const ORIGIN_KEYS: [&str; 5] = ["checkpoint", "step", "average", "drawn_by_average", "run_step"];

/// The origin of an evaluation, in sentences.
pub(crate) struct Origin {
    /// `Checkpoint of step 237 (latest).`
    pub weights: String,
    /// `The run is now at step 316.`
    pub since: Option<String>,
}

impl Origin {
    /// Reads the origin from the evaluation of a run that is now at `steps`.
    pub(crate) fn of(figures: &Map<String, Value>, steps: u64) -> Self {
        let number_of = |key: &str| figures.get(key).and_then(Value::as_u64);
        let is = |key: &str| figures.get(key) == Some(&Value::Bool(true));
        let (Some(step), Some(checkpoint)) = (number_of("step"), figures.get("checkpoint").and_then(Value::as_str))
        else {
            let weights = "The checkpoint of this evaluation is not recorded.".into();
            return Self { weights, since: None };
        };
        // A checkpoint kept by its step stays current.
        let is_old = checkpoint != "kept" && steps > number_of("run_step").unwrap_or_default().max(step);
        let then = if is_old { " at the time" } else { "" };
        let average = match (is("average"), is("drawn_by_average")) {
            (true, _) => ", with averaged weights",
            (false, true) => "; images were generated with averaged weights",
            (false, false) => "",
        };
        Self {
            weights: format!("Checkpoint of step {} ({checkpoint}{then}){average}.", number(step as f64)),
            since: is_old.then(|| {
                let steps = number(steps as f64);
                format!("The run is now at step {steps}; evaluate it again.")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sentences(figures: Value, steps: u64) -> (String, Option<String>) {
        let origin = Origin::of(figures.as_object().unwrap(), steps);
        (origin.weights, origin.since)
    }

    #[test]
    fn the_checkpoint_and_the_current_step_are_named() {
        let latest = json!({ "checkpoint": "latest", "step": 300, "average": false, "run_step": 300 });
        assert_eq!(sentences(latest.clone(), 300), ("Checkpoint of step 300 (latest).".into(), None));
        let (weights, since) = sentences(latest, 1400);
        assert_eq!(weights, "Checkpoint of step 300 (latest at the time).");
        assert!(since.unwrap().starts_with("The run is now at step 1,400; evaluate it again"));
        // The best checkpoint is an earlier one, and the run has done no steps since the evaluation.
        let best = json!({ "checkpoint": "best", "step": 100, "average": true, "run_step": 300 });
        let with = "Checkpoint of step 100 (best), with averaged weights.";
        assert_eq!(sentences(best.clone(), 300), (with.into(), None));
        assert!(sentences(best, 400).1.is_some());
    }

    #[test]
    fn a_missing_origin_is_named_as_missing() {
        let (weights, since) = sentences(json!({ "neg_elbo": 105.5, "images": 2000 }), 300);
        assert!(weights.contains("is not recorded") && since.is_none(), "{weights}");
    }
}
