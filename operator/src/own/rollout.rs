//! A new image of the proxy goes to a few pools at a time: the next begins when one is done, so that a bad one stops early.

use std::collections::{BTreeSet, HashSet};

use crate::{cluster::DeploymentState, key::Key};

/// How many pools get a new image at a time.
pub const MAX_ROLLING: usize = 5;

/// Which pools are getting a new image, and which wait for it.
#[derive(Debug, Default)]
pub struct Rollouts {
    rolling: HashSet<Key>,
    waiting: BTreeSet<Key>,
}

impl Rollouts {
    /// Whether the pool's Deployment may get the image now. `all` are the Deployments of all pools.
    pub fn may_have<'a>(
        &mut self,
        key: &Key,
        image: &str,
        all: impl Iterator<Item = (Key, &'a DeploymentState)>,
    ) -> bool {
        let all: Vec<_> = all.collect();
        let own = all.iter().find(|(pool, _)| pool == key).map(|(_, state)| *state);
        self.rolling.retain(|pool| all.iter().any(|(other, state)| other == pool && !has_arrived(state, image)));
        // A Deployment that is not available serves nobody well: it is no loss, and a better image may mend it.
        if own.is_none_or(|state| state.image == image || !state.available) || self.rolling.contains(key) {
            self.waiting.remove(key);
            return true;
        }
        let seen = all.iter().filter(|(_, state)| state.image == image && state.is_rollout && !state.available);
        let rolling: HashSet<_> = seen.map(|(pool, _)| pool).chain(&self.rolling).collect();
        if rolling.len() >= MAX_ROLLING {
            self.waiting.insert(key.clone());
            return false;
        }
        self.waiting.remove(key);
        self.rolling.insert(key.clone());
        true
    }

    /// The Deployment could not be written, or is gone: it takes no place.
    pub fn release(&mut self, key: &Key) {
        self.rolling.remove(key);
        self.waiting.remove(key);
    }

    /// The pools to look at again after a Deployment changed: those that wait, if it has the image now.
    #[must_use]
    pub fn next_after(&self, image: &str, state: Option<&DeploymentState>) -> Vec<Key> {
        let places = if state.is_some_and(|state| has_arrived(state, image)) { MAX_ROLLING } else { 0 };
        self.waiting.iter().take(places).cloned().collect()
    }
}

fn has_arrived(state: &DeploymentState, image: &str) -> bool {
    state.image == image && state.available
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::new("shop", &format!("p{number}"))
    }

    fn state(image: &str, available: bool) -> DeploymentState {
        DeploymentState { replicas: 2, image: image.into(), available, is_rollout: true }
    }

    /// Ten pools with the old image, all available.
    fn ten() -> Vec<DeploymentState> {
        (0..10).map(|_| state("old", true)).collect()
    }

    fn all(states: &[DeploymentState]) -> impl Iterator<Item = (Key, &DeploymentState)> {
        states.iter().enumerate().map(|(number, state)| (key(number), state))
    }

    #[test]
    fn five_pools_roll_and_the_next_follows_the_first_that_is_done() {
        let (mut rollouts, mut states) = (Rollouts::default(), ten());
        let allowed: Vec<_> = (0..10).filter(|&n| rollouts.may_have(&key(n), "new", all(&states))).collect();
        assert_eq!(allowed, [0, 1, 2, 3, 4]);
        states[2] = state("new", false);
        assert!(!rollouts.may_have(&key(7), "new", all(&states)), "rolling still");
        assert_eq!(rollouts.next_after("new", Some(&states[2])), []);
        states[2] = state("new", true);
        assert_eq!(rollouts.next_after("new", Some(&states[2])), [5, 6, 7, 8, 9].map(key));
        assert!(rollouts.may_have(&key(7), "new", all(&states)));
        assert!(!rollouts.may_have(&key(8), "new", all(&states)));
    }

    #[test]
    fn after_a_restart_the_rollouts_that_are_under_way_count() {
        let mut states = ten();
        for state in &mut states[..5] {
            *state = DeploymentState { available: false, image: "new".into(), ..state.clone() };
        }
        assert!(!Rollouts::default().may_have(&key(7), "new", all(&states)));
        for state in &mut states[..5] {
            state.is_rollout = false; // pools that were just made hold up nobody
        }
        assert!(Rollouts::default().may_have(&key(7), "new", all(&states)));
    }

    #[test]
    fn what_is_new_broken_or_gone_needs_no_place() {
        let (mut rollouts, mut states) = (Rollouts::default(), ten());
        assert!((0..5).all(|number| rollouts.may_have(&key(number), "new", all(&states))));
        states[7].available = false;
        assert!(rollouts.may_have(&key(7), "new", all(&states)), "broken");
        assert!(rollouts.may_have(&key(11), "new", all(&states)), "new");
        assert!(!rollouts.may_have(&key(8), "new", all(&states)));
        rollouts.release(&key(0));
        assert!(rollouts.may_have(&key(8), "new", all(&states)), "another could not be written");
    }
}
