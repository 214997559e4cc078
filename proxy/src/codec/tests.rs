//! The codec against the grammar, and against itself: whatever the reads, the result is the same.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::{
    framing::FramingError,
    head::{MAX_FIELDS, ResponseHead},
    *,
};

fn head(text: impl AsRef<[u8]>, asked: Asked) -> Result<Option<(ResponseHead, usize)>, HeadError> {
    parse_response(text.as_ref(), asked, |_| false, &mut Vec::new())
}

/// The lines that are passed on.
fn passed_on(text: &str, asked: Asked, strips: impl Fn(&[u8]) -> bool) -> Vec<String> {
    let mut out = b"of another".to_vec();
    parse_response(text.as_bytes(), asked, strips, &mut out).expect("a head").expect("the whole of it");
    String::from_utf8(out).unwrap().split_terminator("\r\n").map(str::to_owned).collect()
}

fn whole(text: &str, asked: Asked) -> ResponseHead {
    let (head, end) = head(text, asked).expect("a head").expect("the whole of it");
    assert_eq!(end, text.len());
    head
}

/// The pieces of a body: its bytes together, its trailers, and what is left of the input. None: it is not over.
type Decoded = Option<(Vec<u8>, HeaderMap, Vec<u8>)>;

/// Decodes a body that comes in reads of these sizes, over and over.
fn decode(framing: Framing, bytes: &[u8], reads: &[usize]) -> Result<Decoded, BodyError> {
    let (mut decoder, mut body) = (BodyDecoder::new(framing), Vec::new());
    let (mut rest, mut sizes) = (bytes, reads.iter().cycle());
    while !rest.is_empty() {
        let (read, later) = rest.split_at(rest.len().min(*sizes.next().expect("a size")));
        let mut input = Bytes::copy_from_slice(read);
        rest = later;
        loop {
            match decoder.decode(&mut input)? {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::More => break,
                Piece::End => return Ok(Some((body, HeaderMap::new(), [&input[..], rest].concat()))),
                Piece::Trailers(fields) => return Ok(Some((body, fields, [&input[..], rest].concat()))),
            }
        }
    }
    Ok(None)
}

fn chunked(text: &str) -> Result<Decoded, BodyError> {
    let at_once = decode(Framing::Chunked, text.as_bytes(), &[usize::MAX]);
    assert_eq!(at_once, decode(Framing::Chunked, text.as_bytes(), &[1]), "{text:?} byte by byte");
    at_once
}

#[test]
fn where_a_body_ends_is_told_by_status_method_and_fields() {
    for (line, fields, asked, framing, persistent) in [
        ("HTTP/1.1 200 OK", "Content-Length: 5\r\n", Asked::Other, Framing::Length(5), true),
        ("HTTP/1.1 200 OK", "Content-Length: 5\r\ncontent-length: 5\r\n", Asked::Other, Framing::Length(5), true),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: CHUNKED\r\n", Asked::Other, Framing::Chunked, true),
        ("HTTP/1.1 200 OK", "", Asked::Other, Framing::Close, false),
        ("HTTP/1.1 200", "Content-Length: 0\r\n", Asked::Other, Framing::Length(0), true),
        ("HTTP/1.1 200 OK", "Content-Length: 5\r\n", Asked::Head, Framing::None, true),
        ("HTTP/1.1 200 OK", "", Asked::Head, Framing::None, true),
        ("HTTP/1.1 204 No Content", "Content-Length: 5\r\n", Asked::Other, Framing::None, true),
        ("HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", Asked::Other, Framing::None, true),
        ("HTTP/1.1 100 Continue", "", Asked::Other, Framing::None, true),
        ("HTTP/1.1 200 OK", "Connection: x, Close\r\nContent-Length: 1\r\n", Asked::Other, Framing::Length(1), false),
        ("HTTP/1.0 200 OK", "Content-Length: 5\r\n", Asked::Other, Framing::Length(5), false),
        ("HTTP/1.0 200 OK", "Connection: Keep-Alive\r\nContent-Length: 5\r\n", Asked::Other, Framing::Length(5), true),
        (
            "HTTP/1.1 200 OK",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            Asked::Other,
            Framing::Chunked,
            false,
        ),
        ("HTTP/1.1 599 Odd", "Content-Length: 5\r\n", Asked::Other, Framing::Length(5), true),
    ] {
        let head = whole(&format!("{line}\r\n{fields}\r\n"), asked);
        assert_eq!((head.framing, head.persistent), (framing, persistent), "{line} {fields:?} {asked:?}");
    }
}

#[test]
fn what_is_not_a_head_is_an_error() {
    let field = |field: &str| format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
    let framing = |error| HeadError::Framing(error);
    for (text, error) in [
        (field("Content-Length: +5"), framing(FramingError::Length)),
        (field("Content-Length: 5, 5"), framing(FramingError::Length)),
        (field("Content-Length:"), framing(FramingError::Length)),
        (field("Content-Length: 5\r\nContent-Length: 6"), framing(FramingError::TwoLengths)),
        (field("Transfer-Encoding: gzip, chunked"), framing(FramingError::Coding)),
        (field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), framing(FramingError::Coding)),
        (field("Transfer-Encoding:"), framing(FramingError::Coding)),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(), framing(FramingError::CodingInOldVersion)),
        (field("A: b\0c"), HeadError::Syntax(httparse::Error::HeaderValue)),
        (field("A: b\x01c"), HeadError::Syntax(httparse::Error::HeaderValue)),
        (field("A: b\x7fc"), HeadError::Syntax(httparse::Error::HeaderValue)),
        (field("A: b\rc"), HeadError::Syntax(httparse::Error::HeaderValue)),
        (field("A: b\r\n c"), HeadError::Syntax(httparse::Error::HeaderName)),
        (field("A : b"), HeadError::Syntax(httparse::Error::HeaderName)),
        (field(" A: b"), HeadError::Syntax(httparse::Error::HeaderName)),
        (field("A"), HeadError::Syntax(httparse::Error::HeaderName)),
        (field(": b"), HeadError::Syntax(httparse::Error::HeaderName)),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n".into(), HeadError::Start),
        ("ICY 200 OK\r\n\r\n".into(), HeadError::Start),
        ("HTTP/2 200\r\n\r\n".into(), HeadError::Syntax(httparse::Error::Version)),
        ("HTTP/1.2 200 OK\r\n\r\n".into(), HeadError::Syntax(httparse::Error::Version)),
        ("HTTP/1.1 20 OK\r\n\r\n".into(), HeadError::Syntax(httparse::Error::Status)),
        ("HTTP/1.1 2000 OK\r\n\r\n".into(), HeadError::Syntax(httparse::Error::Status)),
        ("HTTP/1.1  200 OK\r\n\r\n".into(), HeadError::Syntax(httparse::Error::Status)),
        ("HTTP/1.1 099 Low\r\n\r\n".into(), HeadError::Status(99)),
        ("HTTP/1.1 600 High\r\n\r\n".into(), HeadError::Status(600)),
    ] {
        assert_eq!(head(&text, Asked::Other).err(), Some(error), "{text:?}");
    }
}

#[test]
fn a_head_is_bounded_in_bytes_and_fields() {
    let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(count));
    assert_eq!(passed_on(&many(MAX_FIELDS), Asked::Other, |_| false).len(), 1 + MAX_FIELDS);
    let too_many = HeadError::Syntax(httparse::Error::TooManyHeaders);
    assert_eq!(head(many(MAX_FIELDS + 1), Asked::Other).err(), Some(too_many));

    let frame = "HTTP/1.1 200 OK\r\nX: \r\n\r\n".len();
    let long = |length: usize| format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(length - frame));
    whole(&long(MAX_HEAD_BYTES), Asked::Other);
    assert_eq!(head(long(MAX_HEAD_BYTES + 1), Asked::Other).err(), Some(HeadError::TooLarge));
    let endless = long(MAX_HEAD_BYTES + 2);
    assert_eq!(head(&endless[..MAX_HEAD_BYTES], Asked::Other).err(), Some(HeadError::TooLarge));
    assert!(head(&endless[..MAX_HEAD_BYTES - 1], Asked::Other).expect("not yet").is_none());
}

#[test]
fn what_belongs_to_the_connection_is_not_passed_on() {
    let text = "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Internal\r\nconnection: content-length\r\nX-Internal: 1\r\n\
         Keep-Alive: timeout=7\r\nProxy-Connection: a\r\nUpgrade: h2c\r\nTE: trailers\r\nHTTP2-Settings: A\r\n\
         Evenkeel-Reason: UH\r\nContent-Length: 3\r\nSet-Cookie: a=1\r\nX-Empty:\r\nSet-Cookie: b=2\r\nX-Not: 1\r\n\r\n";
    let strips = |name: &[u8]| name.eq_ignore_ascii_case(b"x-not");
    let left = ["HTTP/1.1 200 OK", "Set-Cookie: a=1", "X-Empty: ", "Set-Cookie: b=2"];
    assert_eq!(passed_on(text, Asked::Other, strips), left);
    let length = [&left[..], &["content-length: 3"]].concat();
    assert_eq!(passed_on(text, Asked::Head, strips), length, "of HEAD it is the body's that there is not");
    let head = whole(text, Asked::Other);
    assert_eq!((head.idle_hint, head.persistent, head.has_date), (Some(7), true, false));
    let dated = "HTTP/1.1 599 Odd\r\nDATE: now\r\n\r\n";
    assert_eq!(passed_on(dated, Asked::Other, strips), ["HTTP/1.1 599 ", "DATE: now"]);
    assert!(whole(dated, Asked::Other).has_date);
    for undated in ["Connection: date\r\n", ""] {
        let text = format!("HTTP/1.1 200 OK\r\n{undated}Date: now\r\n\r\n");
        let strips = |name: &[u8]| undated.is_empty() && name == b"Date";
        let (head, _) = parse_response(text.as_bytes(), Asked::Other, strips, &mut Vec::new()).unwrap().unwrap();
        assert!(!head.has_date, "it does not pass");
    }
}

#[test]
fn of_a_body_that_there_is_not_the_length_is_told_where_rfc_9110_has_it() {
    for (line, asked, told) in [
        ("HTTP/1.1 200 OK", Asked::Head, true),
        ("HTTP/1.1 304 Not Modified", Asked::Other, true),
        ("HTTP/1.1 204 No Content", Asked::Other, false),
        ("HTTP/1.1 204 No Content", Asked::Head, false),
        ("HTTP/1.1 103 Early Hints", Asked::Other, false),
        ("HTTP/1.1 200 OK", Asked::Other, false),
    ] {
        let lines = passed_on(&format!("{line}\r\nContent-Length: 07\r\n\r\n"), asked, |_| false);
        assert_eq!(lines.contains(&"content-length: 7".to_owned()), told, "{line} {asked:?}");
        let both = format!("{line}\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(passed_on(&both, asked, |_| false).len(), 1, "chunks win, and the length is removed");
    }
}

/// What one look at a request's head tells.
type Told = (String, String, Version, Vec<(String, Vec<u8>)>);

fn request(text: impl AsRef<[u8]>) -> Result<Option<(Told, usize)>, RequestError> {
    parse_request(text.as_ref(), |head| {
        let fields = head.fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
        (head.method.to_owned(), head.target.to_owned(), head.version, fields)
    })
}

#[test]
fn a_request_is_three_parts_and_fields() {
    for (text, method, target, version, fields) in [
        ("GET / HTTP/1.1\r\n\r\n", "GET", "/", Version::Current, &[][..]),
        ("get /a?b HTTP/1.0\r\nA: b \r\n\r\n", "get", "/a?b", Version::Old, &[("A", "b")]),
        ("\r\n\n\r\n\nPUT * HTTP/1.1\nA:\nb:\t c\n\n", "PUT", "*", Version::Current, &[("A", ""), ("b", "c")]),
    ] {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let told = (method.to_owned(), target.to_owned(), version, fields);
        assert_eq!(request(text), Ok(Some((told.clone(), text.len()))), "{text:?}");
        assert_eq!(request(format!("{text}GET")), Ok(Some((told, text.len()))), "what follows is not touched");
        for end in 0..text.len() {
            assert_eq!(request(&text[..end]), Ok(None), "{:?}", &text[..end]);
        }
    }
}

#[test]
fn what_is_no_request_says_why() {
    let syntax = RequestError::Syntax;
    let field = |field: &str| format!("GET / HTTP/1.1\r\n{field}\r\n\r\n");
    for (text, error) in [
        ("\r\n".repeat(5), RequestError::EmptyLines),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), RequestError::Http2),
        ("GET / HTTP/2.0\r\n\r\n".into(), RequestError::Version),
        ("GET / HTTP/0.9\n\n".into(), RequestError::Version),
        ("GET / HTTP/1.2\r\n\r\n".into(), syntax(httparse::Error::Version)),
        ("GET / HTTP/22\r\n\r\n".into(), syntax(httparse::Error::Version)),
        ("G(T / HTTP/1.1\r\n\r\n".into(), syntax(httparse::Error::Token)),
        ("\x16\x03\x01\x02\0".into(), syntax(httparse::Error::Token)),
        (field("A : b"), syntax(httparse::Error::HeaderName)),
        (field("A: b\r\n c"), syntax(httparse::Error::HeaderName)),
        (field("A: b\rc"), syntax(httparse::Error::HeaderValue)),
    ] {
        assert_eq!(request(&text).err(), Some(error), "{text:?}");
    }
}

#[test]
fn a_request_is_bounded_in_bytes_fields_and_target() {
    let many = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "X: 1\r\n".repeat(count));
    assert!(request(many(MAX_REQUEST_FIELDS)).is_ok());
    assert_eq!(request(many(MAX_REQUEST_FIELDS + 1)).err(), Some(RequestError::Fields));
    let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
    let long = |length: usize| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length - frame));
    assert!(request(long(MAX_REQUEST_HEAD_BYTES)).is_ok());
    let longer = long(MAX_REQUEST_HEAD_BYTES + 1);
    assert_eq!(request(&longer).err(), Some(RequestError::TooLarge));
    assert_eq!(request(&longer[..MAX_REQUEST_HEAD_BYTES]).err(), Some(RequestError::TooLarge));
    assert_eq!(request(&longer[..MAX_REQUEST_HEAD_BYTES - 1]), Ok(None));
    let target = format!("GET /{}", "x".repeat(MAX_REQUEST_HEAD_BYTES));
    assert_eq!(request(target).err(), Some(RequestError::Target), "that is what is too long");
}

#[test]
fn chunks_are_read_by_the_grammar_and_nothing_else() {
    for (text, body) in [
        ("0\r\n\r\n", Some("")),
        ("3\r\nabc\r\n0\r\n\r\n", Some("abc")),
        ("0000000000000003\r\nabc\r\n000\r\n\r\n", Some("abc")),
        ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", Some("01234567890123456789")),
        ("3;a\r\nabc\r\n0;b=c\r\n\r\n", Some("abc")),
        ("3 ; a = \"q\\\"\\\\ q\" ;b=c\r\nabc\r\n0\r\n\r\n", Some("abc")),
        ("00000000000000003\r\nabc\r\n0\r\n\r\n", None),
        ("\r\nabc\r\n0\r\n\r\n", None),
        ("-1\r\n", None),
        ("+3\r\nabc\r\n0\r\n\r\n", None),
        ("0x3\r\nabc\r\n0\r\n\r\n", None),
        (" 3\r\nabc\r\n0\r\n\r\n", None),
        ("3 \r\nabc\r\n0\r\n\r\n", None),
        ("3\nabc\r\n0\r\n\r\n", None),
        ("3\rabc\r\n0\r\n\r\n", None),
        ("3\r\nabc\n0\r\n\r\n", None),
        ("3\r\nabcd\r\n0\r\n\r\n", None),
        ("4\r\nabc\r\n0\r\n\r\n", None),
        ("3;\r\nabc\r\n0\r\n\r\n", None),
        ("3;a=\r\nabc\r\n0\r\n\r\n", None),
        ("3;a b\r\nabc\r\n0\r\n\r\n", None),
        ("3;a=\"b\r\nabc\r\n0\r\n\r\n", None),
        ("3;a\nabc\r\n0\r\n\r\n", None),
        ("3;a\0\r\nabc\r\n0\r\n\r\n", None),
    ] {
        let got = chunked(text).ok().map(|decoded| decoded.expect("over").0);
        assert_eq!(got, body.map(|body| body.as_bytes().to_vec()), "{text:?}");
    }
    let extended = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes - 1)); // CR counts too
    assert!(chunked(&extended(16 * 1024)).is_ok());
    assert_eq!(chunked(&extended(16 * 1024 + 1)), Err(BodyError::Chunk));
    let spread = "1;eee\r\nx\r\n".repeat(16 * 1024 / 4 + 1);
    assert_eq!(chunked(&spread), Err(BodyError::Chunk), "the limit is for the whole body");
}

#[test]
fn trailers_are_limited_and_never_frame_route_or_authenticate() {
    let trailers = |text: &str| chunked(&format!("0\r\n{text}\r\n")).map(|decoded| decoded.expect("over").1);
    let good = trailers(
        "X-Sum: 9\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nCookie: a\r\n\
                         Authorization: b\r\nX-Forwarded-For: 1.2.3.4\r\nEvenkeel-Reason: UH\r\nX-Sum: 10\r\n",
    );
    let good: Vec<_> = good.unwrap().iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    assert_eq!(good, [("x-sum".into(), "9".parse().unwrap()), ("x-sum".into(), "10".parse().unwrap())]);
    for bad in [
        "X-Sum : 9\r\n",
        " X-Sum: 9\r\n",
        "X-Sum: 9\n",
        "X-Sum\r\n",
        "X: 1\r\n  folded\r\n",
        "X: \0\r\n",
        "X: a\rb\r\n",
    ] {
        assert_eq!(trailers(bad), Err(BodyError::Trailers), "{bad:?}");
    }
    assert_eq!(trailers(&"X: 1\r\n".repeat(MAX_FIELDS)).unwrap().len(), MAX_FIELDS);
    assert_eq!(trailers(&"X: 1\r\n".repeat(MAX_FIELDS + 1)), Err(BodyError::Trailers));
    assert_eq!(trailers(&format!("X: {}\r\n", "x".repeat(MAX_HEAD_BYTES))), Err(BodyError::Trailers));
}

#[test]
fn trailers_of_a_request_have_the_limits_of_its_head() {
    let is_read = |trailers: &str| {
        let mut input = Bytes::from(format!("0\r\n{trailers}\r\n"));
        BodyDecoder::of_request(Framing::Chunked).decode(&mut input).is_ok()
    };
    let line = |length: usize| format!("X: {}\r\n", "x".repeat(length - "X: \r\n".len()));
    assert!(is_read(&"X: 1\r\n".repeat(100)) && !is_read(&"X: 1\r\n".repeat(101)));
    assert!(is_read(&line(16 * 1024)) && !is_read(&line(16 * 1024 + 1)));
    assert!(is_read(&line(15_000).repeat(2)) && !is_read(&line(15_000).repeat(3)));
}

#[test]
fn a_body_that_is_cut_short_is_never_whole() {
    for (framing, bytes) in [
        (Framing::Length(5), &b"abcd"[..]),
        (Framing::Chunked, b"4\r\nabcd\r\n"),
        (Framing::Chunked, b"4\r\nabcd\r\n0\r\n"),
        (Framing::Chunked, b"4\r\nabcd\r\n0\r\nX: 1\r\n"),
        (Framing::Chunked, b""),
    ] {
        let (mut decoder, mut input) = (BodyDecoder::new(framing), Bytes::from_static(bytes));
        while decoder.decode(&mut input).expect("so far good") != Piece::More {}
        assert_eq!(decoder.end_of_stream(), Err(BodyError::Truncated), "{framing:?} {bytes:?}");
    }
    let (mut decoder, mut input) = (BodyDecoder::new(Framing::Close), Bytes::from_static(b"abc"));
    assert_eq!(decoder.decode(&mut input), Ok(Piece::Data(Bytes::from_static(b"abc"))));
    assert_eq!((decoder.end_of_stream(), decoder.is_done()), (Ok(()), true));
}

#[test]
fn a_message_has_one_framing_field() {
    for (length, field) in [
        (Framing::None, ""),
        (Framing::Close, ""),
        (Framing::Length(0), "content-length: 0\r\n"),
        (Framing::Length(u64::MAX), "content-length: 18446744073709551615\r\n"),
        (Framing::Chunked, "transfer-encoding: chunked\r\n"),
    ] {
        let mut out = Vec::new();
        framing(&mut out, length);
        assert_eq!(String::from_utf8(out).unwrap(), field);
    }
}

/// Writes a body in chunks as a request is sent.
fn encode(pieces: &[Vec<u8>], trailers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        out.extend_from_slice(ChunkSize::new(piece.len()).line());
        out.extend_from_slice(piece);
        out.extend_from_slice(CRLF);
    }
    out.extend_from_slice(&last_chunk(trailers));
    out
}

fn some_chunk_bytes() -> impl Strategy<Value = Vec<u8>> {
    // From the alphabet of the grammar, so that much of it is nearly right.
    let words = ["0", "1", "a", "F", "\r\n", "\r", "\n", ";", "=", "\"", "\\", " ", "x", "X: 1\r\n", "0\r\n\r\n", "\0"];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..30).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_however_it_is_read(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..8),
        trailer in prop::option::of("[ -~]{0,20}"),
        behind in prop::collection::vec(any::<u8>(), 0..10),
        reads in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let mut trailers = HeaderMap::new();
        if let Some(value) = &trailer {
            trailers.append("x-sum", HeaderValue::from_str(value.trim()).unwrap());
        }
        let bytes = [encode(&pieces, &trailers), behind.clone()].concat();
        let (body, got, rest) = decode(Framing::Chunked, &bytes, &reads).unwrap().expect("the whole of it");
        prop_assert_eq!((body, got, rest), (pieces.concat(), trailers, behind));
    }

    #[test]
    fn any_bytes_are_decoded_alike_however_they_are_read(
        bytes in some_chunk_bytes(),
        reads in prop::collection::vec(1_usize..9, 1..8),
    ) {
        let at_once = decode(Framing::Chunked, &bytes, &[usize::MAX]);
        prop_assert_eq!(decode(Framing::Chunked, &bytes, &reads), at_once);
    }

    #[test]
    fn a_length_takes_so_many_bytes_and_leaves_the_rest(
        body in prop::collection::vec(any::<u8>(), 1..100),
        behind in prop::collection::vec(any::<u8>(), 0..10),
        reads in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let bytes = [body.clone(), behind.clone()].concat();
        match decode(Framing::Length(body.len() as u64), &bytes, &reads).unwrap() {
            Some((got, _, rest)) => prop_assert_eq!((got, rest), (body, behind)),
            None => prop_assert!(behind.is_empty(), "no byte behind it asks for the end"),
        }
    }

    #[test]
    fn a_head_never_panics_and_is_one_only_when_its_empty_line_is_there(
        start in prop::sample::select(vec!["HTTP/1.1 200 OK\r\n", "HTTP/1.0 404\r\n", "HTTP/1.1 1", ""]),
        bytes in prop::collection::vec(prop::sample::select(
            vec!["A", ":", " ", "\r\n", "\n", "\r", "\0", "Content-Length: 5", "Connection: A", "\u{e9}", "\t"]), 0..12),
    ) {
        let text = format!("{start}{}", bytes.concat());
        if let Ok(Some((_, end))) = head(&text, Asked::Other) {
            prop_assert!(text[..end].ends_with("\n\r\n") || text[..end].ends_with("\n\n"));
            prop_assert!(may_be_whole(text.as_bytes(), 0));
            // However it was cut, the last read says that it may be whole.
            for scanned in 0..end {
                prop_assert!(may_be_whole(&text.as_bytes()[..end], scanned), "{scanned}");
                let cut = text.get(..scanned).unwrap_or_default(); // none within a character
                prop_assert!(!matches!(head(cut, Asked::Other), Ok(Some(_))));
            }
        }
    }

    #[test]
    fn any_head_that_we_write_is_read_by_others_as_it_was_meant(
        method in "[A-Z]{1,10}",
        target in "/[!-~]{0,40}",
        fields in prop::collection::vec(("[xX]-[a-zA-Z0-9-]{1,20}", "[!-~]([ -~]{0,30}[!-~])?"), 0..20),
    ) {
        let mut out = Vec::new();
        request_line(&mut out, &method, &["", &target]);
        for (name, value) in &fields {
            field(&mut out, name.as_bytes(), value.as_bytes());
        }
        out.extend_from_slice(CRLF);
        let mut room = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut room);
        prop_assert_eq!(request.parse(&out), Ok(httparse::Status::Complete(out.len())));
        prop_assert_eq!((request.method, request.path), (Some(method.as_str()), Some(target.as_str())));
        let got: Vec<_> = request.headers.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
        let sent: Vec<_> = fields.iter().map(|(n, v)| (n.clone(), v.as_bytes().to_vec())).collect();
        prop_assert_eq!(got, sent);
    }
}
