//! nginx: smooth weighted round robin, and least connections.
//!
//! Source: nginx, commit 52327e062 (the rule), `src/http/ngx_http_upstream_round_robin.c` and
//! `src/http/modules/ngx_http_upstream_least_conn_module.c`. A status 500 is no failure there unless
//! `proxy_next_upstream` lists it.

use super::Flat;
use crate::{
    rule::{Answer, Ask, Rule},
    time::Nanos,
    world::World,
};

/// `upstream` without a method.
#[derive(Debug, Default)]
pub(crate) struct RoundRobin {
    flat: Flat,
    current: Vec<i64>,
}

impl RoundRobin {
    /// The next of those.
    fn next(&mut self, of: &[usize]) -> usize {
        let mut total = 0;
        let mut best = of[0];
        for (index, number) in of.iter().enumerate() {
            let weight = self.flat.weights[*number] as i64;
            self.current[*number] += weight;
            total += weight;
            if index > 0 && self.current[*number] > self.current[best] {
                best = *number;
            }
        }
        self.current[best] -= total;
        best
    }
}

impl Rule for RoundRobin {
    fn members(&mut self, world: &World, now: Nanos) {
        self.flat.members(world, now);
        // A changed upstream is a new configuration: the turns begin anew.
        self.current = vec![0; world.endpoints.len()];
    }

    fn pick(&mut self, _: &Ask) -> usize {
        let numbers = std::mem::take(&mut self.flat.numbers);
        let picked = self.next(&numbers);
        self.flat.numbers = numbers;
        picked
    }

    fn sent(&mut self, endpoint: usize) {
        self.flat.in_flight[endpoint] += 1;
    }

    fn answered(&mut self, answer: &Answer) {
        self.flat.in_flight[answer.endpoint] -= 1;
    }
}

/// `least_conn`, with a `zone`: one counter for all workers. Round robin among the least.
#[derive(Debug, Default)]
pub(crate) struct LeastConn {
    turns: RoundRobin,
    least: Vec<usize>,
}

impl Rule for LeastConn {
    fn members(&mut self, world: &World, now: Nanos) {
        self.turns.members(world, now);
    }

    fn pick(&mut self, _: &Ask) -> usize {
        let Flat { numbers, weights, in_flight } = &self.turns.flat;
        self.least.clear();
        for number in numbers {
            let order = self.least.first().map_or(std::cmp::Ordering::Less, |best| {
                (in_flight[*number] * weights[*best]).cmp(&(in_flight[*best] * weights[*number]))
            });
            if order.is_lt() {
                self.least.clear();
            }
            if order.is_le() {
                self.least.push(*number);
            }
        }
        if let [only] = self.least.as_slice() { *only } else { self.turns.next(&self.least) }
    }

    fn sent(&mut self, endpoint: usize) {
        self.turns.sent(endpoint);
    }

    fn answered(&mut self, answer: &Answer) {
        self.turns.answered(answer);
    }
}
