//! User instructions a request, by callgrind.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::Subject;
use crate::rig::{Place, Under};

/// Instructions a request.
pub(crate) fn instructions(place: &Place, subject: &Subject) -> anyhow::Result<f64> {
    subject.difference(|requests| {
        let folder = folder(place, subject, requests);
        let _ = fs::remove_dir_all(&folder); // of an earlier run, if there was one
        fs::create_dir_all(&folder)?;
        subject.run(place, Under::Callgrind(&folder), requests)?;
        total(&folder)
    })
}

/// Where the profile of so many requests is.
pub(crate) fn folder(place: &Place, subject: &Subject, requests: u64) -> PathBuf {
    place.run.join(format!("callgrind-{}-{}-{requests}", subject.peer.name, subject.work.name))
}

/// Of all processes.
fn total(folder: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        sum += of_file(&fs::read_to_string(&path)?).with_context(|| format!("{} has no total", path.display()))?;
    }
    if sum == 0 {
        bail!("callgrind wrote nothing into {}", folder.display());
    }
    Ok(sum)
}

fn of_file(text: &str) -> Option<u64> {
    let value = |name| text.lines().find_map(|line| line.strip_prefix(name));
    value("totals: ").or_else(|| value("summary: "))?.trim().parse().ok()
}
