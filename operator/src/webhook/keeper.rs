//! The leader's part: makes certificates, and tells the API server whom to trust.

use std::{sync::Arc, time::Duration};

use evenkeel_crds::names::FIELD_MANAGER;
use json_patch::{AddOperation, PatchOperation, ReplaceOperation, jsonptr::PointerBuf};
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    certificate::{Authority, Bundle, IssueError, Kept, Next, Wanted, complete, is_ours, next, wanted},
    seen::Seen,
};
use crate::clock::unix_now;

/// So long a request may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// An authority made sooner than this after another would push the one before out of the bundle while replicas still use it.
const BETWEEN_AUTHORITIES: Duration = Duration::from_secs(5);
/// After a conflict, in case the watch does not say soon what is there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Long sleeps are not exact: clocks are set, machines are suspended.
const AT_LEAST_EVERY: Duration = Duration::from_secs(3600);
/// After a failure; twice as long after each further one.
const BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Keeps the Secret and the configuration's bundles.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) secret: String,
    pub(super) configuration: String,
    pub(super) wanted: Wanted,
    pub(super) seen: watch::Receiver<Seen>,
}

/// What keeping failed at.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("{0}")]
    Issue(#[from] IssueError),
    #[error("cannot {0}: {1}")]
    Api(&'static str, kube::Error),
    #[error("cannot {0}: no answer within {DEADLINE:?}")]
    Silence(&'static str),
    #[error("Secret {0} is not ours; delete it, so that certificates can be kept there")]
    Foreign(String),
}

impl Keeper {
    /// Until it is told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
        let (mut backoff, mut last_authority) = (BACKOFF, None);
        loop {
            let seen = self.seen.borrow_and_update().clone();
            let pause = match self.step(&seen, &mut last_authority).await {
                Ok(pause) => {
                    backoff = BACKOFF;
                    pause
                }
                Err(error) => {
                    warn!(%error, "The webhook's certificates are not as they should be; this is tried again.");
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                    backoff / 2
                }
            };
            tokio::select! {
                changed = self.seen.changed() => if changed.is_err() { return },
                () = sleep(pause) => {}
            }
        }
    }

    /// Does what there is to do; says how long nothing else is.
    async fn step(&self, seen: &Seen, last_authority: &mut Option<Instant>) -> Result<Duration, KeepError> {
        let (Some(secret), Some(_)) = (&seen.secret, &seen.configuration) else { return Ok(AT_LEAST_EVERY) };
        if secret.as_ref().is_some_and(|secret| !is_ours(secret)) {
            return Err(KeepError::Foreign(format!("{}/{}", self.namespace, self.secret)));
        }
        let now = unix_now();
        let kept = secret.as_ref().map(|secret| Kept::read(secret));
        let facts = kept.as_ref().map(|kept| kept.as_ref().map(|kept| &kept.facts).map_err(String::as_str));
        let (authority, reason) = match (next(facts, &self.wanted, now), kept) {
            (Next::Wait(until), Some(Ok(kept))) => {
                let trusted = self.publish(&kept, seen, now).await?;
                return Ok(if trusted { seconds(until - now) } else { LOOK_AGAIN });
            }
            (Next::Wait(until), _) => return Ok(seconds(until - now)),
            (Next::Leaf(reason), Some(Ok(kept))) => (kept.authority()?, reason),
            (Next::Leaf(reason) | Next::Authority(reason), _) => {
                if let Some(rest) = last_authority.and_then(|last| BETWEEN_AUTHORITIES.checked_sub(last.elapsed())) {
                    return Ok(rest);
                }
                *last_authority = Some(Instant::now());
                (Authority::make(now)?, reason)
            }
        };
        let content = Kept::make(&authority, &self.wanted.hosts, now, self.wanted.leaf_seconds)?;
        self.write(complete(content, &self.namespace, &self.secret, secret.as_deref()), &reason).await?;
        Ok(LOOK_AGAIN) // the watch shows it sooner
    }

    /// Writes over what was seen, and nothing else: who was faster has done the work.
    async fn write(&self, secret: Secret, reason: &str) -> Result<(), KeepError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let doing = "write the Secret of the webhook's certificates";
        let written = if secret.metadata.resource_version.is_some() {
            in_time(doing, api.replace(&self.secret, &params, &secret)).await
        } else {
            in_time(doing, api.create(&params, &secret)).await
        };
        if let Some(_written) = unless_conflict(written)? {
            info!(reason, "A certificate of the webhook was made.");
        }
        Ok(())
    }

    /// Puts the authority into every bundle, if it is not there. True if it was.
    async fn publish(&self, kept: &Kept, seen: &Seen, now: i64) -> Result<bool, KeepError> {
        let Some(Some(configuration)) = &seen.configuration else { return Ok(true) };
        let current = seen.bundles();
        let wanted = wanted(&kept.authority, &kept.authority_pem(), &current, now);
        if current.iter().all(|bundle| *bundle == wanted) {
            return Ok(true);
        }
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Json::<()>(bundle_patch(configuration, &wanted));
        let doing = "write the webhook configuration's caBundle";
        let written = in_time(doing, api.patch_metadata(&self.configuration, &params, &patch)).await;
        if unless_conflict(written)?.is_some() {
            info!(configuration = self.configuration, "The API server is told whom to trust.");
        }
        Ok(false)
    }
}

/// Only over what was seen: its webhooks could have another order by now.
fn bundle_patch(configuration: &Arc<MutatingWebhookConfiguration>, bundle: &Bundle) -> json_patch::Patch {
    let version = configuration.metadata.resource_version.clone().unwrap_or_default();
    let path = PointerBuf::from_tokens(["metadata", "resourceVersion"]);
    let seen = PatchOperation::Replace(ReplaceOperation { path, value: json!(version) });
    let value = json!(ByteString(bundle.pem().into_bytes()));
    let count = configuration.webhooks.as_ref().map_or(0, Vec::len);
    let put = (0..count).map(|index| {
        let path = PointerBuf::from_tokens(["webhooks", &index.to_string(), "clientConfig", "caBundle"]);
        PatchOperation::Add(AddOperation { path, value: value.clone() })
    });
    json_patch::Patch(std::iter::once(seen).chain(put).collect())
}

async fn in_time<T>(doing: &'static str, request: impl Future<Output = kube::Result<T>>) -> Result<T, KeepError> {
    match timeout(DEADLINE, request).await {
        Ok(result) => result.map_err(|error| KeepError::Api(doing, error)),
        Err(_) => Err(KeepError::Silence(doing)),
    }
}

/// None if somebody else wrote first: the watch shows what.
fn unless_conflict<T>(written: Result<T, KeepError>) -> Result<Option<T>, KeepError> {
    match written {
        Err(KeepError::Api(_, kube::Error::Api(status))) if status.code == 409 => Ok(None),
        written => written.map(Some),
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).clamp(Duration::from_millis(100), AT_LEAST_EVERY)
}
