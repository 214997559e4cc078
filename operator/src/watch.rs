//! Watches: each is cache and trigger at once, restarted with a back-off, and never stopped by an object that it cannot read.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use evenkeel_crds::{BalancerPool, names::labels};
use futures::{Stream, StreamExt as _, pin_mut};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{Service, ServiceAccount},
        discovery::v1::EndpointSlice,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{Role, RoleBinding},
    },
};
use kube::{
    Api, Resource,
    core::{DeserializeGuard, PartialObjectMeta, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{sync::oneshot, task::JoinSet};
use tracing::{debug, warn};

use crate::{
    again::{Again, WATCH_SECONDS},
    cluster::{
        MapSource, OwnedSource, PodSource, PoolSource, Scope, ServiceSource, SliceSource, Source, Version, Wake, World,
        owned_selector, sidecar_selector,
    },
    context::Context,
    key::Key,
    kind::Kind,
};

/// An object, or what is known of one that cannot be read.
type Read<K> = Result<K, Box<InvalidObject>>;
type Item<K> = Result<Event<Read<K>>, watcher::Error>;

/// The watches of all kinds.
#[derive(Debug)]
pub struct Watches {
    context: Arc<Context>,
    tasks: JoinSet<Kind>,
    synced: Vec<oneshot::Receiver<()>>,
}

impl Watches {
    /// Starts to watch these namespaces, or all if there are none.
    #[must_use]
    pub fn start(context: &Arc<Context>, namespaces: &BTreeSet<String>) -> Self {
        let mut watches = Self { context: Arc::clone(context), tasks: JoinSet::new(), synced: Vec::new() };
        if namespaces.is_empty() {
            watches.watch_scope(&None);
        }
        for namespace in namespaces {
            watches.watch_scope(&Some(namespace.as_str().into()));
        }
        watches
    }

    /// Waits until every cache has all that there is: before that, a table would lack endpoints.
    pub async fn synced(&mut self) {
        for synced in self.synced.drain(..) {
            // An error means that the watch has ended, which `ended` reports.
            let _ = synced.await;
        }
    }

    /// Waits until a watch ends, which none does by itself.
    pub async fn ended(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(kind)) => format!("the watch of {kind} has ended"),
            Some(Err(error)) => format!("a watch has failed: {error}"),
            None => "nothing is watched".into(),
        }
    }

    fn watch_scope(&mut self, scope: &Scope) {
        let all = watcher::Config::default().timeout(WATCH_SECONDS).any_semantic();
        self.watch::<BalancerPool, _>(PoolSource, scope, all.clone());
        self.watch::<Service, _>(ServiceSource, scope, all.clone());
        self.watch::<EndpointSlice, _>(SliceSource, scope, all.clone().labels(labels::SERVICE_NAME));
        self.watch_plain(PodSource, scope, all.clone().labels(&sidecar_selector()));
        let owned = all.labels(&owned_selector());
        self.watch_plain(MapSource, scope, owned.clone());
        self.watch::<Deployment, _>(OwnedSource::new(Kind::Deployment), scope, owned.clone());
        self.watch_metadata::<ServiceAccount>(Kind::ServiceAccount, scope, owned.clone());
        self.watch_metadata::<Role>(Kind::Role, scope, owned.clone());
        self.watch_metadata::<RoleBinding>(Kind::RoleBinding, scope, owned.clone());
        self.watch_metadata::<PodDisruptionBudget>(Kind::PodDisruptionBudget, scope, owned);
    }

    fn watch<K, S>(&mut self, source: S, scope: &Scope, config: watcher::Config)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
        S: Source<Object = K>,
    {
        let api: Api<DeserializeGuard<K>> = self.api(scope);
        let stream = watcher::watcher(api, config).backoff(Again::default());
        self.follow(
            source,
            scope,
            stream.map(|event| event.map(|event| map_event(event, |guard| guard.0.map_err(Box::new)))),
        );
    }

    /// Without a guard, which holds a whole object twice before it is read: metadata has one form for all kinds, and the other
    /// objects read so, which users may make as large as they like, are readable whatever is in them.
    fn watch_plain<S>(&mut self, source: S, scope: &Scope, config: watcher::Config)
    where
        S: Source,
        S::Object: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
    {
        let api: Api<S::Object> = self.api(scope);
        let stream = watcher::watcher(api, config).backoff(Again::default());
        self.follow(source, scope, stream.map(|event| event.map(|event| map_event(event, Ok))));
    }

    fn watch_metadata<K>(&mut self, kind: Kind, scope: &Scope, config: watcher::Config)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + 'static,
    {
        self.watch_plain(OwnedSource::<PartialObjectMeta<K>>::new(kind), scope, config);
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self, scope: &Scope) -> Api<K> {
        let client = self.context.client.clone();
        match scope {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }

    fn follow<S: Source>(
        &mut self,
        source: S,
        scope: &Scope,
        stream: impl Stream<Item = Item<S::Object>> + Send + 'static,
    ) {
        let (synced, wait) = oneshot::channel();
        self.synced.push(wait);
        self.tasks.spawn(follow(Arc::clone(&self.context), source, scope.clone(), stream, synced));
    }
}

async fn follow<S: Source>(
    context: Arc<Context>,
    source: S,
    scope: Scope,
    stream: impl Stream<Item = Item<S::Object>> + Send,
    synced: oneshot::Sender<()>,
) -> Kind {
    let mut synced = Some(synced);
    pin_mut!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                let is_list_end = matches!(event, Event::InitDone);
                let wakes = take_in(&context, &source, &scope, event);
                context.wake(wakes);
                if let Some(synced) = synced.take_if(|_| is_list_end) {
                    let _ = synced.send(()); // nobody waits any more when the operator is stopping
                }
            }
            Err(error) => broke(&context, source.kind(), &error),
        }
    }
    source.kind()
}

fn take_in<S: Source>(context: &Context, source: &S, scope: &Scope, event: Event<Read<S::Object>>) -> Vec<Wake> {
    let mut world = context.world();
    let mut changes = Vec::new();
    match event {
        Event::Init => {
            source.cache(&mut world).begin_list(scope);
            world.forget_unreadable(source.kind(), scope);
        }
        Event::InitDone => changes = source.cache(&mut world).end_list(scope),
        Event::InitApply(object) => {
            let (key, version, held) = read(&mut world, source, object);
            let cache = source.cache(&mut world);
            cache.mark_listed(scope, &key);
            let change = held.and_then(|held| cache.listed(&key, version, held));
            changes.extend(change.map(|change| (key, change)));
        }
        Event::Apply(object) => {
            let (key, version, held) = read(&mut world, source, object);
            let change = held.and_then(|held| source.cache(&mut world).insert(&key, version, held));
            changes.extend(change.map(|change| (key, change)));
        }
        Event::Delete(object) => {
            let meta = object.as_ref().map_or_else(|invalid| &invalid.metadata, Resource::meta);
            let (key, version) = (Key::of(meta), Version::of(meta));
            world.note_readable(source.kind(), &key, true);
            let change = source.cache(&mut world).remove(&key, &version.uid);
            changes.extend(change.map(|change| (key, change)));
        }
    }
    context.metrics.undecodable(source.kind(), world.unreadable(source.kind()));
    let wakes = changes.iter().flat_map(|(key, change)| source.react(&mut world, key, change)).collect();
    if source.kind() == Kind::Pod {
        context.metrics.pods_not_injected(world.count_without());
    }
    wakes
}

fn read<S: Source>(world: &mut World, source: &S, object: Read<S::Object>) -> (Key, Version, Option<S::Held>) {
    match object {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None; // half of an object, and of no use here
            let (key, version) = (Key::of(object.meta()), Version::of(object.meta()));
            world.note_readable(source.kind(), &key, true);
            (key, version, Some(source.hold(object)))
        }
        Err(mut invalid) => {
            invalid.metadata.managed_fields = None;
            let (key, version) = (Key::of(&invalid.metadata), Version::of(&invalid.metadata));
            if world.note_readable(source.kind(), &key, false) {
                let (kind, error) = (source.kind(), &invalid.error);
                warn!(%kind, object = %key, error, "An object cannot be read; what was known of it stays in use.");
            }
            (key, version, source.hold_unreadable(invalid))
        }
    }
}

fn broke(context: &Context, kind: Kind, error: &watcher::Error) {
    context.metrics.watch_restarted(kind);
    match error {
        // The place where it was has left etcd's history: a normal thing after a while without events.
        watcher::Error::WatchError(status) if status.code == 410 => debug!(%kind, "A watch starts anew with a list."),
        _ => warn!(%kind, error = %concise(error), "A watch broke; it is started again."),
    }
}

fn concise(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn map_event<A, B>(event: Event<A>, map: impl FnOnce(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(map(object)),
        Event::Delete(object) => Event::Delete(map(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(map(object)),
        Event::InitDone => Event::InitDone,
    }
}
