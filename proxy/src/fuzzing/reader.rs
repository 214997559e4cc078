//! A second reader of HTTP/1.1, as plain as it can be: it takes the strict grammar of RFC 9112 alone, and knows nothing of ours.

/// A message as this reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The first line.
    pub(super) start: String,
    /// Names in lower case.
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// All values of a field.
    pub(super) fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(found, _)| found == name).map(|(_, value)| &value[..]).collect()
    }
}

/// Takes requests off the input, for as long as there are any that this reader understands.
pub(super) fn requests(mut input: &[u8]) -> (Vec<Message>, &[u8]) {
    let mut messages = Vec::new();
    while let Some((message, rest)) = request(input) {
        messages.push(message);
        input = rest;
    }
    (messages, input)
}

fn request(input: &[u8]) -> Option<(Message, &[u8])> {
    let (start, fields, rest) = head(input)?;
    let parts: Vec<_> = start.split(' ').collect();
    let [method, target, "HTTP/1.0" | "HTTP/1.1"] = parts[..] else { return None };
    if method.is_empty() || target.is_empty() || !method.bytes().all(is_token) {
        return None;
    }
    let message = Message { start, fields, body: Vec::new(), trailers: Vec::new() };
    let lengths = message.values("content-length");
    let codings = message.values("transfer-encoding");
    let (body, trailers, rest) = match (&lengths[..], &codings[..]) {
        ([], []) => (Vec::new(), Vec::new(), rest),
        ([length], []) => {
            let (body, rest) = rest.split_at_checked(decimal(length)?)?;
            (body.to_vec(), Vec::new(), rest)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => chunked(rest)?,
        _ => return None,
    };
    Some((Message { body, trailers, ..message }, rest))
}

type Lines = Vec<(String, Vec<u8>)>;

/// First line and fields.
pub(super) fn head(input: &[u8]) -> Option<(String, Lines, &[u8])> {
    let (start, rest) = line(input)?;
    let (fields, rest) = fields(rest)?;
    Some((String::from_utf8(start.to_vec()).ok()?, fields, rest))
}

fn fields(mut input: &[u8]) -> Option<(Lines, &[u8])> {
    let mut fields = Vec::new();
    loop {
        let (text, rest) = line(input)?;
        input = rest;
        if text.is_empty() {
            return Some((fields, input));
        }
        let colon = text.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&text[..colon], &text[colon + 1..]);
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return None;
        }
        fields.push((String::from_utf8_lossy(name).to_lowercase(), value.trim_ascii().to_vec()));
    }
}

/// A body in chunks, with the extensions that are a token or `token=token`.
pub(super) fn chunked(mut input: &[u8]) -> Option<(Vec<u8>, Lines, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (size, rest) = line(input)?;
        let (size, extension) = size.split_at(size.iter().position(|byte| *byte == b';').unwrap_or(size.len()));
        let plain = extension.iter().all(|byte| is_token(*byte) || b";=".contains(byte));
        let proper = |part: &[u8]| !part.is_empty() && part.split(|byte| *byte == b'=').all(|word| !word.is_empty());
        if !plain || !extension.split(|byte| *byte == b';').skip(1).all(|part| proper(part) && equals(part) < 2) {
            return None;
        }
        let size = hexadecimal(size)?;
        if size == 0 {
            let (trailers, rest) = fields(rest)?;
            return Some((body, trailers, rest));
        }
        let (data, rest) = rest.split_at_checked(size)?;
        body.extend_from_slice(data);
        input = rest.strip_prefix(b"\r\n")?;
    }
}

fn equals(part: &[u8]) -> usize {
    part.split(|byte| *byte == b'=').count() - 1
}

/// Up to CRLF: visible characters, spaces, tabs and what is not ASCII.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|byte| *byte != b'\t' && (*byte < b' ' || *byte == 0x7f))?;
    Some((&input[..end], input[end..].strip_prefix(b"\r\n")?))
}

fn decimal(text: &[u8]) -> Option<usize> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn hexadecimal(text: &[u8]) -> Option<usize> {
    let digits = (1..=16).contains(&text.len()) && text.iter().all(u8::is_ascii_hexdigit);
    digits.then(|| usize::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()).flatten()
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
