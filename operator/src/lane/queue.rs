//! Which pool's turn it is: each is in the queue once, at its earliest time, and never while its work is being done.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use super::Backoff;
use crate::key::Key;

/// What comes after the work on a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or the next look after `again`. What wakes the pool meanwhile waits at least `spacing`.
    Until {
        /// From the end of the work.
        spacing: Duration,
        /// When to look again without being woken.
        again: Option<Duration>,
    },
    /// The pool is gone: its place is forgotten.
    Gone,
}

impl Rest {
    /// Nothing to wait for.
    pub const NOTHING: Self = Self::Until { spacing: Duration::ZERO, again: None };

    /// A look again after that time, or earlier when woken.
    #[must_use]
    pub fn again(after: Duration) -> Self {
        Self::Until { spacing: Duration::ZERO, again: Some(after) }
    }

    /// A look again after that time and not earlier: looking would be in vain.
    #[must_use]
    pub fn not_before(after: Duration) -> Self {
        Self::Until { spacing: after, again: Some(after) }
    }
}

/// After a failure nothing, not even a change, tries again sooner: a write that fails and is itself a change must not spin.
const SPACING_AFTER_FAILURE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Place {
    due: Option<Instant>,
    not_before: Option<Instant>,
    running: bool,
    failures: u32,
}

/// The queue. It reads no clock.
#[derive(Debug, Default)]
pub struct Queue {
    places: HashMap<Key, Place>,
    due: BTreeSet<(Instant, Key)>,
}

impl Queue {
    /// The pool is to be worked on at that time, or earlier if it was to be already.
    pub fn add(&mut self, key: &Key, at: Instant) {
        let place = self.places.entry(key.clone()).or_default();
        let at = place.not_before.map_or(at, |not_before| at.max(not_before));
        if place.due.is_some_and(|due| due <= at) {
            return;
        }
        let before = place.due.replace(at);
        if !place.running {
            if let Some(before) = before {
                self.due.remove(&(before, key.clone()));
            }
            self.due.insert((at, key.clone()));
        }
    }

    /// The pool whose turn it is; it is then being worked on until [`Queue::finish`] or [`Queue::fail`].
    pub fn take(&mut self, now: Instant) -> Option<Key> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        let place = self.places.get_mut(&key)?;
        place.due = None;
        place.running = true;
        Some(key)
    }

    /// When the next turn is.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The work on the pool went well.
    pub fn finish(&mut self, key: &Key, now: Instant, rest: Rest) {
        let Some(place) = self.places.get_mut(key) else { return };
        place.failures = 0;
        match rest {
            Rest::Until { spacing, again } => self.rest(key, now + spacing, again.map(|again| now + again)),
            Rest::Gone if place.due.is_none() => drop(self.places.remove(key)),
            Rest::Gone => self.rest(key, now, None),
        }
    }

    /// The work on the pool failed. Returns after how long it is tried again; `random` is between 0 and 1.
    pub fn fail(&mut self, key: &Key, now: Instant, backoff: Backoff, random: f64) -> Duration {
        let Some(place) = self.places.get_mut(key) else { return Duration::ZERO };
        place.failures = place.failures.saturating_add(1);
        let wait = backoff.wait(place.failures, random);
        self.rest(key, now + SPACING_AFTER_FAILURE, Some(now + wait));
        wait
    }

    fn rest(&mut self, key: &Key, not_before: Instant, again: Option<Instant>) {
        let Some(place) = self.places.get_mut(key) else { return };
        place.running = false;
        place.not_before = Some(not_before);
        let woken = place.due.take();
        for at in woken.into_iter().chain(again) {
            self.add(key, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn web() -> Key {
        Key::new("shop", "web")
    }

    /// A queue in which the pool is being worked on since that moment.
    fn running() -> (Queue, Instant) {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.add(&web(), start);
        assert_eq!(queue.take(start), Some(web()));
        (queue, start)
    }

    #[test]
    fn a_pool_stands_in_the_queue_once_at_its_earliest_time() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        for ms in [50, 20, 30] {
            queue.add(&web(), start + MS * ms);
        }
        assert_eq!(queue.next_due(), Some(start + MS * 20));
        assert_eq!(queue.take(start + MS * 19), None);
        assert_eq!(queue.take(start + MS * 20), Some(web()));
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn pools_come_in_the_order_of_their_times() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        queue.add(&web(), start + MS * 2);
        queue.add(&Key::new("shop", "api"), start + MS);
        let later = start + MS * 5;
        assert_eq!(queue.take(later), Some(Key::new("shop", "api")));
        assert_eq!(queue.take(later), Some(web()));
    }

    #[test]
    fn what_comes_during_the_work_is_done_once_after_it() {
        let (mut queue, start) = running();
        queue.add(&web(), start + MS);
        queue.add(&web(), start + MS * 2);
        assert_eq!(queue.take(start + MS * 3), None, "never twice at a time");
        queue.finish(&web(), start + MS * 4, Rest::NOTHING);
        assert_eq!(queue.take(start + MS * 4), Some(web()));
        queue.finish(&web(), start + MS * 5, Rest::NOTHING);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn the_first_change_goes_at_once_and_the_next_after_the_spacing() {
        let (mut queue, start) = running();
        queue.finish(&web(), start, Rest::Until { spacing: MS * 100, again: None });
        for ms in [1, 50, 99] {
            queue.add(&web(), start + MS * ms);
        }
        assert_eq!(queue.next_due(), Some(start + MS * 100));
        assert_eq!(queue.take(start + MS * 100), Some(web()));
        queue.finish(&web(), start + MS * 101, Rest::Until { spacing: MS * 100, again: None });
        queue.add(&web(), start + MS * 500);
        assert_eq!(queue.take(start + MS * 500), Some(web()));
    }

    #[test]
    fn a_change_comes_before_the_next_look() {
        let (mut queue, start) = running();
        queue.finish(&web(), start, Rest::again(MS * 1000));
        assert_eq!(queue.next_due(), Some(start + MS * 1000));
        queue.add(&web(), start + MS * 10);
        assert_eq!(queue.next_due(), Some(start + MS * 10));
    }

    #[test]
    fn failures_back_off_until_the_first_success() {
        let (mut queue, mut now) = running();
        for seconds in [1, 2, 4] {
            assert_eq!(queue.fail(&web(), now, Backoff::Refused, 0.5), Duration::from_secs(seconds));
            assert_eq!(queue.next_due(), Some(now + Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
            assert_eq!(queue.take(now), Some(web()));
        }
        queue.finish(&web(), now, Rest::NOTHING);
        queue.add(&web(), now);
        assert_eq!(queue.take(now), Some(web()));
        assert_eq!(queue.fail(&web(), now, Backoff::Refused, 0.5), Duration::from_secs(1));
    }

    #[test]
    fn a_change_after_a_failure_is_tried_soon_but_not_at_once() {
        let (mut queue, start) = running();
        queue.add(&web(), start);
        queue.fail(&web(), start, Backoff::Refused, 0.5);
        assert_eq!(queue.next_due(), Some(start + SPACING_AFTER_FAILURE));
    }

    #[test]
    fn a_pool_that_is_gone_leaves_nothing() {
        let (mut queue, start) = running();
        queue.finish(&web(), start, Rest::Gone);
        assert!(queue.places.is_empty() && queue.due.is_empty());
        let (mut queue, start) = running();
        queue.add(&web(), start);
        queue.finish(&web(), start, Rest::Gone);
        assert_eq!(queue.take(start), Some(web()), "it came back meanwhile");
    }
}
