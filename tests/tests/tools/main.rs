//! What the test backend and the load client promise, over real sockets and as real processes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers included")]

mod children;
mod load;
mod raw;
mod xserver;
