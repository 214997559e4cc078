//! What a sidecar requests of its node and may use: the installation's default, and what the pod's annotations say instead.

use std::{collections::BTreeMap, str::FromStr};

use evenkeel_crds::names::annotations;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    admit::{MAX_QUOTE, shorten},
    pod::Pod,
    quantity,
};

/// What a container requests and may use, as in its YAML.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What the node keeps free for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,
    /// What it may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,
}

/// A quantity in its own words; YAML reads some of them as numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct Quantity(String);

/// One of the two resources, its annotations, and what is a mistake for sure.
struct Resource {
    name: &'static str,
    request: &'static str,
    limit: &'static str,
    example: &'static str,
    /// From here on a limit lets the sidecar start. A smaller one is a mistake, for example `64m` for `64Mi`.
    least_limit: (f64, &'static str),
    /// No node has so much: for example `64Mi` of a CPU.
    most: f64,
}

const RESOURCES: [Resource; 2] = [
    Resource {
        name: "cpu",
        request: annotations::CPU_REQUEST,
        limit: annotations::CPU_LIMIT,
        example: "100m",
        least_limit: (0.05, "50m"), // with less a probe can come too late: 5 ms in each 100 ms
        most: 1024.0,
    },
    Resource {
        name: "memory",
        request: annotations::MEMORY_REQUEST,
        limit: annotations::MEMORY_LIMIT,
        example: "64Mi",
        least_limit: (16_777_216.0, "16Mi"),
        most: 1.1e12,
    },
];

impl Default for Resources {
    /// What a sidecar needs that has little to do.
    fn default() -> Self {
        let requests = [("cpu", "10m"), ("memory", "24Mi")];
        let requests = requests.map(|(name, quantity)| (name.to_owned(), Quantity(quantity.to_owned())));
        Self { requests: requests.into(), limits: BTreeMap::new() }
    }
}

impl FromStr for Resources {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // As an object first: to serde a list of no fields is one, too.
        let object = serde_json::from_str::<Map<String, Value>>(text);
        object.and_then(|object| serde_json::from_value(Value::Object(object))).map_err(|error| {
            format!(r#"{error}; write them as JSON, for example {{"requests":{{"cpu":"10m"}},"limits":{{"memory":"64Mi"}}}}"#)
        })
    }
}

impl TryFrom<Value> for Quantity {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            other => return Err(format!("{other} is no quantity")),
        };
        match quantity::parse(&text) {
            Some(_) => Ok(Self(text)),
            None => Err(format!("{text:?} is no quantity")),
        }
    }
}

impl Resources {
    /// These, but for what the pod's annotations say; and what is wrong with those.
    pub(super) fn for_pod(&self, pod: &Pod) -> Result<Self, Vec<String>> {
        let (mut resources, mut problems) = (self.clone(), Vec::new());
        for resource in &RESOURCES {
            if pod.has_budget(resource.name) {
                // What we add could exceed it, and the pod would be refused. Within it the sidecar has what the others leave.
                resources.requests.remove(resource.name);
                resources.limits.remove(resource.name);
            }
            match resource.annotated(pod) {
                Ok(annotated) => problems.extend(resource.set(&mut resources, annotated)),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() { Ok(resources) } else { Err(problems) }
    }
}

/// The request and the limit that annotations give.
type Annotated<'a> = [Option<&'a str>; 2];

impl Resource {
    fn annotated<'a>(&self, pod: &'a Pod) -> Result<Annotated<'a>, Vec<String>> {
        let found = [self.request, self.limit].map(|key| pod.annotation(key).map(str::trim));
        let wrong = [(self.request, found[0], (0.0, "0")), (self.limit, found[1], self.least_limit)];
        let wrong = wrong.into_iter().filter_map(|(key, text, least)| self.problem(key, text?, least));
        let wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    }

    fn problem(&self, key: &str, text: &str, (least, least_text): (f64, &str)) -> Option<String> {
        let Self { name, example, most, .. } = self;
        let (value, text) = (quantity::parse(text), shorten(text, MAX_QUOTE));
        match value {
            None => Some(format!("annotation {key} has {text:?}, which is no quantity; write for example {example}")),
            Some(value) if value < least => Some(format!(
                "annotation {key} has {text:?}, with which the sidecar cannot start; give at least {least_text}"
            )),
            Some(value) if value > *most => Some(format!(
                "annotation {key} has {text:?}, which is more {name} than any node has; write for example {example}"
            )),
            Some(_) => None,
        }
    }

    /// Puts what is annotated in the default's place. A limit alone takes the default request down with it.
    fn set(&self, resources: &mut Resources, [request, limit]: Annotated) -> Option<String> {
        let own = |text: &str| Quantity(text.to_owned());
        if let Some(limit) = limit {
            resources.limits.insert(self.name.into(), own(limit));
        }
        if let Some(request) = request {
            resources.requests.insert(self.name.into(), own(request));
        }
        let (Some(wanted), Some(most)) = (resources.requests.get(self.name), resources.limits.get(self.name)) else {
            return None;
        };
        if quantity::parse(&wanted.0) <= quantity::parse(&most.0) {
            return None;
        }
        if request.is_none() {
            resources.requests.insert(self.name.into(), most.clone());
            return None;
        }
        Some(format!(
            "annotation {} has {:?}, which is above the limit of {}; lower it, or raise the annotation {}",
            self.request, wanted.0, most.0, self.limit
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resources(text: &str) -> Resources {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn annotated(default: &str, annotations: &Value) -> Result<Resources, Vec<String>> {
        let pod = json!({ "metadata": { "annotations": annotations } });
        resources(default).for_pod(&serde_json::from_value(pod).expect("any JSON is a pod"))
    }

    #[test]
    fn the_default_is_read_with_quantities_as_text_or_number() {
        let read = resources(r#"{"requests":{"cpu":1,"memory":"64Mi"},"limits":{"ephemeral-storage":"1Gi"}}"#);
        let json = json!({ "requests": { "cpu": "1", "memory": "64Mi" }, "limits": { "ephemeral-storage": "1Gi" } });
        assert_eq!(serde_json::to_value(read).expect("JSON"), json);
        for text in ["", "{", "[]", r#"{"request":{}}"#, r#"{"limits":{"cpu":"lots"}}"#, r#"{"limits":{"cpu":null}}"#] {
            let error = text.parse::<Resources>().expect_err(text);
            assert!(error.contains("for example"), "{text}: {error}");
        }
    }

    #[test]
    fn annotations_take_the_place_of_the_default() {
        let all = json!({
            "evenkeel.dev/cpu-request": "20m", "evenkeel.dev/cpu-limit": "1",
            "evenkeel.dev/memory-request": "32Mi", "evenkeel.dev/memory-limit": "64Mi",
        });
        let expected = r#"{"requests":{"cpu":"20m","memory":"32Mi"},"limits":{"cpu":"1","memory":"64Mi"}}"#;
        assert_eq!(annotated("{}", &all), Ok(resources(expected)));
        assert_eq!(annotated(expected, &json!({})), Ok(resources(expected)));
    }

    #[test]
    fn a_limit_below_the_default_request_takes_that_down() {
        let limit = json!({ "evenkeel.dev/memory-limit": "20Mi" });
        let expected = r#"{"requests":{"memory":"20Mi"},"limits":{"memory":"20Mi"}}"#;
        assert_eq!(annotated(r#"{"requests":{"memory":"24Mi"}}"#, &limit), Ok(resources(expected)));
    }

    #[test]
    fn a_budget_of_the_pod_takes_the_place_of_the_default() {
        let default = resources(r#"{"requests":{"cpu":"10m","memory":"24Mi"},"limits":{"memory":"64Mi"}}"#);
        for (budget, annotations, expected) in [
            (json!({ "limits": { "memory": "1Gi" } }), json!({}), r#"{"requests":{"cpu":"10m"}}"#),
            (json!({ "requests": { "cpu": "1", "memory": "1Gi" } }), json!({}), "{}"),
            (
                json!({ "requests": { "cpu": "1", "memory": "1Gi" } }),
                json!({ "evenkeel.dev/memory-request": "32Mi" }),
                r#"{"requests":{"memory":"32Mi"}}"#,
            ),
        ] {
            let pod = json!({ "metadata": { "annotations": annotations }, "spec": { "resources": budget } });
            let pod = serde_json::from_value(pod).expect("any JSON is a pod");
            assert_eq!(default.for_pod(&pod), Ok(resources(expected)), "{budget}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (key, text, part) in [
            ("cpu-request", "lots", "no quantity"),
            ("cpu-request", "-1", "no quantity"),
            ("cpu-limit", "49m", "at least 50m"),
            ("cpu-limit", "64Mi", "more cpu than any node has"),
            ("memory-limit", "64m", "at least 16Mi"),
            ("memory-limit", "", "no quantity"),
            ("memory-request", "100Ti", "more memory than any node has"),
            (
                "memory-request",
                "2Gi",
                "above the limit of 1Gi; lower it, or raise the annotation evenkeel.dev/memory-limit",
            ),
        ] {
            let key = format!("evenkeel.dev/{key}");
            let problems = annotated(r#"{"limits":{"memory":"1Gi"}}"#, &json!({ &key: text })).expect_err(text);
            assert!(problems[0].contains(&key) && problems[0].contains(part), "{text}: {problems:?}");
        }
    }
}
