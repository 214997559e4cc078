//! Takes certificates into use, in every replica, leader or not.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    certificate::Kept,
    seen::Seen,
    serving::{InUse, SEEN_BY_ALL, Serving, Take, take},
};
use crate::clock::unix_now;

/// A new replica is ready when the API server trusts its certificate; or after this, since a configuration or a Secret that is
/// not there, or that nobody may change, must not keep it from all its other work. In a rollout that switches injection on, an
/// old replica leads, which makes no certificates; and it stays until a new one is ready.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes certificates into use.
pub(super) struct Follower {
    pub(super) serving: Arc<Serving>,
    pub(super) seen: watch::Receiver<Seen>,
    /// Becomes true when questions can be answered.
    pub(super) ready: watch::Sender<bool>,
    state: State,
}

#[derive(Default)]
struct State {
    in_use: Option<InUse>,
    /// The last one that was trusted, and since when.
    trusted: Option<(InUse, Instant)>,
    ready_at: Option<Instant>,
    problem: Option<String>,
}

impl Follower {
    pub(super) fn new(serving: Arc<Serving>, seen: watch::Receiver<Seen>, ready: watch::Sender<bool>) -> Self {
        Self { serving, seen, ready, state: State::default() }
    }

    /// Until nothing is watched any more.
    pub(super) async fn run(mut self) {
        loop {
            let seen = self.seen.borrow_and_update().clone();
            let again = self.look(&seen);
            let again = async {
                match again {
                    Some(then) => sleep_until(then).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.seen.changed() => if changed.is_err() { return },
                () = again => {}
            }
        }
    }

    /// Looks at what is offered; says when to look again.
    fn look(&mut self, seen: &Seen) -> Option<Instant> {
        let now = Instant::now();
        self.state.ready_at.get_or_insert(now + PATIENCE);
        let then = self.offered(seen).and_then(|kept| self.consider(&kept, seen, now));
        if let Some(at) = self.state.ready_at.filter(|at| *at > now) {
            return Some(then.map_or(at, |then| then.min(at)));
        }
        if !self.ready.send_replace(true) && self.state.in_use.is_none() {
            warn!("The webhook has no certificate yet; this replica does its other work meanwhile.");
        }
        then
    }

    fn consider(&mut self, kept: &Kept, seen: &Seen, now: Instant) -> Option<Instant> {
        let offered = InUse::of(kept);
        let since = self.trusted_since(&offered, seen.trusts(&kept.authority), now);
        match take(self.state.in_use.as_ref(), &offered, since, (now, unix_now())) {
            Take::Now => self.put_to_use(kept, offered, since.is_some(), now),
            Take::At(then) => return Some(then),
            Take::Has | Take::Wait => {}
        }
        if let (Some(since), Some(at)) = (since, &mut self.state.ready_at) {
            *at = (*at).min(since + SEEN_BY_ALL);
        }
        None
    }

    fn put_to_use(&mut self, kept: &Kept, offered: InUse, is_trusted: bool, now: Instant) {
        match kept.certified() {
            Ok(certified) => self.serving.set(certified),
            Err(error) => return warn!(%error, "The webhook's certificate cannot be used."),
        }
        info!(until = kept.facts.leaf.until, "The webhook has a certificate.");
        // What is trusted when it is first seen was trusted before.
        if is_trusted && self.state.in_use.is_none() {
            self.state.ready_at = self.state.ready_at.map(|at| at.min(now));
        }
        self.state.in_use = Some(offered);
    }

    fn trusted_since(&mut self, offered: &InUse, is_trusted: bool, now: Instant) -> Option<Instant> {
        self.state.trusted = self.state.trusted.take().filter(|(known, _)| is_trusted && known.is_by_the_same(offered));
        if is_trusted {
            return Some(self.state.trusted.get_or_insert_with(|| (offered.clone(), now)).1);
        }
        None
    }

    /// A damaged Secret leaves what is in use.
    fn offered(&mut self, seen: &Seen) -> Option<Kept> {
        let secret = seen.secret.as_ref()?.as_ref()?;
        match Kept::read(secret) {
            Ok(kept) => {
                self.state.problem = None;
                Some(kept)
            }
            Err(problem) => {
                if self.state.problem.as_ref() != Some(&problem) {
                    warn!(
                        problem,
                        "The Secret of the webhook's certificates cannot be used; the leader makes it anew."
                    );
                    self.state.problem = Some(problem);
                }
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "follower_tests.rs"]
mod tests;
