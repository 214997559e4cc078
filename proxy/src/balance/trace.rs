//! What a pick tells of itself, for whoever wants to know why: the same code picks, whether somebody listens or not.

use serde::Serialize;

use super::{Candidate, Candidates, Learns, least::Load};

/// Takes the steps of a pick.
pub trait Trace {
    /// Takes a step; what nobody listens to is not even made.
    fn note(&mut self, step: impl FnOnce() -> Step);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untraced;

impl Trace for Untraced {
    fn note(&mut self, _: impl FnOnce() -> Step) {}
}

/// The steps of a pick, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Steps(pub Vec<Step>);

impl Trace for Steps {
    fn note(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}

/// One step of a pick.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// A backend was chosen.
    Backend {
        /// Its name.
        name: String,
        /// `turn`, by weight; or `key`, by the key's own order of backends.
        by: &'static str,
        /// Its candidates are: `ready`, or `draining` if nobody is ready, each of backends that are no backup, or of backups.
        class: &'static str,
        /// Whether it is a backup.
        backup: bool,
    },
    /// A candidate was looked at.
    Looked {
        /// Its address.
        endpoint: String,
        /// The gate that excludes it: `tried`, `slowStart`, `full`, `failing`; none if it may be picked.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<&'static str>,
        /// Its weight in force, in hundredths.
        weight: u32,
        /// How far its slow start is, in thousandths.
        slow_start: u32,
        /// Requests under way there.
        in_flight: u64,
        /// How long its answers take, in µs; none if it never answered, or nobody asks for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        latency_micros: Option<u64>,
        /// The share of failures among its answers, in parts of a million.
        failures: u64,
        /// What was compared: the least is best; none where it is somebody's turn.
        #[serde(skip_serializing_if = "Option::is_none")]
        cost: Option<f64>,
        /// The parts of a score, weighed, in parts of a hundred million.
        #[serde(skip_serializing_if = "Option::is_none")]
        terms: Option<[u64; 4]>,
    },
    /// A candidate was drawn, by weight.
    Drawn {
        /// Its address.
        endpoint: String,
    },
    /// Equal costs: whose turn it is decides, by weight.
    Tie {
        /// How many are equal.
        candidates: u32,
    },
    /// Endpoints of another zone were asked.
    Zone {
        /// `near` or `far`.
        taken: &'static str,
        /// `share` of the proxies' zones, or `load`.
        by: &'static str,
    },
    /// A key's place in the table of its backend.
    Key {
        /// `Ring` or `Maglev`.
        table: &'static str,
        /// Whether the first endpoint of the key was passed over.
        moved: bool,
    },
    /// The request has no key, or its key finds nobody: it goes where the fewest requests are.
    NoKey,
    /// The pick.
    Picked {
        /// Its address.
        endpoint: String,
    },
}

impl Step {
    pub(super) fn backend(backend: &Candidates, by_key: bool) -> Self {
        Self::Backend {
            name: backend.state.name.to_string(),
            by: if by_key { "key" } else { "turn" },
            class: if backend.is_ready { "ready" } else { "draining" },
            backup: backend.is_backup,
        }
    }

    pub(super) fn looked(
        candidate: &Candidate,
        now: u64,
        learns: Learns,
        gate: Option<&'static str>,
        load: Option<Load>,
        terms: Option<[u64; 4]>,
    ) -> Self {
        let Candidate { state, weight, ramp, .. } = candidate;
        Self::Looked {
            endpoint: state.name.to_string(),
            gate,
            weight: *weight,
            slow_start: *ramp,
            in_flight: state.in_flight(),
            latency_micros: state.latency(now, learns).and_then(|latency| u64::try_from(latency.as_micros()).ok()),
            failures: state.failures(now),
            cost: load.map(Load::value),
            terms,
        }
    }
}
