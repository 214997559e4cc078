//! One connection of the load generator: reads an answer to its end and checks it.

use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::net::{self, Io};

/// Room for a head and a small body; larger bodies are not copied at all.
const HEAD_ROOM: usize = 16_384;
/// What one call may discard.
const BODY_ROOM: usize = 1 << 20;

#[derive(Default)]
pub(super) struct Connection {
    pub(super) socket: Option<OwnedFd>,
    /// Of the request under way.
    pub(super) started: Option<Instant>,
    /// The answer says that the server closes.
    pub(super) closing: bool,
    /// A head that came in pieces.
    head: Vec<u8>,
    /// Bytes of the body still to come, once the head is here.
    left: Option<usize>,
}

#[derive(PartialEq)]
pub(super) enum Progress {
    More,
    Done,
    Failed,
}

/// What answers must be, and what the last head was: most are the same byte for byte.
pub(super) struct Answers {
    length: usize,
    last: Vec<u8>,
    last_closing: bool,
    buffer: Vec<u8>,
}

impl Answers {
    pub(super) fn of_length(length: usize) -> Self {
        Self { length, last: Vec::new(), last_closing: false, buffer: vec![0; BODY_ROOM] }
    }

    /// Length of the head and whether it closes; `None` while it is not complete.
    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<(usize, bool)>, ()> {
        if !self.last.is_empty() && bytes.starts_with(&self.last) {
            return Ok(Some((self.last.len(), self.last_closing)));
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let good = lines.next().is_some_and(|line| line.starts_with("http/1.1 200"));
        let fields: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
        let value = |name| fields.iter().find(|field| field.0 == name).map(|field| field.1.trim());
        if !good || value("content-length").and_then(|length| length.parse().ok()) != Some(self.length) {
            eprintln!("not the answer that was asked for:\n{head}");
            return Err(());
        }
        self.last = bytes[..end + 4].to_vec();
        self.last_closing = value("connection") == Some("close");
        Ok(Some((self.last.len(), self.last_closing)))
    }
}

impl Connection {
    /// One read; level-triggered epoll brings us back for the rest.
    pub(super) fn advance(&mut self, answers: &mut Answers) -> Progress {
        let Some(socket) = &self.socket else { return Progress::More };
        if self.started.is_none() {
            return Progress::Failed; // bytes or an end without a request
        }
        if let Some(left) = self.left {
            return match net::discard(socket, &mut answers.buffer[..left.min(BODY_ROOM)]) {
                Io::Bytes(read) => self.leave(left - read),
                Io::Again => Progress::More,
                Io::Closed => Progress::Failed,
            };
        }
        let mut buffer = std::mem::take(&mut answers.buffer);
        let progress = match net::receive(socket, &mut buffer[..HEAD_ROOM]) {
            Io::Bytes(read) => self.on_bytes(&buffer[..read], answers),
            Io::Again => Progress::More,
            Io::Closed => Progress::Failed,
        };
        answers.buffer = buffer;
        progress
    }

    fn on_bytes(&mut self, bytes: &[u8], answers: &mut Answers) -> Progress {
        if !self.head.is_empty() {
            let mut whole = std::mem::take(&mut self.head);
            whole.extend_from_slice(bytes);
            return self.on_start(&whole, answers);
        }
        self.on_start(bytes, answers)
    }

    /// `bytes` is the answer from its start on, as far as it is here.
    fn on_start(&mut self, bytes: &[u8], answers: &mut Answers) -> Progress {
        match answers.read_head(bytes) {
            Err(()) => Progress::Failed,
            Ok(None) => {
                self.head = bytes.to_vec();
                Progress::More
            }
            Ok(Some((length, closing))) => {
                self.closing = closing;
                match (length + answers.length).checked_sub(bytes.len()) {
                    Some(left) => self.leave(left),
                    None => Progress::Failed, // more than an answer
                }
            }
        }
    }

    fn leave(&mut self, left: usize) -> Progress {
        self.left = (left > 0).then_some(left);
        if left == 0 { Progress::Done } else { Progress::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_be_200_and_as_long_as_promised() {
        let read = |bytes: &[u8]| Answers::of_length(5).read_head(bytes);
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(read(good), Ok(Some((good.len() - 5, false))));
        assert_eq!(read(&good[..30]), Ok(None));
        let closing = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n";
        assert_eq!(read(closing), Ok(Some((closing.len(), true))));
        for bad in ["HTTP/1.1 502 Bad\r\ncontent-length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"] {
            assert_eq!(read(bad.as_bytes()), Err(()), "{bad}");
        }
    }

    #[test]
    fn a_head_like_the_last_is_known_again_and_another_is_read() {
        let mut answers = Answers::of_length(0);
        let head = |date: &str| format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: 0\r\n\r\n").into_bytes();
        for date in ["one", "one", "three"] {
            let head = head(date);
            assert_eq!(answers.read_head(&head), Ok(Some((head.len(), false))));
        }
    }
}
