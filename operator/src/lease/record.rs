//! What counts of a Lease, and how one is written. Anybody may have edited it: whatever is taken from it is bounded.

use std::time::Duration;

use evenkeel_crds::names::labels;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};

use super::{
    Claim, Occasion,
    election::{LEASE, LONGEST_LEASE},
};
use crate::cluster::Version;

/// What counts of a Lease.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Who holds it; nobody if that is empty.
    pub holder: Option<String>,
    /// How long after its last sign of life the holder counts as gone.
    pub lasts: Duration,
    /// How often the holder has changed.
    pub transitions: i32,
    /// When the holder began to hold it.
    pub acquired: Option<Timestamp>,
    /// The holder's last sign of life. By its own clock, so that only a change of it means something.
    pub renewed: Option<Timestamp>,
    /// What others put there stays there.
    pub metadata: ObjectMeta,
}

impl Record {
    /// What counts of the Lease.
    #[must_use]
    pub fn of(lease: Lease) -> Self {
        let spec = lease.spec.unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default();
        Self {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            // A holder that was granted less than we take for us would be overtaken while it leads; one that was granted a year
            // would stay for a year.
            lasts: Duration::from_secs(seconds).clamp(LEASE, LONGEST_LEASE),
            transitions: spec.lease_transitions.unwrap_or_default().max(0),
            acquired: spec.acquire_time.map(|time| time.0),
            renewed: spec.renew_time.map(|time| time.0),
            metadata: ObjectMeta { managed_fields: None, ..lease.metadata },
        }
    }

    /// Which state of the Lease it is.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::of(&self.metadata)
    }

    /// Whether the other shows the same sign of life of the same holder. A label that somebody changed is none.
    #[must_use]
    pub fn is_same_beat(&self, other: &Self) -> bool {
        let beat = |record: &Self| (record.renewed, record.acquired, record.transitions, record.lasts);
        self.holder == other.holder && beat(self) == beat(other)
    }
}

impl Claim {
    /// The Lease that says so. `now` is the time of day, for people.
    #[must_use]
    pub fn lease(&self, namespace: &str, name: &str, identity: &str, now: Timestamp) -> Lease {
        let before = self.before.as_ref();
        let (transitions, acquired) = match self.occasion {
            Occasion::Renew => before.map_or((0, None), |before| (before.transitions, before.acquired)),
            Occasion::Create => (0, None),
            Occasion::Free | Occasion::Expired => {
                (before.map_or(0, |before| before.transitions.saturating_add(1)), None)
            }
        };
        let spec = LeaseSpec {
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: Some(MicroTime(acquired.unwrap_or(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        Lease { metadata: metadata(before, namespace, name), spec: Some(spec) }
    }
}

/// The Lease without a holder: whoever sees it may take it at once.
#[must_use]
pub(super) fn released(record: &Record, namespace: &str, name: &str, now: Timestamp) -> Lease {
    let spec = LeaseSpec {
        holder_identity: None, // an empty one is no valid Lease
        lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(record.transitions),
        ..LeaseSpec::default()
    };
    Lease { metadata: metadata(Some(record), namespace, name), spec: Some(spec) }
}

/// With the resource version that it was computed from: whoever wrote in between makes it fail.
fn metadata(before: Option<&Record>, namespace: &str, name: &str) -> ObjectMeta {
    let mut metadata = before.map(|before| before.metadata.clone()).unwrap_or_default();
    metadata.name = Some(name.to_owned());
    metadata.namespace = Some(namespace.to_owned());
    let own = metadata.labels.get_or_insert_default();
    own.insert(labels::MANAGED_BY.into(), labels::MANAGED_BY_VALUE.into());
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record(spec: &Value) -> Record {
        let lease = json!({ "metadata": { "resourceVersion": "7", "annotations": { "note": "mine" } }, "spec": spec });
        Record::of(serde_json::from_value(lease).expect("a Lease"))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn absurd_leases_are_read_within_bounds() {
        for (spec, lasts) in [
            (json!(null), LEASE),
            (json!({}), LEASE),
            (json!({ "leaseDurationSeconds": 0 }), LEASE),
            (json!({ "leaseDurationSeconds": -5 }), LEASE),
            (json!({ "leaseDurationSeconds": 1 }), LEASE),
            (json!({ "leaseDurationSeconds": 30 }), Duration::from_secs(30)),
            (json!({ "leaseDurationSeconds": 31_536_000 }), LONGEST_LEASE),
        ] {
            assert_eq!(record(&spec).lasts, lasts, "{spec}");
        }
        assert_eq!(record(&json!({ "holderIdentity": "" })).holder, None);
        assert_eq!(record(&json!({ "leaseTransitions": -1 })).transitions, 0);
    }

    #[test]
    fn a_label_is_no_sign_of_life() {
        let spec = json!({ "holderIdentity": "a", "renewTime": "2026-01-01T00:00:00.000000Z" });
        let (first, mut second) = (record(&spec), record(&spec));
        second.metadata.resource_version = Some("8".into());
        assert!(first.is_same_beat(&second));
        assert!(
            !first.is_same_beat(&record(&json!({ "holderIdentity": "a", "renewTime": "2026-01-01T00:00:02.000000Z" })))
        );
    }

    #[test]
    fn a_renewal_keeps_what_a_takeover_counts() {
        let before = record(
            &json!({ "holderIdentity": "a", "leaseTransitions": i32::MAX - 1, "acquireTime": "1970-01-01T00:00:01.000000Z" }),
        );
        let write = |occasion| {
            let claim = Claim { occasion, before: Some(before.clone()) };
            claim.lease("ns", "lease", "b", at(9)).spec.expect("a spec")
        };
        let renewal = write(Occasion::Renew);
        assert_eq!((renewal.lease_transitions, renewal.acquire_time), (Some(i32::MAX - 1), Some(MicroTime(at(1)))));
        let takeover = write(Occasion::Expired);
        assert_eq!((takeover.lease_transitions, takeover.acquire_time), (Some(i32::MAX), Some(MicroTime(at(9)))));
        assert_eq!(takeover.renew_time, Some(MicroTime(at(9))));
    }

    #[test]
    fn a_write_is_over_what_was_seen_and_keeps_what_others_put_there() {
        let before = record(&json!({}));
        let lease = Claim { occasion: Occasion::Free, before: Some(before) }.lease("ns", "lease", "b", at(9));
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("7"));
        assert!(lease.metadata.annotations.is_some_and(|all| all.contains_key("note")));
    }
}
