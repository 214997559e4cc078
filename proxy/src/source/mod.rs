//! Where tables come from: each source watches its pools and tells control what it sees.

mod api;
mod backoff;
mod file;
mod mount;
mod start;

pub(crate) use file::read as read_file;
pub(crate) use start::{Origin, origins, watch_all};

use evenkeel_crds::{RoutingTable, table::Parts};
use serde::{Deserialize, Serialize};

/// What a table came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The API server.
    Watch,
    /// A mounted ConfigMap.
    Mount,
    /// A `BalancerPool` in a file.
    File,
    /// The copy that this or an earlier process of the pod kept.
    LastGood,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Watch => "watch",
            Self::Mount => "mount",
            Self::File => "file",
            Self::LastGood => "lastGood",
        })
    }
}

/// What a source saw of a pool.
#[derive(Debug)]
pub(crate) struct Update {
    /// The pool's place among the process's pools.
    pub(crate) pool: usize,
    /// A table, or why there is none.
    pub(crate) seen: Seen,
}

/// A table as a source has it.
#[derive(Debug)]
pub(crate) enum Seen {
    /// The parts of a ConfigMap.
    Parts(Parts),
    /// A file, translated.
    Table(Box<RoutingTable>),
    /// What is there is no table, or it was taken away: that is a refusal.
    Unusable(String),
    /// Nothing was ever seen there, so that nothing can be wrong with it: the source does not answer, or is still empty.
    Nothing(String),
}
