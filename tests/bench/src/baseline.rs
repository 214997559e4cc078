//! `check`: our proxy alone against what it cost before, in what can be counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::counted::{Subject, calls, idle, instructions};
use crate::output::say;
use crate::rig::{Backend, Peer, Place, bench_folder};
use crate::works::Work;

/// What costs so much more than before is a change that somebody must want.
const TOLERANCE_PERCENT: f64 = 3.0;
/// Less is the allocator's noise, however little a connection needs.
const NOISE_KB: f64 = 0.5;
const INSTRUCTIONS: [&str; 3] = ["1k", "64k", "close"];
/// Idle connections: enough that noise of the allocator is far below the tolerance, few enough for any limit of files.
const IDLE: (usize, usize) = (500, 3_500);

/// Costs of the proxy in the profile `quick`, which is what CI builds: a release needs fewer instructions.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Baseline {
    /// User instructions a request, by work.
    instructions: BTreeMap<String, f64>,
    /// System calls a request at one connection.
    calls: BTreeMap<String, f64>,
    /// kB of memory an idle connection.
    idle_kb: f64,
}

/// Whether the file is compared with or written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Use {
    Compare,
    Rewrite,
}

/// Measures, and compares or rewrites.
pub(crate) fn run(place: &Place, purpose: Use) -> anyhow::Result<()> {
    let measured = measure(place)?;
    let file = file();
    if purpose == Use::Rewrite {
        fs::write(&file, serde_json::to_string_pretty(&measured)? + "\n")?;
        return say(&format!("written: {}", file.display()));
    }
    let text = fs::read_to_string(&file).with_context(|| format!("{}: make bench-baseline", file.display()))?;
    let before: Baseline = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    let comparison = Comparison::new(&before, &measured);
    say(&comparison.table)?;
    if !comparison.worse.is_empty() {
        bail!(
            "more than {TOLERANCE_PERCENT} % above tests/bench/baseline.json: {}; make bench-profile shows where; \
             if it must be so, make bench-baseline, and say why in the same change",
            comparison.worse.join(", ")
        );
    }
    Ok(())
}

fn file() -> PathBuf {
    bench_folder().join("baseline.json")
}

fn measure(place: &Place) -> anyhow::Result<Baseline> {
    let _backend = Backend::start(place)?;
    let mut counted = BTreeMap::new();
    for work in INSTRUCTIONS.into_iter().filter_map(Work::named) {
        counted.insert(work.name.to_owned(), instructions(place, &Subject::evenkeel(work))?.round());
    }
    let one = Work::named("one").context("the work of one connection")?;
    let calls = calls(place, &Subject::evenkeel(one))?;
    let calls = calls.into_iter().map(|(name, calls)| (name, (calls * 100.0).round() / 100.0)).collect();
    let idle_kb = (idle(place, Peer::evenkeel(), IDLE.0, IDLE.1)?.slope * 100.0).round() / 100.0;
    Ok(Baseline { instructions: counted, calls, idle_kb })
}

/// What to print, and what fails.
struct Comparison {
    table: String,
    worse: Vec<String>,
}

impl Comparison {
    fn new(before: &Baseline, now: &Baseline) -> Self {
        let mut comparison = Self { table: String::new(), worse: Vec::new() };
        comparison.add("", "baseline", "now", "");
        for (work, now) in &now.instructions {
            comparison.row(
                &format!("instructions a request, {work}"),
                before.instructions.get(work).copied(),
                *now,
                0.0,
            );
        }
        let sum = |calls: &BTreeMap<String, f64>| calls.values().sum();
        comparison.row("system calls a request, one connection", Some(sum(&before.calls)), sum(&now.calls), 0.0);
        comparison.row("kB an idle connection", Some(before.idle_kb), now.idle_kb, NOISE_KB);
        if !comparison.worse.is_empty() {
            let _ = writeln!(comparison.table, "calls: {:?}\nbefore: {:?}", now.calls, before.calls);
        }
        comparison
    }

    /// Something that has no baseline yet counts as worse: nothing is skipped silently.
    fn row(&mut self, what: &str, before: Option<f64>, now: f64, noise: f64) {
        let before = before.unwrap_or_default();
        let change = if before > 0.0 { (now / before - 1.0) * 100.0 } else { f64::INFINITY };
        let digits = if now < 1_000.0 { 2 } else { 0 };
        let change_text = format!("{change:+.1} %");
        self.add(what, &format!("{before:.digits$}"), &format!("{now:.digits$}"), &change_text);
        if change > TOLERANCE_PERCENT && now - before > noise {
            self.worse.push(format!("{what} {change_text}"));
        }
    }

    fn add(&mut self, what: &str, before: &str, now: &str, change: &str) {
        let _ = writeln!(self.table, "{what:<42}{before:>10}{now:>10}{change:>9}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(instructions: f64, calls: f64, idle_kb: f64) -> Baseline {
        let one = |name: &str, cost| BTreeMap::from([(name.to_owned(), cost)]);
        Baseline { instructions: one("1k", instructions), calls: one("sendto", calls), idle_kb }
    }

    #[test]
    fn three_percent_more_passes_and_a_little_above_does_not() {
        let before = costs(20_000.0, 6.0, 14.0);
        assert_eq!(Comparison::new(&before, &costs(20_599.0, 6.0, 14.0)).worse.len(), 0);
        assert_eq!(Comparison::new(&before, &costs(20_610.0, 6.0, 14.0)).worse.len(), 1);
        assert_eq!(Comparison::new(&before, &costs(1.0, 6.2, 15.0)).worse.len(), 2);
        assert_eq!(Comparison::new(&costs(1.0, 6.0, 2.0), &costs(1.0, 6.0, 2.4)).worse.len(), 0);
    }

    #[test]
    fn what_has_no_baseline_is_not_skipped() {
        let before = Baseline { instructions: BTreeMap::new(), calls: BTreeMap::new(), idle_kb: 14.0 };
        assert_eq!(Comparison::new(&before, &costs(1.0, 1.0, 14.0)).worse.len(), 2);
    }
}
