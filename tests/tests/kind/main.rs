//! The story on a real cluster: a chart, a pool, traffic, and what must not break it.
//!
//! Needs a cluster with our images; `tests/run kind` makes both. Without `EVENKEEL_KIND_CLUSTER` nothing runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers included")]

mod cluster;
mod effect;
mod evidence;
mod footprint;
mod load;
mod outage;
mod pool;
mod release;
mod rollout;
mod shares;
mod stage;
