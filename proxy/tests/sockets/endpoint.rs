//! Endpoints that do what they want, byte by byte, and tell what they saw.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use crate::wire::{Conn, field};

/// An endpoint.
pub(crate) struct Endpoint {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

/// A connection as an endpoint has it.
pub(crate) struct Accepted {
    /// Which one it is, from 0.
    pub(crate) number: usize,
    pub(crate) conn: Conn,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Serves each connection in a task of its own.
    pub(crate) async fn start<F, Fut>(serve: F) -> Self
    where
        F: Fn(Accepted) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (connections, heads) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (count, seen) = (Arc::clone(&connections), Arc::clone(&heads));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Relaxed);
                tokio::spawn(serve(Accepted { number, conn: Conn::new(stream), heads: Arc::clone(&seen) }));
            }
        });
        Self { addr, connections, heads, task }
    }

    /// Answers every request without a body with the same bytes.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::start(move |mut accepted| async move {
            while accepted.request().await.is_some() {
                accepted.conn.send(answer).await;
            }
        })
        .await
    }

    /// Stops to listen: the next connection is refused.
    pub(crate) async fn close(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Accepted {
    /// The next request: its head, which is also kept, and its body if it has a length.
    pub(crate) async fn request(&mut self) -> Option<(String, String)> {
        let head = self.head().await?;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        Some((head, self.conn.exactly(length).await))
    }

    /// The next request's head, which is also kept.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let head = self.conn.head().await?;
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
