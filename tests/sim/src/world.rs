//! What is simulated: proxies, endpoints, how many requests come and how much work they are.

use crate::{
    demand::Demand,
    time::{MICROSECOND, MILLISECOND, Nanos, SECOND},
};

/// A simulated cluster.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) proxies: Vec<Proxy>,
    /// The backends' weights.
    pub(crate) backends: Vec<u32>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) demand: Demand,
    /// Until when requests come. Those under way then are served to their end.
    pub(crate) until: Nanos,
    /// From when on is measured.
    pub(crate) from: Nanos,
    /// One way within a zone.
    pub(crate) near: Nanos,
    /// One way between zones.
    pub(crate) far: Nanos,
}

/// A proxy: it sees only the requests that come to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxy {
    pub(crate) zone: u8,
    /// Requests a second, Poisson.
    pub(crate) rate: f64,
}

/// An endpoint: a queue before so many parallel servers.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) backend: usize,
    pub(crate) weight: u32,
    pub(crate) zone: u8,
    pub(crate) servers: usize,
    /// How many may wait; who comes when it is full is answered 503 at once.
    pub(crate) queue: usize,
    /// From each time on, service takes so many times as long.
    pub(crate) slowness: Vec<(Nanos, f64)>,
    /// From then on it answers 500 at once.
    pub(crate) fails_from: Option<Nanos>,
    /// Of a hundred answers, how many are 500, after the usual time.
    pub(crate) fails_percent: f64,
    /// When it becomes ready.
    pub(crate) joins: Nanos,
}

/// How long a failing endpoint takes to say so.
pub(crate) const FAILS_AFTER: Nanos = MILLISECOND / 2;

impl Endpoint {
    /// An ordinary endpoint: four servers, room for 256 who wait.
    pub(crate) fn new() -> Self {
        Self {
            backend: 0,
            weight: 1,
            zone: 0,
            servers: 4,
            queue: 256,
            slowness: Vec::new(),
            fails_from: None,
            fails_percent: 0.0,
            joins: 0,
        }
    }

    /// One that takes so many times as long.
    pub(crate) fn slow(factor: f64) -> Self {
        Self { slowness: vec![(0, factor)], ..Self::new() }
    }

    /// How many times as long service takes that starts now.
    pub(crate) fn slowness(&self, now: Nanos) -> f64 {
        self.slowness.iter().rev().find(|(from, _)| *from <= now).map_or(1.0, |(_, factor)| *factor)
    }

    /// Whether it fails now.
    pub(crate) fn fails(&self, now: Nanos) -> bool {
        self.fails_from.is_some_and(|from| now >= from)
    }
}

impl World {
    /// Endpoints of one backend behind so many proxies, at `load` of what the endpoints can do in the beginning.
    pub(crate) fn new(proxies: usize, endpoints: Vec<Endpoint>, demand: Demand, load: f64) -> Self {
        let here = endpoints.iter().filter(|endpoint| endpoint.joins == 0);
        let capacity: f64 = here.map(|endpoint| endpoint.servers as f64 / endpoint.slowness(0)).sum();
        let rate = load * capacity * SECOND as f64 / demand.mean() / proxies as f64;
        Self {
            proxies: vec![Proxy { zone: 0, rate }; proxies],
            backends: vec![1],
            endpoints,
            demand,
            until: 65 * SECOND,
            from: 5 * SECOND,
            near: 250 * MICROSECOND,
            far: MILLISECOND,
        }
    }

    /// One way between a proxy and an endpoint.
    pub(crate) fn hop(&self, proxy: usize, endpoint: usize) -> Nanos {
        if self.crosses(proxy, endpoint) { self.far } else { self.near }
    }

    /// Whether they are in different zones.
    pub(crate) fn crosses(&self, proxy: usize, endpoint: usize) -> bool {
        self.proxies[proxy].zone != self.endpoints[endpoint].zone
    }

    /// The endpoints that are ready.
    pub(crate) fn ready(&self, now: Nanos) -> impl Iterator<Item = usize> {
        (0..self.endpoints.len()).filter(move |number| self.endpoints[*number].joins <= now)
    }

    /// Shares on one level, as peers know only endpoints' weights: each backend's weight spread over its ready endpoints.
    pub(crate) fn flat_weights(&self, now: Nanos) -> Vec<(usize, u64)> {
        let sums: Vec<u64> = (0..self.backends.len())
            .map(|backend| {
                let mine = self.ready(now).filter(|number| self.endpoints[*number].backend == backend);
                mine.map(|number| u64::from(self.endpoints[number].weight)).sum::<u64>().max(1)
            })
            .collect();
        let common = sums.iter().fold(1, |common, sum| common / gcd(common, *sum) * sum);
        let weight = |number: usize| {
            let endpoint = &self.endpoints[number];
            let share = u64::from(self.backends[endpoint.backend]) * u64::from(endpoint.weight);
            share * common / sums[endpoint.backend]
        };
        let weights: Vec<_> = self.ready(now).map(|number| (number, weight(number))).collect();
        let divisor = weights.iter().fold(0, |divisor, (_, weight)| gcd(*weight, divisor)).max(1);
        weights.into_iter().map(|(number, weight)| (number, weight / divisor)).collect()
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
