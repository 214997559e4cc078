//! Tables from `BalancerPool` files, which are looked at four times a second.
//!
//! Contents are compared, not times or events: that works the same for every editor, mount and file system, and a pool's
//! file is small.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use evenkeel_crds::{RoutingTable, file};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::{Seen, Update};

/// An edit is in force within a second: this leaves the rest to the proxy.
const INTERVAL: Duration = Duration::from_millis(250);
/// Nobody writes a pool of a mebibyte; somebody may name the wrong file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads a file: its text and the table, or what is wrong, a line each, as `path:line: field: message`.
pub(crate) fn read(path: &Path) -> Result<(String, RoutingTable), String> {
    let text = contents(path)?;
    let table = translate(path, &text)?;
    Ok((text, table))
}

fn contents(path: &Path) -> Result<String, String> {
    let of = |error| format!("{}: {error}", path.display());
    let size = fs::metadata(path).map_err(of)?.len();
    if size > MAX_BYTES {
        return Err(format!("{}: {size} bytes are no BalancerPool, {MAX_BYTES} at most are read", path.display()));
    }
    fs::read_to_string(path).map_err(of)
}

fn translate(path: &Path, text: &str) -> Result<RoutingTable, String> {
    file::table(text, None, 0).map_err(|problems| {
        let lines = problems.into_iter().map(|problem| {
            let line = problem.line.map(|line| format!("{line}:")).unwrap_or_default();
            let field = problem.field.map(|field| format!("{field}: ")).unwrap_or_default();
            format!("{}:{line} {field}{}", path.display(), problem.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Tells of every change of a file, until control is gone. `before` is its text as already known.
pub(crate) async fn watch(pool: usize, path: PathBuf, before: String, updates: mpsc::Sender<Update>) {
    let mut before = Ok(before);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let text = contents(&path);
        if text == before {
            continue;
        }
        let seen = text.clone().and_then(|text| translate(&path, &text)).map(|table| Seen::Table(Box::new(table)));
        if updates.send(Update { pool, seen }).await.is_err() {
            return;
        }
        before = text;
    }
}
