//! The `frit` program: arguments in, library calls, results out.

mod args;
mod commands;
mod output;

use args::{Cli, Command, Data};
use clap::Parser;
use frit::run::startup;
use frit::terminal::Terminal;
use output::Ending;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    startup::begin();
    commands::signals::fail_past_size_limit();
    let cli = Cli::parse();
    start_log(cli.verbose, cli.quiet);
    let terminal = Terminal::new(cli.quiet);
    let result = match cli.command {
        Command::Train(args) => commands::train::train(&args, &terminal),
        Command::Resume(args) => commands::resume::resume(&args, &terminal),
        Command::Recipes(args) => commands::recipes::recipes(&args),
        Command::Verify(args) => commands::verify::verify(&args, &terminal),
        Command::Sample(args) => commands::draw::sample(&args, &terminal),
        Command::Reconstruct(args) => commands::draw::reconstruct(&args, &terminal),
        Command::Interpolate(args) => commands::latent::interpolate(&args, &terminal),
        Command::Traverse(args) => commands::latent::traverse(&args, &terminal),
        Command::Encode(args) => commands::code::encode(&args, &terminal),
        Command::Decode(args) => commands::code::decode(&args, &terminal),
        Command::Eval(args) => commands::eval::eval(&args, &terminal),
        Command::Report(args) => commands::report::report(&args, &terminal),
        Command::Compare(args) => commands::compare::compare(&args, &terminal),
        Command::Check(args) => commands::check::check(&args, &terminal),
        Command::Show(args) => commands::show::show(&args),
        Command::Profile(args) => commands::profile::profile(&args, &terminal),
        Command::Tune(args) => commands::tune::tune(&args, &terminal),
        Command::Data(Data::Inspect(args)) => commands::inspect::inspect(&args),
        Command::Devices(args) => commands::devices::devices(&args),
    };
    match result {
        Ok(ending) => ending.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}", commands::advice::message(&error));
            ExitCode::from(2)
        }
    }
}

/// Shows only errors of wgpu by default; `RUST_LOG` overrides.
fn start_log(verbose: u8, quiet: bool) {
    let filter = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn,wgpu_core=error,wgpu_hal=off,naga=error",
        (false, 1) => "info,wgpu_core=warn,wgpu_hal=warn,naga=warn",
        (false, _) => "debug",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
}
