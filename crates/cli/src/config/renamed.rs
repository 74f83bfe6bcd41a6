//! Names of frit 0.1.0 that have changed: settings, and tensors of checkpoints.
//!
//! Recipes and settings with an old name are refused with the new one. Run folders and checkpoints of 0.1.0 are read as
//! if they had the new names; new files have new names.

use toml::{Table, Value};

/// Settings by section and old key, and their new keys. A section without a key is renamed as a whole.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("guards", "", "monitors"),
    ("optimiser", "warmup", "lr_warmup"),
    ("optimiser", "schedule", "lr_schedule"),
    ("optimiser", "decay_steps", "lr_decay_steps"),
    ("optimiser", "decay_to", "lr_final"),
    ("optimiser", "decoupled", "kind"),
    ("gan", "smoothing", "label_smoothing"),
    ("gan", "critic_norm", "discriminator_norm"),
    ("gan", "critic_steps", "discriminator_steps"),
    ("gan", "critic_lr", "discriminator_lr"),
    ("gan", "conditional", "class_conditional"),
    ("vae", "conditional", "class_conditional"),
];

/// Prefixes of tensors in checkpoints, old and new.
pub const TENSORS: &[(&str, &str)] = &[
    ("adam.m/", "optim.m/"),
    ("adam.v/", "optim.v/"),
    ("state/critic_clock", "state/discriminator_clock"),
    ("state/critic_rates", "state/discriminator_rates"),
];

/// The new key of an old dotted key, such as `gan.critic_steps`.
pub(super) fn setting(key: &str) -> Option<String> {
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    SETTINGS.iter().find_map(|&(old_section, old, new)| match old {
        "" if old_section == section => Some([new, name].join(".").trim_end_matches('.').into()),
        _ if (old_section, old) == (section, name) => Some(format!("{section}.{new}")),
        _ => None,
    })
}

/// The new key of an old dotted key, with the value where that has changed too.
pub(super) fn with_value(key: &str, value: &str) -> Option<String> {
    let new = setting(key)?;
    Some(match key {
        "optimiser.decoupled" => format!("{new} = {}", kind(&Value::Boolean(value != "false"))),
        _ => new,
    })
}

/// The first old key of a configuration and its new name.
pub(super) fn first(text: &str) -> Option<(String, String)> {
    let table: Table = text.parse().ok()?;
    let found = |&&(section, old, _): &&(&str, &str, &str)| {
        table.get(section).is_some_and(|keys| old.is_empty() || keys.get(old).is_some())
    };
    let (section, old, _) = SETTINGS.iter().find(found)?;
    let key = if old.is_empty() { section.to_string() } else { format!("{section}.{old}") };
    let value = table.get(*section)?.get(old).map(Value::to_string).unwrap_or_default();
    Some((key.clone(), with_value(&key, &value)?))
}

/// The configuration with new keys, if any of its keys is an old one.
pub(super) fn migrated(text: &str) -> Option<Table> {
    let mut table: Table = text.parse().ok()?;
    let mut found = false;
    for &(section, old, new) in SETTINGS {
        if old.is_empty() {
            if let Some(value) = table.remove(section) {
                found = true;
                table.entry(new).or_insert(value);
            }
        } else if let Some(keys) = table.get_mut(section).and_then(Value::as_table_mut)
            && let Some(value) = keys.remove(old)
        {
            found = true;
            keys.entry(new).or_insert(if new == "kind" { kind(&value) } else { value });
        }
    }
    found.then_some(table)
}

/// The kind of optimiser by the old setting `decoupled`, whose default was true.
fn kind(decoupled: &Value) -> Value {
    if decoupled.as_bool() == Some(false) { "adam" } else { "adamw" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use models::OptimiserKind;

    #[test]
    fn every_old_setting_has_a_new_name() {
        for &(section, old, new) in SETTINGS {
            let key = if old.is_empty() { section.into() } else { format!("{section}.{old}") };
            let renamed = if old.is_empty() { new.into() } else { format!("{section}.{new}") };
            assert_eq!(setting(&key), Some(renamed));
        }
        assert_eq!(setting("guards.after").as_deref(), Some("monitors.after"));
        assert_eq!(setting("gan.latent"), None);
    }

    #[test]
    fn old_configurations_equal_new_ones() {
        let old = "family = \"gan\"\n[optimiser]\nwarmup = 3\nschedule = \"cosine\"\ndecay_steps = 9\ndecay_to = 0.5\n\
                   decoupled = false\n[guards]\nafter = 7\n[gan]\nsmoothing = 0.1\ncritic_norm = false\n\
                   critic_steps = 2\ncritic_lr = 0.25\nconditional = false\n";
        let new = "family = \"gan\"\n[optimiser]\nlr_warmup = 3\nlr_schedule = \"cosine\"\nlr_decay_steps = 9\n\
                   lr_final = 0.5\nkind = \"adam\"\n[monitors]\nafter = 7\n[gan]\nlabel_smoothing = 0.1\n\
                   discriminator_norm = false\ndiscriminator_steps = 2\ndiscriminator_lr = 0.25\n\
                   class_conditional = false\n";
        assert!(migrated(new).is_none());
        assert_eq!(Config::parse_run(old, "old").unwrap(), Config::parse(new, "new").unwrap());
        let decoupled = Config::parse_run("family = \"vae\"\n[optimiser]\ndecoupled = true\n", "old").unwrap();
        assert_eq!(decoupled.optimiser.kind, OptimiserKind::AdamW);
    }

    #[test]
    fn recipes_and_settings_with_old_names_are_refused() {
        let refused = |text: &str| Config::parse(text, "my.toml").unwrap_err().to_string();
        assert_eq!(
            refused("family = \"gan\"\n[gan]\nlatent = 3\ncritic_lr = 0.25\n"),
            "invalid configuration my.toml: gan.critic_lr was renamed: use gan.discriminator_lr"
        );
        assert!(refused("family = \"vae\"\n[guards]\nafter = 7\n").ends_with("guards was renamed: use monitors"));
        for &(section, old, new) in SETTINGS.iter().filter(|(_, old, _)| !old.is_empty()) {
            let refused = Config::load("vae").unwrap().with(&format!("{section}.{old}=1")).unwrap_err().to_string();
            let kind = if old == "decoupled" { " = \"adamw\"" } else { "" };
            assert_eq!(refused, format!("{section}.{old} was renamed: use {section}.{new}{kind}"));
        }
        let decoupled = refused("family = \"vae\"\n[optimiser]\ndecoupled = false\n");
        assert!(decoupled.ends_with("optimiser.decoupled was renamed: use optimiser.kind = \"adam\""), "{decoupled}");
        let refused = Config::load("vae").unwrap().with("guards.after=7").unwrap_err().to_string();
        assert_eq!(refused, "guards.after was renamed: use monitors.after");
    }

    #[test]
    fn an_unknown_key_beside_an_old_one_is_an_error() {
        let error = Config::parse_run("family = \"vae\"\n[guards]\nafter = 7\nbefore = 1\n", "my.toml").unwrap_err();
        assert!(error.to_string().contains("my.toml") && error.to_string().contains("before"), "{error}");
    }
}
