//! One client connection, from accept to close.

use std::{convert::Infallible, net::SocketAddr, pin::pin, rc::Rc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{Worker, stream::ClientStream};
use crate::{
    forward::{self, Client},
    shared::{ConnectionGuard, Stage},
};

/// A client may take so long for its next head, and be idle so long before it (nginx: 75 s).
const HEAD_LIMIT: Duration = Duration::from_secs(75);
/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most fields of a request.
const MAX_FIELDS: usize = 100;
/// A client that is gone without a word is found out after about a minute and a half.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Serves a connection in a task of its own.
pub(super) fn spawn(worker: &Rc<Worker>, pool: usize, stream: TcpStream, peer: SocketAddr, guard: ConnectionGuard) {
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let _guard = guard;
        match prepare(&stream) {
            Ok(local) => serve(worker, Client::new(pool, peer.ip(), local), stream).await,
            Err(error) => tracing::debug!(%peer, %error, "the client left at once"),
        }
    });
}

fn prepare(stream: &TcpStream) -> std::io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    stream.local_addr()
}

async fn serve(worker: Rc<Worker>, client: Client, stream: TcpStream) {
    let mut stage = worker.stage.clone();
    let stream = ClientStream::new(stream, Rc::clone(&client.reset));
    let client = Rc::new(client);
    let service = service_fn(move |request| {
        let (worker, client) = (Rc::clone(&worker), Rc::clone(&client));
        async move { Ok::<_, Infallible>(forward::serve(worker, client, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    builder.max_headers(MAX_FIELDS).max_header_size(MAX_HEAD_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let finishing = async {
        let _ = stage.wait_for(|stage| *stage >= Stage::Finishing).await;
        // An idle connection is closed then, but not over a request that is here already: let the socket be looked at.
        tokio::task::yield_now().await;
    };
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = finishing => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection ended");
    }
}
