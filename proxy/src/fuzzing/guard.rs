//! What a client sends, up to the bytes that an endpoint gets: read as in the worker, looked at by the guard, and what goes
//! upstream is read again by two others. All must see the same requests with the same bodies; and so must hyper, where it takes
//! what the client sent.

use std::{cell::RefCell, convert::Infallible, rc::Rc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};

use super::{
    chunks::{Decoded, End, decode},
    memory::{Memory, drive},
    reader::{self, Message},
};
use crate::{
    codec::{CRLF, ChunkSize, Framing, MAX_REQUEST_HEAD_BYTES, is_worth_a_look, last_chunk, parse_request},
    guard::{Context, FieldRules, LineRules, Origin, Passage, Passed, Refusal, Rules, check, strip_trailers},
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
        assert_eq!(message.start, format!("{} {} HTTP/1.1", sent.method, origin_form(&sent.target)));
        assert!(message.body == sent.body, "another body in {:?}", text(&seen.upstream));
    }
    let read_by_hyper = sent.iter().take_while(|sent| Uri::try_from(origin_form(&sent.target)).is_ok());
    assert_eq!(hyper_counts(&seen.upstream), read_by_hyper.map(|sent| sent.body.len()).collect::<Vec<_>>());
    agrees(&reader::requests(input).0, &seen.fates);
    // It takes fewer targets and more codings than we: as far as it reads, it has seen no other bodies.
    let (theirs, ours) = (hyper_counts(input), sent_or_here(&seen.fates));
    assert!(
        theirs.iter().zip(&ours).all(|(their, our)| our.is_none_or(|our| our == *their)),
        "{theirs:?}, not {ours:?}"
    );
}

/// The lengths of the bodies that are known.
fn sent_or_here(fates: &[Fate]) -> Vec<Option<usize>> {
    fates.iter().map(|fate| fate.sent().map(|sent| sent.body.len())).collect()
}

/// The target as it goes out.
fn origin_form(target: &str) -> String {
    let Some((_, rest)) = target.split_once("://").filter(|_| !target.starts_with('/')) else {
        return target.to_owned();
    };
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
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
        assert_eq!((parts.next(), parts.next()), (Some(sent.method.as_str()), Some(sent.target.as_str())));
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

/// Takes the bytes as the worker does, in reads of `step` bytes, as if every endpoint answered 200 at once.
fn forwarded(input: &[u8], step: usize, rules: &Rules) -> Seen {
    let origin = Origin::new([192, 0, 2, 9].into(), ([192, 0, 2, 1], 8080).into());
    let context = Context { origin: &origin, rules, id: 7 };
    let (mut seen, mut rest) = (Seen::default(), input);
    while let Some((checked, mut out, end)) = head(rest, step, &context) {
        rest = &rest[end..];
        let Ok((method, target, passed)) = checked else {
            seen.fates.push(Fate::Ended);
            break;
        };
        let decoded = decode(passed.framing, rest, |left| left.min(step));
        let end = match passed.framing {
            Framing::None | Framing::Length(0) => Some(0),
            _ => {
                if let End::After(end) = decoded.end {
                    Some(end)
                } else {
                    None
                }
            }
        };
        let Some(end) = end.or_else(|| whole_length(passed.framing, rest)) else {
            seen.fates.push(Fate::Ended); // its end does not come
            break;
        };
        rest = &rest[end..];
        if passed.passage == Passage::Here {
            seen.fates.push(Fate::Here);
        } else {
            write_body(passed.framing, &decoded, &mut out);
            seen.fates.push(Fate::Sent(Sent { method, target, body: decoded.data }));
            seen.upstream.extend(out);
        }
        if !passed.is_persistent {
            break;
        }
    }
    seen
}

/// A length that is there to its last byte: nobody asks for the end behind it.
fn whole_length(framing: Framing, rest: &[u8]) -> Option<usize> {
    let Framing::Length(length) = framing else { return None };
    usize::try_from(length).ok().filter(|length| *length <= rest.len())
}

type Checked = Result<(String, String, Passed), Refusal>;

/// The next head, looked at, as it goes upstream, and where it ends.
fn head(input: &[u8], step: usize, context: &Context<'_>) -> Option<(Checked, Vec<u8>, usize)> {
    let mut scanned = 0;
    while scanned < input.len() {
        let here = input.len().min(scanned.saturating_add(step));
        let bytes = &input[..here];
        let mut out = Vec::new();
        let looked = parse_request(bytes, |head| {
            let target = head.target.to_owned();
            check(head, context, &mut out).map(|passed| (head.method.to_owned(), target, passed))
        });
        let is_looked_at = is_worth_a_look(bytes, scanned, MAX_REQUEST_HEAD_BYTES);
        match looked {
            Ok(Some((checked, end))) => {
                assert!(is_looked_at, "a whole head would wait for more");
                return Some((checked, out, end));
            }
            Err(_) if is_looked_at => return Some((Err(Refusal::of_client(400, "")), out, here)),
            Ok(None) | Err(_) => scanned = here,
        }
    }
    None
}

/// As a request's body is sent.
fn write_body(framing: Framing, body: &Decoded, out: &mut Vec<u8>) {
    if framing != Framing::Chunked {
        return out.extend_from_slice(&body.data);
    }
    if !body.data.is_empty() {
        out.extend([ChunkSize::new(body.data.len()).line(), &body.data, CRLF].concat());
    }
    let mut trailers = body.trailers.clone();
    strip_trailers(&mut trailers);
    out.extend(last_chunk(&trailers));
}

/// The length of the body of each request that hyper finds in what goes upstream.
fn hyper_counts(upstream: &[u8]) -> Vec<usize> {
    let lengths = Rc::<RefCell<Vec<usize>>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let lengths = Rc::clone(&lengths);
        async move {
            if let Ok(body) = request.into_body().collect().await {
                lengths.borrow_mut().push(body.to_bytes().len());
            }
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
