//! Of the runs of one proxy in one work: the ratio to the base in the same round, median and quartiles.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rounds::Run;

/// What is published of a work and a proxy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    /// CPU time, divided by that of the base in the same round; `None` without the base.
    pub(super) ratio: Option<Quartiles>,
    pub(super) cpu_us: f64,
    pub(super) requests_a_second: f64,
    pub(super) p50_us: f64,
    pub(super) busy: f64,
}

/// A median and where half of the values are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Quartiles {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// `None` if there is no run.
pub(super) fn summary(runs: &[Run], work: &str, peer: &str, base: &str) -> Option<Summary> {
    let of = |name: &str| -> BTreeMap<usize, &Run> {
        let runs = runs.iter().filter(|run| run.work == work && run.peer == name);
        runs.map(|run| (run.round, run)).collect()
    };
    let (mine, bases) = (of(peer), of(base));
    let ratios = mine.iter().filter_map(|(round, run)| Some(run.cpu_us / bases.get(round)?.cpu_us)).collect();
    let median = |value: fn(&Run) -> f64| Some(quartiles(mine.values().map(|run| value(run)).collect())?.median);
    Some(Summary {
        ratio: quartiles(ratios),
        cpu_us: median(|run| run.cpu_us)?,
        requests_a_second: median(|run| crate::counted::float(run.report.done) / run.report.seconds)?,
        p50_us: median(|run| run.report.p50_us)?,
        busy: median(|run| run.busy)?,
    })
}

fn quartiles(mut values: Vec<f64>) -> Option<Quartiles> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let quarter = values.len() / 4;
    let median = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
    Some(Quartiles { median, low: values[quarter], high: values[last - quarter] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Report;

    fn run(peer: &'static str, round: usize, cpu_us: f64) -> Run {
        let report = Report {
            done: 1,
            errors: 0,
            reconnects: 0,
            seconds: 1.0,
            p50_us: 1.0,
            p90_us: 1.0,
            p99_us: 1.0,
            load_us: 1.0,
        };
        Run { work: "1k", peer, round, cpu_us, backend_us: 1.0, busy: 1.0, report }
    }

    #[test]
    fn a_round_that_is_slow_for_all_changes_no_ratio() {
        let runs: Vec<_> = [(0, 1.0), (1, 3.0), (2, 1.2)]
            .into_iter()
            .flat_map(|(round, noise)| [run("ours", round, 8.0 * noise), run("base", round, 10.0 * noise)])
            .collect();
        let ratio = summary(&runs, "1k", "ours", "base").and_then(|summary| summary.ratio).unwrap();
        assert!([ratio.low, ratio.median, ratio.high].iter().all(|ratio| (ratio - 0.8).abs() < 1e-9), "{ratio:?}");
    }

    #[test]
    fn quartiles_are_of_the_middle_half() {
        let of = |values: &[f64]| quartiles(values.to_vec()).map(|q| (q.low, q.median, q.high));
        assert_eq!(of(&[5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0, 6.0]), Some((3.0, 5.0, 7.0)));
        assert_eq!(of(&[2.0, 1.0]), Some((1.0, 1.5, 2.0)));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn without_the_base_there_is_no_ratio() {
        let summary = summary(&[run("ours", 0, 8.0)], "1k", "ours", "base").unwrap();
        assert_eq!((summary.ratio, summary.cpu_us), (None, 8.0));
    }
}
