//! Both ends of a connection as raw bytes: a client that writes what it wants, and servers that misbehave.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far more than anything here takes, and less than a test's patience.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A connection to a server under test.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self(TcpStream::connect(addr).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// One answer with `Content-Length`: head and body.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(SOON, self.0.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        timeout(SOON, self.0.read_exact(&mut body)).await.unwrap().unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    pub(crate) async fn get(&mut self, path: &str) -> (String, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        self.answer().await
    }

    /// Everything until the end of the stream; the error of a reset.
    pub(crate) async fn rest(&mut self) -> std::io::Result<String> {
        let mut rest = String::new();
        timeout(SOON, self.0.read_to_string(&mut rest)).await.unwrap()?;
        Ok(rest)
    }
}

/// A server that treats its nth connection (from 0) as `serve` says.
pub(crate) async fn server<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            serve(number, stream).await;
        }
    });
    addr
}

/// Reads one request without body.
pub(crate) async fn read_request(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// Reads one request and answers 200 in the name of `raw`.
pub(crate) async fn answer_once(stream: &mut TcpStream) {
    read_request(stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\nX-Server: raw\r\nContent-Length: 0\r\n\r\n").await.unwrap();
}
