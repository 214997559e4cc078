//! The chunked coding (RFC 9112 §7.1), read strictly: no byte beyond the grammar, and not a line end but CRLF.

use bytes::{Buf as _, Bytes};
use evenkeel_crds::fields::is_token;

use super::{
    body::{BodyError, Piece},
    trailers::Trailers,
};

/// All extensions of a body together. They are never passed on; nobody is known to use them.
const MAX_EXTENSION_BYTES: u32 = 16 * 1024;
/// 64 bits in hexadecimal.
const MAX_DIGITS: u8 = 16;

/// Reads a body in chunks, however its bytes are split into reads.
#[derive(Debug, Default)]
pub(super) struct ChunkDecoder {
    state: State,
    /// Of the chunk's size, while it is read; then of its data.
    left: u64,
    digits: u8,
    extension_bytes: u32,
    trailers: Trailers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// White space after the size or a value; only another extension may follow.
    Gap,
    NameStart,
    Name,
    /// White space after a name.
    NameGap,
    ValueStart,
    Token,
    Quoted,
    Escaped,
    QuotedEnd,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Done,
}

impl ChunkDecoder {
    /// Of a request's body.
    pub(super) fn of_request() -> Self {
        Self { trailers: Trailers::of_request(), ..Self::default() }
    }

    /// Takes the next piece off the input.
    pub(super) fn decode(&mut self, input: &mut Bytes) -> Result<Piece, BodyError> {
        loop {
            match self.state {
                State::Data if input.is_empty() => return Ok(Piece::More),
                State::Data => return Ok(Piece::Data(self.take(input))),
                State::Trailers => {
                    let Some(fields) = self.trailers.read(input)? else { return Ok(Piece::More) };
                    self.state = State::Done;
                    return Ok(if fields.is_empty() { Piece::End } else { Piece::Trailers(fields) });
                }
                State::Done => return Ok(Piece::End),
                _ => {
                    if !self.read_line(input)? {
                        return Ok(Piece::More);
                    }
                }
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn take(&mut self, input: &mut Bytes) -> Bytes {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
        self.left -= length as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        input.split_to(length)
    }

    /// Reads what stands between data. False: the input is used up.
    fn read_line(&mut self, input: &mut Bytes) -> Result<bool, BodyError> {
        for (at, byte) in input.iter().enumerate() {
            if matches!(self.state, State::Data | State::Trailers) {
                input.advance(at);
                return Ok(true);
            }
            self.state = self.step(*byte).ok_or(BodyError::Chunk)?;
        }
        input.clear();
        Ok(matches!(self.state, State::Data | State::Trailers))
    }

    fn step(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::Size, _) => return self.step_size(byte),
            (State::SizeLf, b'\n') => return Some(self.begin()),
            (State::DataCr, b'\r') => return Some(State::DataLf),
            (State::DataLf, b'\n') => return Some(State::Size),
            (State::SizeLf | State::DataCr | State::DataLf, _) => return None,
            _ => {}
        }
        self.extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES {
            return None;
        }
        step_extension(self.state, byte)
    }

    fn step_size(&mut self, byte: u8) -> Option<State> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            self.digits += 1;
            self.left = self.left << 4 | u64::from(digit);
            return (self.digits <= MAX_DIGITS).then_some(State::Size);
        }
        match byte {
            _ if self.digits == 0 => None,
            b'\r' => Some(State::SizeLf),
            b';' => Some(State::NameStart),
            b' ' | b'\t' => Some(State::Gap),
            _ => None,
        }
    }

    /// Begins what the size line announced.
    fn begin(&mut self) -> State {
        self.digits = 0;
        if self.left == 0 { State::Trailers } else { State::Data }
    }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`, then CR.
fn step_extension(state: State, byte: u8) -> Option<State> {
    let white = matches!(byte, b' ' | b'\t');
    let token = is_token(byte);
    match (state, byte) {
        (State::Gap | State::Name | State::NameGap | State::Token | State::QuotedEnd, b';') => Some(State::NameStart),
        (State::Name | State::Token | State::QuotedEnd, b'\r') => Some(State::SizeLf),
        (State::Name | State::NameGap, b'=') => Some(State::ValueStart),
        (State::Quoted, b'"') => Some(State::QuotedEnd),
        (State::Quoted, b'\\') => Some(State::Escaped),
        (State::ValueStart, b'"') | (State::Quoted | State::Escaped, b'\t' | b' '..=b'~' | 0x80..) => {
            Some(State::Quoted)
        }
        (State::Gap | State::Token | State::QuotedEnd, _) if white => Some(State::Gap),
        (State::Name | State::NameGap, _) if white => Some(State::NameGap),
        (State::NameStart | State::ValueStart, _) if white => Some(state),
        (State::NameStart | State::Name, _) if token => Some(State::Name),
        (State::ValueStart | State::Token, _) if token => Some(State::Token),
        _ => None,
    }
}
