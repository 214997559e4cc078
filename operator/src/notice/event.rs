//! The Event of a pod without its sidecar: what is missing, why, and what to do.

use evenkeel_crds::names::{FIELD_MANAGER, labels};
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};

use crate::{key::Key, report::EVENTS_FROM};

/// The webhook's reason may be long; a note has at most 1024 bytes.
const MAX_REASON_CHARS: usize = 200;
/// A name has at most 253 characters; this leaves room for what comes behind the pod's.
const MAX_POD_CHARS: usize = 220;

/// The Event. Its name is the pod's, so that a second one is refused: another leader tells nothing twice.
#[must_use]
pub fn event(pod: &Key, uid: &str, reason: Option<&str>, now: Timestamp) -> Event {
    let (short, id) = (pod.name.get(..MAX_POD_CHARS).unwrap_or(&pod.name), uid.get(..8).unwrap_or(uid));
    let name = format!("{}.not-injected.{id}", short.trim_end_matches(['.', '-']));
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some(pod.namespace.to_string()), ..ObjectMeta::default() },
        event_time: Some(MicroTime(now)),
        type_: Some("Warning".into()),
        reason: Some("NotInjected".into()),
        action: Some("Injection".into()),
        note: Some(note(reason)),
        regarding: Some(ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(pod.name.to_string()),
            namespace: Some(pod.namespace.to_string()),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(EVENTS_FROM.into()),
        reporting_instance: Some(FIELD_MANAGER.into()),
        ..Event::default()
    }
}

/// What is told. The webhook's reason says itself what to do about it.
#[must_use]
pub fn note(reason: Option<&str>) -> String {
    match reason {
        Some(reason) => {
            let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
            format!(
                "the pod was made without its sidecar: {reason}; mend that, then delete the pod so that it is made again"
            )
        }
        None => format!(
            "the pod asks for a sidecar and has none: the webhook was away or switched off when it was made, or its label \
             came later; delete the pod so that it is made again, or remove its label {}",
            labels::INJECT
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_says_what_to_do_and_fits() {
        let said = note(Some("there is no pool \"web\"; create it"));
        assert!(said.contains("no pool \"web\"") && said.contains("delete the pod"), "{said}");
        assert!(note(None).contains("evenkeel.dev/inject"));
        assert!(note(Some(&"ü€😀".repeat(400))).len() <= 1024);
    }

    #[test]
    fn a_pod_has_one_event_with_a_valid_name() {
        let name = |pod: &str, uid: &str| {
            let event = event(&Key::new("shop", pod), uid, None, Timestamp::UNIX_EPOCH);
            event.metadata.name.expect("a name")
        };
        assert_eq!(name("app-1", "0a1b2c3d-0000"), "app-1.not-injected.0a1b2c3d");
        assert_ne!(name("app-1", "0a1b2c3d"), name("app-1", "ffffffff"), "another pod of that name");
        let long = name(&format!("{}-{}", "a".repeat(219), "b".repeat(30)), "0a1b2c3d");
        assert!(long.len() <= 253 && !long.contains("-."), "{long}");
    }
}
