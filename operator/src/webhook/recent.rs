//! What was found of pools that would not do, for a second: who makes the same pod again and again asks the API server once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{inject::PoolState, key::Key};

/// Whoever applies the pool then finds it in the caches, and has hardly begun to wonder if they are late.
const LIFETIME: Duration = Duration::from_secs(1);
/// The most that is kept; what comes beyond is looked up each time.
const MOST: usize = 1024;

/// What was found a moment ago.
#[derive(Debug, Default)]
pub(super) struct Recent {
    all: Mutex<HashMap<Key, (PoolState, Instant)>>,
}

impl Recent {
    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<PoolState> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).filter(|(_, since)| now < *since + LIFETIME).map(|(state, _)| state.clone())
    }

    /// Only what was found and would not do: what was not found out may be found out the next time.
    pub(super) fn put(&self, key: Key, state: &PoolState, now: Instant) {
        if matches!(state, PoolState::Usable { .. } | PoolState::Unknown(_)) {
            return;
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, (_, since)| now < *since + LIFETIME);
        }
        if all.len() < MOST {
            all.insert(key, (state.clone(), now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_short_and_small() {
        let (recent, now) = (Recent::default(), Instant::now());
        let key = |number: usize| Key::new("shop", &format!("web-{number}"));
        for number in 0..2 * MOST {
            recent.put(key(number), &PoolState::Missing, now);
        }
        assert_eq!(recent.all.lock().expect("no panic").len(), MOST);
        assert_eq!(recent.get(&key(0), now), Some(PoolState::Missing));
        let later = now + LIFETIME;
        assert_eq!(recent.get(&key(0), later), None);
        recent.put(key(1), &PoolState::Missing, later);
        assert_eq!(recent.all.lock().expect("no panic").len(), 1, "what is old makes room");
        recent.put(key(2), &PoolState::Unknown("no answer".into()), later);
        assert_eq!(recent.get(&key(2), later), None);
    }
}
