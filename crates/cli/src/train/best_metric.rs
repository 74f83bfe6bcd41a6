//! What tells a better checkpoint from a worse one.

use crate::eval::passes::{Tested, figures};
use anyhow::{Result, ensure};
use models::{Model, Objective};

/// A figure of the test set that is to become small, or with a minus before its name, large.
#[derive(Clone, PartialEq, Debug)]
pub enum BestMetric {
    /// The model's own objective, if it has one.
    Objective,
    /// The figure of that name, times this sign.
    Named(String, f64),
}

impl BestMetric {
    /// What `train.best` asks for.
    ///
    /// # Errors
    /// One sentence: the model has no such figure.
    pub fn of(best: &str, model: &dyn Model) -> Result<Self> {
        if best.is_empty() {
            return Ok(Self::Objective);
        }
        let (name, sign) = best.strip_prefix('-').map_or((best, 1.0), |name| (name, -1.0));
        let mut known = model.columns().to_vec();
        if let Objective::Sum(name) = model.objective() {
            known.push(name);
        }
        if model.quantiser().is_some() {
            known.extend(["perplexity", "used_codes"]);
        }
        ensure!(
            known.contains(&name),
            "train.best is “{best}”, which this model does not measure; use one of {}, with a minus before it where \
             more is better",
            known.join(", ")
        );
        Ok(Self::Named(name.into(), sign))
    }

    /// What it is called; `None` where there is nothing to go by.
    pub fn name(&self, model: &dyn Model) -> Option<String> {
        match (self, model.objective()) {
            (Self::Named(name, _), _) => Some(name.clone()),
            (Self::Objective, Objective::Sum(name)) => Some(name.into()),
            (Self::Objective, Objective::First) => model.columns().first().map(|&name| name.into()),
            (Self::Objective, Objective::None) => None,
        }
    }

    /// Its value: the smaller, the better.
    pub fn value(&self, model: &dyn Model, test: &Tested) -> Option<f64> {
        match self {
            Self::Objective => model.objective().of(&test.means),
            Self::Named(name, sign) => {
                figures(model, test).into_iter().find(|(found, _)| found == name).map(|(_, value)| sign * value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::eval::passes::Codes;
    use models::SetSpec;

    const SPEC: SetSpec = SetSpec { train: 100, test: 10, image: [8, 8, 1], classes: 2, variance: 0.1 };

    fn model(recipe: &str) -> Box<dyn Model> {
        Config::load(recipe).unwrap().build(&SPEC.into())
    }

    #[test]
    fn a_figure_is_taken_by_its_name() {
        let test = Tested { means: vec![90.0, 20.0], code_use: None };
        let vae = model("vae");
        for (best, name, value) in [("", "neg_elbo", 110.0), ("kl", "kl", 20.0), ("-recon", "recon", -90.0)] {
            let best_metric = BestMetric::of(best, vae.as_ref()).unwrap();
            assert_eq!(best_metric.name(vae.as_ref()).unwrap(), name);
            assert_eq!(best_metric.value(vae.as_ref(), &test), Some(value));
        }
        let codes = Codes { perplexity: 30.0, used: 40, codes: 64 };
        let test = Tested { means: vec![0.1, 0.01], code_use: Some(codes) };
        let vqvae = model("vqvae");
        assert_eq!(BestMetric::of("-perplexity", vqvae.as_ref()).unwrap().value(vqvae.as_ref(), &test), Some(-30.0));
        let gan = model("gan");
        assert_eq!(BestMetric::of("", gan.as_ref()).unwrap().name(gan.as_ref()), None);
    }

    #[test]
    fn an_unknown_one_is_refused_with_those_there_are() {
        let said = BestMetric::of("perplexity", model("vae").as_ref()).unwrap_err().to_string();
        assert!(said.contains("“perplexity”") && said.contains("recon, kl, neg_elbo"), "{said}");
    }
}
