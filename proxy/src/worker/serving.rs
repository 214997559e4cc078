//! A connection while its client asks: the parser, and what it needs, for as long as something is under way.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use super::{
    Worker,
    closing::Ending,
    pace::{Pace, Phase},
    stream::ClientStream,
};
use crate::{
    balance::{Outcome, Reason},
    forward::{self, Client, ResponseBody},
    shared::Stage,
};

/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// The most fields of a request.
const MAX_FIELDS: usize = 100;
/// For either direction, and a piece of a body more: a client that does not read costs that.
const MAX_BUFFER: usize = 64 * 1024;

/// Serves a client until its connection ends, or until it asks nothing for a while: then there is no ending.
pub(super) async fn serve(worker: &Rc<Worker>, client: Client, stream: ClientStream) -> (ClientStream, Option<Ending>) {
    let client = Rc::new(client);
    let service = service_fn({
        let (worker, client) = (Rc::clone(worker), Rc::clone(&client));
        move |request: Request<Incoming>| {
            client.pace.begin(!request.body().is_end_stream());
            let admitted = forward::admit(&worker, &client, request);
            let (worker, pace) = (Rc::clone(&worker), Rc::clone(&client.pace));
            async move { Ok::<_, Infallible>(pass_on(&worker, pace, forward::answer(admitted).await)) }
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_headers(MAX_FIELDS).max_header_size(MAX_HEAD_BYTES).max_buf_size(MAX_BUFFER);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let ending = loop {
        let ended = match until_called(&mut connection, &client.pace).await {
            None => finds_ready(&mut connection).await, // what is here already comes first
            ended => ended,
        };
        match ended {
            Some(ended) => break Some(ending(worker, &client, ended)),
            None if is_late(&client.pace) => break Some(lose_patience(worker, &client)),
            None if may_rest(worker, &client.pace) => break None,
            None if worker.is_at(Stage::Finishing) && (is_last(&client.pace) || client.pace.phase() == Phase::Idle) => {
                Pin::new(&mut connection).graceful_shutdown();
            }
            None => {}
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    if ending.is_none() && !parts.read_buf.is_empty() {
        client.pace.read(); // half a head, which came behind the request before
        stream.unread(parts.read_buf);
    }
    (stream, ending)
}

/// Drives a connection to its end, or until its task is called.
async fn until_called<C: Future + Unpin>(connection: &mut C, pace: &Pace) -> Option<C::Output> {
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Pending if pace.take_call() => Poll::Ready(None),
        ended => ended.map(Some),
    })
    .await
}

/// Gives a connection what its socket has by now.
async fn finds_ready<C: Future + Unpin>(connection: &mut C) -> Option<C::Output> {
    tokio::task::yield_now().await;
    poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
        Poll::Pending => Poll::Ready(None),
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
    })
    .await
}

/// Whether the client took too long, but for a body: whoever waits for that answers.
fn is_late(pace: &Pace) -> bool {
    pace.is_over() && (pace.phase() != Phase::Request || pace.is_sending())
}

/// Whether a parser is not needed any more.
fn may_rest(worker: &Worker, pace: &Pace) -> bool {
    if worker.is_at(Stage::Finishing) { pace.is_resting() } else { pace.has_rested() }
}

/// Whether the answer that is on its way, of which the client does not know that it is the last, can be so.
fn is_last(pace: &Pace) -> bool {
    pace.phase() == Phase::Answer && !pace.is_unread()
}

fn ending(worker: &Rc<Worker>, client: &Rc<Client>, ended: hyper::Result<()>) -> Ending {
    if let Err(error) = ended {
        if error.is_parse() {
            // Answered by the parser, or below: these requests came to nobody else's eyes.
            let status = if error.is_parse_too_large() { 431 } else { 400 };
            forward::report(worker, client, Outcome::failed(status, Reason::BadRequest));
        }
        if error.is_parse_version_h2() {
            return Ending::Http2;
        }
        tracing::debug!(%error, "client connection ended");
    }
    if client.pace.is_unread() { Ending::Unread } else { Ending::Clean }
}

fn lose_patience(worker: &Rc<Worker>, client: &Rc<Client>) -> Ending {
    let pace = &client.pace;
    if pace.is_sending() {
        tracing::debug!("a client takes no more of its answer");
        client.reset.set(true);
        Ending::Clean
    } else if pace.phase() == Phase::Head {
        forward::report(worker, client, Outcome::failed(408, Reason::SlowClient));
        Ending::TooSlow
    } else {
        if pace.phase() == Phase::Answer {
            tracing::debug!("nothing of an answer came for too long");
            client.reset.set(true); // no client may take it for whole
        }
        Ending::Clean
    }
}

fn pass_on(worker: &Worker, pace: Rc<Pace>, mut response: Response<ResponseBody>) -> Response<Answer> {
    pace.answer();
    // Asked now: the process may have been told to end while the endpoint took its time.
    if worker.is_at(Stage::Closing) || pace.is_worn() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Answer { body, pace })
}

/// An answer's body. When it is dropped, the client rests.
struct Answer {
    body: ResponseBody,
    pace: Rc<Pace>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pace.rest();
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = <ResponseBody as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() && self.pace.is_over() && !self.pace.is_sending() {
            return Poll::Ready(Some(Err(self.body.time_out())));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
