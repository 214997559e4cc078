//! The real proxy over real sockets: what clients get, what endpoints see, what is counted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers included")]

mod access_log;
mod admin;
mod answers;
mod api;
mod bodies;
mod churn;
mod disk;
mod drain;
mod endpoint;
mod failures;
mod fields;
mod framing;
mod guard;
mod last_good;
mod leaving;
mod limits;
mod metrics;
mod mishaps;
mod mixed;
mod mount;
mod namespace;
mod pace;
mod parking;
mod pool;
mod ports;
mod proxy;
mod recorder;
mod reload;
mod reuse;
mod shares;
mod sidecar;
mod start;
mod tables;
mod wire;
