//! Acceptance of shader variants by the time of the whole training step.
//!
//! A call timed alone finds its data in caches and the device idle, so a variant that wins alone may lose in a step.

use crate::io::error::Result;
use crate::run::device::Choices;
use crate::run::step_timer::StepTimer;
use std::time::Duration;

/// The speedup of a step from which a variant is accepted.
const WORTH: f64 = 1.01;
/// Rounds of both in alternation; the median counts.
const ROUNDS: usize = 5;
/// The target time of a round.
const ROUND: Duration = Duration::from_millis(300);

/// Classes of calls that a variant is the fastest in.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// Name of the variant.
    pub variant: &'static str,
    /// The classes.
    pub classes: Vec<String>,
}

/// The effect of a variant on the whole step.
#[derive(Clone, PartialEq, Debug)]
pub struct Effect {
    /// The variant, and its classes.
    pub candidate: Candidate,
    /// Median times of a step without it and with it. Variants accepted before it are in both.
    pub step: [Duration; 2],
    /// True if the step is faster by a margin.
    pub accepted: bool,
}

/// Tries candidates one after another. Returns their effects, and `built_in` with those that were accepted. `start`
/// returns a timer of the model with the given variants.
///
/// # Errors
/// Those of the timers.
pub fn accept(
    built_in: Choices,
    candidates: Vec<Candidate>,
    mut start: impl FnMut(&Choices) -> Result<StepTimer>,
) -> Result<(Choices, Vec<Effect>)> {
    let mut accepted = built_in;
    if candidates.is_empty() {
        return Ok((accepted, Vec::new()));
    }
    let mut without = start(&accepted)?;
    let steps = without.steps_in(ROUND)?;
    let mut effects = Vec::new();
    for candidate in candidates {
        let mut choices = accepted.clone();
        choices.extend(candidate.classes.iter().map(|class| (class.clone(), candidate.variant.to_string())));
        let mut with = start(&choices)?;
        let step = alternating(&mut |timer| [&mut without, &mut with][timer].time(steps))?;
        let faster = is_worth(step);
        if faster {
            (accepted, without) = (choices, with);
        }
        effects.push(Effect { candidate, step, accepted: faster });
    }
    Ok((accepted, effects))
}

/// The median times of two timers in alternation.
fn alternating(time: &mut dyn FnMut(usize) -> Result<Duration>) -> Result<[Duration; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (timer, times) in times.iter_mut().enumerate() {
            times.push(time(timer)?);
        }
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2]
    }))
}

fn is_worth([without, with]: [Duration; 2]) -> bool {
    without.as_secs_f64() >= WORTH * with.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::DataSet;
    use crate::run::epoch_plan::EpochPlan;
    use crate::run::session::Session;
    use gpu_core::Backend;
    use std::sync::Arc;

    #[test]
    fn medians_are_of_alternating_rounds() {
        let mut order = Vec::new();
        let mut time = |timer| {
            order.push(timer);
            // One slow round of each changes nothing.
            let slow = if order.len() <= 2 { 1000 } else { 0 };
            Ok(Duration::from_millis([40u64, 30][timer] + slow))
        };
        assert_eq!(alternating(&mut time).unwrap(), [40, 30].map(Duration::from_millis));
        assert_eq!(order, [0, 1].repeat(ROUNDS));
    }

    #[test]
    fn a_variant_is_worth_it_from_one_percent() {
        let worth = |with: u64| is_worth([Duration::from_micros(1000), Duration::from_micros(with)]);
        assert_eq!([980, 990, 991, 1000, 1100].map(worth), [true, true, false, false, false]);
    }

    /// A step with fewer layers is faster than one with more, so the candidate that has them is accepted.
    #[test]
    fn candidates_are_accepted_by_their_steps() {
        let digits = Arc::new(DataSet::load(&crate::config::data::DataOptions::default()).unwrap());
        let start = |choices: &Choices| {
            let hidden = if choices.values().any(|name| name == "fast") { "[8]" } else { "[512]" };
            let config = Config::load("ae")?.with(&format!("ae.hidden={hidden}"))?;
            let steps = EpochPlan::new(&config, digits.train.count);
            let mut session = Session::open(config, digits.clone(), &Backend::Cpu)?;
            session.initialise()?;
            StepTimer::start(session, &steps)
        };
        let candidate = |variant, class: &str| Candidate { variant, classes: vec![class.into()] };
        let candidates = vec![candidate("fast", "a"), candidate("same", "b")];
        let built_in = Choices::from([("a".into(), "table".into()), ("b".into(), "table".into())]);
        let (accepted, effects) = accept(built_in, candidates, start).unwrap();
        assert!(effects[0].accepted && effects[0].step[1] < effects[0].step[0], "{effects:?}");
        assert_eq!(accepted["a"], "fast");
        assert_eq!(accepted["b"], if effects[1].accepted { "same" } else { "table" });
    }
}
