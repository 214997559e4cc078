//! The admin port: probes, metrics, status, tables.

use std::{
    cell::RefCell,
    convert::Infallible,
    net::IpAddr,
    rc::Rc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{net::TcpListener, time::timeout};

use super::{Control, Status, explain, guests::Guests, metrics, spare::Spare, tables};
use crate::shared::Stage;

/// Nobody who asks here needs longer for one connection.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// A head that takes longer is no probe.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// A startup probe is answered when all is there, so that no time is lost between two probes; the kubelet waits 3 s.
const START_WAIT: Duration = Duration::from_secs(2);
const PLAIN: &str = "text/plain; charset=utf-8";

/// When there is no descriptor: until somebody has left who had one.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(control: Rc<RefCell<Control>>, listener: TcpListener) {
    let mut guests = Guests::default();
    let spare = Rc::new(Spare::new());
    let mut in_vain = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // It is taken in the same moment: hardly anybody gets in between.
            Err(error) if spare.give_up() => {
                tracing::debug!(%error, "the admin port takes its spare descriptor");
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept a connection");
                if in_vain {
                    guests.see_off_oldest(); // whose descriptor is the next guest's
                }
                in_vain = true;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        in_vain = false;
        spare.renew();
        let (control, spare) = (Rc::clone(&control), Rc::clone(&spare));
        let connection = tokio::task::spawn_local(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let control = &control;
                async move {
                    if request.uri().path() == "/startupz" {
                        started(control).await;
                    }
                    if request.uri().path() == "/explain" && is_read(&request) {
                        let explained =
                            explain::answer(control, peer.ip(), request.headers(), request.uri().query()).await;
                        return Ok(explained);
                    }
                    Ok::<_, Infallible>(answer(&control.borrow(), peer.ip(), &request))
                }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
            // A probe that leaves early, or an idle connection cut off, is nobody's concern.
            let _ = timeout(CONNECTION_LIMIT, builder.serve_connection(TokioIo::new(stream), service)).await;
            spare.renew();
        });
        guests.welcome(peer.ip(), connection.abort_handle());
    }
}

/// Waits until every pool has served, or not any longer.
async fn started(control: &Rc<RefCell<Control>>) {
    let mut started = control.borrow().started.subscribe();
    let _ = timeout(START_WAIT, started.wait_for(|started| *started)).await; // the answer says which
}

fn is_read(request: &Request<Incoming>) -> bool {
    [Method::GET, Method::HEAD].contains(request.method())
}

fn answer(control: &Control, peer: IpAddr, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !is_read(request) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n");
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" | "/startupz" => match control.not_ready() {
            None => text(StatusCode::OK, "ok\n"),
            Some(reason) => of(StatusCode::SERVICE_UNAVAILABLE, PLAIN, reason.into()),
        },
        "/status" => json(&control.status()),
        "/metrics" => metrics::render(control),
        "/table" => tables::render(control, peer, request.headers(), request.uri().query()),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /startupz, /livez, /readyz, /status, /metrics, /table and /explain\n",
        ),
    }
}

impl Control {
    /// Why there should be no traffic: a line for each pool that never served.
    fn not_ready(&self) -> Option<String> {
        if *self.shared.stage.borrow() >= Stage::Closing {
            return Some("ending\n".into());
        }
        if *self.started.borrow() {
            return None;
        }
        let missing = self.pools.iter().filter(|pool| !pool.has_started());
        Some(missing.map(|pool| pool.trouble() + "\n").collect())
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            ready: self.not_ready().is_none(),
            since: self.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs(),
            threads: self.shared.threads(),
            connections: self.shared.connections(),
            pools: self.pools.iter().map(super::PoolControl::status).collect(),
        }
    }
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    of(status, PLAIN, Bytes::from_static(text.as_bytes()))
}

pub(super) fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    let json = serde_json::to_vec_pretty(value).unwrap_or_default();
    of(StatusCode::OK, "application/json", Bytes::from(json))
}

pub(super) fn of(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
