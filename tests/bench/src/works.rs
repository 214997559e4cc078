//! The works as data: what is asked for, by how many connections, how often.

/// A kind of traffic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// Its name on the command line and in results.
    pub(crate) name: &'static str,
    /// What it is, for the table.
    pub(crate) title: &'static str,
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
    /// Requests of one timed run.
    pub(crate) requests: u64,
    /// Few and many requests of a counted run. Both are well above the number of connections, so that both fill the same pools.
    pub(crate) counted: (u64, u64),
    pub(crate) shape: Shape,
}

/// How requests follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    /// A connection asks again when it has its answer.
    Closed,
    /// So many requests a second, whatever the answers do.
    Open(u32),
    /// A new connection for each request.
    ConnectionEach,
}

const fn work(name: &'static str, title: &'static str, path: &'static str, connections: usize, requests: u64) -> Work {
    Work { name, title, path, connections, requests, counted: (1_000, 3_000), shape: Shape::Closed }
}

/// All of them.
pub(crate) const WORKS: [Work; 7] = [
    work("1k", "1 KiB, 64 keep-alive connections", "/1k", 64, 150_000),
    Work { counted: (300, 900), ..work("64k", "64 KiB, 64 connections", "/64k", 64, 30_000) },
    Work { counted: (40, 120), ..work("1m", "1 MiB, 16 connections", "/1m", 16, 3_000) },
    Work {
        counted: (500, 1_500),
        shape: Shape::ConnectionEach,
        ..work("close", "new client connection a request, 32 at once", "/1k", 32, 30_000)
    },
    Work { shape: Shape::Open(5_000), ..work("low", "5,000 requests/s, open loop", "/1k", 64, 25_000) },
    // Nothing can be batched: for system calls.
    Work { counted: (300, 1_300), ..work("one", "1 KiB, one connection", "/1k", 1, 20_000) },
    // The upstream closes after each answer, so that the number of endpoints changes nothing but the pick.
    Work {
        counted: (1_000, 3_000),
        ..work("fresh", "1 KiB, new upstream connection a request", "/1k-close", 64, 30_000)
    },
];

/// What the backend answers: path, size of the body, and whether it closes the connection afterwards.
pub(crate) const ANSWERS: [(&str, usize, bool); 4] =
    [("/1k", 1024, false), ("/64k", 65_536, false), ("/1m", 1 << 20, false), ("/1k-close", 1024, true)];

/// The ports of the backends, all in one process.
pub(crate) const BACKEND_PORTS: [u16; 4] = [9001, 9002, 9003, 9004];

impl Work {
    /// The work of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        WORKS.iter().find(|work| work.name == name)
    }
}
