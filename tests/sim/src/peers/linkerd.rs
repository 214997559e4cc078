//! Linkerd: the better of two by peak EWMA, with penalties for failures.
//!
//! Sources: `linkerd/ewma/src/lib.rs`, `linkerd/load-biaser/src/lib.rs` of linkerd2-proxy (load is
//! `max(estimate · (pending + 1), penalty)`; 30 ms in the beginning, both decay over 10 s, a failure sets the penalty to
//! 5 s), tower's `p2c`: two distinct draws. The penalties are off unless annotated; here they are on.

use super::Clusters;
use crate::{
    rule::{Answer, Ask, Rule},
    time::{Nanos, seconds},
    world::World,
};

const FIRST_ESTIMATE: f64 = 0.030;
const DECAY: f64 = 10.0;
const PENALTY: f64 = 5.0;

/// Peak EWMA and its load biaser.
#[derive(Debug)]
pub(crate) struct PeakEwma {
    clusters: Clusters,
    loads: Vec<Load>,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug)]
struct Load {
    estimate: Ewma,
    penalty: Ewma,
    pending: u32,
}

/// A value that jumps up and decays.
#[derive(Clone, Copy, Debug)]
struct Ewma {
    value: f64,
    at: Nanos,
}

impl Ewma {
    fn read(self, now: Nanos) -> f64 {
        self.value * (-seconds(now - self.at) / DECAY).exp()
    }

    fn add_peak(&mut self, sample: f64, now: Nanos) {
        let keep = (-seconds(now - self.at) / DECAY).exp();
        self.value = if sample > self.value { sample } else { self.value * keep + sample * (1.0 - keep) };
        self.at = now;
    }
}

impl PeakEwma {
    pub(crate) fn new(seed: u64) -> Self {
        Self { clusters: Clusters::default(), loads: Vec::new(), random: fastrand::Rng::with_seed(seed) }
    }
}

impl Load {
    fn read(&self, now: Nanos) -> f64 {
        (self.estimate.read(now) * f64::from(self.pending + 1)).max(self.penalty.read(now))
    }
}

impl Rule for PeakEwma {
    fn members(&mut self, world: &World, now: Nanos) {
        self.clusters.members(world, now);
        let new = Load {
            estimate: Ewma { value: FIRST_ESTIMATE, at: now },
            penalty: Ewma { value: 0.0, at: now },
            pending: 0,
        };
        // An endpoint has a load from when it is ready.
        let ready = world.ready(now).max().map_or(0, |last| last + 1);
        if self.loads.len() < ready {
            self.loads.resize(ready, new);
        }
    }

    fn pick(&mut self, ask: &Ask) -> usize {
        let members = self.clusters.draw(&mut self.random);
        let first = self.random.usize(0..members.len());
        if members.len() == 1 {
            return members[0];
        }
        let other = self.random.usize(0..members.len() - 1);
        let second = if other >= first { other + 1 } else { other };
        let [first, second] = [members[first], members[second]];
        if self.loads[first].read(ask.now) <= self.loads[second].read(ask.now) { first } else { second }
    }

    fn sent(&mut self, endpoint: usize) {
        self.loads[endpoint].pending += 1;
    }

    fn answered(&mut self, answer: &Answer) {
        let load = &mut self.loads[answer.endpoint];
        load.pending -= 1;
        load.estimate.add_peak(seconds(answer.latency), answer.now);
        if answer.failed {
            load.penalty.add_peak(PENALTY, answer.now);
        }
    }
}
