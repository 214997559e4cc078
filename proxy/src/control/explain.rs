//! What `/explain` says: how a worker would pick now, by the very code that picks.

use std::{cell::RefCell, net::IpAddr, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use tokio::{sync::oneshot, time::timeout};

use super::{Control, admin, local};
use crate::{balance::Step, worker::Command};

/// A worker that is busy answers after its turn.
const LIMIT: Duration = Duration::from_secs(2);

const WHICH: &str =
    "which pool? /explain?pool=NAMESPACE/NAME, with &key=KEY where keys choose, and &thread=N for another worker\n";
const NO_POOL: &str = "no such pool has a table in force here; /status names the pools\n";
const NO_THREAD: &str = "there is no such worker; /status says how many threads there are, the first is 0\n";
const BUSY: &str = "the worker did not answer in time; ask again\n";

/// How a worker would pick.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    pool: String,
    /// Turns are each worker's own.
    thread: usize,
    algorithm: &'static str,
    key: Option<String>,
    steps: Vec<Step>,
}

/// What is asked for.
#[derive(Default)]
struct Asked {
    pool: String,
    key: Option<String>,
    thread: String,
}

impl Asked {
    fn of(query: Option<&str>) -> Self {
        let mut asked = Self { thread: "0".into(), ..Self::default() };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "pool" => asked.pool = value.into_owned(),
                "key" => asked.key = Some(value.into_owned()).filter(|key| !key.is_empty()), // which is none
                "thread" => asked.thread = value.into_owned(),
                _ => {}
            }
        }
        asked
    }
}

/// Answers a peer that asks with these fields and this query.
pub(super) async fn answer(
    control: &Rc<RefCell<Control>>,
    peer: IpAddr,
    fields: &HeaderMap,
    query: Option<&str>,
) -> Response<Full<Bytes>> {
    if let Some(refusal) = local::refusal(peer, fields) {
        return refusal;
    }
    match explain(control, Asked::of(query)).await {
        Ok(explanation) => admin::json(&explanation),
        Err((status, text)) => admin::text(status, text),
    }
}

async fn explain(control: &Rc<RefCell<Control>>, asked: Asked) -> Result<Explanation, (StatusCode, &'static str)> {
    if asked.pool.is_empty() {
        return Err((StatusCode::BAD_REQUEST, WHICH));
    }
    let (worker, pool, thread, algorithm) = {
        let control = control.borrow();
        let is_asked =
            |known: &super::PoolControl| asked.pool.split_once('/') == Some((known.namespace(), known.name()));
        let pool = control.pools.iter().position(is_asked).ok_or((StatusCode::NOT_FOUND, NO_POOL))?;
        let view = control.shared.pools[pool].view.load_full().ok_or((StatusCode::NOT_FOUND, NO_POOL))?;
        let thread = asked.thread.parse().unwrap_or(usize::MAX);
        let worker = control.listeners.worker(thread).ok_or((StatusCode::NOT_FOUND, NO_THREAD))?;
        (worker, pool, thread, view.plan.rule.name())
    };
    let (reply, answer) = oneshot::channel();
    let key = asked.key.clone().map(String::into_bytes);
    let asking = async {
        worker.send(Command::Explain { pool, key, reply }).await.ok()?;
        answer.await.ok()
    };
    let steps = timeout(LIMIT, asking).await.ok().flatten().ok_or((StatusCode::SERVICE_UNAVAILABLE, BUSY))?;
    Ok(Explanation { pool: asked.pool, thread, algorithm, key: asked.key, steps: steps.0 })
}
