//! From a question to its answer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tracing::{debug, info};

use super::{
    lookup::Lookup,
    review::{Admission, Policy, Question, Trouble, answer},
};
use crate::{
    inject::{Decision, PoolState, Settings, admit, pools_to_look_up},
    metrics::Metrics,
};

/// Answers questions.
#[derive(Debug)]
pub(super) struct Handler {
    pub(super) lookup: Lookup,
    pub(super) settings: Settings,
    pub(super) metrics: Arc<Metrics>,
    /// Whether caches have synced.
    pub(super) synced: AtomicBool,
}

impl Handler {
    /// The answer, whatever was sent.
    pub(super) async fn answer(&self, policy: Policy, question: Result<Question, Trouble>) -> Value {
        let (question, decision) = match question {
            Ok(question) => {
                let decision = self.decide(&question).await;
                (question, decision)
            }
            Err(trouble) => (Question { uid: String::new(), namespace: String::new(), pod: None }, Err(trouble)),
        };
        log(&question, &decision);
        let (answer, counts) = answer(policy, &question, decision);
        self.count(counts);
        answer
    }

    async fn decide(&self, question: &Question) -> Result<Decision, Trouble> {
        let Some(pod) = &question.pod else { return Ok(Decision::NotAsked) };
        let pools = pools_to_look_up(pod);
        // Before that every pool would be unknown; what depends on the pod alone is decided all the same.
        if !pools.is_empty() && !self.synced.load(Ordering::Relaxed) {
            return Err(Trouble::Starting);
        }
        let states = self.lookup.states(&question.namespace, &pools).await;
        let state = |pool: &str| states.get(pool).cloned().unwrap_or(PoolState::Missing);
        match admit(pod, &question.namespace, state, &self.settings) {
            Decision::Refuse(reason) if is_unknown(&states) => Err(Trouble::Unknown(reason)),
            decision => Ok(decision),
        }
    }

    fn count(&self, counts: Option<Admission>) {
        if let Some(admission) = counts {
            self.metrics.admitted(admission);
        }
    }
}

fn is_unknown(states: &HashMap<String, PoolState>) -> bool {
    states.values().any(|state| matches!(state, PoolState::Unknown(_)))
}

fn log(question: &Question, decision: &Result<Decision, Trouble>) {
    let namespace = &question.namespace;
    match decision {
        Ok(Decision::Inject(_)) => debug!(namespace, "A pod got a sidecar."),
        Ok(Decision::Already | Decision::NotAsked) => {}
        Ok(Decision::Refuse(reason)) => info!(namespace, reason, "A pod cannot have the sidecar that it asks for."),
        Err(trouble) => info!(namespace, ?trouble, "Nothing could be decided about a pod."),
    }
}
