//! How long to wait, for what.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::GepDuration;

/// How long to wait, for what: each from 1ms to 1h.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.connect) || (duration(self.connect) >= duration('1ms') && duration(self.connect) <= duration('1h'))")
        .message("connect waits from 1ms to 1h, for example 2s; choose a value between them")
        .field_path(".connect"),
    validation = Rule::new("!has(self.responseHeader) || (duration(self.responseHeader) >= duration('1ms') && duration(self.responseHeader) <= duration('1h'))")
        .message("responseHeader waits from 1ms to 1h, for example 30s; choose a value between them")
        .field_path(".responseHeader")
)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Until a connection to an endpoint is made; default 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<GepDuration>,

    /// From the last byte of the request to the response's header; default 30s. It does not limit the response's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header: Option<GepDuration>,
}
