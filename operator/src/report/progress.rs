//! Which proxies have the published policy, as far as they were asked, and when to ask again.

use std::{collections::HashMap, time::Duration};

use evenkeel_crds::api::ProxyMode;
use tokio::time::Instant;

use super::{Answer, Programming};
use crate::findings::{InForce, ProxyEndpoint};

/// A proxy has a new table within a few milliseconds of its publication: asking sooner would be in vain.
const FIRST: Duration = Duration::from_millis(25);
/// Then doubling.
const SECOND: Duration = Duration::from_millis(100);
/// At most this long, for as long as it takes.
const LONGEST: Duration = Duration::from_secs(1);
/// Who does not answer at all is perhaps not to be reached for days: a network policy may forbid it.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// So many are asked in one round, so that a round ends soon.
const AT_ONCE: usize = 250;
/// Of those that did not answer, so many: each may hold up its round until the deadline.
const SILENT_AT_ONCE: usize = 4;
/// So long after a publication a proxy that is behind may be expected to have it in a moment.
const YOUTH: Duration = Duration::from_secs(1);
/// So often in a row a proxy refuses a table before that is told: a table that was just mended is taken in a moment.
const REFUSALS: u32 = 3;

/// A pool's proxy to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Who it is.
    pub proxy: ProxyEndpoint,
    /// Whether it is ready: others are asked what is wrong, and not waited for.
    pub ready: bool,
}

/// What is known of a pool's proxies.
#[derive(Debug)]
pub struct Progress {
    mode: ProxyMode,
    wanted: Option<Wanted>,
    /// When the generation was first seen.
    since: Instant,
    proxies: HashMap<ProxyEndpoint, Known>,
    settled: Option<i64>,
}

/// What is published. The revision tells a pool that was made anew from its namesake, whose sidecars are still there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    generation: i64,
    revision: String,
}

#[derive(Clone, Debug)]
struct Known {
    ready: bool,
    /// Whether the generation is not settled without it.
    awaited: bool,
    answer: Option<Answer>,
    /// Whether it did not answer when it was asked last.
    silent: bool,
    refusals: u32,
    tries: u32,
    due: Instant,
}

impl Progress {
    /// Nothing is known. `settled` is the generation that the stored status says is programmed.
    #[must_use]
    pub fn new(settled: Option<i64>, now: Instant) -> Self {
        Self { mode: ProxyMode::default(), wanted: None, since: now, proxies: HashMap::new(), settled }
    }

    /// Goes on with what is published now and who is there now.
    pub fn follow(
        &mut self,
        mode: ProxyMode,
        in_force: Option<&InForce>,
        proxies: impl IntoIterator<Item = Followed>,
        now: Instant,
    ) {
        let before = (self.mode, self.generation());
        self.wanted = in_force.map(|now| Wanted { generation: now.generation, revision: now.revision.clone() });
        self.mode = mode;
        let is_new = before != (mode, self.generation());
        if is_new {
            self.since = now;
        }
        let mut before = std::mem::take(&mut self.proxies);
        for Followed { proxy, ready } in proxies {
            let mut known = before.remove(&proxy).unwrap_or_else(|| Known::new(now));
            if is_new {
                known.ask_anew(now);
                known.awaited = true;
            } else if ready && !known.ready {
                known.ask_anew(now); // it may have been started again
                known.answer = None;
            }
            known.ready = ready;
            // A sidecar comes with each pod, and is ready only when it has a table: newer ones change no verdict.
            known.awaited |= mode != ProxyMode::Sidecar;
            self.proxies.insert(proxy, known);
        }
        self.settle();
    }

    /// The proxies to ask now: those that are not known to have the published policy, and have not been asked just now.
    #[must_use]
    pub fn to_ask(&self, now: Instant) -> Vec<ProxyEndpoint> {
        let mut due: Vec<_> = self.behind().filter(|(_, known)| known.due <= now).collect();
        due.sort_by_key(|(_, known)| (known.silent, known.due));
        let is_silent = due.first().is_some_and(|(_, known)| known.silent);
        let round = if is_silent { SILENT_AT_ONCE } else { AT_ONCE };
        let round = due.into_iter().take_while(|(_, known)| known.silent == is_silent).take(round);
        round.map(|(proxy, _)| proxy.clone()).collect()
    }

    /// When to ask next; none if nobody is behind.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.behind().map(|(_, known)| known.due).min()
    }

    /// What became of the proxies that were asked; none: no answer.
    pub fn heard(&mut self, answers: impl IntoIterator<Item = (ProxyEndpoint, Option<Answer>)>, now: Instant) {
        for (proxy, answer) in answers {
            if let Some(known) = self.proxies.get_mut(&proxy) {
                known.heard(answer, now);
            }
        }
        self.settle();
    }

    /// The proxy of that pod may run the policy no more.
    pub fn doubt(&mut self, pod: &str, now: Instant) {
        let Some(wanted) = &self.wanted else { return };
        let doubted = self.proxies.iter_mut().filter(|(proxy, known)| proxy.name == pod && known.runs(wanted));
        for (_, known) in doubted {
            known.ask_anew(now);
            known.answer = None;
        }
    }

    /// Whether proxies that were there at the publication were hardly asked yet: a moment later there is more to say.
    #[must_use]
    pub fn is_young(&self, now: Instant) -> bool {
        let open = self.mode == ProxyMode::Sidecar || !self.is_settled();
        open && now < self.since + YOUTH && self.behind().any(|(_, known)| known.awaited && known.tries < REFUSALS)
    }

    /// What it comes to.
    #[must_use]
    pub fn sum(&self) -> Programming {
        let ready = self.proxies.values().filter(|known| known.ready).count();
        let late = || self.behind().map(|(_, known)| known).filter(|known| known.ready);
        Programming {
            settled: self.is_settled(),
            total: ready,
            current: ready - late().count(),
            silent: late().filter(|known| known.silent).count(),
            strangers: late().filter(|known| known.answer.as_ref().is_some_and(|answer| !answer.serves)).count(),
            too_old: self.refusal(true),
            refused: self.refusal(false),
        }
    }

    /// The first refusal of that sort, by the names of the proxies.
    fn refusal(&self, too_new: bool) -> Option<String> {
        let told = self.behind().filter(|(_, known)| known.refusals >= REFUSALS);
        let told = told.filter_map(|(proxy, known)| Some((proxy, known.answer.as_ref()?.refusal.as_ref()?)));
        let first = told.filter(|(_, refusal)| refusal.too_new == too_new).min_by_key(|(proxy, _)| *proxy)?;
        Some(format!("{}: {}", first.0.name, first.1.message))
    }

    fn is_settled(&self) -> bool {
        self.wanted.is_some() && self.settled == self.generation()
    }

    fn generation(&self) -> Option<i64> {
        self.wanted.as_ref().map(|wanted| wanted.generation)
    }

    /// A Deployment without a ready proxy serves nobody; an application without pods needs no sidecar.
    fn settle(&mut self) {
        let somebody = self.mode == ProxyMode::Sidecar || self.proxies.values().any(|known| known.ready);
        if self.wanted.is_some() && somebody && self.missing().next().is_none() {
            self.settled = self.generation();
        }
    }

    /// Those without which the generation is not settled.
    fn missing(&self) -> impl Iterator<Item = &Known> {
        self.behind().map(|(_, known)| known).filter(|known| known.ready && known.awaited)
    }

    fn behind(&self) -> impl Iterator<Item = (&ProxyEndpoint, &Known)> {
        let behind = |known: &Known| self.wanted.as_ref().is_some_and(|wanted| !known.runs(wanted));
        self.proxies.iter().filter(move |(_, known)| behind(known))
    }
}

impl Known {
    fn new(now: Instant) -> Self {
        let due = now + FIRST;
        Self { ready: false, awaited: false, answer: None, silent: false, refusals: 0, tries: 0, due }
    }

    fn runs(&self, wanted: &Wanted) -> bool {
        let Some(Answer { generation, revision, .. }) = &self.answer else { return false };
        *generation == Some(wanted.generation) && revision.as_ref().is_none_or(|revision| *revision == wanted.revision)
    }

    fn ask_anew(&mut self, now: Instant) {
        (self.tries, self.due) = (0, now + FIRST);
    }

    fn heard(&mut self, answer: Option<Answer>, now: Instant) {
        self.silent = answer.is_none();
        let longest = if self.silent { LONGEST_SILENCE } else { LONGEST };
        self.due = now + SECOND.saturating_mul(1 << self.tries.min(8)).min(longest);
        self.tries = self.tries.saturating_add(1);
        if let Some(answer) = answer {
            self.refusals = if answer.refusal.is_some() { self.refusals.saturating_add(1) } else { 0 };
            self.answer = Some(answer);
        }
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
