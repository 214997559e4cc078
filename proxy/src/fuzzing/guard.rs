//! What a client sends, up to the bytes that an endpoint gets: hyper reads it as in the worker, the guard looks at it, and what
//! goes upstream is read again by two others. All three must see the same requests with the same bodies.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};

use super::{
    memory::{Memory, drive},
    reader::{self, Message},
};
use crate::{
    codec::{self, CRLF, ChunkSize, Framing, last_chunk},
    guard::{Context, FieldRules, Head, LineRules, Origin, Passage, Rules, strip_trailers},
};

/// What became of a request.
#[derive(Clone, Debug)]
enum Fate {
    /// It went to an endpoint, whole.
    Sent(Sent),
    /// It was answered here; nobody looked at its body.
    Here,
    /// It was refused, or its body is not whole: an endpoint would see the connection end.
    Ended,
}

/// A request that was forwarded.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    target: String,
    body: Vec<u8>,
}

impl Fate {
    fn sent(&self) -> Option<&Sent> {
        if let Self::Sent(sent) = self { Some(sent) } else { None }
    }
}

#[derive(Debug, Default)]
struct Seen {
    fates: Vec<Fate>,
    /// What endpoints get, as if there were one connection to one of them.
    upstream: Vec<u8>,
}

/// Whatever a client sends: nobody reads more or other requests out of what we write than we forwarded.
pub(super) fn run(bytes: &[u8]) {
    let Some((way, input)) = super::split(bytes) else { return };
    let step = if way & 1 == 0 { usize::MAX } else { 1 + usize::from(way >> 3) };
    let seen = forwarded(input, step, &rules(way & 2 != 0));
    let sent: Vec<_> = seen.fates.iter().filter_map(Fate::sent).collect();
    let (messages, rest) = reader::requests(&seen.upstream);
    assert!(rest.is_empty(), "nobody can read {:?}", String::from_utf8_lossy(rest));
    assert_eq!(messages.len(), sent.len(), "another number of requests in {:?}", text(&seen.upstream));
    for (message, sent) in messages.iter().zip(&sent) {
        is_clean(message);
        assert_eq!(message.start, format!("{} {} HTTP/1.1", sent.method, sent.target));
        assert!(message.body == sent.body, "another body in {:?}", text(&seen.upstream));
    }
    assert_eq!(hyper_counts(&seen.upstream), sent.iter().map(|sent| sent.body.len()).collect::<Vec<_>>());
    agrees(&reader::requests(input).0, &seen.fates);
}

/// Where the plain reader understands the client's bytes too, it sees what was forwarded.
fn agrees(plain: &[Message], fates: &[Fate]) {
    for (message, fate) in plain.iter().zip(fates) {
        let Fate::Sent(sent) = fate else {
            if matches!(fate, Fate::Ended) {
                return;
            }
            continue;
        };
        let mut parts = message.start.split(' ');
        assert_eq!(parts.next(), Some(sent.method.as_str()));
        let target = parts.next().unwrap_or_default();
        let target = target.split('#').next().unwrap_or_default();
        assert!(!target.starts_with('/') || target == sent.target, "{target:?} became {:?}", sent.target);
        assert!(message.body == sent.body, "{:?} has another body", message.start);
    }
}

/// What no endpoint may get, whatever came in.
fn is_clean(message: &Message) {
    assert_eq!(message.values("host").len(), 1, "{message:?}");
    assert!(!message.values("host")[0].is_empty(), "{message:?}");
    for name in ["connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings", "expect"] {
        assert!(message.values(name).is_empty(), "{name} in {message:?}");
    }
    assert_eq!(message.values("x-forwarded-for"), [b"192.0.2.9"], "whom we do not trust is not believed");
    assert!(message.fields.iter().all(|(name, _)| !name.contains('_')), "{message:?}");
    for (name, _) in &message.trailers {
        let decides = ["host", "content-length", "transfer-encoding", "authorization", "cookie"];
        assert!(!decides.contains(&name.as_str()) && !name.contains('_'), "{name} trails: {message:?}");
    }
}

/// The pool has none, or some of every kind.
fn rules(some: bool) -> Rules {
    if !some {
        return Rules::default();
    }
    let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let request = LineRules::of(&FieldRules {
        remove: Box::new([HeaderName::from_static("x-a")]),
        set: Box::new([pair("x-b", "set")]),
        add: Box::new([pair("x-c", "added")]),
    });
    Rules { request, max_body: Some(64), trusted: Box::new(["198.51.100.0/24".parse().unwrap()]), ..Rules::default() }
}

/// Serves the bytes as the worker does, but that every endpoint answers 200 at once.
fn forwarded(input: &[u8], step: usize, rules: &Rules) -> Seen {
    let origin = Origin::new([192, 0, 2, 9].into(), ([192, 0, 2, 1], 8080).into());
    let seen = Rc::<RefCell<Seen>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (seen, origin) = (Rc::clone(&seen), origin.clone());
        async move {
            let (fate, bytes) = one(request, &Context { origin: &origin, rules, id: 7 }).await;
            let mut response = Response::new(Empty::<Bytes>::new());
            if matches!(fate, Fate::Ended) {
                response.headers_mut().insert("connection", HeaderValue::from_static("close"));
            }
            let mut seen = seen.borrow_mut();
            seen.fates.push(fate);
            seen.upstream.extend(bytes);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_headers(100).max_header_size(32 << 10).max_buf_size(64 << 10);
    drive(builder.serve_connection(Memory::client(input, step), service));
    seen.take()
}

async fn one(request: Request<Incoming>, context: &Context<'_, '_>) -> (Fate, Vec<u8>) {
    let (parts, mut incoming) = request.into_parts();
    let head = match Head::check(parts, context) {
        Ok(Passage::Forward(head)) => head,
        Ok(Passage::Here) => return (Fate::Here, Vec::new()),
        Err(_) => return (Fate::Ended, Vec::new()),
    };
    let framing = Framing::from(head.framing());
    let (mut out, mut body) = (Vec::new(), Vec::new());
    let target = head.target().as_str();
    codec::request_head(
        &mut out,
        head.method(),
        target,
        head.fields(),
        |out| {
            head.write_more(out);
            out.extend_from_slice(context.rules.request.lines());
        },
        framing,
    );
    let mut trailers = http::HeaderMap::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else { return (Fate::Ended, Vec::new()) };
        match frame.into_data() {
            Ok(data) if framing == Framing::Chunked => {
                body.extend_from_slice(&data);
                out.extend([ChunkSize::new(data.len()).line(), &data, CRLF].concat());
            }
            Ok(data) => {
                body.extend_from_slice(&data);
                out.extend_from_slice(&data);
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    strip_trailers(&mut trailers);
    if framing == Framing::Chunked {
        out.extend(last_chunk(&trailers));
    }
    (Fate::Sent(Sent { method: head.method().to_string(), target: target.to_owned(), body }), out)
}

/// The length of the body of each request that hyper finds in what goes upstream.
fn hyper_counts(upstream: &[u8]) -> Vec<usize> {
    let lengths = Rc::<RefCell<Vec<usize>>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let lengths = Rc::clone(&lengths);
        async move {
            let body = request.into_body().collect().await.expect("a whole body").to_bytes();
            lengths.borrow_mut().push(body.len());
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut builder = http1::Builder::new();
    // What we add may make a head larger than we would take.
    builder.header_read_timeout(None).max_headers(200).max_header_size(128 << 10);
    drive(builder.serve_connection(Memory::client(upstream, usize::MAX), service));
    lengths.take()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
