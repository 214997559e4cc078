//! A table as the parts of a ConfigMap, and back.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use serde::de::DeserializeOwned;

use super::{Endpoints, Fleet, Policy, RoutingTable};

/// The policy's key.
pub const POLICY_KEY: &str = "policy.json";
/// The endpoints' key, in `data` as JSON or in `binaryData` as gzip.
pub const ENDPOINTS_KEY: &str = "endpoints";
/// The fleet's key.
pub const FLEET_KEY: &str = "fleet.json";

/// The most that the parts may have together: the API server takes 1 MiB and base64 adds a third to what is binary.
pub const MAX_BYTES: usize = 800 * 1024;
/// Endpoints above this are compressed: below it a human can read them, above it etcd keeps too much.
const GZIP_FROM_BYTES: usize = 32 * 1024;
/// What compressed endpoints may unpack to: three times the 40,000 endpoints that fit into a table. Who writes a ConfigMap
/// chooses what is in it, and each row takes three times its bytes in memory.
pub const MAX_UNPACKED_BYTES: usize = 8 * 1024 * 1024;

/// A table as it travels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// `data` of the ConfigMap.
    pub data: BTreeMap<String, String>,
    /// `binaryData` of the ConfigMap.
    pub binary_data: BTreeMap<String, ByteString>,
}

/// Why a table cannot be used or published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A key is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part cannot be read.
    #[error("{part} cannot be read: {message}")]
    Malformed {
        /// The part's key.
        part: &'static str,
        /// What the parser says.
        message: String,
    },
    /// Written by a release whose tables mean something else.
    #[error("schema version {major} is newer than {known}, the newest that this proxy reads; upgrade the proxy")]
    TooNew {
        /// Of the table.
        major: u32,
        /// Of this release.
        known: u32,
    },
    /// The table needs a feature that this release does not have.
    #[error("the table requires {0:?}, which this proxy does not know; upgrade the proxy")]
    Requires(String),
    /// The hash does not fit the policy.
    #[error("revision {found} does not fit the policy, whose hash is {expected}: somebody edited the table")]
    Revision {
        /// What the table says.
        found: String,
        /// What it should say.
        expected: String,
    },
    /// A value that no table may have.
    #[error("{0}")]
    Value(String),
    /// Too large for a ConfigMap.
    #[error("the table has {bytes} bytes, {limit} at most fit; split the pool")]
    TooLarge {
        /// Its size, packed or not.
        bytes: usize,
        /// What fits.
        limit: usize,
    },
}

impl TableError {
    /// Whether a newer proxy could read the table.
    #[must_use]
    pub fn is_too_new(&self) -> bool {
        matches!(self, Self::TooNew { .. } | Self::Requires(_))
    }
}

impl Parts {
    /// Writes a table down: the same bytes for the same table.
    pub fn encode(table: &RoutingTable) -> Result<Self, TableError> {
        let mut parts = Self::default();
        parts.data.insert(POLICY_KEY.into(), to_json(POLICY_KEY, &table.policy)?);
        parts.data.insert(FLEET_KEY.into(), to_json(FLEET_KEY, &table.fleet)?);
        let endpoints = to_json(ENDPOINTS_KEY, &table.endpoints)?;
        if endpoints.len() > MAX_UNPACKED_BYTES {
            return Err(TableError::TooLarge { bytes: endpoints.len(), limit: MAX_UNPACKED_BYTES });
        }
        if endpoints.len() > GZIP_FROM_BYTES {
            parts.binary_data.insert(ENDPOINTS_KEY.into(), ByteString(gzip(endpoints.as_bytes())?));
        } else {
            parts.data.insert(ENDPOINTS_KEY.into(), endpoints);
        }
        match parts.bytes() {
            bytes if bytes > MAX_BYTES => Err(TableError::TooLarge { bytes, limit: MAX_BYTES }),
            _ => Ok(parts),
        }
    }

    /// The parts of a ConfigMap.
    #[must_use]
    pub fn of(map: &ConfigMap) -> Self {
        Self { data: map.data.clone().unwrap_or_default(), binary_data: map.binary_data.clone().unwrap_or_default() }
    }

    /// Their size as the API server counts it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text = self.data.iter().map(|(key, value)| key.len() + value.len());
        let binary = self.binary_data.iter().map(|(key, value)| key.len() + value.0.len());
        text.chain(binary).sum()
    }

    /// Reads the table. `on_unknown` hears of each field that this release does not know. The values are not checked
    /// yet: [`RoutingTable::check`].
    pub fn decode(&self, on_unknown: &mut dyn FnMut(String)) -> Result<RoutingTable, TableError> {
        Ok(RoutingTable {
            policy: self.policy(on_unknown)?,
            endpoints: self.endpoints(on_unknown)?,
            fleet: self.fleet(on_unknown)?,
        })
    }

    /// Reads the policy, if this release understands it and its hash fits.
    pub fn policy(&self, on_unknown: &mut dyn FnMut(String)) -> Result<Policy, TableError> {
        let text = self.data.get(POLICY_KEY).ok_or(TableError::Missing(POLICY_KEY))?;
        let json: serde_json::Value = from_json(POLICY_KEY, text.as_bytes(), on_unknown)?;
        readable(&json)?;
        let policy: Policy = from_json(POLICY_KEY, text.as_bytes(), on_unknown)?;
        match Policy::digest(&json) {
            expected if expected != policy.revision => Err(TableError::Revision { found: policy.revision, expected }),
            _ => Ok(policy),
        }
    }

    /// Reads the endpoints, packed or not.
    pub fn endpoints(&self, on_unknown: &mut dyn FnMut(String)) -> Result<Endpoints, TableError> {
        match (self.binary_data.get(ENDPOINTS_KEY), self.data.get(ENDPOINTS_KEY)) {
            (Some(packed), _) => from_json(ENDPOINTS_KEY, &gunzip(&packed.0)?, on_unknown),
            (None, Some(text)) => from_json(ENDPOINTS_KEY, text.as_bytes(), on_unknown),
            (None, None) => Err(TableError::Missing(ENDPOINTS_KEY)),
        }
    }

    /// Reads the fleet; without that part it is empty.
    pub fn fleet(&self, on_unknown: &mut dyn FnMut(String)) -> Result<Fleet, TableError> {
        match self.data.get(FLEET_KEY) {
            Some(text) => from_json(FLEET_KEY, text.as_bytes(), on_unknown),
            None => Ok(Fleet::default()),
        }
    }
}

/// What must be understood is looked at before the rest: a newer major version may have changed everything else, and a
/// table that requires something may hold values that this release cannot read.
fn readable(json: &serde_json::Value) -> Result<(), TableError> {
    let major = json.pointer("/schemaVersion/major").and_then(serde_json::Value::as_u64);
    let major = major.ok_or_else(|| malformed(POLICY_KEY, &"no schemaVersion.major"))?;
    let requires = json.get("requires").and_then(serde_json::Value::as_array).into_iter().flatten();
    super::check::understood(u32::try_from(major).unwrap_or(u32::MAX), requires.filter_map(serde_json::Value::as_str))
}

fn to_json(part: &'static str, value: &impl serde::Serialize) -> Result<String, TableError> {
    serde_json::to_string(value).map_err(|error| malformed(part, &error))
}

fn from_json<T: DeserializeOwned>(
    part: &'static str,
    bytes: &[u8],
    on_unknown: &mut dyn FnMut(String),
) -> Result<T, TableError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_ignored::deserialize(&mut json, |path| on_unknown(format!("{part}: {path}")))
        .map_err(|error| malformed(part, &error))?;
    json.end().map_err(|error| malformed(part, &error))?;
    Ok(value)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, TableError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|error| malformed(ENDPOINTS_KEY, &error))
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, TableError> {
    let mut decoder = GzDecoder::new(bytes);
    let mut unpacked = Vec::new();
    let read = decoder.by_ref().take(MAX_UNPACKED_BYTES as u64 + 1).read_to_end(&mut unpacked);
    read.map_err(|error| malformed(ENDPOINTS_KEY, &error))?;
    if unpacked.len() > MAX_UNPACKED_BYTES {
        return Err(malformed(ENDPOINTS_KEY, &format_args!("unpacks to more than {MAX_UNPACKED_BYTES} bytes")));
    }
    match decoder.into_inner() {
        [] => Ok(unpacked),
        rest => Err(malformed(ENDPOINTS_KEY, &format_args!("{} bytes follow the packed ones", rest.len()))),
    }
}

fn malformed(part: &'static str, message: &dyn std::fmt::Display) -> TableError {
    TableError::Malformed { part, message: message.to_string() }
}
