//! What must hold for whatever a stranger sends, as functions of bytes: `make fuzz` looks for bytes that break it, and every
//! run of the tests replays the corpora in `proxy/fuzz/corpus`.
//!
//! A property, not "no panic": each target has a second reader beside ours, and what the two say is compared.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a property that does not hold must end the process")]

mod chunks;
mod guard;
mod memory;
mod reader;
mod response;
mod table;

#[cfg(test)]
mod tests;

use std::str::FromStr;

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// What a client sends, up to the bytes that an endpoint gets.
    Guard,
    /// What an endpoint answers.
    Response,
    /// A body in chunks.
    Chunks,
    /// A routing table.
    Table,
}

impl Target {
    /// All of them, with the names of their corpora.
    pub const ALL: [(&'static str, Self); 4] =
        [("guard", Self::Guard), ("response", Self::Response), ("chunks", Self::Chunks), ("table", Self::Table)];

    /// Panics if the bytes break what must hold.
    pub fn run(self, bytes: &[u8]) {
        match self {
            Self::Guard => guard::run(bytes),
            Self::Response => response::run(bytes),
            Self::Chunks => chunks::run(bytes),
            Self::Table => table::run(bytes),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, target)| *target).ok_or_else(|| {
            format!("there is no target {name:?}; choose one of {}", Self::ALL.map(|(name, _)| name).join(", "))
        })
    }
}

/// The first byte says how the rest is used, so that one corpus covers all the ways: printable, so that seeds are readable.
fn split(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (first.wrapping_sub(b'0'), rest))
}
