//! The story on a real cluster: a chart, a pool, traffic, and what must not break it.
//!
//! Needs a cluster with our images; `tests/run kind` makes both. Without `EVENKEEL_KIND_CLUSTER` nothing runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers included")]

mod apiserver;
mod application;
mod choosing;
mod clients;
mod cluster;
mod effect;
mod evidence;
mod failover;
mod footprint;
mod lifecycle;
mod load;
mod node;
mod outage;
mod pool;
mod release;
mod rollout;
mod shares;
mod side;
mod sidecar;
mod stage;
mod startup;
