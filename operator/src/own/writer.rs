//! Writes one owned object by server-side apply, and never one that is somebody else's.

use std::sync::Arc;

use evenkeel_crds::names;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{Role, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
};
use serde_json::Value;
use tracing::info;

use super::{Applied, Desired, handover, owns_replicas};
use crate::{
    cluster::{Observed, ServiceSource, View, object_key},
    context::Context,
    error::Error,
    kind::Kind,
    metrics::Write,
    ownership::Ownership,
};

/// What became of an object.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is as it should be.
    Holds,
    /// It was written.
    Applied(Applied),
    /// It is not there, and is not to be.
    Removed,
    /// An earlier one is being deleted.
    Going,
    /// It is not ours.
    Foreign,
}

/// Writes owned objects.
#[derive(Debug)]
pub(super) struct Writer {
    context: Arc<Context>,
}

impl Writer {
    /// A writer.
    #[must_use]
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Makes sure that the object is as it should be.
    pub(super) async fn ensure(
        &self,
        view: &View,
        wanted: &Desired,
        applied: Option<&Applied>,
    ) -> Result<Outcome, Error> {
        let pool = view.pool.meta();
        let seen = self.context.world().observed(wanted.kind, &object_key(&view.key)).map(|seen| seen.meta);
        let meta = match seen {
            Some(meta) => Some(meta),
            // Not watched does not mean not there: only labelled objects are. An apply would adopt it.
            None => self.look(view, wanted.kind).await?,
        };
        match meta.as_ref().map(|meta| (Ownership::of(meta, pool), meta)) {
            Some((Ownership::Foreign, _)) => return Ok(Outcome::Foreign),
            Some((Ownership::Leftover, _)) => return Ok(Outcome::Going),
            Some((Ownership::Ours, meta)) if meta.deletion_timestamp.is_some() => return Ok(Outcome::Going),
            Some((Ownership::Ours, meta)) if applied.is_some_and(|applied| applied.holds(wanted, meta)) => {
                return Ok(Outcome::Holds);
            }
            _ => {}
        }
        let result = self.apply(view, wanted, meta.as_ref()).await;
        self.context.metrics.object(wanted.kind, if result.is_ok() { Write::Ok } else { Write::Error });
        Ok(Outcome::Applied(Applied::new(wanted, &result?)))
    }

    /// Makes sure that the pool has no such object.
    pub(super) async fn remove(&self, view: &View, kind: Kind) -> Result<Outcome, Error> {
        let Some(seen) = self.context.world().observed(kind, &object_key(&view.key)) else {
            return Ok(Outcome::Removed);
        };
        if Ownership::of(&seen.meta, view.pool.meta()) != Ownership::Ours || seen.meta.deletion_timestamp.is_some() {
            return Ok(Outcome::Removed);
        }
        let precise = Preconditions { uid: seen.meta.uid, resource_version: None };
        let params = DeleteParams::background().preconditions(precise);
        match self.api(view, kind).delete(&names::object_name(&view.key.name), &params).await {
            Ok(_) => {
                info!(pool = %view.key, %kind, "Deleted what the pool no longer needs.");
                self.context.metrics.object(kind, Write::Ok);
                Ok(Outcome::Removed)
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Outcome::Removed),
            Err(error) => Err(Error::api(format!("delete {kind} {}", object_key(&view.key)))(error)),
        }
    }

    async fn apply(&self, view: &View, wanted: &Desired, meta: Option<&ObjectMeta>) -> Result<ObjectMeta, Error> {
        let mut json = wanted.json.clone();
        if let Some(uid) = meta.and_then(|meta| meta.uid.as_deref()) {
            json["metadata"]["uid"] = uid.into(); // another object that took its place meanwhile is not meant
            self.let_go_of_replicas(view, wanted).await?;
        }
        let object = self.patch(view, wanted.kind, names::FIELD_MANAGER, &json).await?;
        info!(pool = %view.key, kind = %wanted.kind, "Applied.");
        let meta = object.metadata.clone();
        self.remember(wanted.kind, object);
        Ok(meta)
    }

    /// See [`handover`].
    async fn let_go_of_replicas(&self, view: &View, wanted: &Desired) -> Result<(), Error> {
        if wanted.kind != Kind::Deployment || wanted.json["spec"].get("replicas").is_some() {
            return Ok(());
        }
        let found = self.api(view, Kind::Deployment).get_opt(&names::object_name(&view.key.name)).await;
        let found = found.map_err(Error::api(format!("read Deployment {}", object_key(&view.key))))?;
        let Some(live) = found.filter(|live| owns_replicas(&live.metadata, names::FIELD_MANAGER)) else {
            return Ok(());
        };
        let replicas = live.data["spec"]["replicas"].as_i64().and_then(|replicas| i32::try_from(replicas).ok());
        let claim = handover::claim(&live.metadata, replicas.unwrap_or(1));
        self.patch(view, Kind::Deployment, handover::MANAGER, &claim).await.map(drop)
    }

    async fn patch(&self, view: &View, kind: Kind, manager: &str, json: &Value) -> Result<DynamicObject, Error> {
        let params = PatchParams::apply(manager).force();
        let patched =
            self.api(view, kind).patch(&names::object_name(&view.key.name), &params, &Patch::Apply(json)).await;
        patched.map_err(Error::api(format!("apply {kind} {}", object_key(&view.key))))
    }

    async fn look(&self, view: &View, kind: Kind) -> Result<Option<ObjectMeta>, Error> {
        let found = self.api(view, kind).get_metadata_opt(&names::object_name(&view.key.name)).await;
        let found = found.map_err(Error::api(format!("read {kind} {}", object_key(&view.key))))?;
        Ok(found.map(|object| object.metadata))
    }

    /// The watch will say the same a little later: until then this is newer.
    fn remember(&self, kind: Kind, mut object: DynamicObject) {
        object.metadata.managed_fields = None;
        match kind {
            Kind::Service => {
                if let Ok(service) = object.try_parse::<Service>() {
                    // It may be a backend of another pool, which must hear of it.
                    let wakes = self.context.world().absorb(&ServiceSource, service);
                    self.context.wake(wakes);
                }
            }
            Kind::Deployment => {
                if let Ok(deployment) = object.try_parse::<Deployment>() {
                    self.context.world().wrote_owned(kind, deployment.into());
                }
            }
            _ => {
                let observed = Observed { meta: object.metadata, deployment: None };
                self.context.world().wrote_owned(kind, observed);
            }
        }
    }

    fn api(&self, view: &View, kind: Kind) -> Api<DynamicObject> {
        let resource = match kind {
            Kind::Role => ApiResource::erase::<Role>(&()),
            Kind::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Kind::Service => ApiResource::erase::<Service>(&()),
            Kind::Deployment => ApiResource::erase::<Deployment>(&()),
            Kind::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            _ => ApiResource::erase::<ServiceAccount>(&()),
        };
        Api::namespaced_with(self.context.client.clone(), &view.key.namespace, &resource)
    }
}
