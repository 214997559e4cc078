//! Envoy: least request, by two choices while weights are equal, by earliest deadline when they differ.
//!
//! Source: `source/extensions/load_balancing_policies/least_request/least_request_lb.cc` and
//! `source/common/upstream/edf_scheduler.h`: two draws with replacement, the first wins a tie; with weights
//! `weight / (in flight + 1)`, reckoned when a host is picked. Backends of a route are weighted clusters: a random draw.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::{Clusters, Flat};
use crate::{
    rule::{Answer, Ask, Rule, seeded},
    time::Nanos,
    world::World,
};

/// `LEAST_REQUEST` with its defaults: `choice_count` 2, `active_request_bias` 1.
#[derive(Debug)]
pub(crate) struct LeastRequest {
    clusters: Clusters,
    in_flight: Vec<u64>,
    random: fastrand::Rng,
}

impl LeastRequest {
    pub(crate) fn new(seed: u64) -> Self {
        Self { clusters: Clusters::default(), in_flight: Vec::new(), random: fastrand::Rng::with_seed(seed) }
    }
}

impl Rule for LeastRequest {
    fn members(&mut self, world: &World, now: Nanos) {
        self.clusters.members(world, now);
        self.in_flight.resize(world.endpoints.len(), 0);
    }

    fn pick(&mut self, _: &Ask) -> usize {
        let members = self.clusters.draw(&mut self.random);
        let [first, second] = [(); 2].map(|()| members[self.random.usize(0..members.len())]);
        if self.in_flight[second] < self.in_flight[first] { second } else { first }
    }

    fn sent(&mut self, endpoint: usize) {
        self.in_flight[endpoint] += 1;
    }

    fn answered(&mut self, answer: &Answer) {
        self.in_flight[answer.endpoint] -= 1;
    }
}

/// The same with zone aware routing, as Envoy has it from six hosts on: what comes to a zone stays there as far as its part of
/// the hosts is no less than its part of the proxies.
#[derive(Debug)]
pub(crate) struct ZoneAware {
    zone: u8,
    near: LeastRequest,
    far: LeastRequest,
    /// How many of a million stay.
    stays: u32,
    random: fastrand::Rng,
}

impl ZoneAware {
    pub(crate) fn new(zone: u8, seed: u64) -> Self {
        let [near, far] = [1, 2].map(|number| LeastRequest::new(seeded(seed, number)));
        Self { zone, near, far, stays: 0, random: fastrand::Rng::with_seed(seed) }
    }
}

impl Rule for ZoneAware {
    fn members(&mut self, world: &World, now: Nanos) {
        self.near.members(world, now);
        self.far.members(world, now);
        let zone = self.zone;
        self.near.clusters.keep(|number| world.endpoints[number].zone == zone);
        self.far.clusters.keep(|number| world.endpoints[number].zone != zone);
        let proxies =
            world.proxies.iter().filter(|proxy| proxy.zone == zone).count() as f64 / world.proxies.len() as f64;
        let near = world.ready(now).filter(|number| world.endpoints[*number].zone == zone).count();
        let hosts = near as f64 / world.ready(now).count() as f64;
        self.stays = ((hosts / proxies).min(1.0) * 1e6) as u32;
    }

    fn pick(&mut self, ask: &Ask) -> usize {
        if self.random.u32(0..1_000_000) < self.stays { self.near.pick(ask) } else { self.far.pick(ask) }
    }

    fn sent(&mut self, endpoint: usize) {
        self.near.sent(endpoint);
        self.far.sent(endpoint);
    }

    fn answered(&mut self, answer: &Answer) {
        self.near.answered(answer);
        self.far.answered(answer);
    }
}

/// The same when weights differ, even a little: the scheduler by earliest deadline.
#[derive(Debug, Default)]
pub(crate) struct Edf {
    flat: Flat,
    queue: BinaryHeap<Reverse<Entry>>,
    time: f64,
    order: u64,
}

#[derive(Debug)]
struct Entry {
    deadline: f64,
    order: u64,
    number: usize,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.deadline.total_cmp(&other.deadline).then(self.order.cmp(&other.order))
    }
}

impl Edf {
    fn add(&mut self, number: usize) {
        let weight = self.flat.weights[number] as f64 / (self.flat.in_flight[number] + 1) as f64;
        self.order += 1;
        self.queue.push(Reverse(Entry { deadline: self.time + 1.0 / weight, order: self.order, number }));
    }
}

impl Rule for Edf {
    fn members(&mut self, world: &World, now: Nanos) {
        self.flat.members(world, now);
        // A changed set of hosts is a new schedule.
        self.queue.clear();
        self.time = 0.0;
        self.flat.numbers.clone().into_iter().for_each(|number| self.add(number));
    }

    fn pick(&mut self, _: &Ask) -> usize {
        let Some(Reverse(entry)) = self.queue.pop() else { return 0 };
        self.time = entry.deadline;
        self.add(entry.number);
        entry.number
    }

    fn sent(&mut self, endpoint: usize) {
        self.flat.in_flight[endpoint] += 1;
    }

    fn answered(&mut self, answer: &Answer) {
        self.flat.in_flight[answer.endpoint] -= 1;
    }
}
