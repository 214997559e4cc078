//! The tables: a row a work, a column a proxy.

use std::fmt::Write as _;

use super::Options;
use super::result::Result;
use super::rounds::Run;
use super::summary::{Quartiles, Summary, summary};
use crate::works::Work;

/// One work as soon as it is done, with what says whether the figures can be trusted.
pub(super) fn work(options: &Options, work: &Work, runs: &[Run]) -> String {
    let mut text = format!("\n{}: {}\n", work.name, work.title);
    let _ =
        writeln!(text, "{:<10}{:>7} {:<11}{:>10}{:>7}{:>11}{:>9}", "", "ratio", "", "µs", "busy", "req/s", "p50 µs");
    for peer in &options.peers {
        let Some(found) = summary(runs, work.name, peer.name, options.base.name) else { continue };
        let Summary { cpu_us, busy, requests_a_second, p50_us, .. } = &found;
        let (ratio, span) = found.ratio.as_ref().map_or_else(dash, ratio);
        let _ = write!(text, "{:<10}{ratio:>7} {span:<11}{cpu_us:>10.2}{busy:>7.2}", peer.name);
        let _ = writeln!(text, "{requests_a_second:>11.0}{p50_us:>9.0}");
    }
    text
}

/// All that was measured.
pub(super) fn whole(options: &Options, result: &Result) -> String {
    let mut text = format!("\nCPU time of a request ÷ {}, median (quartiles); counts as they are\n", options.base.name);
    let _ = writeln!(text, "{:<47}{}", "", row(options, |peer| Some(peer.to_owned())));
    let timed = |work: &&&Work| result.runs.iter().any(|run| run.work == work.name);
    for work in options.works.iter().filter(timed) {
        let cell = |peer: &str| {
            let summary = summary(&result.runs, work.name, peer, options.base.name)?;
            let (ratio, span) = summary.ratio.as_ref().map(ratio)?;
            let absolute = (peer == options.base.name).then(|| format!("({:.1} µs)", summary.cpu_us));
            Some(format!("{ratio} {}", absolute.unwrap_or(span)))
        };
        let _ = writeln!(text, "{:<47}{}", work.title, row(options, cell));
    }
    let mut kinds: Vec<&str> = result.counts.iter().map(|count| count.what.as_str()).collect();
    kinds.dedup();
    for what in kinds {
        let digits = if what.starts_with("instructions") { 0 } else { 2 };
        let cell = |peer: &str| Some(format!("{:.digits$}", result.count(what, peer)?));
        let _ = writeln!(text, "{what:<47}{}", row(options, cell));
    }
    text
}

fn row(options: &Options, cell: impl Fn(&str) -> Option<String>) -> String {
    options.peers.iter().fold(String::new(), |mut row, peer| {
        let _ = write!(row, "{:>18}", cell(peer.name).as_deref().unwrap_or("–"));
        row
    })
}

fn ratio(ratio: &Quartiles) -> (String, String) {
    (format!("{:.2}", ratio.median), format!("({:.2}–{:.2})", ratio.low, ratio.high))
}

fn dash() -> (String, String) {
    ("–".to_owned(), String::new())
}
