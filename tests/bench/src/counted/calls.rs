//! System calls a request, by strace; at one connection, where nothing can be batched.

use std::collections::BTreeMap;
use std::fs;

use super::{Subject, float};
use crate::rig::{Place, Under};

/// Less often than once in fifty requests is no part of a request: a clock, a pool that grows.
const SELDOM: f64 = 0.02;

/// Calls a request by name.
pub(crate) fn calls(place: &Place, subject: &Subject) -> anyhow::Result<BTreeMap<String, f64>> {
    let (few, many) = subject.work.counted;
    let (before, after) = (counts(place, subject, few)?, counts(place, subject, many)?);
    let each = after.into_iter().map(|(name, count)| {
        let cost = count.saturating_sub(before.get(&name).copied().unwrap_or_default());
        (name, float(cost) / float(many - few))
    });
    Ok(each.filter(|(_, calls)| *calls > SELDOM).collect())
}

fn counts(place: &Place, subject: &Subject, requests: u64) -> anyhow::Result<BTreeMap<String, u64>> {
    let file = place.run.join(format!("strace-{}-{}", subject.peer.name, subject.work.name));
    subject.run(place, Under::Strace(&file), requests)?;
    Ok(fs::read_to_string(&file)?.lines().filter_map(row).collect())
}

/// `recvfrom   2600`; headings, rules and the total are no such row.
fn row(line: &str) -> Option<(String, u64)> {
    let mut words = line.split_whitespace();
    let (name, count) = (words.next()?, words.next()?);
    (name != "total").then(|| Some((name.to_owned(), count.parse().ok()?)))?
}
