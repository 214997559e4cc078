//! Writes a pool's status: last of all, when it differs, at most once a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use evenkeel_crds::{
    BalancerPool,
    api::{BalancerPoolStatus, ProxyCounts, ProxyMode},
    conditions::PROGRAMMED,
    names,
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use kube::{
    Api, Resource as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::json;
use tokio::time::Instant;
use tracing::info;

use super::{Progress, Questions, Verdicts, conditions, events::Announcer, programmed, transitions};
use crate::{
    cluster::{Pool, PoolSource},
    context::Context,
    error::Error,
    findings::Findings,
    key::Key,
    lane::{Rest, Step},
    metrics::Write,
};

/// At most one write a second and pool: endpoints of a large pool change all the time.
const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// After a conflict the watch needs a moment to show what changed.
const AFTER_CONFLICT: Duration = Duration::from_millis(200);

/// What it may cost to look at one proxy: a pool with thousands of them, which come and go, is looked at less often.
const LOOK_AT_ONE: Duration = Duration::from_micros(20);

/// Reports on pools.
#[derive(Debug)]
pub struct Reporter {
    context: Arc<Context>,
    questions: Questions,
    announcer: Announcer,
    pools: Mutex<HashMap<Key, Memory>>,
}

/// What is remembered of a pool. It is taken out of the map during the work, which is done once at a time for each pool.
#[derive(Debug)]
struct Memory {
    uid: String,
    progress: Progress,
    written: Option<Instant>,
}

impl Step for Reporter {
    async fn run(&self, key: &Key) -> Result<Rest, Error> {
        let pool = self.context.world().pool(key).cloned();
        let Some(pool) = pool else {
            self.pools().remove(key);
            self.questions.forget(key);
            self.context.board.forget(key);
            return Ok(Rest::Gone);
        };
        let findings = self.context.board.table(key).filter(|findings| findings.uid == pool.uid());
        let Some(findings) = findings.filter(|_| !pool.is_going()) else { return Ok(Rest::NOTHING) };
        let known = self.pools().remove(key).filter(|memory| memory.uid == findings.uid);
        let mut memory = known.unwrap_or_else(|| Memory::new(&pool));
        let proxies = self.questions.whom(key, &findings);
        let spacing = LOOK_AT_ONE.saturating_mul(u32::try_from(proxies.len()).unwrap_or(u32::MAX)).min(BETWEEN_WRITES);
        memory.progress.follow(findings.mode, findings.in_force.as_ref(), proxies, Instant::now());
        self.questions.ask(key, &mut memory.progress).await;
        let result = self.report(key, &pool, &findings, &mut memory).await;
        let next = memory.progress.next().map(|next| next.saturating_duration_since(Instant::now()));
        self.pools().insert(key.clone(), memory);
        let again = result?.into_iter().chain(next).min();
        Ok(Rest::Until { spacing, again })
    }
}

impl Memory {
    fn new(pool: &Pool) -> Self {
        let settled = stored(pool).iter().find(|condition| condition.type_ == PROGRAMMED && condition.status == "True");
        let settled = settled.and_then(|condition| condition.observed_generation);
        Self { uid: pool.uid().to_owned(), progress: Progress::new(settled, Instant::now()), written: None }
    }
}

impl Reporter {
    /// A reporter that has reported nothing.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        let announcer = Announcer::new(context.client.clone());
        Self { questions: Questions::new(Arc::clone(&context)), context, announcer, pools: Mutex::default() }
    }

    /// Writes the status if it differs. Returns when to look again, if it had to be put off.
    async fn report(
        &self,
        key: &Key,
        pool: &Pool,
        findings: &Findings,
        memory: &mut Memory,
    ) -> Result<Option<Duration>, Error> {
        let status = self.status(key, pool, findings, &memory.progress);
        if pool.object.status.as_ref().is_some_and(|stored| is_same(stored, &status)) {
            self.context.metrics.status(Write::Noop);
            return Ok(None);
        }
        if memory.progress.is_young(Instant::now()) && !stored(pool).is_empty() {
            return Ok(None); // one write instead of two: proxies are asked again in a moment
        }
        let wait = memory.written.map(|written| (written + BETWEEN_WRITES).saturating_duration_since(Instant::now()));
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Ok(Some(wait));
        }
        let wait = self.write(key, pool, &status).await?;
        if wait.is_none() {
            memory.written = Some(Instant::now());
            for condition in transitions(stored(pool), &status.conditions) {
                info!(pool = %key, condition = condition.type_, status = condition.status, reason = condition.reason,
                    detail = condition.message, "Condition changed.");
                self.announcer.announce(&pool.object, condition).await;
            }
        }
        Ok(wait)
    }

    fn status(&self, key: &Key, pool: &Pool, findings: &Findings, progress: &Progress) -> BalancerPoolStatus {
        let (objects, programming) = (self.context.board.objects(key), progress.sum());
        let verdict = programmed(findings, &objects, &programming);
        let verdicts = Verdicts::new(&key.name, findings, &objects, verdict);
        let [total, current] = [programming.total, programming.current].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
        let in_force = findings.in_force.as_ref();
        BalancerPoolStatus {
            observed_generation: Some(findings.generation),
            revision: in_force.map(|in_force| in_force.revision.clone()),
            backends: in_force.and_then(|in_force| i32::try_from(in_force.backends).ok()),
            endpoints: Some(findings.endpoints.clone()),
            proxies: (findings.mode != ProxyMode::External).then_some(ProxyCounts { total, current }),
            conditions: conditions(&verdicts, findings.generation, stored(pool), &Time(Timestamp::now())),
        }
    }

    async fn write(&self, key: &Key, pool: &Pool, status: &BalancerPoolStatus) -> Result<Option<Duration>, Error> {
        let resource = ApiResource::erase::<BalancerPool>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.context.client.clone(), &key.namespace, &resource);
        let patch = json!({
            "apiVersion": BalancerPool::api_version(&()),
            "kind": BalancerPool::kind(&()),
            "metadata": { "name": &*key.name, "uid": pool.uid() },
            "status": status,
        });
        let params = PatchParams::apply(names::FIELD_MANAGER).force();
        match api.patch_status(&key.name, &params, &Patch::Apply(&patch)).await {
            Ok(object) => {
                self.context.metrics.status(Write::Ok);
                self.absorb(object);
                Ok(None)
            }
            Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(None), // gone: the watch will say so
            Err(kube::Error::Api(answer)) if answer.code == 409 => {
                self.context.metrics.status(Write::Conflict);
                Ok(Some(AFTER_CONFLICT))
            }
            Err(error) => {
                self.context.metrics.status(Write::Error);
                Err(Error::api(format!("write the status of BalancerPool {key}"))(error))
            }
        }
    }

    /// So that the next look compares with what was just written. A pool that cannot be read comes by the watch.
    fn absorb(&self, mut object: DynamicObject) {
        object.metadata.managed_fields = None;
        if let Ok(object) = object.try_parse() {
            let wakes = self.context.world().absorb(&PoolSource, object);
            self.context.wake(wakes);
        }
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<Key, Memory>> {
        // Each change is one call: a panic leaves nothing half done.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing of ours differs; conditions of other types are others'.
fn is_same(stored: &BalancerPoolStatus, status: &BalancerPoolStatus) -> bool {
    let ours = |condition: &&Condition| status.conditions.iter().any(|own| own.type_ == condition.type_);
    let mut stored = stored.clone();
    stored.conditions = stored.conditions.iter().filter(ours).cloned().collect();
    stored == *status
}

fn stored(pool: &Pool) -> &[Condition] {
    pool.object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}
