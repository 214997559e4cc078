//! Where a test plays: an API server with the operator at work, and a namespace of its own.

use std::{
    fmt::Debug,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use evenkeel_crds::{BalancerPool, names, table::Parts};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api, Client, Config, CustomResourceExt as _, Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ApiServer, Operator, account, eventually, install_crd};

/// An API server with the operator at work.
#[derive(Debug)]
pub struct Stage {
    /// The API server.
    pub server: ApiServer,
    /// The operator; none when a test starts its own.
    pub operator: Option<Operator>,
    folder: TempDir,
}

impl Stage {
    /// The one of this test binary, with the operator at work; none where these tests are not asked for.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Stage> = OnceLock::new();
        wanted().then(|| {
            SHARED.get_or_init(|| {
                let mut stage = Self::bare().expect("asked for");
                stage.operator = Some(stage.start_operator(&[]));
                stage
            })
        })
    }

    /// One without an operator; none where these tests are not asked for.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn bare() -> Option<Self> {
        if !wanted() {
            return None;
        }
        let stage = Self { server: ApiServer::start(), operator: None, folder: TempDir::new().expect("a folder") };
        // A test may be inside a runtime, where another cannot be entered: so on a thread of its own.
        thread::scope(|scope| scope.spawn(|| stage.prepare()).join().expect("the stage is set"));
        Some(stage)
    }

    fn prepare(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = self.server.client().await;
            install_crd(&client, &BalancerPool::crd()).await;
            account::operator_kubeconfig(&self.server, &client, &self.folder.path().join("operator")).await;
        });
    }

    /// Starts another operator beside the first: it follows, or leads if nobody does.
    #[must_use]
    pub fn start_candidate(&self, arguments: &[&str]) -> Operator {
        Operator::start_candidate(&self.folder.path().join("operator"), arguments)
    }

    /// Starts an operator under its own account and waits until it leads.
    #[must_use]
    pub fn start_operator(&self, arguments: &[&str]) -> Operator {
        Operator::start(&self.folder.path().join("operator"), arguments)
    }

    /// A client with a token of an account.
    ///
    /// # Panics
    /// If there is no such account.
    pub async fn client_of(&self, space: &Space, account: &str) -> Client {
        let file = self.folder.path().join(format!("{}-{account}", space.namespace));
        account::account_kubeconfig(&self.server, &space.api(), account, &file).await;
        let config = Kubeconfig::read_from(file).expect("it was written just now");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a config");
        Client::try_from(config).expect("a client")
    }

    /// A namespace of its own for a test.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn space(&self, name: &str) -> Space {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let client = self.server.client().await;
        let namespace = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let object = json!({ "metadata": { "name": &namespace } });
        let object: Namespace = serde_json::from_value(object).expect("a namespace");
        Api::all(client.clone()).create(&PostParams::default(), &object).await.expect("a namespace");
        Space { client, namespace }
    }
}

/// Whether `tests/run api` asks for these tests: an API server is not everybody's.
fn wanted() -> bool {
    let wanted = std::env::var_os("EVENKEEL_API_TESTS").is_some();
    if !wanted {
        eprintln!("skipped: `tests/run api` runs this test");
    }
    wanted
}

/// A namespace of the API server.
#[derive(Clone)]
pub struct Space {
    /// The administrator's client.
    pub client: Client,
    /// The namespace.
    pub namespace: String,
}

impl Space {
    /// The objects of a kind.
    #[must_use]
    pub fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + serde::Serialize
            + DeserializeOwned
            + Clone
            + Debug,
    {
        let typed: K = serde_json::from_value(object).expect("an object of its kind");
        self.api().create(&PostParams::default(), &typed).await.expect("it is taken")
    }

    /// Merges a patch into an object.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn patch<K>(&self, name: &str, patch: &Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    {
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("it is taken")
    }

    /// Deletes an object.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    {
        self.api::<K>().delete(name, &DeleteParams::background()).await.expect("it is taken");
    }

    /// An object, if it is there.
    ///
    /// # Panics
    /// If the API server does not say.
    pub async fn get<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    {
        self.api().get_opt(name).await.expect("an answer")
    }

    /// All objects of a kind.
    ///
    /// # Panics
    /// If the API server does not say.
    pub async fn list<K>(&self) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
    {
        self.api().list(&ListParams::default()).await.expect("an answer").items
    }

    /// The table of a pool as JSON, `{policy, endpoints, fleet}`, if it is published and can be read.
    pub async fn table(&self, pool: &str) -> Option<Value> {
        let map: ConfigMap = self.get(&names::object_name(pool)).await?;
        let table = Parts::of(&map).decode(&mut |_| {}).ok()?;
        Some(json!({ "policy": table.policy, "endpoints": table.endpoints.backends, "fleet": table.fleet.proxies }))
    }

    /// Waits for a table.
    pub async fn table_where(&self, pool: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let wanted = format!("{}/{pool}: {what}", self.namespace);
        eventually(&wanted, || async { self.table(pool).await.filter(|table| is(table)) }).await
    }

    /// Waits until a condition of a pool, of its newest generation, has that status and reason. Returns its message.
    pub async fn condition(&self, pool: &str, type_: &str, status: &str, reason: &str) -> String {
        let what = format!("{}/{pool}: {type_}={status}, {reason}", self.namespace);
        eventually(&what, || async {
            let pool: BalancerPool = self.get(pool).await?;
            let generation = pool.metadata.generation;
            let conditions = pool.status?.conditions;
            let found = conditions.into_iter().find(|condition| condition.type_ == type_)?;
            let is = found.status == status && found.reason == reason && found.observed_generation == generation;
            is.then_some(found.message)
        })
        .await
    }
}
