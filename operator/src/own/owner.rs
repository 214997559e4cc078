//! Makes, mends and removes what a pool owns beside its table.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::debug;

use super::{Applied, Desired, Rollouts, desired, objects::PodOptions, writer::Outcome, writer::Writer};
use crate::{
    cluster::{DeploymentState, View},
    context::Context,
    error::Error,
    findings::OwnFindings,
    key::Key,
    kind::Kind,
    lane::{Rest, Step},
};

/// How often everything is applied again though nothing seems to have changed, give or take a tenth.
const RESYNC: Duration = Duration::from_secs(30 * 60);
/// An object without our label is not watched, so somebody must look whether it is still in the way.
const WHILE_OBSTRUCTED: Duration = Duration::from_secs(30);
/// How long a deletion usually takes.
const WHILE_GOING: Duration = Duration::from_secs(1);

/// Looks after what pools own.
#[derive(Debug)]
pub struct Owner {
    context: Arc<Context>,
    writer: Writer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pools: HashMap<Key, Memory>,
    rollouts: Rollouts,
}

/// What is remembered of a pool.
#[derive(Clone, Debug)]
struct Memory {
    uid: String,
    /// What was wanted when the spec was last valid.
    desired: Vec<Desired>,
    applied: HashMap<Kind, Applied>,
    resync: Instant,
    /// Whether its Deployment waits for a new image.
    held: bool,
}

impl Memory {
    fn new(uid: &str) -> Self {
        let resync = Instant::now() + RESYNC.mul_f64(0.9 + 0.2 * fastrand::f64());
        Self { uid: uid.to_owned(), desired: Vec::new(), applied: HashMap::new(), resync, held: false }
    }
}

impl Step for Owner {
    async fn run(&self, key: &Key) -> Result<Rest, Error> {
        let Some(view) = self.context.world().view(key) else {
            self.forget(key);
            return Ok(Rest::Gone);
        };
        let Some(mut memory) = self.look(&view) else { return Ok(Rest::NOTHING) };
        let result = self.bring_about(&view, &mut memory).await;
        let resync = memory.resync.saturating_duration_since(Instant::now());
        self.state().pools.insert(key.clone(), memory);
        result.map(|wait| Rest::again(wait.map_or(resync, |wait| wait.min(resync))))
    }
}

impl Owner {
    /// An owner that has written nothing.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { writer: Writer::new(Arc::clone(&context)), context, state: Mutex::default() }
    }

    /// What is wanted now; none while that is not known, or while the table itself is somebody else's object.
    fn look(&self, view: &View) -> Option<Memory> {
        let (key, pool) = (&view.key, &view.pool);
        let findings = self.context.board.table(key)?;
        let (uid, generation, accepted, conflict) = findings.for_objects();
        if pool.is_going() || (uid, generation) != (pool.uid(), pool.generation()) || conflict {
            return None;
        }
        let mut memory = self.state().pools.get(key).filter(|memory| memory.uid == uid).cloned();
        if memory.as_ref().is_some_and(|memory| memory.resync <= Instant::now()) {
            memory = None;
        }
        let mut memory = memory.unwrap_or_else(|| Memory::new(uid));
        if accepted {
            let live = self.live(view);
            let image = self.image(view, live.as_ref());
            memory.held = matches!(image, Image::Held(_));
            memory.desired = desired(key, pool, image.as_options(&self.context), live.as_ref());
        } else if memory.desired.is_empty() {
            return None; // an invalid spec says nothing, and what was valid before a restart is not known
        }
        Some(memory)
    }

    fn live(&self, view: &View) -> Option<DeploymentState> {
        let name = crate::cluster::object_key(&view.key);
        self.context.world().observed(Kind::Deployment, &name).and_then(|observed| observed.deployment)
    }

    /// The image that the pool's proxies are to have now: a new one only when it is this pool's turn.
    fn image(&self, view: &View, live: Option<&DeploymentState>) -> Image {
        let Some(image) = self.context.proxy.image() else { return Image::None };
        let world = self.context.world();
        let mut state = self.state();
        let next = state.rollouts.next_after(image, live);
        let all = world.deployments().filter_map(|(pool, observed)| Some((pool, observed.deployment.as_ref()?)));
        let may = state.rollouts.may_have(&view.key, image, all);
        for waiting in next {
            self.context.own.wake(&waiting);
        }
        match live {
            Some(live) if !may => {
                debug!(pool = %view.key, image, "The new image waits until other pools have it.");
                Image::Held(live.image.clone())
            }
            _ => Image::Wanted,
        }
    }

    /// Writes what differs. Returns when to look again before the next resync.
    async fn bring_about(&self, view: &View, memory: &mut Memory) -> Result<Option<Duration>, Error> {
        let (mut findings, mut failure) = (OwnFindings::default(), None);
        let mut wait = memory.held.then_some(WHILE_OBSTRUCTED);
        let mut unknown_role = false;
        for kind in Kind::OWNED {
            if kind == Kind::RoleBinding && unknown_role {
                continue;
            }
            // Somebody else's Role may hold any rights of his: whoever may write pools must not bind those.
            let may_bind = kind != Kind::RoleBinding || !findings.conflicts.contains(&Kind::Role);
            let wanted = memory.desired.iter().find(|desired| desired.kind == kind).filter(|_| may_bind);
            let outcome = match wanted {
                Some(wanted) => self.writer.ensure(view, wanted, memory.applied.get(&kind)).await,
                None => self.writer.remove(view, kind).await,
            };
            match outcome {
                Ok(Outcome::Holds) => {}
                Ok(Outcome::Applied(applied)) => drop(memory.applied.insert(kind, applied)),
                Ok(Outcome::Removed) => drop(memory.applied.remove(&kind)),
                Ok(Outcome::Going) => wait = Some(WHILE_GOING),
                Ok(Outcome::Foreign) => {
                    findings.conflicts.push(kind);
                    wait = wait.or(Some(WHILE_OBSTRUCTED));
                }
                Err(error @ Error::NotLeading(_)) => return Err(error),
                Err(error) => {
                    unknown_role |= kind == Kind::Role;
                    self.state().rollouts.release(&view.key);
                    findings.refused.get_or_insert(error.to_string());
                    failure = Some(error);
                }
            }
        }
        self.note(view, memory, findings);
        failure.map_or(Ok(wait), Err)
    }

    fn note(&self, view: &View, memory: &Memory, mut findings: OwnFindings) {
        let wants = |kind| memory.desired.iter().any(|desired| desired.kind == kind);
        if wants(Kind::ServiceAccount) && !wants(Kind::Deployment) {
            let message = "the operator was started without --proxy-image, so that it cannot run proxies";
            findings.refused.get_or_insert(message.into());
        }
        let before = self.context.board.note_objects(&view.key, findings.clone());
        if *before != findings {
            self.context.report.wake(&view.key);
        }
    }

    fn forget(&self, key: &Key) {
        let mut state = self.state();
        state.pools.remove(key);
        state.rollouts.release(key);
        self.context.board.forget(key);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which image the pods are to have.
enum Image {
    /// There is none.
    None,
    /// The one that is wanted.
    Wanted,
    /// The one that they have, until it is their turn.
    Held(String),
}

impl Image {
    fn as_options<'a>(&'a self, context: &'a Context) -> PodOptions<'a> {
        let image = match self {
            Self::None => None,
            Self::Wanted => context.proxy.image(),
            Self::Held(image) => Some(image.as_str()),
        };
        PodOptions { image, pull_policy: context.proxy.image_pull_policy }
    }
}
