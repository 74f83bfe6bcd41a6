//! The saved evaluation of a run.

use crate::io::error::Result;
use crate::io::files;
use crate::run::folder::Run;
use serde_json::{Map, Value};
use std::path::PathBuf;

const EVALUATION: &str = "evaluation.json";
const EVALUATION_OTHER: &str = "evaluation-other.json";
/// Keys that name the weights and the data of an evaluation.
const SAME_WEIGHTS: [&str; 4] = ["data_checksum", "checkpoint", "step", "average"];

impl Run {
    /// Saves the metrics of an evaluation: on the `own` test images of the run, or on others. Returns the path.
    /// Metrics of the same weights and data that were not measured again stay.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_evaluation(&self, metrics: &Map<String, Value>, own: bool) -> Result<PathBuf> {
        let path = self.file(if own { EVALUATION } else { EVALUATION_OTHER });
        let before = files::read_if_exists(&path, files::TEXT)?;
        let before: Map<String, Value> = before.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
        let same = metrics.get("step").is_some_and(Value::is_u64)
            && SAME_WEIGHTS.iter().all(|key| before.get(*key) == metrics.get(*key));
        let mut all = if same { before } else { Map::new() };
        all.extend(metrics.clone());
        files::write(&path, format!("{:#}\n", Value::Object(all)).as_bytes())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metrics_of_the_same_weights_stay() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::create(&folder.path().join("run")).unwrap();
        let saved = |metrics: Value| -> Map<String, Value> {
            let path = run.write_evaluation(metrics.as_object().unwrap(), true).unwrap();
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        };
        let weights =
            |step: u64| json!({ "data_checksum": "a", "checkpoint": "latest", "average": false, "step": step });
        let with = |step: u64, key: &str| {
            let mut metrics = weights(step);
            metrics[key] = json!(1.5);
            metrics
        };
        saved(with(7, "frechet"));
        let both = saved(with(7, "neg_elbo"));
        assert_eq!((&both["frechet"], &both["neg_elbo"]), (&json!(1.5), &json!(1.5)));
        assert!(!saved(with(8, "neg_elbo")).contains_key("frechet"), "other weights");
    }
}
