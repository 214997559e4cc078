//! The copy of a table as a file: versioned, with a digest of all of it, and bounded.
//!
//! It is written beside the former one and renamed, so that a process killed at any moment leaves one or the other. It is
//! not forced to the disk: a node has many proxies, each of which writes up to once a second, and a file that a power cut
//! tore is found out by its digest.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use evenkeel_crds::table::Parts;
use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

use crate::cli::PoolName;

/// Raised when an older proxy would misread the file.
const VERSION: u32 = 1;
/// A ConfigMap has a mebibyte at most; base64 and the escapes of JSON in JSON make it less than twice as much.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no JSON of a copy.
    #[error("damaged, or not written by a proxy: {0}")]
    Json(#[from] serde_json::Error),
    /// Of a newer release.
    #[error("version {0} is none that this release reads")]
    Version(u32),
    /// Some of it is not what was written.
    #[error("damaged: its digest does not fit")]
    Digest,
    /// Of another pool: somebody renamed it.
    #[error("it is the table of pool {0}")]
    Pool(PoolName),
    /// Larger than any table.
    #[error("a copy has at most {MAX_BYTES} bytes")]
    TooLarge,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy<T> {
    version: u32,
    sha256: String,
    table: T,
}

/// What the digest is of, in this order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    namespace: String,
    pool: String,
    data: BTreeMap<String, String>,
    binary_data: BTreeMap<String, ByteString>,
}

/// Replaces a copy. Also used from several threads, one after the other.
pub(super) fn write(path: &Path, pool: &PoolName, parts: &Parts) -> Result<(), CopyError> {
    let bytes = encode(pool, parts)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CopyError::TooLarge);
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let temporary = path.with_extension("json.new");
    fs::write(&temporary, bytes)?;
    Ok(fs::rename(temporary, path)?)
}

/// Reads a pool's copy, if nothing is wrong with it.
pub(super) fn read(path: &Path, pool: &PoolName) -> Result<Parts, CopyError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CopyError::TooLarge);
    }
    decode(&bytes, pool)
}

fn encode(pool: &PoolName, parts: &Parts) -> Result<Vec<u8>, CopyError> {
    let table = Kept {
        namespace: pool.namespace.clone(),
        pool: pool.name.clone(),
        data: parts.data.clone(),
        binary_data: parts.binary_data.clone(),
    };
    let copy = Copy { version: VERSION, sha256: digest(&table)?, table };
    Ok(serde_json::to_vec(&copy)?)
}

fn decode(bytes: &[u8], pool: &PoolName) -> Result<Parts, CopyError> {
    // The version first: the rest of a newer file may look different.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_slice(bytes)?;
    if version != VERSION {
        return Err(CopyError::Version(version));
    }
    let copy: Copy<Kept> = serde_json::from_slice(bytes)?;
    if digest(&copy.table)? != copy.sha256 {
        return Err(CopyError::Digest);
    }
    let Kept { namespace, pool: name, data, binary_data } = copy.table;
    let found = PoolName { namespace, name };
    if found == *pool { Ok(Parts { data, binary_data }) } else { Err(CopyError::Pool(found)) }
}

/// Of the table as it is written: equal tables are written as equal bytes.
fn digest(table: &Kept) -> Result<String, CopyError> {
    let hash = Sha256::digest(serde_json::to_vec(table)?);
    Ok(hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    }))
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
