//! The help: groups of commands, examples, exit codes and environment variables.

use super::Cli;
use clap::{Command, CommandFactory};

/// The commands by use.
const GROUPS: &[(&str, &[&str])] = &[
    ("Train", &["train", "resume", "runs", "report", "recipes", "verify"]),
    (
        "Use a trained model",
        &[
            "sample",
            "reconstruct",
            "interpolate",
            "traverse",
            "encode",
            "decode",
            "project",
            "translate",
            "restore",
            "export",
        ],
    ),
    ("Measure", &["eval", "compare", "data"]),
    ("Device and kernels", &["devices", "check", "tune", "show", "profile"]),
    ("Shell", &["completions", "man"]),
];

/// Examples of each command.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "train",
        &[
            "frit train vae",
            "frit train IMAGES",
            "frit train dcgan --data IMAGES --size 32",
            "frit train prior --codes vqvae-001",
            "frit train realnvp --latents ae-001",
            "frit train cyclegan --data A --data-b B",
            "frit train vae --dry-run",
        ],
    ),
    ("resume", &["frit resume", "frit resume vae-001 --epochs 40"]),
    ("runs", &["frit runs", "frit runs elsewhere --json"]),
    ("report", &["frit report", "frit report runs/vae-001"]),
    ("recipes", &["frit recipes", "frit recipes show vae", "frit recipes show dcgan"]),
    ("verify", &["frit verify vae", "frit verify dcgan --set target.frechet=[0,30]"]),
    (
        "sample",
        &[
            "frit sample",
            "frit sample vae-001 -n 100 --seed 7",
            "frit sample dcgan-001 --seeds 0-35 --trunc 1.5",
            "frit sample cvae-001 -n 1000 --files DIR --by-class",
            "frit sample prior-001 --temperature 0.9 --top-k 32",
            "frit sample prior-001 --complete --images IMAGES",
            "frit sample ae-001 --prior realnvp-001",
        ],
    ),
    ("translate", &["frit translate", "frit translate cyclegan-001 --images PHOTOS --to a --out DIR"]),
    ("restore", &["frit restore", "frit restore restoration-001 --images PHOTOS --mask MASK.png --out DIR"]),
    ("reconstruct", &["frit reconstruct", "frit reconstruct vqvae-001 -n 16 --best"]),
    (
        "interpolate",
        &[
            "frit interpolate",
            "frit interpolate vae-001 --spherical",
            "frit interpolate vae-001 --images IMAGES",
            "frit interpolate dcgan-001 --seeds 3,17,5 --gif walk.gif",
        ],
    ),
    ("traverse", &["frit traverse", "frit traverse vae-001 --image 3 --reach 2"]),
    ("encode", &["frit encode", "frit encode vqvae-001 -n 100 --out codes.frit"]),
    ("decode", &["frit decode vae-001 --codes codes.npy", "frit decode cvae-001 --codes codes.npy --class 7"]),
    ("project", &["frit project --images IMAGES", "frit project dcgan-001 --images cat.png --steps 500 --starts 16"]),
    (
        "export",
        &[
            "frit export --html page.html",
            "frit export vae-001 --onnx decoder.onnx",
            "frit export vae-001 --onnx encoder.onnx --network encoder",
            "frit export vae-001 --card",
        ],
    ),
    ("eval", &["frit eval", "frit eval vae-001 --iw 100 --json", "frit eval dcgan-001 --generative"]),
    ("compare", &["frit compare REAL GENERATED", "frit compare REAL GENERATED --size 64"]),
    ("data", &["frit data inspect IMAGES", "frit data inspect IMAGES --size 64"]),
    ("devices", &["frit devices", "frit devices --json"]),
    ("check", &["frit check", "frit check matmul conv2d"]),
    ("tune", &["frit tune dcgan"]),
    ("show", &["frit show vae", "frit show dcgan --batch-size 32", "frit show vae --plan > plan.json"]),
    ("profile", &["frit profile vae", "frit profile dcgan --steps 20"]),
    ("completions", &["frit completions bash > ~/.local/share/bash-completion/completions/frit"]),
    ("man", &["frit man | man -l -", "frit man --out ~/.local/share/man/man1"]),
];

/// The exit codes, and the environment variables.
const CODES: &[(&str, &str)] = &[
    ("0", "success"),
    ("1", "a check or a target failed"),
    ("2", "invalid arguments or settings"),
    ("3", "error in data, files, run folders, devices or training"),
    ("130", "interrupted; progress is saved"),
];
const VARIABLES: &[(&str, &str)] = &[
    ("FRIT_CACHE", "cache folder of tuned shaders and classifiers; empty for none"),
    ("NO_COLOR", "if set, no colours"),
    ("RUST_LOG", "log filter, such as debug or frit=info"),
    ("WGPU_BACKEND", "vulkan, metal, dx12 or gl"),
    ("WGPU_ADAPTER_NAME", "part of the name of the default adapter"),
    ("WGPU_POWER_PREF", "low or high"),
];

/// The command line, with its help.
pub(crate) fn command() -> Command {
    let mut command = Cli::command();
    let style = *command.get_styles().get_header();
    let title = |title: &str| format!("{style}{title}:{style:#}\n");
    let list =
        |rows: &[(&str, &str)]| rows.iter().map(|(name, text)| format!("  {name:18} {text}\n")).collect::<String>();
    let about = |name: &str| {
        let command = command.find_subcommand(name).expect("a group names commands");
        command.get_about().map(ToString::to_string).unwrap_or_default()
    };
    let group = |(name, commands): &(&str, &[&str])| {
        let rows: String = commands.iter().map(|name| format!("  {name:12} {}\n", about(name))).collect();
        format!("{}{rows}", title(name))
    };
    let groups = GROUPS.iter().map(group).collect::<Vec<_>>().join("\n");
    let options = title("Options");
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}\n{options}{{options}}{{after-help}}");
    let more = format!("{}{}\n{}{}", title("Exit codes"), list(CODES), title("Environment"), list(VARIABLES));
    for (name, lines) in EXAMPLES {
        let examples: String = lines.iter().map(|line| format!("  {line}\n")).collect();
        let examples = format!("{}{}", title("Examples"), examples.trim_end());
        command = command.mut_subcommand(name, |command| command.after_long_help(examples));
    }
    command
        .help_template(template)
        .after_help("`frit COMMAND -h` lists the arguments of a command; `--help` adds details and examples.")
        .after_long_help(more.trim_end().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_in_a_group_and_has_examples_that_parse() {
        let command = command();
        let mut names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut shown: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        for list in [&mut names, &mut grouped, &mut shown] {
            list.sort_unstable();
        }
        assert_eq!(names, grouped);
        assert_eq!(names, shown);
        for (name, lines) in EXAMPLES {
            for line in *lines {
                let words = line.split(['>', '|']).next().unwrap_or_default().split_whitespace();
                let parsed = command.clone().try_get_matches_from(words);
                let parsed = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
                assert_eq!(parsed.subcommand_name(), Some(*name));
            }
        }
    }
}
