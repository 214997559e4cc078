//! The API server's question and our answer, as JSON: pure.

use json_patch::Patch;
use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::{Value, json};

use evenkeel_crds::names::is_dns_label;

use crate::inject::{Decision, Pod, not_injected};

/// What happens to a pod that asks for a sidecar and cannot have one: its namespace chooses, and the API server asks accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It is refused.
    Fail,
    /// It is made without one.
    Ignore,
}

/// The label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The pod got a sidecar.
    Injected,
    /// It had one.
    Already,
    /// It was refused.
    Refused,
    /// It was made without one.
    Ignored,
    /// The question could not be read, or not be decided yet.
    Error,
}

/// What is asked of us.
#[derive(Clone, Debug)]
pub struct Question {
    /// To be repeated in the answer.
    pub uid: String,
    /// Where the pod is to be.
    pub namespace: String,
    /// The pod; none if it is about something else.
    pub pod: Option<Pod>,
}

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// What was sent is no question.
    Unreadable(String),
    /// Too much else is in memory.
    Busy,
    /// Caches have not synced yet.
    Starting,
    /// A pool could not be looked up.
    Unknown(String),
}

/// Warnings that are longer are dropped by clients.
const MAX_WARNING: usize = 250;

/// What is wrong with a question may quote all of it.
const MAX_PROBLEM: usize = 200;
/// Theirs have 36.
const MAX_UID: usize = 128;

#[derive(Deserialize)]
struct Review {
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    object: Pod,
}

#[derive(Default, Deserialize)]
struct Resource {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resource: String,
}

impl Policy {
    /// The one that a path stands for.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        match path {
            "/inject/fail" => Some(Self::Fail),
            "/inject/ignore" => Some(Self::Ignore),
            _ => None,
        }
    }
}

impl Admission {
    /// The label in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::Already => "already",
            Self::Refused => "refused",
            Self::Ignored => "ignored",
            Self::Error => "error",
        }
    }
}

impl Question {
    /// Reads what was sent.
    pub fn read(body: &[u8]) -> Result<Self, Trouble> {
        let problem = |problem: &str| Trouble::Unreadable(problem.chars().take(MAX_PROBLEM).collect());
        let review: Review = serde_json::from_slice(body).map_err(|error| problem(&error.to_string()))?;
        let request = review.request.ok_or_else(|| problem("it has no request"))?;
        if request.uid.len() > MAX_UID {
            return Err(problem("its uid is none"));
        }
        // It becomes part of a path at the API server.
        if !request.namespace.is_empty() && !is_dns_label(&request.namespace) {
            return Err(problem("its namespace is none"));
        }
        let is_pod = request.resource.group.is_empty() && request.resource.resource == "pods";
        let is_new = request.operation == "CREATE" && request.sub_resource.is_empty();
        let pod = (is_pod && is_new).then_some(request.object);
        Ok(Self { uid: request.uid, namespace: request.namespace, pod })
    }
}

impl Trouble {
    fn message(&self) -> String {
        match self {
            Self::Unreadable(error) => {
                format!(
                    "what was sent is no AdmissionReview of admission.k8s.io/v1 ({error}); see the webhook configuration"
                )
            }
            Self::Busy => "too many large pods are being made at once; try again".into(),
            Self::Starting => "the operator has just started and does not know the pools yet; try again".into(),
            Self::Unknown(reason) => reason.clone(),
        }
    }

    /// The status of a refusal: whoever made the pod may try it again at once, or has to change something.
    fn code(&self) -> u16 {
        match self {
            Self::Unreadable(_) => 400,
            Self::Busy | Self::Starting | Self::Unknown(_) => 503,
        }
    }
}

/// The answer to a question, and how it counts; a pod that asked for nothing does not.
#[must_use]
pub fn answer(policy: Policy, question: &Question, decision: Result<Decision, Trouble>) -> (Value, Option<Admission>) {
    let uid = &question.uid;
    match decision {
        Ok(Decision::Inject(patch)) => (patched(uid, &patch, None), Some(Admission::Injected)),
        Ok(Decision::Already) => (allowed(uid), Some(Admission::Already)),
        Ok(Decision::NotAsked) => (allowed(uid), None),
        Ok(Decision::Refuse(reason)) => match policy {
            Policy::Fail => (refused(uid, 403, &reason), Some(Admission::Refused)),
            Policy::Ignore => (without_sidecar(question, &reason), Some(Admission::Ignored)),
        },
        Err(trouble) => match policy {
            Policy::Fail => (refused(uid, trouble.code(), &trouble.message()), Some(Admission::Error)),
            Policy::Ignore => (without_sidecar(question, &trouble.message()), Some(Admission::Error)),
        },
    }
}

fn allowed(uid: &str) -> Value {
    review(&json!({ "uid": uid, "allowed": true }))
}

fn refused(uid: &str, code: u16, message: &str) -> Value {
    let reason = match code {
        403 => "Forbidden",
        503 => "ServiceUnavailable",
        _ => "BadRequest",
    };
    let status = json!({ "status": "Failure", "code": code, "reason": reason, "message": message });
    review(&json!({ "uid": uid, "allowed": false, "status": status }))
}

/// Allowed, with the reason on the pod and before the eyes of whoever makes it.
fn without_sidecar(question: &Question, reason: &str) -> Value {
    match &question.pod {
        Some(pod) => patched(&question.uid, &not_injected(pod, reason), Some(reason)),
        None => warned(allowed(&question.uid), reason),
    }
}

fn patched(uid: &str, patch: &Patch, warning: Option<&str>) -> Value {
    let patch = ByteString(patch.to_string().into_bytes()); // base64 as JSON
    let response = review(&json!({ "uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": patch }));
    match warning {
        Some(reason) => warned(response, reason),
        None => response,
    }
}

fn warned(mut response: Value, reason: &str) -> Value {
    let warning: String = format!("made without a sidecar: {reason}").chars().take(MAX_WARNING).collect();
    response["response"]["warnings"] = json!([warning]);
    response
}

fn review(response: &Value) -> Value {
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
