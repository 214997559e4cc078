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
        .field_path(".responseHeader"),
    validation = Rule::new("!has(self.backendRequest) || (duration(self.backendRequest) >= duration('1ms') && duration(self.backendRequest) <= duration('1h'))")
        .message("backendRequest waits from 1ms to 1h, for example 60s; choose a value between them")
        .field_path(".backendRequest"),
    validation = Rule::new("!has(self.request) || (duration(self.request) >= duration('1ms') && duration(self.request) <= duration('1h'))")
        .message("request waits from 1ms to 1h, for example 90s; choose a value between them")
        .field_path(".request"),
    validation = Rule::new("!has(self.clientIdle) || (duration(self.clientIdle) >= duration('1ms') && duration(self.clientIdle) <= duration('1h'))")
        .message("clientIdle waits from 1ms to 1h, for example 75s; choose a value between them")
        .field_path(".clientIdle"),
    validation = Rule::new("!has(self.streamIdle) || (duration(self.streamIdle) >= duration('1ms') && duration(self.streamIdle) <= duration('1h'))")
        .message("streamIdle waits from 1ms to 1h, for example 5m; choose a value between them")
        .field_path(".streamIdle")
)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Until a connection to an endpoint is made; default 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<GepDuration>,

    /// From the last byte of the request to the response's header; default 30s. It does not limit the response's body, and
    /// does not hold for `application/grpc`, where streamIdle does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header: Option<GepDuration>,

    /// For one attempt at one endpoint, from its connection to the end of the response; without it there is no limit. It
    /// cuts downloads and streams off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<GepDuration>,

    /// For a request with all its attempts, from its head to the end of the response; without it there is no limit. It cuts
    /// downloads and streams off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<GepDuration>,

    /// How long a client may be connected without a request, give or take a second; default 75s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_idle: Option<GepDuration>,

    /// How long nothing may move in either direction while a response is on its way, give or take a second; default 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_idle: Option<GepDuration>,
}
