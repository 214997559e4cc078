//! What is wrong with a pool: where, why, and how to fix it.

use std::fmt;

/// Something wrong with a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which condition it makes false, and with what reason.
    pub kind: ProblemKind,
    /// The field, for example `spec.backends[1].weight`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// Which condition a problem makes false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// `Accepted`: the spec cannot be used.
    Invalid,
    /// `ResolvedRefs`: there is no such Service.
    BackendNotFound,
    /// `ResolvedRefs`: the Service has no such port.
    PortNotFound,
    /// `ResolvedRefs`: what the Service leads to is never an endpoint.
    RefNotPermitted,
}

impl Problem {
    /// A problem with a field.
    pub fn new(kind: ProblemKind, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
