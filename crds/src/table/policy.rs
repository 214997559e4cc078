//! The table's settings: a pool's spec with every default filled in.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{LoadBalancingPolicy, SCHEMA_VERSION, SchemaVersion, version::REQUIRES_BACKUP};
use crate::{
    api::{AccessLogMode, PortRef, Protocol},
    names,
};

/// A pool's settings and backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The version of the whole table's schema.
    pub schema_version: SchemaVersion,
    /// Features that a proxy must know to read this table.
    #[serde(default)]
    pub requires: Vec<String>,
    /// The pool's namespace.
    pub namespace: String,
    /// The pool's name.
    pub pool: String,
    /// When the pool was made, in Unix seconds; none if unknown. Of two pools with one port in one proxy the older has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// The generation of the spec.
    pub generation: i64,
    /// [`Policy::digest`] of the rest.
    pub revision: String,
    /// What the listener speaks.
    pub protocol: Protocol,
    /// Where clients connect.
    pub listener: ListenerPolicy,
    /// How an endpoint is chosen.
    pub load_balancing: LoadBalancingPolicy,
    /// How long to wait.
    pub timeouts: TimeoutsPolicy,
    /// What is tried again.
    #[serde(default, skip_serializing_if = "RetryPolicy::is_default")]
    pub retry: RetryPolicy,
    /// How connections to endpoints are kept.
    #[serde(default, skip_serializing_if = "ConnectionPoolPolicy::is_default")]
    pub connection_pool: ConnectionPoolPolicy,
    /// How much is too much.
    #[serde(default, skip_serializing_if = "LimitsPolicy::is_none")]
    pub limits: LimitsPolicy,
    /// Which fields are changed on their way.
    #[serde(default, skip_serializing_if = "HeadersPolicy::is_none")]
    pub headers: HeadersPolicy,
    /// Which requests are logged.
    #[serde(default, skip_serializing_if = "AccessLogPolicy::is_off")]
    pub access_log: AccessLogPolicy,
    /// In the order of the spec.
    pub backends: Vec<BackendPolicy>,
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerPolicy {
    /// The port that clients use.
    pub port: u16,
    /// The port that a proxy binds.
    pub bind_port: u16,
    /// Networks whose word about a request's origin is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_peers: Vec<String>,
}

/// How long to wait, for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsPolicy {
    /// Until a connection is made.
    pub connect_ms: u64,
    /// From the last byte of the request to the response's header.
    pub response_header_ms: u64,
    /// For one attempt to the end of its response, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_request_ms: Option<u64>,
    /// For a request to the end of its response, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_ms: Option<u64>,
    /// For a client between requests.
    #[serde(default = "client_idle_ms", skip_serializing_if = "is_client_idle_ms")]
    pub client_idle_ms: u64,
    /// Without a byte in either direction while a response is on its way.
    #[serde(default = "stream_idle_ms", skip_serializing_if = "is_stream_idle_ms")]
    pub stream_idle_ms: u64,
}

/// nginx's.
const fn client_idle_ms() -> u64 {
    75_000
}

/// Envoy's.
const fn stream_idle_ms() -> u64 {
    300_000
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_client_idle_ms(ms: &u64) -> bool {
    *ms == client_idle_ms()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_stream_idle_ms(ms: &u64) -> bool {
    *ms == stream_idle_ms()
}

impl TimeoutsPolicy {
    /// Until a connection is made.
    #[must_use]
    pub fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    /// From the last byte of the request to the response's header.
    #[must_use]
    pub fn response_header(&self) -> Duration {
        Duration::from_millis(self.response_header_ms)
    }

    /// For one attempt to the end of its response.
    #[must_use]
    pub fn backend_request(&self) -> Option<Duration> {
        self.backend_request_ms.map(Duration::from_millis)
    }

    /// For a request to the end of its response.
    #[must_use]
    pub fn request(&self) -> Option<Duration> {
        self.request_ms.map(Duration::from_millis)
    }

    /// For a client between requests.
    #[must_use]
    pub fn client_idle(&self) -> Duration {
        Duration::from_millis(self.client_idle_ms)
    }

    /// Without a byte in either direction while a response is on its way.
    #[must_use]
    pub fn stream_idle(&self) -> Duration {
        Duration::from_millis(self.stream_idle_ms)
    }

    /// All of them, in milliseconds.
    pub(super) fn all(&self) -> impl Iterator<Item = u64> {
        let always = [self.connect_ms, self.response_header_ms, self.client_idle_ms, self.stream_idle_ms];
        always.into_iter().chain(self.backend_request_ms).chain(self.request_ms)
    }
}

/// What is tried again. Without a word of it a proxy does what its release always did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryPolicy {
    /// How often a request may be sent again.
    pub attempts: u8,
    /// Answers after which it is.
    pub codes: Vec<u16>,
    /// What pauses between attempts grow from.
    pub backoff_ms: u64,
    /// Retries, of a hundred requests.
    pub budget_percent: u8,
    /// Over which they are counted.
    pub budget_interval_ms: u64,
}

impl Default for RetryPolicy {
    /// The budget is that of Gateway API's GEP-3388.
    fn default() -> Self {
        Self { attempts: 1, codes: Vec::new(), backoff_ms: 25, budget_percent: 20, budget_interval_ms: 10_000 }
    }
}

impl RetryPolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What pauses between attempts grow from.
    #[must_use]
    pub fn backoff(&self) -> Duration {
        Duration::from_millis(self.backoff_ms)
    }

    /// Over which retries are counted, in seconds.
    #[must_use]
    pub fn budget_seconds(&self) -> u64 {
        self.budget_interval_ms.div_ceil(1_000)
    }
}

/// How connections to endpoints are kept. Without a word of it a proxy keeps them as its release always did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionPoolPolicy {
    /// Idle ones to an endpoint, of each proxy.
    pub max_idle_per_endpoint: u32,
    /// How long one may be idle.
    pub idle_timeout_ms: u64,
    /// Requests on one.
    pub max_requests_per_connection: u32,
}

impl Default for ConnectionPoolPolicy {
    /// Idle for less than common servers bear (Node: 5 s).
    fn default() -> Self {
        Self { max_idle_per_endpoint: 32, idle_timeout_ms: 4_000, max_requests_per_connection: 10_000 }
    }
}

impl ConnectionPoolPolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// How long one may be idle.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
}

/// Which requests are logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLogPolicy {
    /// Which.
    pub mode: AccessLogMode,
    /// How many of a hundred, if only some.
    pub sample_percent: u32,
}

impl Default for AccessLogPolicy {
    fn default() -> Self {
        Self { mode: AccessLogMode::Off, sample_percent: 1 }
    }
}

impl AccessLogPolicy {
    fn is_off(&self) -> bool {
        self.mode == AccessLogMode::Off
    }
}

/// How much is too much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsPolicy {
    /// Of a request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body_bytes: Option<u64>,
}

impl LimitsPolicy {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Which fields are changed on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadersPolicy {
    /// In requests.
    #[serde(default, skip_serializing_if = "FieldsPolicy::is_none")]
    pub request: FieldsPolicy,
    /// In answers.
    #[serde(default, skip_serializing_if = "FieldsPolicy::is_none")]
    pub response: FieldsPolicy,
}

impl HeadersPolicy {
    fn is_none(&self) -> bool {
        self.request.is_none() && self.response.is_none()
    }
}

/// Fields that are removed, then set, then added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldsPolicy {
    /// Names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(String, String)>,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(String, String)>,
}

impl FieldsPolicy {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A backend and where its endpoints come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendPolicy {
    /// Its name, unique in the pool.
    pub name: String,
    /// Its share of the pool.
    pub weight: u32,
    /// Whether it serves only while no other backend can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// Where its endpoints come from. Proxies ignore it; the operator reads it back when the spec is invalid and the last
    /// good policy stays.
    pub source: BackendSource,
}

/// Where a backend's endpoints come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackendSource {
    /// From the EndpointSlices of a Service.
    Service {
        /// Its name.
        name: String,
        /// Its port.
        port: PortRef,
    },
    /// From the spec.
    Static,
}

impl Policy {
    /// A policy for the pool, without backends and with this release's versions.
    #[must_use]
    pub fn new(namespace: &str, pool: &str, generation: i64, port: u16) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            requires: Vec::new(),
            namespace: namespace.into(),
            pool: pool.into(),
            created: None,
            generation,
            revision: String::new(),
            protocol: Protocol::Http,
            listener: ListenerPolicy { port, bind_port: names::bind_port(port), trusted_peers: Vec::new() },
            load_balancing: LoadBalancingPolicy::default(),
            timeouts: TimeoutsPolicy {
                connect_ms: 2_000,
                response_header_ms: 30_000,
                backend_request_ms: None,
                request_ms: None,
                client_idle_ms: client_idle_ms(),
                stream_idle_ms: stream_idle_ms(),
            },
            retry: RetryPolicy::default(),
            connection_pool: ConnectionPoolPolicy::default(),
            limits: LimitsPolicy::default(),
            headers: HeadersPolicy::default(),
            access_log: AccessLogPolicy::default(),
            backends: Vec::new(),
        }
    }

    /// This policy as this release writes it: what a newer one published has lost the fields that this one does not
    /// know, so that neither its version nor what it requires nor its revision fits any more.
    #[must_use]
    pub(crate) fn written_anew(mut self) -> Self {
        self.schema_version = SCHEMA_VERSION;
        let has_backup = self.backends.iter().any(|backend| backend.backup);
        self.requires = has_backup.then(|| REQUIRES_BACKUP.into()).into_iter().collect();
        self.revision = Self::digest(&serde_json::to_value(&self).unwrap_or_default());
        self
    }

    /// The first 16 hexadecimal digits of the SHA-256 of a policy's JSON, keys sorted, without `revision` and without
    /// `generation`: equal settings have equal digests. Taken over what was read, so that fields of a newer version count.
    #[must_use]
    pub fn digest(json: &Value) -> String {
        let mut json = sorted(json);
        if let Some(fields) = json.as_object_mut() {
            fields.remove("revision");
            fields.remove("generation");
        }
        let hash = Sha256::digest(json.to_string());
        hash.iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
    }
}

/// `serde_json` sorts keys itself, unless some crate of the build switches its feature `preserve_order` on: operator and
/// proxy are different builds.
fn sorted(json: &Value) -> Value {
    match json {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            fields.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}
