//! Which proxies have the published policy, as far as they were asked, and when to ask again.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{Answer, Programming};
use crate::findings::{Findings, ProxyEndpoint};

/// A proxy has a new table within a few milliseconds of its publication: asking sooner would be in vain.
const FIRST: Duration = Duration::from_millis(25);
/// Then doubling.
const SECOND: Duration = Duration::from_millis(100);
/// At most this long, for as long as it takes.
const LONGEST: Duration = Duration::from_secs(1);

/// What is known of a pool's proxies.
#[derive(Debug)]
pub struct Progress {
    generation: i64,
    answers: HashMap<ProxyEndpoint, Answer>,
    asked: u32,
    next: Instant,
    settled: Option<i64>,
}

impl Progress {
    /// Nothing is known. `settled` is the generation that the stored status says is programmed.
    #[must_use]
    pub fn new(settled: Option<i64>, now: Instant) -> Self {
        Self { generation: i64::MIN, answers: HashMap::new(), asked: 0, next: now, settled }
    }

    /// Goes on with what is published now and who is ready now.
    pub fn follow(&mut self, table: &Findings, now: Instant) {
        let generation = table.in_force.as_ref().map_or(i64::MIN, |in_force| in_force.generation);
        let is_new = |proxy: &ProxyEndpoint| !self.answers.contains_key(proxy);
        if generation != self.generation || table.proxies.iter().any(is_new) {
            self.generation = generation;
            self.asked = 0;
            self.next = now + FIRST;
        }
        let mut before = std::mem::take(&mut self.answers);
        let keep = |proxy: &ProxyEndpoint| (proxy.clone(), before.remove(proxy).unwrap_or_default());
        self.answers = table.proxies.iter().map(keep).collect();
    }

    /// The proxies to ask now: those that are not known to have the published policy.
    #[must_use]
    pub fn to_ask(&self, now: Instant) -> Vec<ProxyEndpoint> {
        if self.generation == i64::MIN || now < self.next { Vec::new() } else { self.behind().cloned().collect() }
    }

    /// When to ask next; none if nobody is behind.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.behind().next().filter(|_| self.generation != i64::MIN).map(|_| self.next)
    }

    /// Proxies answered; those that did not are as they were.
    pub fn heard(&mut self, answers: impl IntoIterator<Item = (ProxyEndpoint, Answer)>, now: Instant) {
        for (proxy, answer) in answers {
            if let Some(known) = self.answers.get_mut(&proxy) {
                *known = answer;
            }
        }
        self.next = now + SECOND.saturating_mul(1 << self.asked.min(8)).min(LONGEST);
        self.asked = self.asked.saturating_add(1);
        if !self.answers.is_empty() && self.behind().next().is_none() {
            self.settled = Some(self.generation);
        }
    }

    /// Whether proxies were hardly asked yet: they may have the policy in a moment.
    #[must_use]
    pub fn is_young(&self) -> bool {
        self.asked < 3 && self.settled != Some(self.generation) && self.behind().next().is_some()
    }

    /// What it comes to.
    #[must_use]
    pub fn sum(&self) -> Programming {
        let refusals = || self.behind().filter_map(|proxy| self.answers.get(proxy)?.refusal.as_ref());
        let first = |too_new: bool| refusals().filter(|refusal| refusal.too_new == too_new).map(|r| &r.message).min();
        Programming {
            settled: self.settled == Some(self.generation),
            total: self.answers.len(),
            current: self.answers.len() - self.behind().count(),
            too_old: first(true).cloned(),
            refused: first(false).cloned(),
        }
    }

    fn behind(&self) -> impl Iterator<Item = &ProxyEndpoint> {
        let behind = |answer: &Answer| answer.generation.is_none_or(|generation| generation < self.generation);
        self.answers.iter().filter(move |(_, answer)| behind(answer)).map(|(proxy, _)| proxy)
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
