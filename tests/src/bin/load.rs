//! `load`: the load client as a process or a pod; JSON lines on standard output.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use evenkeel_tests::load::{Event, Options, run};
use evenkeel_tests::signals::EndSignals;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(load(options))
}

async fn load(options: Options) -> anyhow::Result<ExitCode> {
    let settings = options
        .resolve()
        .unwrap_or_else(|problem| Options::command().error(clap::error::ErrorKind::InvalidValue, problem).exit());
    let stop = stop_on_signal(options.linger)?;
    let seconds = !options.summary_only && !options.watch_change;
    let summary = run(settings, &stop, move |event| tell(&event, seconds)).await;
    print(&summary);
    Ok(if summary.counts.failed == 0 || options.fail_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first signal ends the run, after so much time; a second one ends the process.
fn stop_on_signal(linger: Duration) -> io::Result<CancellationToken> {
    let (stop, mut signals) = (CancellationToken::new(), EndSignals::take()?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        signals.exit_at_next();
        tokio::time::sleep(linger).await;
        stopped.cancel();
    });
    Ok(stop)
}

fn tell(event: &Event<'_>, seconds: bool) {
    match event {
        Event::Second(report) if seconds => print(report),
        Event::Second(_) => {}
        Event::Change(change) => print(change),
        Event::Failed(failed) => eprintln!("failed {}", json(failed)),
    }
}

/// Whoever does not read on shall not end the load: a pod's log may be gone for a while.
fn print(line: &impl Serialize) {
    let _ = writeln!(io::stdout(), "{}", json(line));
}

/// Numbers, strings and maps of them always become JSON.
fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}
