//! What an endpoint answers: a head that is taken has one framing, which its own lines say.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};

use super::{
    chunks::{End, decode},
    memory::{Memory, drive},
    reader,
};
use crate::codec::{Asked, Framing, ResponseHead, may_be_whole, parse_response};

/// Never part of an answer that is passed on.
const ENDS_HERE: [&str; 7] =
    ["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "proxy-connection", "evenkeel-reason"];

/// Whatever an endpoint sends: what is taken as a head has one framing, and its body is the same however it is read.
pub(super) fn run(bytes: &[u8]) {
    let Some((way, input)) = super::split(bytes) else { return };
    let asked = if way & 1 == 0 { Asked::Other } else { Asked::Head };
    let whole = Bytes::copy_from_slice(input);
    let mut written = Vec::new();
    let Ok(Some((head, end))) = parse_response(&whole, asked, |_| false, &mut written) else { return };
    assert!(end <= input.len() && may_be_whole(input, 0));
    is_complete_only_there(input, end, asked);
    has_one_framing(&head, &written, &input[..end], asked);
    let body = &input[end..];
    let (once, slowly) = (decode(head.framing, body, |rest| rest), decode(head.framing, body, |rest| rest.min(3)));
    assert_eq!(once, slowly, "the same body in other pieces");
    let is_whole = matches!(once.end, End::After(_)) || head.framing == Framing::Close;
    if is_whole
        && asked == Asked::Other
        && !head.status.is_informational()
        && let Some(theirs) = hyper_reads(&whole)
    {
        assert!(theirs == once.data, "hyper reads another body than {:?}", String::from_utf8_lossy(&once.data));
    }
}

/// A head that comes in pieces is not taken before its end.
fn is_complete_only_there(input: &[u8], end: usize, asked: Asked) {
    for part in [end - 1, end / 2, end / 3] {
        let parsed = parse_response(&input[..part], asked, |_| false, &mut Vec::new());
        assert!(!matches!(parsed, Ok(Some(_))), "{part} of {end} bytes are taken for all");
    }
    let alone = parse_response(&input[..end], asked, |_| false, &mut Vec::new());
    let (_, alone) = alone.unwrap().expect("a whole head");
    assert_eq!(alone, end);
}

fn has_one_framing(head: &ResponseHead, written: &[u8], lines: &[u8], asked: Asked) {
    let text = String::from_utf8_lossy(lines).to_lowercase();
    let values = |name: &str| -> Vec<String> {
        let pairs = text.split('\n').filter_map(|line| line.split_once(':'));
        pairs.filter(|(found, _)| *found == name).map(|(_, value)| value.trim().to_owned()).collect()
    };
    let bare = asked == Asked::Head || head.status.is_informational() || [204, 304].contains(&head.status.as_u16());
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let (_, passed_on, rest) = reader::head(&[written, b"\r\n"].concat())
        .map(|(line, fields, rest)| (line, fields, rest.to_vec()))
        .expect("a head");
    assert!(rest.is_empty(), "{text}");
    for name in ENDS_HERE {
        assert!(passed_on.iter().all(|(found, _)| found != name), "{name} is passed on: {text}");
    }
    let shown = passed_on.iter().filter(|(name, _)| name == "content-length").count();
    assert!(shown <= usize::from(bare), "{text}");
    assert!(codings.is_empty() || codings == ["chunked"], "{text}");
    match head.framing {
        Framing::None => assert!(bare, "{text}"),
        _ if bare => panic!("a body where there is none: {text}"),
        Framing::Length(length) => {
            assert!(codings.is_empty() && lengths.iter().all(|text| text.parse() == Ok(length)), "{text}");
        }
        Framing::Chunked => {
            assert!(codings == ["chunked"], "{text}");
            assert!(lengths.is_empty() || !head.persistent, "two framings, and kept: {text}");
        }
        Framing::Close => assert!(codings.is_empty() && lengths.is_empty() && !head.persistent, "{text}"),
    }
}

/// The body of the answer to a GET as hyper's client reads it; none if that takes it for broken.
fn hyper_reads(answer: &Bytes) -> Option<Vec<u8>> {
    let (mut sender, connection) =
        drive(hyper::client::conn::http1::handshake(Memory::endpoint(answer.clone())))?.ok()?;
    let request = http::Request::builder().uri("/").header("host", "a").body(Empty::<Bytes>::new()).ok()?;
    let read = async {
        let asked = async { sender.send_request(request).await.ok()?.into_body().collect().await.ok() };
        let (body, _) = futures::join!(asked, connection);
        Some(body?.to_bytes().to_vec())
    };
    drive(read)?
}
