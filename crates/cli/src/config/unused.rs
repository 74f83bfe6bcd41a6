//! Settings that others leave without effect.

use super::Config;
use models::{Coupling, FlowKind, Likelihood, LrSchedule, ModelConfig, OptimiserKind, QuantiserKind};

/// Settings of a VQ-VAE's codebook, which finite scalar quantisation does not have.
const OF_CODEBOOKS: [&str; 5] = ["latent", "codes", "commitment", "ema", "restart"];

/// Settings of flow matching by classes.
const OF_CLASSES: [&str; 3] = ["class_dropout", "guidance", "guidance_interval"];

/// Settings of paired translation's discriminator.
const OF_SCORES: [&str; 3] = ["loss", "discriminator_width", "discriminator_halvings"];

/// Settings of splines.
const OF_SPLINES: [&str; 2] = ["bins", "bound"];

/// Settings of couplings, which planar functions do not have.
const OF_COUPLINGS: [&str; 6] = ["hidden", "activation", "x_waves", "max_log_scale", "bins", "bound"];

impl Config {
    /// The reason why a setting has no effect in this configuration, and the remedy; `None` if it has one.
    ///
    /// ```
    /// use frit::config::Config;
    /// let reason = Config::load("dcgan")?.unused("gan.hidden").unwrap();
    /// assert!(reason.contains("gan.width is 32"));
    /// # Ok::<(), frit::Error>(())
    /// ```
    pub fn unused(&self, key: &str) -> Option<String> {
        let (section, name) = key.split_once('.')?;
        match section {
            "optimiser" => self.unused_by_optimiser(name),
            _ if section == self.name() => self.unused_by_model(name),
            _ => None,
        }
    }

    fn unused_by_optimiser(&self, name: &str) -> Option<String> {
        let kind = self.optimiser.kind;
        let adam = matches!(kind, OptimiserKind::Adam | OptimiserKind::AdamW);
        let used = match name {
            "beta1" | "beta2" => adam || kind == OptimiserKind::Lion,
            "epsilon" => adam,
            "momentum" | "nesterov" => kind == OptimiserKind::Sgd,
            "lr_hold" if self.optimiser.lr_schedule == LrSchedule::Step => {
                let reason = "optimiser.lr_schedule is step, whose first period is at the peak";
                return Some(format!("{reason}; set it to linear or cosine"));
            }
            "lr_decay_steps" | "lr_hold" | "lr_final" if self.optimiser.lr_schedule == LrSchedule::Constant => {
                let reason = "the learning rate does not decay while optimiser.lr_schedule is constant";
                return Some(format!("{reason}; set it to linear, cosine or step"));
            }
            _ => true,
        };
        (!used).then(|| format!("optimiser.kind is {}, which has no {name}", kind.name()))
    }

    fn unused_by_model(&self, name: &str) -> Option<String> {
        let of_coder = |channels: &[usize], likelihood: Likelihood| match name {
            "pool" if channels.is_empty() => {
                Some(format!("{0}.channels is [], so nothing is pooled; set {0}.channels", self.name()))
            }
            "sigma" if likelihood == Likelihood::Bernoulli => {
                Some(format!("{0}.likelihood is bernoulli; set {0}.likelihood to gaussian", self.name()))
            }
            _ => None,
        };
        match &self.model {
            ModelConfig::Vae(vae) => match (vae.flow.kind, name) {
                (FlowKind::None, "flow.length" | "flow.hidden") => {
                    Some("vae.flow.kind is none; set vae.flow.kind to planar or iaf".into())
                }
                (FlowKind::Planar, "flow.hidden") => {
                    Some("vae.flow.kind is planar, which has no hidden layer; set vae.flow.kind to iaf".into())
                }
                _ => of_coder(&vae.channels, vae.likelihood),
            },
            ModelConfig::Autoencoder(ae) => of_coder(&ae.channels, ae.likelihood),
            ModelConfig::Gan(gan) if gan.width > 0 && name == "hidden" => {
                let width = gan.width;
                Some(format!("gan.width is {width}, which makes all layers convolutions; set gan.width to 0"))
            }
            ModelConfig::Gan(gan) if gan.width == 0 && gan.discriminator_norm && name == "discriminator_norm" => {
                Some("gan.width is 0, and linear layers have no batch normalisation; set gan.width".into())
            }
            ModelConfig::Flow(flow) if flow.width > 0 && name == "hidden" => {
                Some(format!("flow.width is {}, which makes the network a U-Net; set flow.width to 0", flow.width))
            }
            ModelConfig::Flow(flow) if flow.width > 0 && name == "x_waves" => {
                Some(format!("flow.width is {}, and a U-Net sees no waves of pixels; set flow.width to 0", flow.width))
            }
            ModelConfig::Flow(flow) if !flow.class_conditional && OF_CLASSES.contains(&name) => {
                Some("flow.class_conditional is false; set it to true".into())
            }
            ModelConfig::Flow(flow) if flow.width == 0 && name == "halvings" => {
                Some("flow.width is 0, and linear layers halve no image; set flow.width".into())
            }
            ModelConfig::Flow(flow) if flow.width == 0 && name == "heads" => {
                Some("flow.width is 0, and linear layers have no attention; set flow.width".into())
            }
            ModelConfig::Prior(_) if name == "checksum" || name.starts_with("vqvae.") => {
                Some("prior.codes names the run of the VQ-VAE, whose settings and weights count; leave it out".into())
            }
            ModelConfig::RealNvp(_) if name == "checksum" || name.starts_with("ae.") || name.starts_with("vae.") => {
                let reason = "realnvp.latents names the run of the autoencoder, whose settings and weights count";
                Some(format!("{reason}; leave it out"))
            }
            ModelConfig::RealNvp(flow) if flow.coupling == Coupling::Planar && OF_COUPLINGS.contains(&name) => Some(
                "realnvp.coupling is planar, which has no networks; set realnvp.coupling to affine or spline".into(),
            ),
            ModelConfig::RealNvp(flow) if flow.coupling == Coupling::Affine && OF_SPLINES.contains(&name) => {
                Some("realnvp.coupling is affine, which has no bins; set realnvp.coupling to spline".into())
            }
            ModelConfig::RealNvp(flow) if flow.coupling == Coupling::Spline && name == "max_log_scale" => Some(
                "realnvp.coupling is spline, whose slopes have no such bound; set realnvp.coupling to affine".into(),
            ),
            ModelConfig::VqVae(vqvae) => match vqvae.quantiser {
                QuantiserKind::Codebook if name == "levels" => {
                    Some("vqvae.quantiser is codebook; set vqvae.quantiser to fsq".into())
                }
                QuantiserKind::Fsq if OF_CODEBOOKS.contains(&name) => {
                    Some("vqvae.quantiser is fsq, whose codes follow from vqvae.levels; set vqvae.levels".into())
                }
                _ => None,
            },
            ModelConfig::Paired(paired) if paired.gan_weight == 0.0 && OF_SCORES.contains(&name) => {
                Some("paired.gan_weight is 0, so there is no discriminator; set paired.gan_weight".into())
            }
            ModelConfig::Gan(_)
            | ModelConfig::Flow(_)
            | ModelConfig::Prior(_)
            | ModelConfig::PixelCnn(_)
            | ModelConfig::Wavenet(_)
            | ModelConfig::RealNvp(_)
            | ModelConfig::CycleGan(_)
            | ModelConfig::Paired(_)
            | ModelConfig::Classifier(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_without_effect_has_a_reason() {
        for (recipe, sets, key, reason) in [
            ("dcgan", "", "gan.hidden", "gan.width is 32"),
            ("gan", "gan.discriminator_norm=true", "gan.discriminator_norm", "gan.width is 0"),
            ("flow-matching", "", "flow.hidden", "makes the network a U-Net"),
            ("flow-matching", "", "flow.x_waves", "a U-Net sees no waves"),
            ("flow-matching", "flow.class_conditional=false", "flow.guidance", "flow.class_conditional is false"),
            ("flow-matching", "flow.class_conditional=false", "flow.class_dropout", "flow.class_conditional is false"),
            ("points-flow", "", "flow.halvings", "flow.width is 0"),
            ("points-flow", "", "flow.heads", "linear layers have no attention"),
            ("restoration", "", "paired.loss", "paired.gan_weight is 0"),
            ("vae", "", "vae.sigma", "vae.likelihood is bernoulli"),
            ("vae", "", "vae.flow.length", "vae.flow.kind is none"),
            ("vae", "vae.flow.kind=planar", "vae.flow.hidden", "vae.flow.kind is planar"),
            ("ae", "", "ae.pool", "ae.channels is []"),
            ("prior", "", "prior.vqvae.width", "prior.codes names the run"),
            ("points-realnvp", "", "realnvp.max_log_scale", "realnvp.coupling is spline"),
            ("points-realnvp", "realnvp.coupling=affine", "realnvp.bins", "realnvp.coupling is affine"),
            ("points-realnvp", "realnvp.coupling=planar", "realnvp.hidden", "realnvp.coupling is planar"),
            ("realnvp", "", "realnvp.ae.hidden", "realnvp.latents names the run"),
            ("vqvae", "", "vqvae.levels", "vqvae.quantiser is codebook"),
            ("vqvae", "vqvae.quantiser=fsq", "vqvae.codes", "vqvae.quantiser is fsq"),
            ("fsq-vae", "", "vqvae.latent", "set vqvae.levels"),
            ("vae", "", "optimiser.momentum", "optimiser.kind is adam"),
            ("vae", "optimiser.kind=sgd", "optimiser.beta1", "optimiser.kind is sgd"),
            ("vae", "optimiser.kind=lion", "optimiser.epsilon", "optimiser.kind is lion"),
            ("vae", "", "optimiser.lr_final", "optimiser.lr_schedule is constant"),
            ("vae", "", "optimiser.lr_hold", "optimiser.lr_schedule is constant"),
            ("vae", "optimiser.lr_schedule=step", "optimiser.lr_hold", "optimiser.lr_schedule is step"),
        ] {
            let config = Config::load(recipe).unwrap();
            let config = if sets.is_empty() { config } else { config.with(sets).unwrap() };
            let found = config.unused(key).unwrap_or_else(|| panic!("{key} of {recipe} has an effect"));
            assert!(found.contains(reason), "{found}");
        }
        let config = Config::load("vae").unwrap().with("vae.likelihood=gaussian").unwrap();
        for key in ["vae.sigma", "vae.hidden", "optimiser.beta1", "train.seed", "gan.hidden"] {
            assert_eq!(config.unused(key), None, "{key}");
        }
    }
}
