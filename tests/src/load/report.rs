//! What the client reports: one JSON line each second, one at the end. Tests read the same types back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line of the client's output: the counts since the start, and in a line of a second also those of that second.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct LoadReport {
    /// True for the last line.
    pub summary: bool,
    /// Seconds since the start.
    pub t: f64,
    /// The wall clock.
    pub unix_ms: u64,
    /// The longest time without a good answer.
    #[serde(default)]
    pub longest_gap_ms: f64,
    /// Everything since the start.
    #[serde(flatten)]
    pub counts: Counts,
    /// What the last second added; not in the summary.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second: Option<Counts>,
    /// The first failures in detail; in the summary alone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub first_failures: Vec<FailedRequest>,
}

/// Counts of requests that have ended: `total` = `ok` + `failed`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Counts {
    /// Requests that ended.
    pub total: u64,
    /// Requests with a complete 2xx answer.
    pub ok: u64,
    /// All others.
    pub failed: u64,
    /// Requests sent once more, on a new connection, after a reused one was closed before the first byte of an answer.
    pub replays: u64,
    /// Connections made.
    pub connections: u64,
    /// 2xx answers by `X-Server` (`-` without that field); they add up to `ok`.
    pub by_server: BTreeMap<String, u64>,
    /// Failures by kind; they add up to `failed`.
    pub failures: BTreeMap<String, u64>,
    /// Median latency of complete answers of any status.
    pub p50_ms: f64,
    /// 90 % were not slower.
    pub p90_ms: f64,
    /// 99 % were not slower.
    pub p99_ms: f64,
    /// 99.9 % were not slower.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// One failed request in detail.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FailedRequest {
    /// When it failed.
    pub time: String,
    /// Which request it was, from 0.
    pub number: u64,
    /// The kind, as in [`Counts::failures`].
    pub kind: String,
    /// What the error said.
    pub detail: String,
    /// `new` or `reused`; `none` if there was no connection yet.
    pub connection: String,
    /// This side of the connection.
    pub local: Option<String>,
    /// The other side.
    pub peer: Option<String>,
    /// `X-Server` of this answer, or of the last one on that connection.
    pub server: Option<String>,
    /// Milliseconds since the request was sent.
    pub after_ms: f64,
}

/// The answering server changed: what `--watch-change` prints.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Change {
    /// When the head of the first changed answer was here.
    pub unix_us: u64,
    /// When its request was sent.
    pub sent_unix_us: u64,
    /// The server before; none at the first answer.
    pub from: Option<String>,
    /// The server now.
    pub to: String,
    /// Which request it was, from 0.
    pub number: u64,
}

impl LoadReport {
    /// The summary in the output of `load`, among whatever else there is (a pod's log mixes both streams).
    #[must_use]
    pub fn find_in(output: &str) -> Option<Self> {
        let reports = output.lines().rev().filter_map(|line| serde_json::from_str::<Self>(line).ok());
        reports.into_iter().find(|report| report.summary)
    }

    /// The share of a server among the good answers, in percent.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts of a test stay far below 2^52")]
    pub fn share_percent(&self, server: &str) -> f64 {
        let answers = self.counts.by_server.get(server).copied().unwrap_or(0);
        if self.counts.ok == 0 { 0.0 } else { 100.0 * answers as f64 / self.counts.ok as f64 }
    }
}

impl Change {
    /// The change that a line tells, if it does.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_found_among_other_lines() {
        let second = LoadReport { second: Some(Counts::default()), ..LoadReport::default() };
        let summary = LoadReport { summary: true, t: 2.0, ..LoadReport::default() };
        let [second, line] = [&second, &summary].map(|report| serde_json::to_string(report).unwrap());
        let output = format!("{second}\n{line}\nsome text\n{{\"other\":1}}\n{second}\n");
        assert_eq!(LoadReport::find_in(&output), Some(summary));
        assert_eq!(LoadReport::find_in(&second), None);
    }

    #[test]
    fn shares_are_of_the_good_answers() {
        let mut report = LoadReport::default();
        assert!(report.share_percent("a").abs() < 1e-9);
        report.counts.ok = 200;
        report.counts.by_server.insert("a".into(), 50);
        assert!((report.share_percent("a") - 25.0).abs() < 1e-9);
    }
}
