//! One client connection, from accept to close.

use std::{net::SocketAddr, rc::Rc};

use tokio::net::TcpStream;

use super::{
    Worker,
    closing::{Ending, close},
    pace::{Pace, Phase},
    resting::rest,
    serving::serve,
    stream::ClientStream,
};
use crate::{forward::Client, shared::ConnectionGuard};

/// Serves a connection in a task of its own.
pub(super) fn spawn(worker: &Rc<Worker>, pool: usize, stream: TcpStream, peer: SocketAddr, guard: ConnectionGuard) {
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let _guard = guard;
        match stream.local_addr() {
            Ok(local) => run(&Ends { pool, peer, local }, &Seat::take(&worker, pool), stream).await,
            Err(error) => tracing::debug!(%peer, %error, "the client left at once"),
        }
    });
}

/// Whom the connection connects.
struct Ends {
    pool: usize,
    peer: SocketAddr,
    local: SocketAddr,
}

/// A place among the worker's clients, given back when this is dropped.
struct Seat {
    worker: Rc<Worker>,
    pace: Rc<Pace>,
}

impl Seat {
    fn take(worker: &Rc<Worker>, pool: usize) -> Self {
        let spread = u32::try_from(worker.random() % 1000).unwrap_or_default();
        let pace = worker.clients.enter(spread);
        if let Some(view) = &*worker.shared.pools[pool].view.load() {
            pace.grant(view.plan.client_limits);
        }
        Self { pace, worker: Rc::clone(worker) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.worker.clients.leave(&self.pace);
    }
}

/// Waits until the client asks, serves it for as long as it does, and so on to the end.
async fn run(ends: &Ends, Seat { worker, pace }: &Seat, stream: TcpStream) {
    let reset = Rc::default();
    let mut stream = ClientStream::new(stream, Rc::clone(pace), Rc::clone(&reset));
    let ending = loop {
        if pace.phase() == Phase::Idle && rest(worker, pace, &mut stream).await.is_none() {
            break Ending::Clean;
        }
        worker.clients.wake(pace);
        let client = Client::new(ends.pool, ends.peer.ip(), ends.local, Rc::clone(pace), Rc::clone(&reset));
        // On the heap, and only now: what rests has no space for what it might do.
        let (back, ending) = Box::pin(serve(worker, client, stream)).await;
        stream = back;
        if let Some(ending) = ending {
            break ending;
        }
    };
    close(&mut stream, ending, || worker.shared.pools[ends.pool].tells_reasons()).await;
}
