//! One client connection, from accept to close: a head, its answer, and so on.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::net::TcpStream;

use super::{
    Worker,
    client::Client,
    closing::{Ending, close},
    heads::poll_head,
    pace::{Pace, Phase},
    replying::{After, Replying},
};
use crate::{
    forward::{self, Admitted},
    guard::SLOW_HEAD,
    shared::{ConnectionGuard, Stage},
    wire::Inbound,
};

/// What is read of a body whose request has been answered, before its connection is given up instead: by then the next
/// request is worth less than the bytes before it.
const MAX_PASSED_OVER: u64 = 64 * 1024;

/// Serves a connection in a task of its own.
pub(super) fn spawn(worker: &Rc<Worker>, pool: usize, stream: TcpStream, peer: SocketAddr, guard: ConnectionGuard) {
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let _guard = guard;
        let local = match stream.local_addr() {
            Ok(local) => local,
            Err(error) => return tracing::debug!(%peer, %error, "the client left at once"),
        };
        let seat = Seat::take(&worker, pool);
        let client = Rc::new(Client::new(pool, peer, local, Rc::clone(&seat.pace), stream));
        let ending = serve(&worker, &client).await;
        close(&client, ending).await;
    });
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

/// Answers one request after the other.
async fn serve(worker: &Rc<Worker>, client: &Rc<Client>) -> Ending {
    poll_fn(|cx| {
        client.pace.set_waker(cx.waker());
        Poll::Ready(())
    })
    .await;
    if worker.is_at(Stage::Finishing) {
        client.pace.call(); // it may have been before there was anybody to hear it
    }
    loop {
        let Some(admitted) = next(worker, client).await else { return Ending::Clean };
        // On the heap, and only now: what rests has no space for what it might do.
        if let Some(ending) = Box::pin(respond(worker, client, admitted)).await {
            return ending;
        }
    }
}

/// Waits for a request. None: there will be no other, by whoever's will.
async fn next(worker: &Rc<Worker>, client: &Rc<Client>) -> Option<Admitted> {
    let pace = &client.pace;
    loop {
        let mut found = poll_fn(|cx| match poll_head(worker, client, cx) {
            Poll::Pending if pace.take_call() => Poll::Ready(None),
            found => found.map(Some),
        })
        .await;
        if found.is_none() {
            tokio::task::yield_now().await; // what is here already comes first
            found = poll_fn(|cx| match poll_head(worker, client, cx) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(found) => Poll::Ready(Some(found)),
            })
            .await;
        }
        let is_late = pace.is_over();
        match found {
            Some(found) => return found,
            None if is_late && pace.phase() == Phase::Head => return Some(forward::refuse(worker, client, &SLOW_HEAD)),
            None if is_late || worker.is_at(Stage::Finishing) && pace.phase() == Phase::Idle => return None,
            None => {}
        }
    }
}

/// Answers a request. None: another may follow.
async fn respond(worker: &Rc<Worker>, client: &Rc<Client>, admitted: Admitted) -> Option<Ending> {
    let terms = admitted.terms;
    let reply = {
        let mut answering = pin!(forward::answer(admitted));
        let leaves = |cx: &mut Context<'_>| client.poll_leave(cx, &mut worker.scratch.borrow_mut());
        poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Pending => leaves(cx).map(|()| None),
            answered @ Poll::Ready(_) => answered.map(Some),
        })
        .await
    };
    let Some(reply) = reply else { return Some(Ending::Clean) };
    let mut replying = Replying::begin(worker, client, reply, terms);
    let sent = poll_fn(|cx| replying.poll(worker, client, cx)).await;
    let after = replying.end(worker);
    if let Err(ending) = sent {
        return Some(ending);
    }
    let rest = client.take_rest();
    match (after, rest) {
        (After::Refused, _) | (After::Ends, Some(_)) => return Some(Ending::Unread),
        (After::Ends, None) => return Some(Ending::Clean),
        (After::Stays, Some(rest)) => {
            if !pass_over(client, rest).await {
                return Some(Ending::Unread);
            }
        }
        (After::Stays, None) => {}
    }
    client.pace.rest();
    None
}

/// Reads the rest of a body that nobody wants, if it is small and comes soon. Whether its end came.
async fn pass_over(client: &Client, mut body: Inbound) -> bool {
    if body.left().is_some_and(|left| left > MAX_PASSED_OVER) {
        return false;
    }
    client.pace.pass_over();
    body.feed(|| client.take_input());
    let mut left = MAX_PASSED_OVER;
    loop {
        let piece = poll_fn(|cx| match body.poll_frame(cx, &mut client.reading()) {
            Poll::Pending if client.pace.is_over() => Poll::Ready(None),
            piece => piece.map(Some),
        });
        match piece.await {
            Some(Ok(Some(frame))) => match left.checked_sub(frame.data_ref().map_or(0, |data| data.len() as u64)) {
                Some(less) => left = less,
                None => return false,
            },
            Some(Ok(None)) => {
                client.leave_body(body);
                return true;
            }
            Some(Err(_)) | None => return false,
        }
    }
}
