//! Mechanisms that are arithmetic: slow start, bounded load, estimates, scores.

use std::time::Duration;

use evenkeel_crds::{api::Algorithm, table::ScorePolicy};
use evenkeel_proxy::balance::{EndpointState, Learns, Seen, SlowStart, Step, bounded};
use serde::{Deserialize, Serialize};

use crate::choice::{Proxy, Server};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SlowStartInputs {
    window_ms: u64,
    min_percent: u32,
    ages_ms: Vec<u64>,
}

#[derive(Serialize)]
pub(crate) struct SlowStartFound {
    thousandths: Vec<u32>,
}

pub(crate) fn slow_start(inputs: &SlowStartInputs, _: u64) -> SlowStartFound {
    let rule = SlowStart { window: Duration::from_millis(inputs.window_ms), min_percent: inputs.min_percent };
    let thousandths = inputs.ages_ms.iter().map(|age| rule.factor(Duration::from_millis(*age)));
    SlowStartFound { thousandths: thousandths.collect() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BoundedInputs {
    percent: u32,
    weights: Vec<u32>,
    served: Vec<u64>,
}

#[derive(Serialize)]
pub(crate) struct BoundedFound {
    slots: Vec<Vec<u64>>,
}

pub(crate) fn bounded_load(inputs: &BoundedInputs, _: u64) -> BoundedFound {
    let total: u64 = inputs.weights.iter().copied().map(u64::from).sum();
    let of = |served: &u64| {
        let before = inputs.weights.iter().scan(0, |sum, weight| {
            let before = *sum;
            *sum += u64::from(*weight);
            Some((before, *weight))
        });
        before.map(|(before, weight)| bounded::slots(*served, inputs.percent, weight, before, total)).collect()
    };
    BoundedFound { slots: inputs.served.iter().map(of).collect() }
}

/// An answer of an endpoint.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(crate) at_ms: u64,
    latency_ms: u64,
    #[serde(default)]
    failed: bool,
    /// So many of the kind.
    times: Option<usize>,
}

impl Answer {
    pub(crate) fn tell(self, endpoint: &EndpointState, learns: Learns) {
        let seen = Seen { latency: Duration::from_millis(self.latency_ms), failed: self.failed };
        for _ in 0..self.times.unwrap_or(1) {
            endpoint.report(self.at_ms, seen, learns);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EstimateInputs {
    answers: Vec<Answer>,
    read_at_ms: Vec<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EstimateFound {
    micros: Vec<u128>,
}

/// Reads between two answers see what was known by then.
pub(crate) fn estimate(inputs: &EstimateInputs, seed: u64) -> EstimateFound {
    let proxy = Proxy::of(Algorithm::PeakEwma, &[Server::default()], seed);
    let endpoint = proxy.endpoint(0);
    let mut answers = inputs.answers.iter().peekable();
    let mut micros = Vec::new();
    for at in inputs.read_at_ms.iter().copied() {
        while let Some(answer) = answers.next_if(|answer| answer.at_ms <= at) {
            answer.tell(&endpoint, Learns::Peak);
        }
        micros.push(endpoint.latency(at, Learns::Peak).map_or(0, |latency| latency.as_micros()));
    }
    EstimateFound { micros }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ScoreInputs {
    /// Of load, latency, errors, distance.
    percents: [u32; 4],
    #[serde(default)]
    zone: String,
    at_ms: u64,
    servers: Vec<Server>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScoreFound {
    /// Of each server; none if a gate excludes it.
    terms: Vec<Option<[u64; 4]>>,
    picked: Option<usize>,
}

pub(crate) fn score(inputs: &ScoreInputs, seed: u64) -> ScoreFound {
    let [load, latency, errors, distance] = inputs.percents;
    let policy = ScorePolicy { load, latency, errors, distance };
    let mut proxy = Proxy::scored(policy, &inputs.servers, &inputs.zone, seed);
    proxy.now = inputs.at_ms;
    let (picked, steps) = proxy.explain();
    let mut terms = vec![None; inputs.servers.len()];
    for step in steps.0 {
        if let Step::Looked { endpoint, terms: found, .. } = step {
            terms[Proxy::number(&endpoint)] = found;
        }
    }
    ScoreFound { terms, picked }
}
