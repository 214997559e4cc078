//! Keeps a pool's newest table on the disk, off everybody's way: at most once a second, and only the newest that is pending.

use std::{path::PathBuf, sync::Arc, time::Duration};

use evenkeel_crds::table::Parts;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{copy, file};
use crate::cli::PoolName;

/// A rollout changes a table ten times a second; nobody starts so often.
const SPACING: Duration = Duration::from_secs(1);
/// A disk that was full may have room again.
const RETRY: Duration = Duration::from_secs(30);

/// Takes tables to keep. It never waits for the disk.
#[derive(Debug)]
pub(crate) struct Keeper {
    newest: watch::Sender<Option<Arc<Parts>>>,
}

impl Keeper {
    /// Starts to keep a pool's tables in a directory, in a task of its own.
    pub(crate) fn start(directory: &std::path::Path, pool: PoolName) -> Self {
        let (newest, pending) = watch::channel(None);
        tokio::task::spawn_local(keep(file(directory, &pool), pool, pending));
        Self { newest }
    }

    /// Keeps this table, instead of one that is still pending.
    pub(crate) fn keep(&self, parts: Arc<Parts>) {
        self.newest.send_replace(Some(parts));
    }
}

/// Writes until there is nobody to keep for.
async fn keep(path: PathBuf, pool: PoolName, mut pending: watch::Receiver<Option<Arc<Parts>>>) {
    let mut fails = false;
    while pending.changed().await.is_ok() {
        while let Err(error) = write(&path, &pool, &mut pending).await {
            // Once for each change of state: a disk that is full stays so for a while.
            if !std::mem::replace(&mut fails, true) {
                let file = path.display();
                tracing::warn!(%pool, %file, error, "the last good copy cannot be written; traffic goes on");
            }
            sleep(SPACING).await;
            let _ = timeout(RETRY, pending.changed()).await; // tried again either way
        }
        if std::mem::replace(&mut fails, false) {
            tracing::info!(%pool, file = %path.display(), "the last good copy can be written again");
        }
        sleep(SPACING).await;
    }
}

async fn write(
    path: &std::path::Path,
    pool: &PoolName,
    pending: &mut watch::Receiver<Option<Arc<Parts>>>,
) -> Result<(), String> {
    let Some(parts) = pending.borrow_and_update().clone() else { return Ok(()) };
    let (path, pool) = (path.to_owned(), pool.clone());
    let written = tokio::task::spawn_blocking(move || copy::write(&path, &pool, &parts)).await;
    written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
