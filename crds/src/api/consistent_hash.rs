//! What a request's key is, and how keys are spread over endpoints. Names as in Envoy Gateway.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a request's key is, and how keys are spread over endpoints. A request without the key goes where the fewest requests
/// are under way.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new("has(self.header) == (self.type == 'Header')")
        .message("the type Header and the field header, which names it, go together; give both, or remove header")
        .field_path(".header"),
    validation = Rule::new("has(self.cookie) == (self.type == 'Cookie')")
        .message("the type Cookie and the field cookie, which names it, go together; give both, or remove cookie")
        .field_path(".cookie"),
    validation = Rule::new("has(self.queryParameter) == (self.type == 'QueryParameter')")
        .message("the type QueryParameter and the field queryParameter, which names it, go together; give both, or remove queryParameter")
        .field_path(".queryParameter")
)]
#[serde(rename_all = "camelCase")]
pub struct ConsistentHash {
    /// What the key is: SourceIP, the client's address (behind trusted peers as they say); Header, Cookie, QueryParameter:
    /// the value of the one that the field of that name names; Path, without the query; Host, without the port.
    #[serde(rename = "type")]
    pub type_: HashType,

    /// With the type Header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HashHeader>,

    /// With the type Cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<HashCookie>,

    /// With the type QueryParameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_parameter: Option<HashQueryParameter>,

    /// How keys are spread: Ring, the default, is nginx's, and moves the fewest keys when endpoints change; Maglev has the
    /// most even shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<HashTable>,

    /// The most requests that a proxy has under way at an endpoint, in percent of the endpoint's share of them: 101 to 1000, for
    /// example 125; what is more goes to the next endpoint. Without it there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 101, max = 1000))]
    pub max_load_percent: Option<i32>,
}

/// What of a request is its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HashType {
    /// The client's address.
    #[serde(rename = "SourceIP")]
    SourceIp,
    /// The value of a field of the head.
    Header,
    /// The value of a cookie.
    Cookie,
    /// The value of a parameter of the query.
    QueryParameter,
    /// The path, without the query.
    Path,
    /// The host, without the port.
    Host,
}

/// How keys are spread over endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HashTable {
    /// nginx's ring (`hash … consistent`): the fewest keys move when endpoints change.
    #[default]
    Ring,
    /// Google's table: the most even shares.
    Maglev,
}

/// The field of the head whose value is the key.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashHeader {
    /// Its name, whatever its case: 1 to 256 letters, digits and hyphens. Of several such fields the first counts.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    #[x_kube(validation = Rule::new("!self.contains('_')")
        .message("the proxy drops fields whose names have _; choose another field"))]
    pub name: String,
}

/// The cookie whose value is the key.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashCookie {
    /// Its name: 1 to 256 letters, digits, hyphens and underscores; its case matters.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
}

/// The parameter of the query whose value is the key.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HashQueryParameter {
    /// Its name as it stands in the query: 1 to 256 visible ASCII characters without &, = and #; its case matters. Of several
    /// such parameters the first counts.
    #[schemars(length(min = 1, max = 256), regex(pattern = r#"^[!-"$%'-<>-~]+$"#))]
    pub name: String,
}
