//! An endpoint that writes down every request, head and body, and answers it; and tables of what clients send, what they get,
//! what the endpoint saw, and whether the connection went on.

use std::sync::{Arc, Mutex};

use crate::endpoint::{Accepted, Endpoint};
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::wire::{GET, OK, field, status};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Another request on it is answered.
    Open,
    /// It ends, without a reset.
    Closed,
}

/// What a client sends, what status it gets, lines that the endpoint saw of it (after `!` one that it did not see; none at
/// all: it saw no request), and what becomes of the connection.
pub(crate) type Row<'a> = (&'a str, u16, &'a [&'a str], Then);

/// An endpoint that writes down what it sees, behind a proxy.
pub(crate) struct Recorder {
    pub(crate) endpoint: Endpoint,
    pub(crate) proxy: Proxy,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Behind a proxy whose pool has this done to it.
    pub(crate) async fn start(change: impl FnOnce(Pool) -> Pool) -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&seen);
        let endpoint = Endpoint::start(move |accepted| serve(accepted, Arc::clone(&kept))).await;
        let proxy = Proxy::start(&change(Pool::of(&[endpoint.addr]))).await;
        Self { endpoint, proxy, seen }
    }

    /// Takes what was written down since the last look: for each request its head, and its body as the last line.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// Tries each row on a connection of its own, and tells all that are not as they should be.
    pub(crate) async fn holds(&self, rows: &[Row<'_>]) {
        let mut wrong = Vec::new();
        for row in rows {
            if let Err(error) = self.try_row(row).await {
                wrong.push(format!("{:.120?}: {error}", row.0));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn try_row(&self, (sent, got, lines, then): &Row<'_>) -> Result<(), String> {
        let mut client = self.proxy.connect().await;
        client.send(sent).await;
        let head = client.head().await.ok_or("no answer")?;
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        client.exactly(length).await;
        expect("status", status(&head), *got)?;
        let seen = self.seen();
        expect("requests that the endpoint saw", seen.len(), usize::from(!lines.is_empty()))?;
        for line in *lines {
            let (line, wanted) = line.strip_prefix('!').map_or((*line, true), |line| (line, false));
            if seen[0].lines().any(|found| found == line) != wanted {
                return Err(format!("{line:?} is{} there: {}", if wanted { " not" } else { "" }, seen[0]));
            }
        }
        match then {
            Then::Closed => {
                let rest = client.rest().await.map_err(|error| format!("no clean end: {error}"))?;
                expect("bytes after the answer", rest.as_str(), "")
            }
            Then::Open => {
                expect("Connection", field(&head, "connection"), None)?;
                client.send(GET).await;
                expect("the next status", client.head().await.as_deref().map(status), Some(200))?;
                self.seen();
                Ok(())
            }
        }
    }
}

fn expect<T: PartialEq + std::fmt::Debug + Copy>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?}, not {expected:?}")) }
}

async fn serve(mut accepted: Accepted, seen: Arc<Mutex<Vec<String>>>) {
    while let Some(head) = accepted.head().await {
        let body = match (field(&head, "content-length"), field(&head, "transfer-encoding")) {
            (None, None) => Some(String::new()),
            (Some(length), None) => accepted.conn.try_exactly(length.parse().unwrap()).await,
            (None, Some("chunked")) => {
                let body = accepted.conn.chunks_and_trailers().await;
                body.map(|(body, trailers)| [&[body], &trailers[..]].concat().join("\n"))
            }
            both => panic!("two framings: {both:?}"),
        };
        let lines = head.trim_end().replace("\r\n", "\n");
        let is_whole = body.is_some();
        seen.lock().unwrap().push(format!("{lines}\n{}", body.unwrap_or_else(|| "(cut short)".into())));
        if !is_whole {
            return;
        }
        accepted.conn.send(OK).await;
    }
}
