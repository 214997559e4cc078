//! Looks at an API server that says nothing, or that no pool is there.

use std::{
    convert::Infallible,
    future::pending,
    sync::atomic::{AtomicUsize, Ordering},
};

use hyper::{Request, Response, StatusCode};
use kube::{Client, client::Body};
use tower::util::service_fn;

use super::*;
use crate::{metrics::Metrics, options::ProxyOptions};

/// Looks at an API server that knows nothing, or says nothing; and how often it was asked.
fn lookup(is_silent: bool) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let service = service_fn(move |_: Request<Body>| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            if is_silent {
                pending::<()>().await;
            }
            let mut response =
                Response::new(Body::from(br#"{"kind":"Status","code":404,"reason":"NotFound"}"#.to_vec()));
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(response)
        }
    });
    let client = Client::new(service, "default");
    let context = Context::new(client, ProxyOptions::default(), Arc::new(Metrics::new()));
    (Lookup::new(Arc::new(context), BTreeSet::new()), asked)
}

#[tokio::test(start_paused = true)]
async fn many_pools_take_no_longer_than_one() {
    let ((lookup, asked), start) = (lookup(true), Instant::now());
    let pools: Vec<_> = (0..16).map(|number| format!("web-{number}")).collect();
    let pools: Vec<_> = pools.iter().map(String::as_str).collect();
    let (one, other) = tokio::join!(lookup.states("shop", &pools), lookup.states("shop", &pools));
    assert_eq!(start.elapsed().as_secs(), DEADLINE.as_secs());
    for states in [one, other] {
        assert_eq!(states.len(), 16);
        assert!(states.values().all(|state| matches!(state, PoolState::Unknown(_))), "{states:?}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), AT_ONCE, "whoever asks");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_looked_for_once_a_second() {
    let (lookup, asked) = lookup(false);
    for (pause, expected) in [(0, 1), (900, 1), (200, 2)] {
        tokio::time::advance(Duration::from_millis(pause)).await;
        assert_eq!(lookup.states("shop", &["web"]).await["web"], PoolState::Missing);
        assert_eq!(asked.load(Ordering::Relaxed), expected, "after {pause} ms more");
    }
}
