//! Discrete events in virtual time: requests come, reach an endpoint, are answered.
//!
//! What comes and how much work it is does not depend on the rule: every rule sees the same requests.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use crate::{
    demand::exponential,
    rule::{Answer, Ask, Rule, seeded},
    server::Servers,
    time::{MILLISECOND, Nanos, SECOND},
    world::World,
};

const TICK: Nanos = 100 * MILLISECOND;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// When it came.
    pub(crate) at: Nanos,
    pub(crate) proxy: usize,
    pub(crate) endpoint: usize,
    /// How much work it was, at an ordinary endpoint.
    pub(crate) work: Nanos,
    /// From its pick to its answer.
    pub(crate) latency: Nanos,
    pub(crate) failed: bool,
    /// How often it ended: once, or something is wrong.
    pub(crate) ends: u32,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Comes { proxy: usize },
    Reaches { request: usize },
    Answered { request: usize },
    Changes,
    Tick,
}

#[derive(Debug)]
struct Event {
    time: Nanos,
    /// Events of the same time happen in the order in which they were planned.
    sequence: u64,
    what: What,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

/// Runs a world under a rule. The same seed gives the same requests, and the same records.
pub(crate) fn run(world: &World, rules: Vec<Box<dyn Rule>>, seed: u64) -> Vec<Record> {
    let mut engine = Engine::new(world, rules, seed);
    engine.begin();
    while let Some(Reverse(event)) = engine.events.pop() {
        engine.happen(event.time, event.what);
    }
    engine.records
}

struct Engine<'a> {
    world: &'a World,
    rules: Vec<Box<dyn Rule>>,
    /// Of each proxy: when requests come, and their work.
    randoms: Vec<fastrand::Rng>,
    servers: Vec<Servers>,
    events: BinaryHeap<Reverse<Event>>,
    sequence: u64,
    records: Vec<Record>,
}

impl<'a> Engine<'a> {
    fn new(world: &'a World, rules: Vec<Box<dyn Rule>>, seed: u64) -> Self {
        let random = |proxy| fastrand::Rng::with_seed(seeded(seed ^ 0x5eed, proxy as u64));
        Self {
            world,
            rules,
            randoms: (0..world.proxies.len()).map(random).collect(),
            servers: world.endpoints.iter().map(Servers::new).collect(),
            events: BinaryHeap::new(),
            sequence: 0,
            records: Vec::new(),
        }
    }

    fn plan(&mut self, time: Nanos, what: What) {
        self.sequence += 1;
        self.events.push(Reverse(Event { time, sequence: self.sequence, what }));
    }

    fn begin(&mut self) {
        let world = self.world;
        for rule in &mut self.rules {
            rule.members(world, 0);
        }
        for endpoint in world.endpoints.iter().filter(|endpoint| endpoint.joins > 0) {
            self.plan(endpoint.joins, What::Changes);
        }
        (0..world.proxies.len()).for_each(|proxy| self.next_of(proxy, 0));
        self.plan(TICK, What::Tick);
    }

    /// Plans the next request of a proxy.
    fn next_of(&mut self, proxy: usize, now: Nanos) {
        let gap = exponential(&mut self.randoms[proxy]) / self.world.proxies[proxy].rate * SECOND as f64;
        let time = now.saturating_add(gap as Nanos);
        if time < self.world.until {
            self.plan(time, What::Comes { proxy });
        }
    }

    fn happen(&mut self, now: Nanos, what: What) {
        match what {
            What::Comes { proxy } => self.comes(now, proxy),
            What::Reaches { request } => self.reaches(now, request),
            What::Answered { request } => self.answered(now, request),
            What::Changes => self.rules.iter_mut().for_each(|rule| rule.members(self.world, now)),
            What::Tick => {
                self.rules.iter_mut().for_each(|rule| rule.tick(now));
                if now < self.world.until {
                    self.plan(now + TICK, What::Tick);
                }
            }
        }
    }

    fn comes(&mut self, now: Nanos, proxy: usize) {
        let work = self.world.demand.draw(&mut self.randoms[proxy]);
        self.next_of(proxy, now);
        let endpoint = self.rules[proxy].pick(&Ask { now, work });
        self.rules[proxy].sent(endpoint);
        self.records.push(Record { at: now, proxy, endpoint, work, latency: 0, failed: false, ends: 0 });
        self.plan(now + self.world.hop(proxy, endpoint), What::Reaches { request: self.records.len() - 1 });
    }

    fn reaches(&mut self, now: Nanos, request: usize) {
        let Record { proxy, endpoint, work, .. } = self.records[request];
        let served = self.servers[endpoint].take(&self.world.endpoints[endpoint], now, work);
        // Drawn from the request itself, so that the same requests fail whatever the rule.
        let unlucky =
            seeded(work, request as u64) % 10_000 < (self.world.endpoints[endpoint].fails_percent * 100.0) as u64;
        self.records[request].failed = served.failed || unlucky;
        self.plan(served.end + self.world.hop(proxy, endpoint), What::Answered { request });
    }

    fn answered(&mut self, now: Nanos, request: usize) {
        let record = &mut self.records[request];
        record.latency = now - record.at;
        record.ends += 1;
        let answer = Answer { now, endpoint: record.endpoint, latency: record.latency, failed: record.failed };
        self.rules[record.proxy].answered(&answer);
    }
}
