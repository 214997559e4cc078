//! Tests: a new leader whose watches are late.

use std::task::Poll;

use futures::{FutureExt as _, future::BoxFuture};
use hyper::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::{BoxError, Service};

use super::*;
use crate::{
    cluster::{MapSource, PoolSource},
    metrics::Metrics,
    options::ProxyOptions,
};

/// Answers with a pool of that generation and notes what is written.
#[derive(Clone)]
struct Server {
    generation: i64,
    written: Arc<Mutex<Vec<Method>>>,
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = match *request.method() {
            Method::GET => {
                json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": meta(self.generation) })
            }
            _ => json!({ "metadata": meta(1) }),
        };
        if request.method() != Method::GET {
            self.written.lock().expect("no panic").push(request.method().clone());
        }
        async move { Ok(Response::new(Body::from(answer.to_string().into_bytes()))) }.boxed()
    }
}

fn meta(generation: i64) -> Value {
    json!({ "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "9", "generation": generation })
}

fn pool(generation: i64) -> BalancerPool {
    let endpoints = json!([{ "address": "192.0.2.1", "port": 80 }]);
    let backends = json!([{ "name": "metal", "weight": generation, "endpoints": endpoints }]);
    let spec = json!({ "listener": { "port": 8080 }, "proxy": { "mode": "External" }, "backends": backends });
    serde_json::from_value(json!({ "metadata": meta(generation), "spec": spec })).expect("a pool")
}

/// The table of that pool as the API server keeps it.
fn published(generation: i64) -> ConfigMap {
    let view = see(&context(0).0, generation, None);
    let Verdict::Write(publication) = plan(&view, None, 0).verdict else { panic!("it is written") };
    let mut map = publication.map;
    (map.metadata.uid, map.metadata.resource_version) = (Some("m".into()), Some("8".into()));
    map
}

fn context(generation: i64) -> (Arc<Context>, Server) {
    let server = Server { generation, written: Arc::default() };
    let client = Client::new(server.clone(), "default");
    (Arc::new(Context::new(client, ProxyOptions::default(), Arc::new(Metrics::new()))), server)
}

fn see(context: &Context, generation: i64, map: Option<ConfigMap>) -> View {
    let mut world = context.world();
    world.absorb(&PoolSource, pool(generation));
    if let Some(map) = map {
        world.absorb(&MapSource, map);
    }
    world.view(&Key::new("shop", "web")).expect("a pool")
}

/// A new leader sees the pool's generation 4 and a table of generation 5; the API server has the pool so.
async fn writes_when_the_pool_is(live: i64) -> Vec<Method> {
    let (context, server) = context(live);
    see(&context, 4, Some(published(5)));
    let publisher = Publisher::new(context);
    publisher.run(&Key::new("shop", "web")).await.expect("it goes well");
    server.written.lock().expect("no panic").clone()
}

#[tokio::test]
async fn a_leader_whose_watch_is_late_does_not_write_over_a_later_table() {
    assert_eq!(writes_when_the_pool_is(5).await, Vec::<Method>::new());
}

#[tokio::test]
async fn a_table_that_only_claims_to_be_later_is_written_over() {
    assert_eq!(writes_when_the_pool_is(4).await, [Method::PUT]);
}

#[tokio::test]
async fn what_the_leader_before_wrote_last_counts_though_it_comes_late() {
    let (context, server) = context(5);
    see(&context, 4, Some(published(4)));
    let publisher = Publisher::new(Arc::clone(&context));
    let key = Key::new("shop", "web");
    publisher.run(&key).await.expect("it goes well");
    let mut late = published(5);
    late.metadata.resource_version = Some("10".into());
    see(&context, 4, Some(late));
    publisher.run(&key).await.expect("it goes well");
    assert_eq!(*server.written.lock().expect("no panic"), Vec::<Method>::new());
}
