//! `HAProxy`: `leastconn` and `random(2)`.
//!
//! Sources: `src/lb_fwlc.c` (`fwlc_queue_srv`: servers in the order of `(in flight + 1) / weight`, 0 if idle; one that
//! changes goes behind its equals), `src/backend.c` (`get_server_rnd`: draws by weight, with replacement; the later one
//! wins a tie).

use super::Flat;
use crate::{
    rule::{Answer, Ask, Rule},
    time::Nanos,
    world::World,
};

/// Weights are multiplied by this before they divide.
const SCALE: u64 = 256 * 16;

/// `balance leastconn`.
#[derive(Debug, Default)]
pub(crate) struct LeastConn {
    flat: Flat,
    /// When each was put in its place.
    placed: Vec<u64>,
    clock: u64,
}

impl LeastConn {
    fn place(&mut self, endpoint: usize) {
        self.clock += 1;
        self.placed[endpoint] = self.clock;
    }
}

impl Rule for LeastConn {
    fn members(&mut self, world: &World, now: Nanos) {
        self.flat.members(world, now);
        self.placed.resize(world.endpoints.len(), 0);
    }

    fn pick(&mut self, _: &Ask) -> usize {
        let Flat { numbers, weights, in_flight } = &self.flat;
        let key = |number: usize| match in_flight[number] {
            0 => 0,
            some => (some + 1) * SCALE / weights[number],
        };
        numbers.iter().copied().min_by_key(|number| (key(*number), self.placed[*number], *number)).unwrap_or(0)
    }

    fn sent(&mut self, endpoint: usize) {
        self.flat.in_flight[endpoint] += 1;
        self.place(endpoint);
    }

    fn answered(&mut self, answer: &Answer) {
        self.flat.in_flight[answer.endpoint] -= 1;
        self.place(answer.endpoint);
    }
}

/// `balance random(2)`, its default.
#[derive(Debug)]
pub(crate) struct Random {
    flat: Flat,
    random: fastrand::Rng,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { flat: Flat::default(), random: fastrand::Rng::with_seed(seed) }
    }
}

impl Rule for Random {
    fn members(&mut self, world: &World, now: Nanos) {
        self.flat.members(world, now);
    }

    fn pick(&mut self, _: &Ask) -> usize {
        let [first, second] = [self.flat.draw(&mut self.random), self.flat.draw(&mut self.random)];
        let Flat { weights, in_flight, .. } = &self.flat;
        if in_flight[second] * weights[first] > in_flight[first] * weights[second] { first } else { second }
    }

    fn sent(&mut self, endpoint: usize) {
        self.flat.in_flight[endpoint] += 1;
    }

    fn answered(&mut self, answer: &Answer) {
        self.flat.in_flight[answer.endpoint] -= 1;
    }
}
