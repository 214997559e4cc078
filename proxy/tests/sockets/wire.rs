//! One end of a connection as raw bytes.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far more than anything here takes on a busy machine, and less than a test's patience.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An answer that leaves the connection open.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// The plainest request.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
/// One that must not be sent twice.
pub(crate) const POST: &str = "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc";

/// One end of a connection.
pub(crate) struct Conn(BufReader<TcpStream>);

impl Conn {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = timeout(SOON, TcpStream::connect(addr)).await.unwrap();
        Self::new(stream.unwrap_or_else(|error| panic!("{addr}: {error}")))
    }

    /// None if nobody listens there.
    pub(crate) async fn try_connect(addr: SocketAddr) -> Option<Self> {
        timeout(SOON, TcpStream::connect(addr)).await.unwrap().ok().map(Self::new)
    }

    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(SOON, self.0.write_all(bytes.as_ref())).await.unwrap().unwrap();
    }

    /// Writes until the other end has had enough of it.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(SOON, self.0.write_all(bytes)).await.unwrap()
    }

    /// The next head, with names in lower case; none at the end of the stream.
    pub(crate) async fn head(&mut self) -> Option<String> {
        self.head_within(SOON).await
    }

    /// The next head; the other end may be idle for longer than a test takes.
    pub(crate) async fn patient_head(&mut self) -> Option<String> {
        self.head_within(SOON * 10).await
    }

    /// The next head, or none: the other end may leave within it.
    pub(crate) async fn try_head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = timeout(SOON, self.0.read_until(b'\n', &mut head)).await.unwrap().ok()?;
            if read == 0 {
                return None;
            }
        }
        Some(lower_names(head))
    }

    async fn head_within(&mut self, limit: Duration) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match timeout(limit, self.0.read_u8()).await.unwrap() {
                Ok(byte) => head.push(byte),
                Err(_) if head.is_empty() => return None,
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
            }
        }
        Some(lower_names(head))
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        timeout(SOON, self.0.read_exact(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// So many bytes; none if the stream ends before.
    pub(crate) async fn try_exactly(&mut self, length: usize) -> Option<String> {
        let mut bytes = vec![0; length];
        timeout(SOON, self.0.read_exact(&mut bytes)).await.unwrap().ok()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// A line without its end; none if the stream ends before.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        timeout(SOON, self.0.read_line(&mut line)).await.unwrap().ok()?;
        Some(line.strip_suffix("\r\n")?.to_owned())
    }

    /// A body in chunks, without trailers; none if it does not come to its end.
    pub(crate) async fn chunks(&mut self) -> Option<String> {
        self.chunks_and_trailers().await.filter(|(_, trailers)| trailers.is_empty()).map(|(body, _)| body)
    }

    /// A body in chunks and the lines of its trailers.
    pub(crate) async fn chunks_and_trailers(&mut self) -> Option<(String, Vec<String>)> {
        let mut body = String::new();
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).ok()?;
            if size == 0 {
                break;
            }
            body += &self.try_exactly(size).await?;
            self.line().await.filter(String::is_empty)?;
        }
        let mut trailers = Vec::new();
        loop {
            match self.line().await? {
                end if end.is_empty() => return Some((body, trailers)),
                trailer => trailers.push(trailer.to_lowercase()),
            }
        }
    }

    /// An answer with a length: head and body.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await.expect("an answer, not the end of the stream");
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.exactly(length).await;
        (head, body)
    }

    /// Up to some text, that included.
    pub(crate) async fn up_to(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            bytes.push(timeout(SOON, self.0.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Everything until the end of the stream; the error of a reset.
    pub(crate) async fn rest(&mut self) -> io::Result<String> {
        let mut rest = Vec::new();
        timeout(SOON, self.0.read_to_end(&mut rest)).await.unwrap()?;
        Ok(String::from_utf8(rest).unwrap())
    }

    /// Reads what comes and counts the bytes, until so many are here.
    pub(crate) async fn count_to(&mut self, bytes: u64) {
        let mut block = vec![0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let most = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = timeout(SOON, self.0.read(&mut block[..most])).await.unwrap().unwrap();
            assert!(read > 0, "{left} of {bytes} bytes are missing");
            left -= read as u64;
        }
    }

    /// Whether the other end closes, in whatever way, with nothing more to say.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.rest().await.map_or(true, |rest| rest.is_empty())
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.make_reset();
    }

    /// Lets the connection end with a reset when it is dropped.
    pub(crate) fn make_reset(&self) {
        self.0.get_ref().set_zero_linger().unwrap();
    }
}

fn lower_names(head: Vec<u8>) -> String {
    let lines = String::from_utf8(head).unwrap();
    let lower = |line: &str| match line.split_once(':') {
        Some((name, value)) if !name.contains(' ') => format!("{}:{value}\r\n", name.to_lowercase()),
        _ => format!("{line}\r\n"),
    };
    lines.trim_end().split("\r\n").map(lower).collect()
}

/// The value of a field in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    fields(head, name).first().copied()
}

/// All values of a field.
pub(crate) fn fields<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(found, _)| *found == name).map(|(_, value)| value.trim()).collect()
}

/// The status of an answer.
pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}
