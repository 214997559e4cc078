//! The cheapest honest backend: one thread, epoll, prebuilt answers, one receive and one send a request.
//!
//! Requests have no body and are not pipelined, as the load generator sends them through any of the proxies.

use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use crate::net::{self, Epoll, Interest, Io};
use crate::works::{ANSWERS, BACKEND_PORTS};

/// Nobody waits for this: it only bounds the wait.
const IDLE: Duration = Duration::from_secs(3_600);

/// The backend has no options yet: its ports are fixed, in a namespace of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

struct Answer {
    /// With the blank behind it, so that `/1k` is not taken for `/1k-close`.
    path: Vec<u8>,
    keep_alive: Vec<u8>,
    closing: Vec<u8>,
    always_closes: bool,
}

struct Connection {
    socket: OwnedFd,
    /// A head that came in pieces.
    request: Vec<u8>,
    sending: Option<Sending>,
}

#[derive(Clone, Copy)]
struct Sending {
    answer: usize,
    sent: usize,
    closes: bool,
    /// The socket's buffer was full once.
    waited: bool,
}

struct Backend {
    epoll: Epoll,
    answers: Vec<Answer>,
    /// By file descriptor.
    listeners: Vec<Option<OwnedFd>>,
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
}

/// Serves until it is killed.
pub(crate) fn run(_: &Options) -> anyhow::Result<()> {
    let mut backend = Backend::new()?;
    for port in BACKEND_PORTS {
        let listener = net::listen(port)?;
        let at = index(&listener);
        backend.epoll.add(&listener, at)?;
        *slot(&mut backend.listeners, at) = Some(listener);
    }
    writeln!(io::stdout(), "listening")?;
    let mut ready = Vec::new();
    loop {
        ready.clear();
        backend.epoll.wait(&mut ready, IDLE)?;
        for &at in &ready {
            backend.on_ready(at)?;
        }
    }
}

impl Backend {
    fn new() -> io::Result<Self> {
        let answers = ANSWERS.iter().map(|&(path, size, closes)| Answer::new(path, size, closes)).collect();
        let (listeners, connections) = (Vec::new(), Vec::new());
        Ok(Self { epoll: Epoll::new()?, answers, listeners, connections, buffer: vec![0; 16_384] })
    }

    fn on_ready(&mut self, at: usize) -> io::Result<()> {
        if let Some(Some(listener)) = self.listeners.get(at) {
            // One a turn: the listener is level triggered and brings us back for the rest.
            let Some(socket) = net::accept(listener) else { return Ok(()) };
            let at = index(&socket);
            self.epoll.add(&socket, at)?;
            *slot(&mut self.connections, at) = Some(Connection { socket, request: Vec::new(), sending: None });
            return Ok(());
        }
        let Some(Some(connection)) = self.connections.get_mut(at) else { return Ok(()) };
        let alive = (connection.sending.is_some() || connection.read(&mut self.buffer, &self.answers))
            && connection.write(&self.answers, &self.epoll)?;
        if !alive {
            self.connections[at] = None;
        }
        Ok(())
    }
}

impl Connection {
    /// Reads until a head is complete, then chooses the answer. False: the connection is over.
    fn read(&mut self, buffer: &mut [u8], answers: &[Answer]) -> bool {
        let read = match net::receive(&self.socket, buffer) {
            Io::Bytes(read) => &buffer[..read],
            Io::Again => return true,
            Io::Closed => return false,
        };
        if self.request.is_empty() && read.ends_with(b"\r\n\r\n") {
            self.sending = choose(read, answers);
            return self.sending.is_some();
        }
        self.request.extend_from_slice(read);
        if self.request.ends_with(b"\r\n\r\n") {
            self.sending = choose(&self.request, answers);
            self.request.clear();
            return self.sending.is_some();
        }
        true
    }

    /// Sends what is left. False: the connection is over.
    fn write(&mut self, answers: &[Answer], epoll: &Epoll) -> io::Result<bool> {
        let Some(sending) = &mut self.sending else { return Ok(true) };
        let answer = &answers[sending.answer];
        let bytes = if sending.closes { &answer.closing } else { &answer.keep_alive };
        let at = index(&self.socket);
        while sending.sent < bytes.len() {
            match net::send(&self.socket, &bytes[sending.sent..]) {
                Io::Bytes(sent) => sending.sent += sent,
                Io::Again if sending.waited => return Ok(true),
                Io::Again => {
                    sending.waited = true;
                    return epoll.change(&self.socket, Interest::Write, at).map(|()| true);
                }
                Io::Closed => return Ok(false),
            }
        }
        if sending.waited && !sending.closes {
            epoll.change(&self.socket, Interest::Read, at)?;
        }
        let closes = sending.closes;
        self.sending = None;
        Ok(!closes)
    }
}

/// None: no such path, and the connection closes; the load generator counts an error.
fn choose(head: &[u8], answers: &[Answer]) -> Option<Sending> {
    let target = head.strip_prefix(b"GET ")?;
    let answer = answers.iter().position(|answer| target.starts_with(&answer.path))?;
    // "close" and "Close"; nothing else that is sent here ends a line so.
    let closes = answers[answer].always_closes || head.windows(6).any(|bytes| bytes == b"lose\r\n");
    Some(Sending { answer, sent: 0, closes, waited: false })
}

impl Answer {
    fn new(path: &str, size: usize, always_closes: bool) -> Self {
        let whole = |field| {
            let head = "HTTP/1.1 200 OK\r\nserver: backend\r\ncontent-type: text/plain\r\n";
            format!("{head}{field}content-length: {size}\r\n\r\n{}", "x".repeat(size)).into_bytes()
        };
        let (keep_alive, closing) = (whole(""), whole("connection: close\r\n"));
        Self { path: format!("{path} ").into_bytes(), keep_alive, closing, always_closes }
    }
}

fn index(socket: &OwnedFd) -> usize {
    usize::try_from(socket.as_raw_fd()).unwrap_or_default()
}

fn slot<T>(slots: &mut Vec<Option<T>>, at: usize) -> &mut Option<T> {
    if slots.len() <= at {
        slots.resize_with(at + 1, || None);
    }
    &mut slots[at]
}
