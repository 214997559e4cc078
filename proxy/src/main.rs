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
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::{Layer as _, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

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
    let level = LevelFilter::from_level(options.log_level);
    // The client of the API server logs each failure at its own level; the watch says the same, with the pool.
    let of_client = if level >= LevelFilter::DEBUG { level } else { LevelFilter::OFF };
    let shown = Targets::new().with_default(level).with_target("kube_client", of_client);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(colours);
    let lines = match options.log_format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(shown)).init();
}
