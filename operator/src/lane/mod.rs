//! Lanes: each does one kind of work, one pool at a time, many pools at once. A slow one holds up no other.

mod backoff;
mod queue;
mod runner;

pub use backoff::Backoff;
pub use queue::{Queue, Rest};
pub use runner::{Lane, Step};
