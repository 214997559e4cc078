//! What requests leave behind: counters, and lines of the access log.

mod line;
mod log;
mod text;
mod traffic;
mod wall;
mod writer;

pub(crate) use line::End;
pub(crate) use log::{Log, Record};
pub(crate) use traffic::{BOUNDS_MS, CLASSES, Ended, Snapshot, Traffic};
pub(crate) use writer::{Counts, Sender, Writer};
