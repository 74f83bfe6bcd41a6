//! The `[train]` section of a configuration.

use serde::{Deserialize, Serialize};

/// Length and order of training.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training set.
    pub epochs: u64,
    /// Steps at most; 0 for no limit.
    pub steps: u64,
    /// Batch size.
    pub batch_size: usize,
    /// Images in a micro-batch: a step adds the gradients of its micro-batches. 0 for the whole batch.
    pub micro_batch: usize,
    /// Random seed.
    pub seed: u64,
    /// Draws a new order of the images in each epoch; otherwise they keep the order of the data.
    pub shuffle: bool,
    /// Steps between checkpoints within an epoch; 0 for one at the end of each epoch.
    pub save_every: u64,
    /// Steps between sample grids within an epoch, numbered by step; 0 for those at the end of epochs only.
    pub sample_every: u64,
    /// Numbered checkpoints to keep, in addition to the latest and the best.
    pub keep: usize,
    /// The metric of the test set, or of generated images, that selects the best checkpoint; the table of metrics has
    /// its direction. Empty for the model's own.
    pub best: String,
    /// Epochs from one measurement of generated images to the next, if `best` is a metric of theirs.
    pub best_every: u64,
    /// Epochs without a better checkpoint after which training stops; 0 to train to the end.
    pub patience: u64,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            epochs: 10,
            steps: 0,
            batch_size: 128,
            micro_batch: 0,
            seed: 0,
            shuffle: true,
            save_every: 0,
            sample_every: 0,
            keep: 0,
            best: String::new(),
            best_every: 1,
            patience: 0,
        }
    }
}
