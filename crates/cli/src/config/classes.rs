//! The setting that makes a model class-conditional.

use super::Config;
use models::{Family, ModelConfig};

/// Its name in the sections of the families that have it.
const KEY: &str = "class_conditional";

impl Config {
    /// The reason why a model of this configuration is unconditional, as a sentence, and the remedy.
    ///
    /// ```
    /// use frit::config::Config;
    /// let reason = Config::load("vae")?.why_unconditional();
    /// assert_eq!(reason, "vae is unconditional: vae.class_conditional is false; train one with true");
    /// # Ok::<(), frit::Error>(())
    /// ```
    pub fn why_unconditional(&self) -> String {
        let (family, key) = (self.name(), self.model_key(KEY));
        match value(&self.model) {
            Some(false) => format!("{family} is unconditional: {key} is false; train one with true"),
            Some(true) => format!("{family} is unconditional: its data has one class"),
            None => {
                let others = Family::ALL.iter().filter(|family| value(&family.defaults()).is_some());
                let keys: Vec<String> = others.map(|family| format!("{}.{KEY}", family.name())).collect();
                format!("{family} is unconditional: it has no setting for classes (others have {})", keys.join(", "))
            }
        }
    }
}

/// The value of [`KEY`]; `None` for a family without it.
fn value(model: &ModelConfig) -> Option<bool> {
    toml::Table::try_from(model).expect("settings are TOML").get(KEY)?.as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_reason() {
        for (recipe, words) in [
            ("vae", "vae is unconditional: vae.class_conditional is false"),
            ("gan", "gan is unconditional: gan.class_conditional is false"),
            ("prior", "prior is unconditional: its data has one class"),
            ("ae", "others have vae.class_conditional, gan.class_conditional, flow.class_conditional, prior."),
            ("vqvae", "vqvae is unconditional: it has no setting for classes"),
        ] {
            let reason = Config::load(recipe).unwrap().why_unconditional();
            assert!(reason.contains(words), "{reason}");
        }
    }
}
