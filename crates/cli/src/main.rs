//! The `frit` program: arguments in, library calls, results out.

mod args;
mod commands;
mod output;

use args::{Cli, Command, Data};
use clap::FromArgMatches;
use commands::launch::Launch;
use frit::io::format::clean;
use frit::run::startup;
use frit::terminal::Terminal;
use log::Level;
use output::Ending;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    without_display();
    startup::begin();
    commands::signals::fail_past_size_limit();
    let parsed = args::command().try_get_matches();
    let (cli, matches) = match parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches))) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&error),
    };
    let mut launch = Launch::of(Some(&cli.command));
    let quiet = cli.quiet || !launch.speaks();
    start_log(cli.verbose, quiet);
    if let Err(error) = launch.connect() {
        return launch.end(Err(error));
    }
    let terminal = Terminal::new(quiet);
    let result = match cli.command {
        Command::Train(args) => commands::train::train(&args, &args::given(&matches), &launch, &terminal),
        Command::Resume(args) => commands::resume::resume(&args, &launch, &terminal),
        Command::Recipes(args) => commands::recipes::recipes(&args),
        Command::Verify(args) => launch.refuse("verify").and_then(|()| commands::verify::verify(&args, &terminal)),
        Command::Sample(args) => commands::draw::sample(&args, &terminal),
        Command::Reconstruct(args) => commands::draw::reconstruct(&args, &terminal),
        Command::Interpolate(args) => commands::interpolate::interpolate(&args, &terminal),
        Command::Traverse(args) => commands::latent::traverse(&args, &terminal),
        Command::Encode(args) => commands::code::encode(&args, &terminal),
        Command::Decode(args) => commands::code::decode(&args, &terminal),
        Command::Eval(args) => commands::eval::eval(&args, &terminal),
        Command::Project(args) => commands::project::project(&args, &terminal),
        Command::Translate(args) => commands::translate::translate(&args, &terminal),
        Command::Export(args) => commands::export::export(&args, &terminal),
        Command::Restore(args) => commands::translate::restore(&args, &terminal),
        Command::Report(args) => commands::report::report(&args, &terminal),
        Command::Compare(args) => commands::compare::compare(&args, &terminal),
        Command::Check(args) => commands::check::check(&args, &terminal),
        Command::Show(args) => commands::show::show(&args),
        Command::Profile(args) => commands::profile::profile(&args, &terminal),
        Command::Tune(args) => commands::tune::tune(&args, &terminal),
        Command::Data(Data::Inspect(args)) => commands::inspect::inspect(&args),
        Command::Runs(args) => commands::runs::runs(&args),
        Command::Completions(args) => commands::shell::completions(&args),
        Command::Man(args) => commands::shell::man(&args),
        Command::Devices(args) => commands::devices::devices(&args),
    };
    launch.end(result)
}

/// Keeps Mesa's device selection from asking for a display, and from printing errors, where there is none.
fn without_display() {
    const SELECT: &str = "NODEVICE_SELECT";
    if ["DISPLAY", "WAYLAND_DISPLAY", SELECT].into_iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: this is the first line of the program; no other thread reads the environment.
        unsafe { std::env::set_var(SELECT, "1") };
    }
}

/// Prints help, the version or a mistake in the arguments. A message that may quote control characters has no colours.
fn refuse(error: &clap::Error) -> ExitCode {
    let mut launch = Launch::of(None);
    if !error.use_stderr() {
        if launch.speaks() {
            drop(error.print());
        }
        return ExitCode::SUCCESS;
    }
    // Without a connection, each process says it.
    drop(launch.connect());
    let is_clean = |argument: OsString| {
        let text = argument.to_string_lossy();
        clean(&text) == text
    };
    let text = error.render().to_string();
    let print = || match std::env::args_os().all(is_clean) {
        true => drop(error.print()),
        false => drop(write!(std::io::stderr(), "{}", clean(&text))),
    };
    // The usage follows after an empty line.
    let reason: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    launch.fail(print, reason.join(" ").trim_start_matches("error: "), output::USAGE)
}

/// Shows only errors of wgpu by default; `RUST_LOG` overrides.
fn start_log(verbose: u8, quiet: bool) {
    let filter = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn,wgpu_core=error,wgpu_hal=off,naga=error",
        (false, 1) => "info,wgpu_core=warn,wgpu_hal=warn,naga=warn",
        (false, _) => "debug",
    };
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter));
    builder.format(|out, record| match record.level() {
        level @ (Level::Error | Level::Warn) => writeln!(out, "{}: {}", word(level), clean(&record.args().to_string())),
        level => writeln!(out, "{} {}: {}", word(level), record.target(), clean(&record.args().to_string())),
    });
    builder.init();
}

/// The level as the other messages of the program have it.
fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}
