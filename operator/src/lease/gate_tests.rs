//! Tests: what passes the gate, and when.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hyper::Response;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams, client::Body};
use tokio::time::timeout;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Takes requests in and answers when told to.
#[derive(Clone, Default)]
struct Server {
    connected: Arc<Notify>,
    sent: Arc<AtomicUsize>,
    answers: Arc<Notify>,
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let server = self.clone();
        let exchange = async move {
            server.connected.notified().await;
            server.sent.fetch_add(1, Ordering::SeqCst);
            server.answers.notified().await;
            Ok(Response::new(Body::from(br#"{"metadata":{}}"#.to_vec())))
        };
        exchange.boxed()
    }
}

fn request(method: Method) -> Request<Body> {
    Request::builder().method(method).uri("/api").body(Body::empty()).expect("a request")
}

fn gated(gate: &Gate) -> (Server, Gated<Server>) {
    let server = Server::default();
    let gated = GateLayer { gate: gate.clone() }.layer(server.clone());
    (server, gated)
}

/// The future is polled once and waits.
fn is_pending<T>(future: &mut BoxFuture<'static, T>) -> bool {
    future.now_or_never().is_none()
}

fn is_refused<T>(result: Result<T, BoxError>) -> bool {
    result.err().is_some_and(|error| error.is::<NotLeading>())
}

#[tokio::test(start_paused = true)]
async fn reads_always_pass_and_writes_only_while_we_lead() {
    let gate = Gate::default();
    let (_, mut client) = gated(&gate);
    let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    for method in [Method::GET, Method::HEAD] {
        assert!(is_pending(&mut client.call(request(method))));
    }
    for method in &writes {
        assert!(is_refused(client.call(request(method.clone())).await), "{method} before we lead");
    }
    gate.open_until(Instant::now() + SECOND);
    for method in &writes {
        assert!(is_pending(&mut client.call(request(method.clone()))), "{method}");
    }
    tokio::time::advance(SECOND).await;
    for method in &writes {
        assert!(is_refused(client.call(request(method.clone())).await), "{method} after that");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_still_waits_for_its_connection_is_not_sent_after_the_deadline() {
    let gate = Gate::default();
    let (server, mut client) = gated(&gate);
    gate.open_until(Instant::now() + SECOND);
    let mut write = client.call(request(Method::PUT));
    assert!(is_pending(&mut write));
    tokio::time::advance(SECOND).await; // as if the process had been stopped
    server.connected.notify_one();
    assert!(is_refused(write.await));
    assert_eq!(server.sent.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_lets_nothing_in_and_waits_for_what_is_under_way() {
    let gate = Gate::default();
    let (server, mut client) = gated(&gate);
    gate.open_until(Instant::now() + SECOND * 10);
    server.connected.notify_one();
    let mut write = client.call(request(Method::PUT));
    assert!(is_pending(&mut write));
    gate.close();
    gate.open_until(Instant::now() + SECOND * 10);
    assert!(is_refused(client.call(request(Method::PUT)).await));
    assert!(timeout(SECOND, gate.idle()).await.is_err(), "a write is under way");
    let idle = tokio::spawn({
        let gate = gate.clone();
        async move { gate.idle().await }
    });
    server.answers.notify_one();
    assert!(write.await.is_ok());
    timeout(SECOND, idle).await.expect("in time").expect("no panic");
}

/// The network is down.
struct Broken;

impl Service<Request<Body>> for Broken {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        futures::future::ready(Err("no route to host".into())).boxed()
    }
}

#[tokio::test]
async fn a_refused_write_is_told_from_every_other_failure() {
    let gate = Gate::default();
    let client = Client::new(GateLayer { gate: gate.clone() }.layer(Broken), "default");
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let create =
        async || api.create(&PostParams::default(), &ConfigMap::default()).await.expect_err("it cannot succeed");
    assert!(NotLeading::is_cause_of(&create().await));
    gate.open_until(Instant::now() + SECOND * 60);
    assert!(!NotLeading::is_cause_of(&create().await), "the network failed");
}
