//! Writes the Events: of one namespace after the other, each pod's once.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::{api::events::v1::Event, jiff::Timestamp};
use kube::{Api, api::PostParams};
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Allowance, event};
use crate::{
    cluster::{Sidecar, SidecarPod},
    context::Context,
    error::Error,
    key::Key,
    lane::{Rest, Step},
};

/// Tells of pods without the sidecar that they ask for. Its keys are namespaces.
#[derive(Debug)]
pub struct Notifier {
    context: Arc<Context>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The UIDs of the pods that were told of and are still there, by namespace.
    told: HashMap<Key, HashSet<Box<str>>>,
    allowance: Allowance,
}

/// A pod to tell of.
#[derive(Debug)]
struct Notice {
    pod: Key,
    uid: Box<str>,
    reason: Option<Box<str>>,
}

impl Step for Notifier {
    async fn run(&self, namespace: &Key) -> Result<Rest, Error> {
        let notices = self.notices(namespace);
        if notices.is_empty() && !self.state().told.contains_key(namespace) {
            return Ok(Rest::Gone);
        }
        for notice in notices {
            if let Err(wait) = self.allowed() {
                return Ok(Rest::not_before(wait));
            }
            self.tell(&notice).await?;
            self.state().told.entry(namespace.clone()).or_default().insert(notice.uid);
        }
        Ok(Rest::NOTHING)
    }
}

impl Notifier {
    /// One that has told of nothing.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        let state = State { told: HashMap::new(), allowance: Allowance::new(Instant::now()) };
        Self { context, state: Mutex::new(state) }
    }

    /// The pods that were not told of yet. Those that are gone are forgotten.
    fn notices(&self, namespace: &Key) -> Vec<Notice> {
        let all: Vec<_> = self.context.world().pods_without(&namespace.namespace).map(Notice::of).collect();
        let mut state = self.state();
        let before = state.told.remove(namespace).unwrap_or_default();
        let (told, new): (Vec<_>, Vec<_>) = all.into_iter().partition(|notice| before.contains(&notice.uid));
        if !told.is_empty() {
            state.told.insert(namespace.clone(), told.into_iter().map(|notice| notice.uid).collect());
        }
        new
    }

    fn allowed(&self) -> Result<(), Duration> {
        self.state().allowance.take(Instant::now())
    }

    /// A refusal is final: the Event is there already, or its namespace is going. The metric counts the pod all the same.
    async fn tell(&self, notice: &Notice) -> Result<(), Error> {
        let Notice { pod, uid, reason } = notice;
        let event = event(pod, uid, reason.as_deref(), Timestamp::now());
        let api: Api<Event> = Api::namespaced(self.context.client.clone(), &pod.namespace);
        let written = api.create(&PostParams::default(), &event).await;
        match written.map_err(Error::api(format!("write an Event of Pod {pod}"))) {
            Ok(_) => info!(%pod, reason, "A pod has no sidecar though it asks for one."),
            Err(Error::Api { source, .. }) if is_answer(&source) => debug!(%pod, %source, "No Event was written."),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_answer(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400..=499) && status.code != 429)
}

impl Notice {
    fn of((pod, state): (&Key, &SidecarPod)) -> Self {
        let reason = match &state.sidecar {
            Sidecar::Missing(reason) => reason.clone(),
            Sidecar::Unready | Sidecar::Ready => None,
        };
        Self { pod: pod.clone(), uid: state.uid.clone(), reason }
    }
}
