//! Tables from mounted ConfigMaps, which are looked at four times a second.
//!
//! The kubelet writes a ConfigMap to a new directory and swaps the link `..data` to it: the link is read first, so that a
//! mount that did not change costs one system call, and the parts are read from where it leads, so that all are of one table.
//! A directory without that link, made by hand, is compared by its contents.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use evenkeel_crds::table::{ENDPOINTS_KEY, FLEET_KEY, POLICY_KEY, Parts};
use k8s_openapi::ByteString;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, sleep},
};

use super::{Seen, Update};

/// As often as files: the kubelet's own delay of a minute is what counts.
const INTERVAL: Duration = Duration::from_millis(250);
/// Where there is no link to swap, what is the same after so long is whole.
const SETTLED: Duration = Duration::from_millis(20);
/// A second: then the newest, of a directory that is written all the time.
const MAX_LOOKS: u32 = 50;
/// The link leads to the newest contents; the kubelet removes the former ones after the swap.
const LINK: &str = "..data";
/// The kubelet swaps once a minute at most: a third swap while three files are read is none of its.
const MAX_TRIES: u32 = 3;
/// No ConfigMap has more.
const MAX_BYTES: u64 = 1024 * 1024;
/// How gzip begins (RFC 1952): no JSON does.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a directory holds.
#[derive(Clone, Debug, PartialEq)]
enum Contents {
    Parts(Parts),
    /// No table, and why that is none.
    Missing(String),
    Unreadable(String),
}

/// Tells of every change of a mount, until control is gone.
pub(super) async fn watch(pool: usize, directory: PathBuf, updates: mpsc::Sender<Update>) {
    let (mut link, mut before, mut ever) = (None, None, false);
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = fs::read_link(directory.join(LINK)).ok().map(PathBuf::into_os_string);
        if now.is_some() && now == link {
            continue;
        }
        let contents = match &now {
            Some(_) => read_linked(&directory),
            None => settled(&directory, before.as_ref()).await,
        };
        // What could not be read is tried again, also where the link stays.
        link = now.filter(|_| !matches!(contents, Contents::Unreadable(_)));
        if before.as_ref() == Some(&contents) {
            continue;
        }
        // Where there is a link, that says enough: a large table need not be held twice.
        before = link.is_none().then(|| contents.clone());
        let seen = match contents {
            Contents::Parts(parts) => Seen::Parts(parts),
            Contents::Missing(reason) if !ever => Seen::Nothing(reason),
            Contents::Missing(reason) | Contents::Unreadable(reason) => Seen::Unusable(reason),
        };
        ever |= matches!(seen, Seen::Parts(_));
        if updates.send(Update { pool, seen }).await.is_err() {
            return;
        }
    }
}

/// Reads the parts from where the link leads, all from one directory.
fn read_linked(mount: &Path) -> Contents {
    for _ in 0..MAX_TRIES {
        let leads_to = |mount: &Path| fs::read_link(mount.join(LINK));
        let target = match leads_to(mount) {
            Ok(target) => target,
            Err(error) => return Contents::Unreadable(format!("{}: {error}", mount.join(LINK).display())),
        };
        // Not through the link: it may be swapped between two parts.
        let read = read(&mount.join(&target), mount);
        if leads_to(mount).is_ok_and(|now| now == target) {
            return read;
        }
        // Removed under our hands, perhaps: look where the link leads now.
    }
    Contents::Unreadable(format!("{}: it changes while it is read", mount.display()))
}

/// Waits until a directory without the link stays the same: somebody may be in the midst of copying files there.
async fn settled(directory: &Path, before: Option<&Contents>) -> Contents {
    let mut contents = read(directory, directory);
    for _ in 0..MAX_LOOKS {
        if before == Some(&contents) {
            break;
        }
        sleep(SETTLED).await;
        let again = read(directory, directory);
        if again == contents {
            break;
        }
        contents = again;
    }
    contents
}

/// Reads the parts in a directory; messages name the mount.
fn read(directory: &Path, mount: &Path) -> Contents {
    let mut parts = Parts::default();
    for key in [POLICY_KEY, ENDPOINTS_KEY, FLEET_KEY] {
        match part(&directory.join(key)) {
            Ok(Some(bytes)) => {
                if let Err(reason) = insert(&mut parts, key, bytes) {
                    return Contents::Unreadable(format!("{}/{key}: {reason}", mount.display()));
                }
            }
            Ok(None) => {}
            Err(reason) => return Contents::Unreadable(format!("{}/{key}: {reason}", mount.display())),
        }
    }
    if parts == Parts::default() {
        return Contents::Missing(format!(
            "{}: there is no table in it: mount the ConfigMap of a BalancerPool there",
            mount.display()
        ));
    }
    Contents::Parts(parts)
}

/// The bytes of a part, if it is there.
fn part(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match fs::metadata(path) {
        Ok(kind) if kind.is_file() => {}
        // A pipe would hold control up until somebody writes to it.
        Ok(_) => return Err("this is no regular file".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("a part of a table has at most {MAX_BYTES} bytes"));
    }
    Ok(Some(bytes))
}

/// A mount does not say what was `data` and what `binaryData`: packed endpoints begin as gzip does, all else is text.
fn insert(parts: &mut Parts, key: &str, bytes: Vec<u8>) -> Result<(), &'static str> {
    if bytes.starts_with(&GZIP) {
        parts.binary_data.insert(key.into(), ByteString(bytes));
    } else {
        let text = String::from_utf8(bytes).map_err(|_| "this is no text in UTF-8")?;
        parts.data.insert(key.into(), text);
    }
    Ok(())
}

#[cfg(test)]
#[path = "mount_tests.rs"]
mod tests;
