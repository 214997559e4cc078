//! `LeastRequest` with other constants: what each of them is for.
//!
//! The load of an endpoint counts more by the square of how much slower it usually is than the fastest, from a fifth on, and by
//! the square of the share of its failures. The same rule as the proxy's, in floating point and without its detours.

use crate::{
    rule::{Answer, Ask, Rule, fleet},
    time::{Nanos, seconds},
    world::World,
};

/// The constants of the rule.
#[derive(Clone, Copy, Debug)]
struct Constants {
    /// Up to so many candidates are looked at all.
    few: usize,
    /// Of more than that so many are drawn.
    draws: usize,
    /// What is known is worth a third after so many seconds.
    decay: f64,
    /// How many answers' worth of memory there is at most.
    memory: f64,
    /// How many answers' worth the candidates' common latency counts with each.
    common: f64,
    /// Logarithm of how much slower one may be and still count as equal.
    band: f64,
    /// To which power the rest counts; 0: latency counts for nothing.
    power: f64,
    /// How much more the load of one counts that fails every request.
    failures: f64,
    /// What an answer moves of the share of failures.
    gain: f64,
}

/// Those of the proxy.
const CHOSEN: Constants = Constants {
    few: 8,
    draws: 4,
    decay: 10.0,
    memory: 64.0,
    common: 8.0,
    band: 0.2,
    power: 2.0,
    failures: 100.0,
    gain: 0.125,
};

/// A rule of a table in which each differs from the first in one constant.
pub(crate) type Variant = (&'static str, crate::rule::Fleet);

/// All of them.
pub(crate) const VARIANTS: &[Variant] = &[
    ("chosen", |world, seed| of(world, seed, CHOSEN)),
    ("no time", |world, seed| of(world, seed, Constants { power: 0.0, ..CHOSEN })),
    ("power 1", |world, seed| of(world, seed, Constants { power: 1.0, ..CHOSEN })),
    ("power 3", |world, seed| of(world, seed, Constants { power: 3.0, ..CHOSEN })),
    ("band 0", |world, seed| of(world, seed, Constants { band: 0.0, ..CHOSEN })),
    ("band .4", |world, seed| of(world, seed, Constants { band: 0.4, ..CHOSEN })),
    ("mem 32", |world, seed| of(world, seed, Constants { memory: 32.0, ..CHOSEN })),
    ("mem 128", |world, seed| of(world, seed, Constants { memory: 128.0, ..CHOSEN })),
    ("mem 1024", |world, seed| of(world, seed, Constants { memory: 1024.0, ..CHOSEN })),
    ("common 1", |world, seed| of(world, seed, Constants { common: 1.0, ..CHOSEN })),
    ("common32", |world, seed| of(world, seed, Constants { common: 32.0, ..CHOSEN })),
    ("decay 3s", |world, seed| of(world, seed, Constants { decay: 3.0, ..CHOSEN })),
    ("no fail", |world, seed| of(world, seed, Constants { failures: 0.0, ..CHOSEN })),
    ("gain 1/2", |world, seed| of(world, seed, Constants { gain: 0.5, ..CHOSEN })),
    ("2 draws", |world, seed| of(world, seed, Constants { draws: 2, ..CHOSEN })),
    ("8 draws", |world, seed| of(world, seed, Constants { draws: 8, ..CHOSEN })),
];

fn of(world: &World, seed: u64, constants: Constants) -> Vec<Box<dyn Rule>> {
    fleet(world, seed, |_, seed| LeastRequest::new(constants, seed))
}

/// The rule in one proxy.
#[derive(Debug)]
struct LeastRequest {
    constants: Constants,
    random: fastrand::Rng,
    backends: Vec<Backend>,
    known: Vec<Known>,
    /// Who is looked at for this pick.
    looked: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Backend {
    weight: i64,
    credit: i64,
    members: Vec<usize>,
    /// Where the scan begins.
    offset: usize,
}

/// What is known of an endpoint.
#[derive(Clone, Debug)]
struct Known {
    in_flight: u32,
    weight: f64,
    joins: Nanos,
    /// The average of the logarithm of its latency, and how many answers it is worth.
    latency: f64,
    answers: f64,
    /// The share of failures among the last answers.
    failures: f64,
    at: Nanos,
}

impl LeastRequest {
    fn new(constants: Constants, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { constants, random, backends: Vec::new(), known: Vec::new(), looked: Vec::new() }
    }

    /// The next backend, by smooth weighted round robin.
    fn backend(&mut self) -> usize {
        let total: i64 = self.backends.iter().map(|backend| backend.weight).sum();
        self.backends.iter_mut().for_each(|backend| backend.credit += backend.weight);
        let weighted = (0..self.backends.len()).rev().filter(|index| self.backends[*index].weight > 0);
        let best = weighted.max_by_key(|index| self.backends[*index].credit).unwrap_or(0);
        self.backends[best].credit -= total;
        best
    }

    /// All of few, from a rotating start; else some that are drawn.
    fn look(&mut self, backend: usize) {
        let Backend { members, offset, .. } = &mut self.backends[backend];
        let count = members.len();
        self.looked.clear();
        if count > self.constants.few {
            self.looked.extend(self.random.choose_multiple(members.iter().copied(), self.constants.draws));
        } else {
            *offset = (*offset + 1) % count;
            self.looked.extend((0..count).map(|index| members[(*offset + index) % count]));
        }
    }

    fn best(&self, now: Nanos) -> usize {
        let Constants { decay, common, band, power, failures, .. } = self.constants;
        let looked = || self.looked.iter().map(|number| &self.known[*number]);
        let all = looked().map(|known| known.worth(now, decay)).sum::<f64>().max(f64::MIN_POSITIVE);
        let usual = looked().map(|known| known.worth(now, decay) * known.latency).sum::<f64>() / all;
        let latency = |known: &Known| {
            let worth = known.worth(now, decay);
            (worth * known.latency + common * usual) / (worth + common)
        };
        let least = looked().map(latency).fold(f64::INFINITY, f64::min);
        let cost = |number: usize| {
            let known = &self.known[number];
            let slower = (latency(known) - least - band).max(0.0);
            known.load(now) * known.penalty(now, failures) * (power * slower).exp()
        };
        let costs = self.looked.iter().map(|number| (*number, cost(*number)));
        costs.reduce(|best, other| if other.1 < best.1 { other } else { best }).map_or(0, |(number, _)| number)
    }
}

impl Known {
    fn new(weight: u32, joins: Nanos) -> Self {
        Self { in_flight: 0, weight: weight.into(), joins, latency: 0.0, answers: 0.0, failures: 0.0, at: joins }
    }

    /// With our slow start: 10 s from a tenth.
    fn load(&self, now: Nanos) -> f64 {
        let ramp = if self.joins == 0 { 1.0 } else { (seconds(now - self.joins).max(1.0) / 10.0).clamp(0.1, 1.0) };
        f64::from(self.in_flight + 1) / self.weight / ramp
    }

    fn left(&self, now: Nanos, decay: f64) -> f64 {
        (-seconds(now - self.at) / decay).exp()
    }

    fn worth(&self, now: Nanos, decay: f64) -> f64 {
        self.answers * self.left(now, decay)
    }

    fn penalty(&self, now: Nanos, failures: f64) -> f64 {
        1.0 + failures * (self.failures * self.left(now, 10.0)).powi(2)
    }

    fn learn(&mut self, constants: &Constants, answer: &Answer) {
        let failures = self.failures * self.left(answer.now, 10.0);
        self.failures = failures + (f64::from(u8::from(answer.failed)) - failures) * constants.gain;
        self.answers = self.worth(answer.now, constants.decay).min(constants.memory);
        if !answer.failed {
            let sample = seconds(answer.latency.max(1)).ln();
            self.latency = (self.answers * self.latency + sample) / (self.answers + 1.0);
            self.answers += 1.0;
        }
        self.at = answer.now;
    }
}

impl Rule for LeastRequest {
    fn members(&mut self, world: &World, now: Nanos) {
        for endpoint in world.endpoints.iter().skip(self.known.len()) {
            self.known.push(Known::new(endpoint.weight, endpoint.joins));
        }
        let credits: Vec<i64> = self.backends.iter().map(|backend| backend.credit).collect();
        let backend = |(index, weight): (usize, &u32)| {
            let members: Vec<_> = world.ready(now).filter(|number| world.endpoints[*number].backend == index).collect();
            let weight = if members.is_empty() { 0 } else { i64::from(*weight) };
            let offset = self.random.usize(0..members.len().max(1));
            Backend { weight, credit: credits.get(index).copied().unwrap_or(0), members, offset }
        };
        self.backends = world.backends.iter().enumerate().map(backend).collect();
    }

    fn pick(&mut self, ask: &Ask) -> usize {
        let backend = self.backend();
        self.look(backend);
        self.best(ask.now)
    }

    fn sent(&mut self, endpoint: usize) {
        self.known[endpoint].in_flight += 1;
    }

    fn answered(&mut self, answer: &Answer) {
        let known = &mut self.known[answer.endpoint];
        known.in_flight -= 1;
        known.learn(&self.constants, answer);
    }
}
