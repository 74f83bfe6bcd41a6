//! Messages for invalid keys and values of a configuration, in place of serde's, which name Rust types.

use crate::io::guess::{closest, did_you_mean};

/// The message of serde in plain words; unchanged if it is of another form.
pub(super) fn plain(message: &str) -> String {
    let Some((problem, expected)) = message.trim_end().split_once(", expected ") else { return message.into() };
    let quoted: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let of = |kind: &str| problem.strip_prefix(kind).map(|name| name.trim_matches('`'));
    if let Some(key) = of("unknown field ") {
        let guess = did_you_mean(key, quoted.iter().copied());
        return format!("no setting '{key}'{guess} (available: {})", quoted.join(", "));
    }
    if let Some(value) = of("unknown variant ") {
        let guess = did_you_mean(value, quoted.iter().copied());
        return format!("expected one of {} (got '{value}'){guess}", quoted.join(", "));
    }
    match kind(expected) {
        Some(kind) => format!("expected {kind}"),
        None => message.into(),
    }
}

/// A type of Rust or serde in plain words.
fn kind(expected: &str) -> Option<&'static str> {
    Some(match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list, such as [400, 200]",
        "an array of length 2" => "two numbers, such as [118, 123]",
        _ if expected.starts_with("struct ") || expected == "a map" => "a section of settings",
        _ if expected.contains("variant") || expected == "string or table" => "a name in quotes",
        _ => return None,
    })
}

/// A sentence on a key that is not there, with those of its section, or else the sections.
pub(super) fn unknown_key(key: &str, table: &toml::Table) -> String {
    let section = key.split('.').next().unwrap_or_default().trim();
    if let Some(keys) = table.get(section).and_then(toml::Value::as_table) {
        let keys: Vec<_> = keys.keys().map(|key| format!("{section}.{key}")).collect();
        let guess = did_you_mean(key, keys.iter().map(String::as_str));
        return format!("no setting {key}{guess} ([{section}] has {})", keys.join(", "));
    }
    let sections: Vec<_> = table.iter().filter(|(_, value)| value.is_table()).map(|(name, _)| &**name).collect();
    let guess = full_key(key, table).map_or_else(String::new, |key| format!("; did you mean '{key}'?"));
    format!("no setting {key}{guess} (write section.key, with a section of {})", sections.join(", "))
}

/// The key with its section, of a setting that was named without one or with a misspelt one.
fn full_key(key: &str, table: &toml::Table) -> Option<String> {
    let known = keys(table);
    let (_, name) = key.rsplit_once('.').unwrap_or(("", key));
    let same = known.iter().find(|known| known.rsplit_once('.').is_some_and(|(_, last)| last == name));
    same.cloned().or_else(|| closest(key, known.iter().map(String::as_str)).map(String::from))
}

/// The dotted keys of all settings, without targets.
pub(super) fn keys(table: &toml::Table) -> Vec<String> {
    let sections = table.iter().filter(|(name, _)| *name != "target");
    let sections = sections.filter_map(|(name, keys)| Some((name, keys.as_table()?)));
    sections.flat_map(|(name, keys)| below(name, keys)).collect()
}

/// The dotted keys below a section, also of the sections within it.
fn below(section: &str, keys: &toml::Table) -> Vec<String> {
    let key = |(name, value): (&String, &toml::Value)| {
        let key = format!("{section}.{name}");
        value.as_table().map_or_else(|| vec![key.clone()], |keys| below(&key, keys))
    };
    keys.iter().flat_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_become_words() {
        for (message, words) in [
            ("invalid type: string \"soon\", expected u64\n", "expected a whole number of at least 0"),
            ("invalid value: integer `-1`, expected u32", "expected a whole number of at least 0"),
            ("invalid type: integer `1`, expected a boolean", "expected true or false"),
            ("invalid type: integer `5`, expected an array of length 2", "expected two numbers, such as [118, 123]"),
            (
                "unknown variant `adan`, expected one of `adam`, `sgd`",
                "expected one of adam, sgd (got 'adan'); did you mean 'adam'?",
            ),
            (
                "unknown field `epoch`, expected `epochs` or `steps`",
                "no setting 'epoch'; did you mean 'epochs'? (available: epochs, steps)",
            ),
            ("missing field `family`", "missing field `family`"),
        ] {
            assert_eq!(plain(message), words);
        }
    }
}
