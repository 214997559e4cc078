//! Which requests are logged.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which requests the proxies log: an object of JSON a line, on standard output.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("!has(self.samplePercent) || (has(self.mode) && self.mode == 'Sampled')")
        .message("samplePercent is for the mode Sampled; choose that mode or leave samplePercent out")
        .field_path(".samplePercent")
)]
#[serde(rename_all = "camelCase")]
pub struct AccessLog {
    /// Off, the default, to be written in quotes; Errors: those without an endpoint's whole answer, and answers of 500 and above; Sampled: errors, and
    /// samplePercent of a hundred others; All.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AccessLogMode>,

    /// How many of a hundred requests without an error are logged in the mode Sampled; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub sample_percent: Option<i32>,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessLogMode {
    /// None.
    #[default]
    Off,
    /// What went wrong.
    Errors,
    /// What went wrong, and some of the others.
    Sampled,
    /// All.
    All,
}
