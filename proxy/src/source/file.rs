//! Tables from `BalancerPool` files, which are looked at four times a second.
//!
//! Contents are compared, not times or events: that works the same for every editor, mount and file system, and a pool's
//! file is small.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use evenkeel_crds::{RoutingTable, file};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, sleep},
};

use super::{Seen, Update};

/// An edit is in force within a second: this leaves the rest to the proxy.
const INTERVAL: Duration = Duration::from_millis(250);
/// What is the same after so long is what the editor meant.
const SETTLED: Duration = Duration::from_millis(20);
/// A second: then the newest, of a file that is written all the time.
const MAX_LOOKS: u32 = 50;
/// Nobody writes a pool of a mebibyte; somebody may name the wrong file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads a file: its text and the table, or what is wrong, a line each, as `path:line: field: message`.
pub(crate) fn read(path: &Path) -> Result<(String, RoutingTable), String> {
    let text = contents(path)?;
    let table = translate(path, &text, None)?;
    Ok((text, table))
}

fn contents(path: &Path) -> Result<String, String> {
    let of = |error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    // Not by its size: that of a device or a pipe is 0.
    File::open(path).map_err(of)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(of)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{}: a BalancerPool has at most {MAX_BYTES} bytes", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| format!("{}: this is no text in UTF-8", path.display()))
}

/// What a file holds now. A pipe would hold control up until somebody writes to it.
fn watched(path: &Path) -> Result<String, String> {
    let kind = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if kind.is_file() { contents(path) } else { Err(format!("{}: this is no regular file", path.display())) }
}

/// `before`: the table in force, so that newcomers are known as such. Those of the first one are nobody's newcomers.
fn translate(path: &Path, text: &str, before: Option<&RoutingTable>) -> Result<RoutingTable, String> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    file::table(text, before, i64::try_from(now).unwrap_or(i64::MAX)).map_err(|problems| {
        let lines = problems.into_iter().map(|problem| {
            let line = problem.line.map(|line| format!("{line}:")).unwrap_or_default();
            let field = problem.field.map(|field| format!("{field}: ")).unwrap_or_default();
            format!("{}:{line} {field}{}", path.display(), problem.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Waits until a file stays the same: an editor may be in the midst of writing, and half a pool can be a pool.
async fn settled(path: &Path, mut text: Result<String, String>) -> Result<String, String> {
    for _ in 0..MAX_LOOKS {
        sleep(SETTLED).await;
        let again = watched(path);
        if again == text {
            break;
        }
        text = again;
    }
    text
}

/// Tells of every change of a file, until control is gone. `before` is its text as already known.
pub(super) async fn watch(pool: usize, path: PathBuf, before: String, updates: mpsc::Sender<Update>) {
    let mut table = translate(&path, &before, None).ok();
    let mut before = Ok(before);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let text = watched(&path);
        if text == before {
            continue;
        }
        let text = settled(&path, text).await;
        if text == before {
            continue;
        }
        let seen = match text.clone().and_then(|text| translate(&path, &text, table.as_ref())) {
            Ok(new) => {
                table = Some(new.clone());
                Seen::Table(Box::new(new))
            }
            Err(problems) => Seen::Unusable(problems),
        };
        if updates.send(Update { pool, seen }).await.is_err() {
            return;
        }
        before = text;
    }
}
