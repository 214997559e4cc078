//! The admin port: probes, metrics, status.

use std::{cell::RefCell, convert::Infallible, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};

use super::{Control, Status, metrics};
use crate::shared::Stage;

/// Nobody who asks here needs longer for one connection.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// A head that takes longer is no probe.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// Probes, scrapes and a few people.
const MAX_CONNECTIONS: usize = 64;

pub(super) async fn serve(control: Rc<RefCell<Control>>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let control = Rc::clone(&control);
        tokio::task::spawn_local(async move {
            let _place = place;
            let service = service_fn(|request| {
                let answer = answer(&control.borrow(), &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
            // A probe that leaves early, or an idle connection cut off, is nobody's concern.
            let _ = timeout(CONNECTION_LIMIT, builder.serve_connection(TokioIo::new(stream), service)).await;
        });
    }
}

fn answer(control: &Control, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match control.not_ready() {
            None => text(StatusCode::OK, "ok\n"),
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        "/status" => json(&control.status()),
        "/metrics" => metrics::render(control),
        _ => text(StatusCode::NOT_FOUND, "there are /livez, /readyz, /status and /metrics\n"),
    }
}

impl Control {
    fn not_ready(&self) -> Option<&'static str> {
        if *self.shared.stage.borrow() >= Stage::Closing {
            Some("ending\n")
        } else if !self.pools.iter().all(super::PoolControl::is_loaded) || !self.listeners.all_open() {
            Some("a pool has no table yet\n")
        } else {
            None
        }
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            ready: self.not_ready().is_none(),
            pools: self.pools.iter().map(super::PoolControl::status).collect(),
        }
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    of(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn json(status: &Status) -> Response<Full<Bytes>> {
    let json = serde_json::to_vec_pretty(status).unwrap_or_default();
    of(StatusCode::OK, "application/json", Bytes::from(json))
}

pub(super) fn of(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
