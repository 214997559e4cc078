//! The load generator: HTTP/1.1 GET over the loopback from one thread; every answer is checked; a line of JSON at the end.

mod connection;
mod report;

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use anyhow::bail;
use rustix::thread::set_current_timer_slack;

use self::connection::{Answers, Connection, Progress};
pub(crate) use self::report::Report;
use crate::net::{self, Epoll, Io};
use crate::works::ANSWERS;

/// Nothing at all for so long means that something hangs.
const STALL: Duration = Duration::from_secs(10);
/// How many requests are under way while idle connections are made: that must not be a burst.
const FILLING: u64 = 64;

/// What is sent.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The proxy's port on 127.0.0.1.
    #[arg(long)]
    pub(crate) port: u16,
    /// What is asked for.
    #[arg(long, default_value = "/1k")]
    pub(crate) path: String,
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    #[arg(long, default_value_t = 100_000)]
    pub(crate) requests: u64,
    /// Requests a second, open loop: latency counts from the time at which a request was due.
    #[arg(long)]
    pub(crate) rate: Option<u32>,
    /// A new connection for each request.
    #[arg(long)]
    pub(crate) close: bool,
    /// One request on each connection; then they stay open until standard input ends.
    #[arg(long, conflicts_with_all = ["rate", "close", "requests"])]
    pub(crate) hold: bool,
}

struct Load<'a> {
    options: &'a Options,
    requests: u64,
    request: Vec<u8>,
    answers: Answers,
    epoll: Epoll,
    connections: Vec<Connection>,
    free: VecDeque<usize>,
    latencies: Vec<Duration>,
    start: Instant,
    opened: u32,
    sent: u64,
    errors: u64,
    reconnects: u64,
}

/// Runs and prints the report.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    // An open loop is as exact as its waits: Linux adds 50 µs to each unless told otherwise.
    set_current_timer_slack(NonZeroU64::new(1_000))?;
    let mut load = Load::new(options)?;
    let gave_up = load.run()?;
    let report = Report::new(&mut load.latencies, load.start.elapsed(), load.errors, load.reconnects)?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    if let Some(why) = gave_up {
        bail!(why);
    }
    if options.hold {
        io::stdin().read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

impl<'a> Load<'a> {
    fn new(options: &'a Options) -> anyhow::Result<Self> {
        let Some((_, length, _)) = ANSWERS.iter().find(|(path, ..)| *path == options.path) else {
            bail!("the backend has no {}", options.path);
        };
        let requests = if options.hold { options.connections as u64 } else { options.requests };
        let mut load = Self {
            options,
            requests,
            request: request(options),
            answers: Answers::of_length(*length),
            epoll: Epoll::new()?,
            connections: (0..options.connections).map(|_| Connection::default()).collect(),
            free: (0..options.connections).collect(),
            latencies: Vec::with_capacity(usize::try_from(requests)?),
            start: Instant::now(),
            opened: 0,
            sent: 0,
            errors: 0,
            reconnects: 0,
        };
        if !options.close && !options.hold {
            for at in 0..load.connections.len() {
                load.connect(at)?;
            }
        }
        load.start = Instant::now();
        Ok(load)
    }

    fn ended(&self) -> u64 {
        self.latencies.len() as u64 + self.errors
    }

    /// Some(why) if it had to give up.
    fn run(&mut self) -> anyhow::Result<Option<String>> {
        let mut ready = Vec::new();
        let mut last = self.start;
        while self.ended() < self.requests {
            self.issue()?;
            ready.clear();
            self.epoll.wait(&mut ready, self.patience())?;
            let now = Instant::now();
            if !ready.is_empty() {
                last = now;
            } else if now - last > STALL {
                return Ok(Some(format!("nothing for {STALL:?}: {} of {} ended", self.ended(), self.sent)));
            }
            for &at in &ready {
                self.on_ready(at);
            }
        }
        Ok(None)
    }

    /// Sends as many requests as are due and as there are free connections.
    fn issue(&mut self) -> io::Result<()> {
        while self.sent < self.requests {
            let now = Instant::now();
            let due = self.due().unwrap_or(now);
            if due > now || (self.options.hold && self.sent > self.ended() + FILLING) {
                break;
            }
            let Some(at) = self.free.pop_front() else { break };
            self.sent += 1;
            if self.connections[at].socket.is_none() {
                self.connect(at)?;
                self.reconnects += u64::from(!self.options.close && !self.options.hold);
            }
            let connection = &mut self.connections[at];
            connection.started = Some(due);
            let sent = connection.socket.as_ref().map(|socket| net::send(socket, &self.request));
            if !matches!(sent, Some(Io::Bytes(bytes)) if bytes == self.request.len()) {
                self.fail(at);
            }
        }
        Ok(())
    }

    /// When the next request is due in an open loop.
    fn due(&self) -> Option<Instant> {
        let nanos = self.sent * 1_000_000_000 / u64::from(self.options.rate?);
        Some(self.start + Duration::from_nanos(nanos))
    }

    fn patience(&self) -> Duration {
        let due = self.due().filter(|_| self.sent < self.requests && !self.free.is_empty());
        due.map_or(STALL, |due| due.saturating_duration_since(Instant::now()))
    }

    fn connect(&mut self, at: usize) -> io::Result<()> {
        let socket = net::connect(self.options.port, self.opened)?;
        self.opened += 1;
        self.epoll.add(&socket, at)?;
        self.connections[at].socket = Some(socket);
        Ok(())
    }

    fn on_ready(&mut self, at: usize) {
        match self.connections[at].advance(&mut self.answers) {
            Progress::More => {}
            Progress::Done => self.finish(at),
            Progress::Failed => self.fail(at),
        }
    }

    fn finish(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let started = connection.started.take().unwrap_or(self.start);
        self.latencies.push(started.elapsed());
        if self.options.close || connection.closing {
            *connection = Connection::default();
        }
        if !self.options.hold {
            self.free.push_back(at);
        }
    }

    /// What nobody asked for, such as the end of an idle connection, is an error only while a request is under way.
    fn fail(&mut self, at: usize) {
        let failed = std::mem::take(&mut self.connections[at]);
        if failed.started.is_some() {
            self.errors += 1;
            self.free.push_back(at);
        }
    }
}

fn request(options: &Options) -> Vec<u8> {
    let (path, port) = (&options.path, options.port);
    let close = if options.close { "Connection: close\r\n" } else { "" };
    let usual = "User-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n";
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{usual}{close}\r\n").into_bytes()
}
