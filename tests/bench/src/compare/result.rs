//! `result.json`: every single run, and on what it was made, so that any figure can be made anew.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::SystemTime;

use evenkeel_tests::clock::rfc3339;
use serde::Serialize;

use super::Options;
use super::rounds::Run;
use super::summary::{Summary, summary};
use crate::output::say;
use crate::rig::{Peer, Place};

/// All that was measured so far.
#[derive(Debug, Serialize)]
pub(super) struct Result {
    date: String,
    commit: String,
    kernel: String,
    processor: String,
    cores: usize,
    proxy_cores: String,
    load_cores: String,
    base: &'static str,
    scale: f64,
    versions: BTreeMap<&'static str, String>,
    summaries: Vec<Line>,
    pub(super) counts: Vec<Count>,
    pub(super) runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Line {
    work: &'static str,
    peer: &'static str,
    #[serde(flatten)]
    summary: Summary,
}

/// Something that was counted.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Count {
    pub(super) what: String,
    pub(super) peer: &'static str,
    pub(super) value: f64,
    pub(super) detail: String,
}

impl Count {
    pub(super) fn new(what: &str, peer: &'static str, value: f64, detail: String) -> Self {
        Self { what: what.to_owned(), peer, value, detail }
    }
}

impl Result {
    pub(super) fn new(place: &Place, peers: &[&'static Peer], options: &Options) -> Self {
        let version = |peer: &&'static Peer| (peer.name, peer.version(place).unwrap_or_default());
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            date: rfc3339(SystemTime::now()),
            commit: said("git", &["describe", "--always", "--dirty"]),
            kernel: said("uname", &["-r"]),
            processor: model.map_or_else(String::new, |(_, model)| model.to_owned()),
            cores: thread::available_parallelism().map_or(0, Into::into),
            proxy_cores: place.proxy_cores.clone(),
            load_cores: place.load_cores.clone(),
            base: options.base.name,
            scale: options.scale,
            versions: peers.iter().map(version).collect(),
            summaries: Vec::new(),
            counts: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Keeps it and shows it.
    pub(super) fn add(&mut self, count: Count) -> anyhow::Result<()> {
        say(&format!("{}: {} {:.2} {}", count.what, count.peer, count.value, count.detail))?;
        self.counts.push(count);
        Ok(())
    }

    pub(super) fn count(&self, what: &str, peer: &str) -> Option<f64> {
        self.counts.iter().find(|count| count.what == what && count.peer == peer).map(|count| count.value)
    }

    /// Writes all that is here: a run that is broken off keeps what it had.
    pub(super) fn write(&mut self, place: &Place) -> anyhow::Result<()> {
        let mut measured: Vec<_> = self.runs.iter().map(|run| (run.work, run.peer)).collect();
        measured.sort_unstable();
        measured.dedup();
        let line = |(work, peer)| Some(Line { work, peer, summary: summary(&self.runs, work, peer, self.base)? });
        self.summaries = measured.into_iter().filter_map(line).collect();
        Ok(fs::write(place.results.join("result.json"), serde_json::to_string_pretty(self)?)?)
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
