//! What is tried again, and how often.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::GepDuration;

/// What is tried again, and how often. A connection that cannot be made is always tried at up to two other endpoints.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.backoff) || (duration(self.backoff) >= duration('1ms') && duration(self.backoff) <= duration('250ms'))")
        .message("backoff is 1ms to 250ms, for example 25ms; choose a value between them")
        .field_path(".backoff")
)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How often a request may be sent again; default 1. 0 leaves what was never sent: a connection that cannot be made, and
    /// a kept one that was closed before it took a byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub attempts: Option<i32>,

    /// Answers after which an idempotent request is sent to another endpoint; default none. 504 also stands for an endpoint
    /// that does not answer in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub codes: Option<Vec<RetryCode>>,

    /// The least of the pauses before a request is sent again: before the k-th time a random one below (2^k - 1) times this,
    /// and below 250ms; default 25ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<GepDuration>,

    /// How much load retries may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<RetryBudget>,
}

/// How much load retries may be: a share of the requests of an interval, and ten a second for all proxies of the pool.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.interval) || (duration(self.interval) >= duration('1s') && duration(self.interval) <= duration('60s') && duration(self.interval).getMilliseconds() % 1000 == 0)")
        .message("interval is 1s to 60s, in whole seconds, for example 10s; choose one of them")
        .field_path(".interval")
)]
#[serde(rename_all = "camelCase")]
pub struct RetryBudget {
    /// Retries may be so many of a hundred requests; default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<i32>,

    /// Over which requests and retries are counted, in whole seconds; default 10s. Choose it longer than the timeouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<GepDuration>,
}

/// A status that says that another endpoint may do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryCode(pub i32);

impl RetryCode {
    /// The status, if it is one after which a request may be sent again.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        u16::try_from(self.0).ok().filter(|code| *code == 429 || (500..600).contains(code))
    }
}

impl JsonSchema for RetryCode {
    fn schema_name() -> Cow<'static, str> {
        "RetryCode".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "format": "int32",
            "description": "429, or a status from 500 to 599.",
            "minimum": 429,
            "maximum": 599,
            "x-kubernetes-validations": [{
                "rule": "self == 429 || self >= 500",
                "message": "other answers say that the request is wrong; list 429 or statuses from 500 to 599",
            }],
        })
    }
}
