//! What `frit eval` measured, and of which weights: figures do not change when a run goes on.

use crate::report::names::number;
use serde_json::{Map, Value};

/// What is said beside the table, and so is no row of it.
pub const SAID: [&str; 5] = ["checkpoint", "step", "average", "drawn_by_average", "run_call"];

/// Which weights the figures are of, and where the run has gone on since.
pub struct Origin {
    /// `Of step 237, the latest checkpoint.`
    pub weights: String,
    /// `The run has gone on to step 316 since: …`
    pub since: Option<String>,
}

impl Origin {
    /// Reads it from the figures of a run that is at `steps` now.
    pub fn of(figures: &Map<String, Value>, steps: u64) -> Self {
        let number_of = |key: &str| figures.get(key).and_then(Value::as_u64);
        let is = |key: &str| figures.get(key) == Some(&Value::Bool(true));
        let (Some(step), Some(checkpoint)) = (number_of("step"), figures.get("checkpoint").and_then(Value::as_str))
        else {
            let weights = "Of which step these figures are was not noted with them.".into();
            return Self { weights, since: None };
        };
        // What is kept of a step is no staler for the run's going on.
        let gone_on = checkpoint != "kept" && steps > number_of("run_call").unwrap_or_default().max(step);
        let then = if gone_on { " at the time" } else { "" };
        let average = match (is("average"), is("drawn_by_average")) {
            (true, _) => ", with the running average of its weights",
            (false, true) => "; pictures were drawn with the running average of its weights",
            (false, false) => "",
        };
        Self {
            weights: format!("Of step {}, the {checkpoint} checkpoint{then}{average}.", number(step as f64)),
            since: gone_on.then(|| {
                let steps = number(steps as f64);
                format!("The run has gone on to step {steps} since; measure it again with frit eval.")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(figures: Value, steps: u64) -> (String, Option<String>) {
        let origin = Origin::of(figures.as_object().unwrap(), steps);
        (origin.weights, origin.since)
    }

    #[test]
    fn the_checkpoint_is_named_and_what_came_after() {
        let latest = json!({ "checkpoint": "latest", "step": 300, "average": false, "run_call": 300 });
        assert_eq!(said(latest.clone(), 300), ("Of step 300, the latest checkpoint.".into(), None));
        let (weights, since) = said(latest, 1400);
        assert_eq!(weights, "Of step 300, the latest checkpoint at the time.");
        assert!(since.unwrap().starts_with("The run has gone on to step 1,400 since; measure it again"));
        // An earlier checkpoint was the best when the run stood at its 300th step, and it still stands there.
        let best = json!({ "checkpoint": "best", "step": 100, "average": true, "run_call": 300 });
        let with = "Of step 100, the best checkpoint, with the running average of its weights.";
        assert_eq!(said(best.clone(), 300), (with.into(), None));
        assert!(said(best, 400).1.is_some());
    }

    #[test]
    fn what_was_not_noted_is_not_made_up() {
        let (weights, since) = said(json!({ "neg_elbo": 105.5, "images": 2000 }), 300);
        assert!(weights.contains("was not noted") && since.is_none(), "{weights}");
    }
}
