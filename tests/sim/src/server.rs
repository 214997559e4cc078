//! An endpoint at work: a bounded queue, first come first served, before parallel servers.
//!
//! Service is never interrupted and its length is known when it begins, so that start and end are known on arrival: no
//! event is needed for either.

use std::collections::VecDeque;

use crate::{
    time::Nanos,
    world::{Endpoint, FAILS_AFTER},
};

/// What becomes of a request that reached an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) end: Nanos,
    /// How long it was served, without waiting.
    pub(crate) service: Nanos,
    pub(crate) failed: bool,
}

/// An endpoint's servers and its queue.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// When each server is free.
    free: Vec<Nanos>,
    /// When those begin who wait.
    waiting: VecDeque<Nanos>,
}

impl Servers {
    pub(crate) fn new(endpoint: &Endpoint) -> Self {
        Self { free: vec![0; endpoint.servers], waiting: VecDeque::new() }
    }

    /// When and how a request would end that arrives now.
    pub(crate) fn foresee(&self, endpoint: &Endpoint, now: Nanos, work: Nanos) -> Served {
        if endpoint.fails(now) {
            return Served { end: now + FAILS_AFTER, service: FAILS_AFTER, failed: true };
        }
        if self.waiting.iter().filter(|start| **start > now).count() >= endpoint.queue {
            return Served { end: now, service: 0, failed: true };
        }
        let start = self.free.iter().min().map_or(now, |free| now.max(*free));
        let service = (work as f64 * endpoint.slowness(start)) as Nanos;
        Served { end: start + service, service, failed: false }
    }

    /// Takes a request.
    pub(crate) fn take(&mut self, endpoint: &Endpoint, now: Nanos, work: Nanos) -> Served {
        while self.waiting.front().is_some_and(|start| *start <= now) {
            self.waiting.pop_front();
        }
        let served = self.foresee(endpoint, now, work);
        if !served.failed {
            let start = served.end - served.service;
            if start > now {
                self.waiting.push_back(start);
            }
            if let Some(free) = self.free.iter_mut().min() {
                *free = served.end;
            }
        }
        served
    }
}
