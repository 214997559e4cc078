//! What a proxy's admin port would say, for tests of the operator alone.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use evenkeel_crds::names::ADMIN_PORT;
use http_body_util::Full;
use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Answers `/status` at an address of the network namespace.
#[derive(Clone, Debug)]
pub struct FakeProxy {
    pool: Value,
    status: Arc<Mutex<Value>>,
}

impl FakeProxy {
    /// Starts one for a pool. It knows no generation yet.
    ///
    /// # Panics
    /// If the address is not there: these tests run in `tests/cluster/netns`.
    pub async fn start(address: &str, namespace: &str, pool: &str) -> Self {
        let listener = TcpListener::bind((address, ADMIN_PORT)).await.expect("an address of tests/cluster/netns");
        let pool = json!({ "namespace": namespace, "name": pool });
        let proxy = Self { pool, status: Arc::new(Mutex::new(json!({ "pools": [] }))) };
        let status = Arc::clone(&proxy.status);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let status = Arc::clone(&status);
                let service = service_fn(move |_| {
                    let body = status.lock().unwrap_or_else(PoisonError::into_inner).to_string();
                    async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::new(body.into()))) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        proxy
    }

    /// From now on it says that it runs that generation.
    pub fn runs(&self, generation: i64) {
        self.say(json!({ "generation": generation, "lastRefusal": null }));
    }

    /// From now on it says that it refused the table.
    pub fn refuses(&self, message: &str, too_new: bool) {
        self.say(json!({ "generation": null, "lastRefusal": { "message": message, "tooNew": too_new } }));
    }

    /// From now on it says this of its pools; each is in its namespace.
    pub fn says(&self, mut pools: Vec<Value>) {
        for pool in &mut pools {
            pool["namespace"] = self.pool["namespace"].clone();
        }
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = json!({ "pools": pools });
    }

    fn say(&self, mut pool: Value) {
        pool["name"] = self.pool["name"].clone();
        self.says(vec![pool]);
    }
}
