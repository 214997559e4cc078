//! slowhttptest, the program that people try servers with.

use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use evenkeel_tests::process::ChildGuard;

use crate::cases::Case;
use crate::rig::Rig;

/// It ends by itself when its time is over.
const END: Duration = Duration::from_secs(30);
/// More than a client's window, the kernel's buffers and the proxy's hold: who does not read holds the endpoint up.
const LARGE: &str = "?bytes=1000000";

pub(super) async fn run(case: &Case, options: &[&str], rig: &Rig, seconds: u64) -> anyhow::Result<String> {
    let mut command = Command::new("slowhttptest");
    command.args(options).args(["-v", "1", "-p", "5", "-r", "500"]);
    command.args(["-c", &case.connections.to_string(), "-l", &seconds.to_string()]);
    command.args(["-u", &format!("http://{}/{LARGE}", rig.addr)]);
    let process = ChildGuard::spawn(command).context("slowhttptest: install it by tests/cluster/setup")?;
    let within = END + Duration::from_secs(seconds);
    let finished = tokio::task::spawn_blocking(move || process.finish(within)).await??;
    let text = finished.stdout.iter().chain(&finished.stderr).map(|line| plain(line)).collect::<Vec<_>>();
    let last = |name: &str| {
        let line = text.iter().rev().find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().last()).unwrap_or("?").to_owned()
    };
    let told = ["connected:", "closed:", "error:", "service available:"].map(|name| format!("{name} {}", last(name)));
    Ok(told.join(", "))
}

/// Without the colours of a terminal.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}
