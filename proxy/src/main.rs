//! `evenkeel-proxy`: the data plane.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use evenkeel_proxy::{
    check::check,
    cli::{Cli, Command, LogFormat, Run},
    run::run,
};
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => {
            log(&options);
            run(&options).map(|()| true)
        }
        Command::Check { files } => check(&files, &mut io::stdout()).map_err(Into::into),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("evenkeel-proxy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error; standard output is for what was asked for.
fn log(options: &Run) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let logs = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(colours)
        .with_max_level(LevelFilter::from_level(options.log_level));
    match options.log_format {
        LogFormat::Text => logs.with_target(false).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}
