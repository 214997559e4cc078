//! Accepting connections, and passing some to a worker that has fewer.

use std::{io::ErrorKind, net::SocketAddr, rc::Rc, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{HandedOver, Worker, connection};
use crate::shared::{ConnectionGuard, Stage};

/// When accepting fails for want of descriptors or memory: not at once again, and not never.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts for the pool that owns the port, until none does or the process closes its listeners; then takes what already
/// waits for the last owner, so that nobody who was let in is lost.
pub(super) async fn run(
    worker: Rc<Worker>,
    mut pool: usize,
    listener: TcpListener,
    mut owner: watch::Receiver<Option<usize>>,
) {
    let _vital = worker.shared.vital.part("a listener");
    let _counted = worker.shared.count_listener();
    let mut stage = worker.stage.clone();
    loop {
        tokio::select! {
            biased;
            changed = owner.changed() => match *owner.borrow_and_update() {
                Some(next) if changed.is_ok() => pool = next,
                _ => break,
            },
            _ = stage.wait_for(|stage| *stage >= Stage::Refusing) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => assign(&worker, pool, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    let lacking = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
                    if !lacking.contains(&error.raw_os_error()) || !worker.make_room(PAUSE).await {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            },
        }
    }
    let Ok(mut listener) = listener.into_std() else { return };
    while let Some((stream, peer)) = next_waiting(&mut listener) {
        match TcpStream::from_std(stream) {
            Ok(stream) => assign(&worker, pool, stream, peer),
            Err(error) => tracing::warn!(%peer, %error, "a connection cannot be taken up"),
        }
    }
}

/// The next connection in the queue. The system is asked: tokio may not have heard of it yet, and stops after a while to let
/// others run.
fn next_waiting(listener: &mut std::net::TcpListener) -> Option<(std::net::TcpStream, SocketAddr)> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) if stream.set_nonblocking(true).is_ok() => return Some((stream, peer)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => return None,
        }
    }
}

fn assign(worker: &Rc<Worker>, pool: usize, stream: TcpStream, peer: SocketAddr) {
    let Some(guard) = worker.shared.admit(worker.index) else {
        return; // closed: without a descriptor for its endpoint a client would take everybody's place for nothing
    };
    if guard.worker() == worker.index {
        return connection::spawn(worker, pool, stream, peer, guard);
    }
    if let Err((stream, guard)) = pass(worker, pool, stream, peer, guard) {
        connection::spawn(worker, pool, stream, peer, guard);
    }
}

/// Passes a connection to another worker; gives it back if that one has a queue already.
fn pass(
    worker: &Rc<Worker>,
    pool: usize,
    stream: TcpStream,
    peer: SocketAddr,
    mut guard: ConnectionGuard,
) -> Result<(), (TcpStream, ConnectionGuard)> {
    let Ok(permit) = worker.others[guard.worker()].try_reserve() else {
        guard.move_to(worker.index);
        return Err((stream, guard));
    };
    match stream.into_std() {
        Ok(stream) => permit.send(HandedOver { pool, stream, peer, guard }),
        Err(error) => tracing::warn!(%peer, %error, "a connection cannot be passed on"),
    }
    Ok(())
}
