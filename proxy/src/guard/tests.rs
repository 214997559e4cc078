//! The guard's rules as tables: what comes in, what goes out or is refused. With a real parser before it, but no socket.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Context, Origin, Passage, Passed, Refusal, Rules, check};
use crate::codec::{Field, Framing, RequestHead, Version};

/// `GET / HTTP/1.1`, with these lines after it.
struct Case<'a> {
    method: &'a str,
    target: &'a str,
    version: Version,
    fields: &'a [(&'a str, &'a str)],
    rules: Rules,
}

impl Default for Case<'_> {
    fn default() -> Self {
        let fields = &[("host", "a")];
        Self { method: "GET", target: "/", version: Version::Current, fields, rules: Rules::default() }
    }
}

/// A head that passed, as an endpoint gets it.
#[derive(Debug)]
struct Head {
    passed: Passed,
    line: String,
    fields: HeaderMap,
}

impl Case<'_> {
    fn check(&self) -> Result<Head, Refusal> {
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| Field { name, value: value.as_bytes() }).collect();
        let head = RequestHead { method: self.method, target: self.target, version: self.version, fields: &fields };
        let origin = Origin::new([192, 0, 2, 9].into(), ([192, 0, 2, 1], 8080).into());
        let mut out = Vec::new();
        let passed = check(&head, &Context { origin: &origin, rules: &self.rules, id: 0xabc }, &mut out)?;
        Ok(Head::read(passed, &out))
    }

    #[track_caller]
    fn passes(&self) -> Head {
        match self.check() {
            Ok(head) if head.passed.passage == Passage::Forward => head,
            other => panic!("{:?}: {other:?}", self.fields),
        }
    }

    #[track_caller]
    fn is_refused(&self) -> u16 {
        self.check().expect_err("refused").status
    }
}

impl Head {
    fn read(passed: Passed, written: &[u8]) -> Self {
        let text = std::str::from_utf8(written).expect("text");
        let text = if text.is_empty() { "" } else { text.strip_suffix("\r\n\r\n").expect("an end") };
        let (line, rest) = text.split_once("\r\n").unwrap_or((text, ""));
        let mut fields = HeaderMap::new();
        for line in rest.split_terminator("\r\n") {
            let (name, value) = line.split_once(": ").expect("a field");
            fields.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        Self { passed, line: line.to_owned(), fields }
    }
}

fn with<'a>(fields: &'a [(&'a str, &'a str)]) -> Case<'a> {
    Case { fields, ..Case::default() }
}

fn values<'a>(fields: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    fields.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
}

#[test]
fn there_is_exactly_one_host() {
    for bad in [&[][..], &[("host", "a"), ("host", "a")], &[("host", "a, b")], &[("host", "")], &[("host", "u@a")]] {
        assert_eq!(with(bad).is_refused(), 400, "{bad:?}");
        assert_eq!(Case { target: "http://b/", ..with(bad) }.is_refused(), 400, "{bad:?} beside absolute-form");
    }
    let old = Case { version: Version::Old, ..with(&[]) };
    assert_eq!(values(&old.passes().fields, "host"), ["192.0.2.1:8080"], "HTTP/1.0 may leave it out");
    let empty = Case { version: Version::Old, ..with(&[("host", "")]) };
    assert_eq!(empty.is_refused(), 400, "but not write nothing");
}

#[test]
fn a_target_leaves_in_origin_form_byte_for_byte() {
    for (target, path, host) in [
        ("/a%2Fb/../c;d?x=%20&y", "/a%2Fb/../c;d?x=%20&y", "a"),
        ("//b/c", "//b/c", "a"),
        ("/a\\b|c{}\"<>`^?\"<", "/a\\b|c{}\"<>`^?\"<", "a"),
        ("http://b:81/p?q", "/p?q", "b:81"),
        ("HTTPS://B", "/", "B"),
        ("http://b?q", "/?q", "b"),
    ] {
        let head = Case { target, ..Case::default() }.passes();
        assert_eq!(head.line, format!("GET {path} HTTP/1.1"));
        assert_eq!(values(&head.fields, "host"), [host], "{target}");
    }
}

#[test]
fn a_target_of_another_form_is_refused() {
    let long = |length: usize| format!("/{}", "x".repeat(length - 1));
    for (method, target, status) in [
        ("GET", "*", 400),
        ("GET", "/\u{e4}", 400),
        ("GET", "/a#b", 400),
        ("GET", "a b", 400),
        ("GET", "?", 400),
        ("GET", "ftp://b/", 400),
        ("GET", "http://u@b/", 400),
        ("GET", "http://b:99999/", 400),
        ("GET", "b:80", 405),
        ("GET", "b", 405),
        ("CONNECT", "b:80", 405),
        ("CONNECT", "/", 405),
        ("TRACE", "/", 405),
        ("GET", &long(16 * 1024 + 1), 414),
    ] {
        let case = Case { method, target, ..Case::default() };
        assert_eq!(case.is_refused(), status, "{method} {target:.40}");
    }
    for length in [8_000, 16 * 1024] {
        Case { target: &long(length), ..Case::default() }.passes();
    }
}

#[test]
fn methods_pass_as_they_came_up_to_32_bytes() {
    let (longest, longer) = ("M".repeat(32), "M".repeat(33));
    for method in ["get", "PROPFIND", "connect", &longest] {
        assert_eq!(Case { method, ..Case::default() }.passes().line, format!("{method} / HTTP/1.1"));
    }
    assert_eq!(Case { method: &longer, ..Case::default() }.is_refused(), 400);
}

#[test]
fn what_asks_the_server_as_a_whole_is_answered_here() {
    let asks = |target, fields| Case { method: "OPTIONS", target, fields, ..Case::default() }.check();
    let (none, last) = ([("host", "a")], [("host", "a"), ("max-forwards", "0")]);
    for (target, fields) in [("*", &none[..]), ("/", &last)] {
        assert_eq!(asks(target, fields).map(|head| head.passed.passage), Ok(Passage::Here), "{target} {fields:?}");
    }
    let more = [("host", "a"), ("max-forwards", "10")];
    let head = Case { method: "OPTIONS", ..with(&more) }.passes();
    assert_eq!(values(&head.fields, "max-forwards"), ["9"]);
    for bad in ["", "-1", "x", "99999999999999999999"] {
        let fields = [("host", "a"), ("max-forwards", bad)];
        assert_eq!(Case { method: "OPTIONS", ..with(&fields) }.is_refused(), 400, "{bad:?}");
        assert_eq!(values(&with(&fields).passes().fields, "max-forwards"), [bad], "of GET it means nothing");
    }
}

#[test]
fn a_body_ends_in_one_way() {
    let (te, cl) = ("transfer-encoding", "content-length");
    for (fields, framing) in [
        (&[][..], Framing::None),
        (&[(cl, "0")], Framing::Length(0)),
        (&[(cl, "007")], Framing::Length(7)),
        (&[(cl, "9223372036854775807")], Framing::Length(i64::MAX as u64)),
        (&[(cl, "3"), (cl, "3")], Framing::Length(3)),
        (&[(te, "Chunked")], Framing::Chunked),
    ] {
        let fields = [&[("host", "a")], fields].concat();
        let head = with(&fields).passes();
        assert_eq!(head.passed.framing, framing, "{fields:?}");
        let (codings, lengths) = match framing {
            Framing::Length(length) => (vec![], vec![length.to_string()]),
            Framing::Chunked => (vec!["chunked"], vec![]),
            Framing::None | Framing::Close => (vec![], vec![]),
        };
        assert_eq!(values(&head.fields, te), codings, "{fields:?}");
        assert_eq!(values(&head.fields, cl), lengths, "{fields:?}");
    }
    for (fields, status) in [
        (&[(cl, "")][..], 400),
        (&[(cl, "+1")], 400),
        (&[(cl, "1 ")], 400),
        (&[(cl, "0x1")], 400),
        (&[(cl, "1,1")], 400),
        (&[(cl, "9223372036854775808")], 400),
        (&[(cl, "1"), (cl, "2")], 400),
        (&[(te, "chunked"), (cl, "1")], 400),
        (&[(te, "chunked, chunked")], 400),
        (&[(te, "chunked"), (te, "chunked")], 400),
        (&[(te, "gzip, chunked")], 501),
        (&[(te, "gzip"), (te, "chunked")], 501),
        (&[(te, "identity")], 501),
        (&[(te, "xchunked")], 501),
        (&[(te, "")], 501),
    ] {
        let fields = [&[("host", "a")], fields].concat();
        assert_eq!(with(&fields).is_refused(), status, "{fields:?}");
    }
    let fields = [("host", "a"), (te, "chunked")];
    assert_eq!(Case { version: Version::Old, ..with(&fields) }.is_refused(), 400);
}

#[test]
fn a_body_larger_than_the_pool_takes_is_refused_by_its_length() {
    let rules = || Rules { max_body: Some(10), ..Rules::default() };
    with(&[("host", "a"), ("content-length", "10")]).passes();
    let at = Case { rules: rules(), ..with(&[("host", "a"), ("content-length", "10")]) };
    let above = Case { rules: rules(), ..with(&[("host", "a"), ("content-length", "11")]) };
    assert_eq!((at.passes().passed.framing, above.is_refused()), (Framing::Length(10), 413));
}

#[test]
fn heads_are_bounded() {
    let value = |length: usize| "x".repeat(length - "x: \r\n".len());
    let (longest, longer) = (value(16 * 1024), value(16 * 1024 + 1));
    with(&[("host", "a"), ("x", &longest)]).passes();
    assert_eq!(with(&[("host", "a"), ("x", &longer)]).is_refused(), 431);
    let many: Vec<_> = std::iter::once(("host", "a")).chain(std::iter::repeat_n(("x", "1"), 100)).collect();
    with(&many[..100]).passes();
    assert_eq!(with(&many).is_refused(), 431);
}

#[test]
fn connection_names_no_more_fields_than_there_can_be() {
    let names = |count: usize| format!("keep-alive,{}", ", a".repeat(count));
    let (most, more) = (names(100), names(101));
    with(&[("host", "a"), ("connection", &most)]).passes();
    assert_eq!(with(&[("host", "a"), ("connection", &more)]).is_refused(), 431);
    let empty = ",".repeat(10_000);
    with(&[("host", "a"), ("connection", &empty)]).passes();
}

#[test]
fn expectations_other_than_100_continue_are_refused() {
    let head = with(&[("host", "a"), ("expect", "100-Continue")]).passes();
    assert_eq!(values(&head.fields, "expect"), [""; 0]);
    assert_eq!(with(&[("host", "a"), ("expect", "200-ok")]).is_refused(), 417);
    assert_eq!(with(&[("host", "a"), ("expect", "100-continue"), ("expect", "")]).is_refused(), 417);
}

/// Names and values that are left, but those that we add.
fn left(fields: &[(&str, &str)]) -> Vec<String> {
    let head = with(&[&[("host", "a")], fields].concat()).passes();
    let ours = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id"];
    let fields = head.fields;
    let theirs = fields.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
    let mut left: Vec<_> = theirs.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    left.sort_unstable();
    left
}

#[test]
fn what_belongs_to_the_connection_stays_there() {
    let none = [""; 0];
    assert_eq!(
        left(&[("connection", "keep-alive, X-Secret"), ("connection", "x-more"), ("x-secret", "1"), ("x-more", "2")]),
        none
    );
    for name in ["keep-alive", "proxy-connection", "upgrade", "http2-settings"] {
        assert_eq!(left(&[(name, "1"), ("accept", "*/*")]), ["accept: */*"], "{name}");
    }
    assert_eq!(left(&[("te", "gzip, Trailers")]), ["te: trailers"]);
    assert_eq!(left(&[("te", "gzip"), ("te", "deflate")]), none);
    assert_eq!(left(&[("connection", "close, ,; x, \u{e4}"), ("x", "1")]), ["x: 1"], "what is no name names nothing");
}

#[test]
fn naming_what_frames_routes_or_is_ours_has_no_effect() {
    let named = "host, content-length, te, expect, x-forwarded-for, x-forwarded-host, x-real-ip, x-request-id";
    let fields = [("host", "a"), ("connection", named), ("content-length", "3"), ("x-request-id", "7")];
    let head = with(&fields).passes();
    assert_eq!(head.passed.framing, Framing::Length(3));
    for (name, value) in [
        ("host", "a"),
        ("x-forwarded-for", "192.0.2.9"),
        ("x-forwarded-host", "a"),
        ("x-real-ip", "192.0.2.9"),
        ("x-request-id", "7"),
    ] {
        assert_eq!(values(&head.fields, name), [value], "{name}");
    }
}

#[test]
fn names_that_others_could_take_for_different_ones_are_dropped() {
    let head =
        with(&[("host", "a"), ("x_forwarded_for", "1"), ("content_length", "9"), ("a_", "1"), ("x-b", "1")]).passes();
    assert_eq!(head.passed.dropped, 3);
    assert_eq!(left(&[("x_forwarded_for", "1"), ("x-b", "1")]), ["x-b: 1"]);
}

fn origin_told(fields: &HeaderMap) -> [Vec<&str>; 5] {
    ["x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "forwarded"]
        .map(|name| values(fields, name))
}

const TOLD: [(&str, &str); 8] = [
    ("host", "a"),
    ("x-forwarded-for", "1.2.3.4"),
    ("x-forwarded-for", "5.6.7.8"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "b"),
    ("x-forwarded-user", "root"),
    ("x-real-ip", "1.2.3.4"),
    ("forwarded", "for=1.2.3.4"),
];

#[test]
fn what_an_untrusted_peer_says_of_its_origin_is_replaced() {
    let trusted = Box::new(["198.51.100.0/24".parse().expect("a network")]);
    let ours = [vec!["192.0.2.9"], vec!["192.0.2.9"], vec!["http"], vec!["a"], vec![]];
    for trusted in [Box::default(), trusted as Box<[_]>] {
        let rules = Rules { trusted, ..Rules::default() };
        let head = Case { rules, ..with(&TOLD) }.passes();
        assert_eq!(origin_told(&head.fields), ours);
        assert_eq!(values(&head.fields, "x-forwarded-user"), [""; 0]);
    }
    assert_eq!(origin_told(&Case::default().passes().fields), ours);
}

#[test]
fn what_a_trusted_peer_says_of_its_origin_is_kept_and_the_peer_added() {
    let rules = || Rules { trusted: Box::new(["192.0.2.0/24".parse().expect("a network")]), ..Rules::default() };
    let head = Case { rules: rules(), ..with(&TOLD) }.passes();
    let told = [vec!["1.2.3.4, 5.6.7.8, 192.0.2.9"], vec!["1.2.3.4"], vec!["https"], vec!["b"], vec!["for=1.2.3.4"]];
    assert_eq!(origin_told(&head.fields), told);
    assert_eq!(values(&head.fields, "x-forwarded-user"), ["root"]);
    let head = Case { rules: rules(), ..with(&[("host", "a"), ("x-forwarded-proto", "https")]) }.passes();
    assert_eq!(origin_told(&head.fields), [vec!["192.0.2.9"], vec!["192.0.2.9"], vec!["https"], vec!["a"], vec![]]);
}

#[test]
fn a_request_has_an_id_its_own_if_it_came_with_one() {
    let id = format!("{:032x}", 0xabc);
    assert_eq!(values(&Case::default().passes().fields, "x-request-id"), [id]);
    assert_eq!(values(&with(&[("host", "a"), ("x-request-id", "mine")]).passes().fields, "x-request-id"), ["mine"]);
}

#[test]
fn rules_of_the_pool_change_heads() {
    let name = HeaderName::from_static;
    let value = HeaderValue::from_static;
    let request = super::FieldRules {
        remove: Box::new([name("x-debug")]),
        set: Box::new([(name("x-env"), value("prod"))]),
        add: Box::new([(name("x-tag"), value("b"))]),
    };
    let rules = Rules { request: super::LineRules::of(&request), ..Rules::default() };
    let fields = [("host", "a"), ("x-debug", "1"), ("x-debug", "2"), ("X-Env", "dev"), ("x-tag", "a")];
    let head = Case { rules, ..with(&fields) }.passes();
    let written = head.fields;
    assert_eq!(values(&written, "x-debug"), [""; 0]);
    assert_eq!(values(&written, "x-env"), ["prod"]);
    assert_eq!(values(&written, "x-tag"), ["a", "b"]);
}

proptest::proptest! {
    /// Whatever a parser lets through: no panic, and what passes keeps its promises.
    #[test]
    fn what_passes_keeps_its_promises(
        method in "[A-Z]{1,40}",
        target in "(/[!-~]{0,20})|\\*|(https?://[a-z@:0-9]{1,12}(/[a-z]?)?)",
        fields in proptest::collection::vec(
            ("host|te|connection|content-length|transfer-encoding|x-forwarded-for|expect|upgrade|max-forwards|[a-z_-]{1,6}", "[ -~]{0,12}"),
            0..8,
        ),
        is_old: bool,
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.trim())).collect();
        let version = if is_old { Version::Old } else { Version::Current };
        let case = Case { method: &method, target: &target, version, ..with(&fields) };
        let Ok(Head { passed, line, fields }) = case.check() else { return Ok(()) };
        if passed.passage == Passage::Forward {
            proptest::prop_assert_eq!(values(&fields, "host").len(), 1);
            let begins = line.strip_prefix(method.as_str()).is_some_and(|rest| rest.starts_with(" /"));
            proptest::prop_assert!(begins && line.ends_with(" HTTP/1.1"));
            proptest::prop_assert_eq!(line.split(' ').count(), 3);
            proptest::prop_assert_eq!(values(&fields, "x-forwarded-for"), ["192.0.2.9"]);
            for name in ["connection", "upgrade", "expect"] {
                proptest::prop_assert!(!fields.contains_key(name), "{}", name);
            }
            proptest::prop_assert!(fields.keys().all(|name| !name.as_str().contains('_')));
            let framing = ["transfer-encoding", "content-length"].map(|name| values(&fields, name).len());
            proptest::prop_assert_eq!(framing.iter().sum::<usize>(), usize::from(passed.framing != Framing::None));
        }
    }
}
