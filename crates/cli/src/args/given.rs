//! The flags of a command line as words of a shell, to repeat a training.

use super::Cli;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory};
use frit::io::format::quoted;
use std::path::Path;

/// The heading of the flags that decide where and in which form results go, and nothing else.
const OUTPUT: &str = "Output";

/// The given flags of the subcommand, in the order of its help and each after a space: ` --epochs 3 --device cpu`.
/// Positional arguments and flags of [`OUTPUT`] are left out.
pub(crate) fn given(matches: &ArgMatches) -> String {
    let command = Cli::command();
    let Some((name, matches)) = matches.subcommand() else { return String::new() };
    let command = command.find_subcommand(name).expect("it was parsed");
    let is_repeated = |arg: &&Arg| !arg.is_positional() && arg.get_help_heading() != Some(OUTPUT);
    command.get_arguments().filter(is_repeated).map(|arg| words(arg, matches)).collect()
}

/// A flag with its values, as often as it was given.
fn words(arg: &Arg, matches: &ArgMatches) -> String {
    let (id, flag) = (arg.get_id().as_str(), format!(" --{}", arg.get_long().unwrap_or_default()));
    if matches.value_source(id) != Some(ValueSource::CommandLine) {
        return String::new();
    }
    if !arg.get_action().takes_values() {
        return flag;
    }
    let delimiter = arg.get_value_delimiter().unwrap_or(' ').to_string();
    let occurrences = matches.get_raw_occurrences(id).expect("it was given");
    occurrences
        .map(|values| {
            let values: Vec<String> = values.map(|value| word(&value.to_string_lossy())).collect();
            format!("{flag} {}", values.join(&delimiter))
        })
        .collect()
}

/// A value as a word of a shell. Of `key=value`, the value alone is in quotes, if it needs them.
fn word(text: &str) -> String {
    let quoted = |text: &str| quoted(Path::new(text));
    match text.split_once('=') {
        Some((key, value)) if quoted(key) == key => format!("{key}={}", quoted(value)),
        _ => quoted(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::given;

    #[test]
    fn flags_are_repeated_and_those_of_the_output_are_not() {
        // A tilde is a space within a word.
        let of = |line: &str| {
            let words = line.split(' ').map(|word| word.replace('~', " "));
            given(&command().try_get_matches_from(words).unwrap())
        };
        let line = "frit -q train --no-shuffle photos --out a --json --hidden=8,4 --set data.fit=pad --lr 0.1 \
                    --set train.best=a~b --device cpu --seed=7 -v";
        let expected = " --no-shuffle --lr 0.1 --hidden 8,4 --seed 7 --set data.fit=pad --set train.best='a b' \
                        --device cpu";
        assert_eq!(of(line), expected);
        assert_eq!(of("frit train vae --dry-run"), "");
    }
}
