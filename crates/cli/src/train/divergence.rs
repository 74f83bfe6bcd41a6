//! Losses that are not finite, or far above those of the untrained model.

use crate::io::format::short;
use models::{Model, Objective};

/// The advice for either.
pub(crate) const ADVICE: &str = "train again with a lower optimiser.lr, or with optimiser.clip = 1";

/// Multiple of `monitors.divergence` for the losses of a model without an objective: those of a GAN rise and fall.
const WITHOUT_OBJECTIVE: f64 = 100.0;

/// A step after which training cannot continue.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Failure {
    /// The step, from one.
    pub step: u64,
    /// The cause.
    pub cause: Cause,
}

/// The cause of a failure.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Cause {
    /// A loss or a weight is not finite.
    NonFinite,
    /// A loss is finite, and far above that of the first step: the observation.
    Diverged(String),
}

impl Failure {
    /// The name of the monitor in metrics.jsonl.
    pub(crate) fn monitor(&self) -> &'static str {
        match self.cause {
            Cause::NonFinite => "non_finite",
            Cause::Diverged(_) => "divergence",
        }
    }

    /// The observation: `the loss or a weight is not finite at step 7`.
    pub(crate) fn seen(&self) -> String {
        match &self.cause {
            Cause::NonFinite => format!("the loss or a weight is not finite at step {}", self.step),
            Cause::Diverged(seen) => format!("training diverged at step {}: {seen}", self.step),
        }
    }
}

/// The observation if a loss of `means` exceeds that of the `first` step by `factor`; `part` names the images.
///
/// The objective counts where the model has one, else each loss. `None` without a first step, as in a run of version
/// 0.1.0.
pub(crate) fn diverged(model: &dyn Model, part: &str, first: &[f64], means: &[f64], factor: f64) -> Option<String> {
    if first.is_empty() {
        return None;
    }
    let objective = model.objective();
    let losses: Vec<(&str, f64, f64)> = match (objective.of(first), objective.of(means)) {
        (Some(first), Some(mean)) => vec![(name(model), first, mean)],
        _ => model.columns().iter().zip(first).zip(means).map(|((name, &first), &mean)| (*name, first, mean)).collect(),
    };
    let factor = if objective == Objective::None { WITHOUT_OBJECTIVE * factor } else { factor };
    // From one up: a loss near zero may grow by any factor.
    let limit = |first: f64| first + factor * first.abs().max(1.0);
    let (name, first, mean) = losses.into_iter().find(|&(_, first, mean)| factor > 0.0 && mean > limit(first))?;
    Some(format!("{name} on the {part} is {}; it was {} at the first step", short(mean), short(first)))
}

/// The name of the objective.
fn name(model: &dyn Model) -> &'static str {
    match model.objective() {
        Objective::Sum(name) => name,
        _ => model.columns()[0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use models::SetSpec;

    const SPEC: SetSpec = SetSpec { train: 100, test: 10, image: [8, 8, 1], classes: 2, variance: 0.1, points: None };

    fn found(recipe: &str, first: &[f64], means: &[f64], factor: f64) -> Option<String> {
        let model = Config::load(recipe).unwrap().build(&SPEC.into());
        diverged(model.as_ref(), "test set", first, means, factor)
    }

    #[test]
    fn an_objective_may_grow_by_the_factor() {
        let seen = found("vae", &[540.0, 10.0], &[5000.0, 1100.0], 10.0).unwrap();
        assert_eq!(seen, "neg_elbo on the test set is 6100.00; it was 550.00 at the first step");
        assert_eq!(found("vae", &[540.0, 10.0], &[5000.0, 1000.0], 10.0), None);
        // A density may be above one, and its logarithm below zero.
        assert_eq!(found("vae", &[-50.0, 1.0], &[300.0, 1.0], 10.0), None);
        assert!(found("vae", &[-50.0, 1.0], &[500.0, 1.0], 10.0).is_some());
        // The loss of a model with trained weights begins near zero.
        assert_eq!(found("classifier", &[0.01, 0.0], &[2.3, 0.9], 10.0), None);
        assert_eq!(found("vae", &[540.0, 10.0], &[1e30, 1.0], 0.0), None, "it is off");
        assert_eq!(found("vae", &[], &[40.0, 5.0], 10.0), None, "the first step is not known");
    }

    #[test]
    fn a_loss_of_a_gan_may_grow_further() {
        let first = [1.386, 0.693, 0.5, 0.5];
        assert_eq!(found("gan", &first, &[20.0, 900.0, 0.9, 0.1], 10.0), None);
        let seen = found("gan", &first, &[20.0, 11_000.0, 0.9, 0.1], 10.0).unwrap();
        assert!(seen.starts_with("g_loss on the test set is 11000.00"), "{seen}");
    }
}
