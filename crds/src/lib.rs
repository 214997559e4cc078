//! The API of Evenkeel and what follows from it by computing alone.
//!
//! ```text
//! BalancerPool ─┐
//! Service ──────┼─▶ translate ─▶ RoutingTable ─▶ parts of a ConfigMap
//! EndpointSlice ┘       └─▶ problems
//! ```
//!
//! Nothing here does I/O, reads a clock or draws a random number: time and everything read from a cluster are arguments.

pub mod address;
pub mod api;
pub mod conditions;
pub mod fields;
pub mod file;
pub mod names;
pub mod network;
pub mod sidecar;
pub mod table;
pub mod translate;

pub use api::{BalancerPool, BalancerPoolSpec};
pub use table::RoutingTable;
pub use translate::translate;
