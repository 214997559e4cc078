//! Where tables come from: each source watches its pools and tells control what it sees.

mod api;
mod file;

pub(crate) use api::watch as watch_api;
pub(crate) use file::{read as read_file, watch as watch_file};

use evenkeel_crds::{RoutingTable, table::Parts};

/// What a source saw of a pool.
#[derive(Debug)]
pub(crate) struct Update {
    /// The pool's place among the process's pools.
    pub(crate) pool: usize,
    /// A table, or why there is none.
    pub(crate) seen: Result<Seen, String>,
}

/// A table as a source has it.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The parts of a ConfigMap.
    Parts(Parts),
    /// A file, translated.
    Table(Box<RoutingTable>),
}
