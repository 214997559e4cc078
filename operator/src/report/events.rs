//! Events: a line in `kubectl describe` for each condition that changed.

use evenkeel_crds::BalancerPool;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Client, Resource as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tracing::debug;

/// Who writes our Events.
pub const EVENTS_FROM: &str = "evenkeel.dev/operator";

/// An Event's note has at most 1024 bytes.
const MAX_NOTE_CHARS: usize = 250;

/// Tells users of changed conditions.
#[derive(Clone)]
pub(super) struct Announcer {
    recorder: Recorder,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer").finish_non_exhaustive()
    }
}

impl Announcer {
    /// An announcer.
    #[must_use]
    pub(super) fn new(client: Client) -> Self {
        Self { recorder: Recorder::new(client, Reporter::from(EVENTS_FROM)) }
    }

    /// Says that the condition is now so. A lost Event does no harm: the condition says the same.
    pub(super) async fn announce(&self, pool: &BalancerPool, condition: &Condition) {
        let event = Event {
            type_: if condition.status == "True" { EventType::Normal } else { EventType::Warning },
            reason: condition.reason.clone(),
            note: Some(condition.message.chars().take(MAX_NOTE_CHARS).collect()),
            action: condition.type_.clone(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &pool.object_ref(&())).await {
            debug!(pool = pool.metadata.name, %error, "An Event could not be written.");
        }
    }
}
