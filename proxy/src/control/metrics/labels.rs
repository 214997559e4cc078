//! The labels of metrics: none that a client could choose.

use prometheus_client::encoding::EncodeLabelSet;

use crate::{
    balance::{BackendState, EndpointState, Reason},
    control::PoolControl,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfPool {
    namespace: String,
    pool: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfResult {
    namespace: String,
    pool: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfReason {
    namespace: String,
    pool: String,
    reason: &'static str,
    side: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfBackend {
    namespace: String,
    pool: String,
    backend: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfCode {
    namespace: String,
    pool: String,
    backend: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfEndpoint {
    namespace: String,
    pool: String,
    backend: String,
    endpoint: String,
}

impl OfPool {
    pub(super) fn of(known: &PoolControl) -> Self {
        Self { namespace: known.namespace().into(), pool: known.name().into() }
    }

    pub(super) fn result(&self, result: &'static str) -> OfResult {
        let Self { namespace, pool } = self.clone();
        OfResult { namespace, pool, result }
    }

    pub(super) fn reason(&self, reason: Reason) -> OfReason {
        let Self { namespace, pool } = self.clone();
        OfReason { namespace, pool, reason: reason.code(), side: reason.side().name() }
    }

    /// `None`: no backend was chosen.
    pub(super) fn backend(&self, backend: Option<&BackendState>) -> OfBackend {
        let Self { namespace, pool } = self.clone();
        OfBackend { namespace, pool, backend: backend.map_or("", |backend| &backend.name).into() }
    }
}

impl OfBackend {
    pub(super) fn code(&self, code: &'static str) -> OfCode {
        let Self { namespace, pool, backend } = self.clone();
        OfCode { namespace, pool, backend, code }
    }

    pub(super) fn endpoint(&self, endpoint: &EndpointState) -> OfEndpoint {
        let Self { namespace, pool, backend } = self.clone();
        OfEndpoint { namespace, pool, backend, endpoint: endpoint.name.to_string() }
    }
}
