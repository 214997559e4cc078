//! Asks proxies which generation they run: `GET /status` of their admin port.

use std::{net::SocketAddr, time::Duration};

use evenkeel_crds::sidecar::MAX_POOLS;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};

use crate::key::Key;

/// How many proxies are asked at once, over all pools.
const AT_ONCE: usize = 50;
/// The longest that an answer may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// What a proxy of a thousand pools would say; whoever answers at that address must not fill our memory.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// Asks proxies.
#[derive(Debug)]
pub struct Asker {
    permits: Semaphore,
}

/// What a proxy says of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it knows the pool.
    pub serves: bool,
    /// The generation that it runs; none yet, or it does not know the pool.
    pub generation: Option<i64>,
    /// The revision of that, if it says so.
    pub revision: Option<String>,
    /// The table that it refused last, if it has not taken one since.
    pub refusal: Option<Refusal>,
    /// Other pools of the namespace whose tables it refused: a port that this pool now has may have been theirs.
    pub losers: Vec<Key>,
}

/// Why a proxy refused a table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// In its words.
    pub message: String,
    /// Whether a newer proxy could read it.
    #[serde(default)]
    pub too_new: bool,
}

/// Why a proxy could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection, or it broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// No HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// A failure, or too much.
    #[error("{0}")]
    Answer(String),
    /// No JSON of a status.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// No answer in time.
    #[error("no answer within {DEADLINE:?}")]
    TooSlow,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    pools: Vec<PoolStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PoolStatus {
    namespace: String,
    name: String,
    #[serde(default)]
    generation: Option<i64>,
    #[serde(default)]
    revision: Option<String>,
    #[serde(default)]
    last_refusal: Option<Refusal>,
}

impl Default for Asker {
    fn default() -> Self {
        Self { permits: Semaphore::new(AT_ONCE) }
    }
}

impl Asker {
    /// Asks the proxy at that address about a pool.
    pub async fn ask(&self, proxy: SocketAddr, pool: &Key) -> Result<Answer, AskError> {
        let Ok(_permit) = self.permits.acquire().await else { return Err(AskError::TooSlow) }; // it is never closed
        let bytes = timeout(DEADLINE, fetch(proxy)).await.map_err(|_| AskError::TooSlow)??;
        let status: Status = serde_json::from_slice(&bytes)?;
        Ok(Answer::of(status, pool))
    }
}

impl Answer {
    fn of(status: Status, pool: &Key) -> Self {
        let mut answer = Self::default();
        for found in status.pools.into_iter().filter(|found| found.namespace == *pool.namespace) {
            if found.name == *pool.name {
                let PoolStatus { generation, revision, last_refusal, .. } = found;
                answer = Self { serves: true, generation, revision, refusal: last_refusal, ..answer };
            } else if found.last_refusal.is_some() && answer.losers.len() < MAX_POOLS {
                answer.losers.push(pool.sibling(&found.name));
            }
        }
        answer
    }
}

async fn fetch(proxy: SocketAddr) -> Result<Bytes, AskError> {
    let stream = TcpStream::connect(proxy).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/status").header(header::HOST, proxy.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| AskError::Answer(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(AskError::Answer(format!("answered {}", response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        Ok(body.map_err(|error| AskError::Answer(error.to_string()))?.to_bytes())
    };
    // The connection works while it is polled, and ends with this function whatever comes.
    tokio::pin!(connection, exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended?;
            exchange.await // what was read before the end may be a whole answer
        }
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
