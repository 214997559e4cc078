//! A copy of each pool's table on the pod's own disk, for a start while the API server is away.

mod copy;
mod keeper;

pub(crate) use keeper::Keeper;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use evenkeel_crds::table::Parts;
use tokio::time::timeout;

use crate::cli::PoolName;

/// A start does not wait longer for a disk.
const READ_LIMIT: Duration = Duration::from_secs(1);

/// A pool's copy: one file, no other pool's. Neither name has a dot.
fn file(directory: &Path, pool: &PoolName) -> PathBuf {
    directory.join(format!("{}.{}.json", pool.namespace, pool.name))
}

/// The copy that an earlier process of the pod left, if it can be used. What cannot is as good as none.
pub(crate) async fn read(directory: &Path, pool: &PoolName) -> Option<Parts> {
    let (path, name) = (file(directory, pool), pool.clone());
    let read = tokio::task::spawn_blocking(move || copy::read(&path, &name));
    let error = match timeout(READ_LIMIT, read).await {
        Ok(Ok(Ok(parts))) => return Some(parts),
        Ok(Ok(Err(copy::CopyError::Io(error)))) if error.kind() == ErrorKind::NotFound => return None,
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not read within {READ_LIMIT:?}"),
    };
    let file = file(directory, pool).display().to_string();
    tracing::warn!(%pool, file, error, "the last good copy cannot be used and is ignored");
    None
}
