//! The proxy's `/status`: what is in force, and what was refused.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// It answers within milliseconds; the table is redrawn each second.
const DEADLINE: Duration = Duration::from_millis(900);

#[derive(Debug, Deserialize)]
struct Status {
    pools: Vec<PoolStatus>,
}

/// The state of a pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolStatus {
    pub(crate) generation: Option<i64>,
    pub(crate) revision: Option<String>,
    /// In Unix seconds.
    pub(crate) since: Option<u64>,
    last_refusal: Option<Refusal>,
}

#[derive(Clone, Debug, Deserialize)]
struct Refusal {
    message: String,
}

impl PoolStatus {
    /// Why the newest file is not in force, if it is not.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.last_refusal.as_ref().map(|refusal| refusal.message.as_str())
    }
}

/// Asks for the state of the first pool.
pub(crate) async fn get(admin: SocketAddr) -> anyhow::Result<PoolStatus> {
    let asked = timeout(DEADLINE, ask(admin)).await;
    let body = asked.with_context(|| format!("no answer within {DEADLINE:?}")).and_then(|answer| answer);
    let body = body.with_context(|| format!("the proxy does not tell its status at {admin}"))?;
    let status: Status = serde_json::from_slice(&body).context("the proxy's status cannot be read")?;
    status.pools.into_iter().next().context("the proxy has no pool")
}

async fn ask(admin: SocketAddr) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(admin).await?;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/status").header(HOST, admin.to_string()).body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = client.send_request(request).await?;
        let status = response.status();
        if !status.is_success() {
            bail!("{status}");
        }
        let body = response.into_body().collect().await?.to_bytes();
        drop(client); // no further request: the connection ends
        Ok(body)
    };
    let (body, _) = tokio::join!(exchange, connection);
    body
}
