//! The load generator as a process: one run, or connections that stay open.

use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context as _, bail};
use evenkeel_tests::process::ChildGuard;

use super::place::Place;
use crate::load::Report;
use crate::works::{Shape, Work};

/// No run takes so long: under callgrind the longest takes half a minute.
const RUN: Duration = Duration::from_secs(300);

/// Sends `requests` of this work to the port.
pub(crate) fn drive(place: &Place, work: &Work, port: u16, requests: u64) -> anyhow::Result<Report> {
    let mut command = command(place, work.path, port, work.connections)?;
    command.args(["--requests", &requests.to_string()]);
    match work.shape {
        Shape::Closed => {}
        Shape::Open(rate) => drop(command.args(["--rate", &rate.to_string()])),
        Shape::ConnectionEach => drop(command.arg("--close")),
    }
    let finished = ChildGuard::spawn(command)?.finish(RUN)?;
    let line = finished.stdout.last().map(String::as_str).unwrap_or_default();
    if !finished.status.success() || !finished.stderr.is_empty() {
        bail!("work {} on port {port}: {} {line}", work.name, finished.stderr.join("\n"));
    }
    serde_json::from_str(line).context("the load generator's report")
}

/// Idle connections, until this is dropped.
pub(crate) struct Held {
    _load: ChildGuard,
    _until_closed: ChildStdin,
}

/// Opens so many connections, sends one request on each, and keeps them.
pub(crate) fn hold(place: &Place, port: u16, connections: usize) -> anyhow::Result<Held> {
    let mut command = command(place, "/1k", port, connections)?;
    command.arg("--hold");
    let (load, until_closed) = ChildGuard::spawn_with_input(command)?;
    let report: Report = load.stdout().wait_for(RUN, |line| serde_json::from_str(line).ok())?;
    if report.done != connections as u64 {
        bail!("port {port}: only {} of {connections} connections were answered", report.done);
    }
    Ok(Held { _load: load, _until_closed: until_closed })
}

fn command(place: &Place, path: &str, port: u16, connections: usize) -> anyhow::Result<Command> {
    let mut command = place.me("load")?;
    command.args(["--port", &port.to_string(), "--path", path, "--connections", &connections.to_string()]);
    Ok(command)
}
