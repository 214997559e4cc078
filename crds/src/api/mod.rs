//! `evenkeel.dev/v1alpha1`: the types that users write, one file a concept.
//!
//! They are *raw*: optional fields stay optional, unions are structs with optional members. [`fn@crate::translate`] resolves
//! them. A field is here only together with the code that honours it.

#![allow(unreachable_pub)] // KubeSchema repeats each struct inside a function, where `pub` reaches nobody

mod access_log;
mod backend;
mod balancing;
mod connections;
mod consistent_hash;
mod duration;
mod headers;
mod limits;
mod listener;
mod network;
mod pool;
mod port;
mod proxy;
mod retry;
mod schema;
mod status;
mod timeouts;

pub use access_log::{AccessLog, AccessLogMode};
pub use backend::{Backend, Endpoint, ServiceRef};
pub use balancing::{Algorithm, LoadBalancing, Score, SlowStart, ZoneAware, ZoneMode};
pub use connections::ConnectionPool;
pub use consistent_hash::{ConsistentHash, HashCookie, HashHeader, HashQueryParameter, HashTable, HashType};
pub use duration::{DurationError, GepDuration};
pub use headers::{HeaderField, HeaderFilter, HeaderName, Headers};
pub use limits::{ByteSize, Limits};
pub use listener::Listener;
pub use network::NetworkText;
pub use pool::{BalancerPool, BalancerPoolSpec, Protocol};
pub use port::PortRef;
pub use proxy::{Proxy, ProxyMode};
pub use retry::{Retry, RetryBudget, RetryCode};
pub use status::{BalancerPoolStatus, EndpointCounts, ProxyCounts};
pub use timeouts::Timeouts;
