//! How a client's connection ends: so that the client gets the answer, and nobody holds the connection for long.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::coop::unconstrained,
    time::timeout,
};

use super::client::Client;

/// What is still read of a client that was answered already, and for how long: what nobody reads turns the end into a reset,
/// which may overtake the answer.
const MAX_DRAINED_BYTES: u64 = 64 * 1024;
const MAX_DRAINED_TIME: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All is said, and read as far as it is here.
    Clean,
    /// All is said, but not all is read.
    Unread,
    /// What was said is not whole, and the client could take it for that.
    Reset,
}

/// Ends a connection.
pub(super) async fn close(client: &Client, ending: Ending) {
    let is_clean = match ending {
        Ending::Reset => return client.set_reset(true),
        // Whatever this task has done in this turn: a look that is put off would say that there is nothing.
        Ending::Clean => !unconstrained(poll_fn(|cx| Poll::Ready(client.has_more(cx)))).await,
        Ending::Unread => false,
    };
    if !is_clean {
        // On the heap: few connections end so, and none should have the space for it all its life.
        Box::pin(drain(client)).await;
    } // else the system says the end when the socket is dropped
}

/// Says the end, and reads what comes until the client says it too.
async fn drain(client: &Client) {
    if client.writing().shutdown().await.is_err() {
        return;
    }
    let mut block = [0; 4096];
    let mut rest = client.reading().take(MAX_DRAINED_BYTES);
    let _ = timeout(MAX_DRAINED_TIME, async { while matches!(rest.read(&mut block).await, Ok(1..)) {} }).await;
}
