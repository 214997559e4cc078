//! Which field was meant.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use crate::BalancerPool;

/// Names at least so much alike are taken for slips (Jaro-Winkler, 0 to 1): `wieght` and `timeout` are, `x` is not.
const ALIKE: f64 = 0.85;

/// The name of a field beside `field` that is spelt nearly so.
pub(super) fn suggestion(field: &str) -> Option<String> {
    let (parent, name) = field.rsplit_once('.').unwrap_or(("", field));
    let crd = BalancerPool::crd();
    let names: Vec<&str> = match parent {
        "" => vec!["apiVersion", "kind", "metadata", "spec"],
        "metadata" => vec!["name", "namespace", "labels", "annotations"],
        _ => fields(&crd, parent)?,
    };
    let alike = |candidate: &&str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    let best = names.into_iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(&best) >= ALIKE).then(|| best.into())
}

/// The fields below `spec.backends[1]`, by the schema.
fn fields<'a>(crd: &'a CustomResourceDefinition, path: &str) -> Option<Vec<&'a str>> {
    let mut schema = crd.spec.versions.first()?.schema.as_ref()?.open_api_v3_schema.as_ref()?;
    for step in path.split('.') {
        let (name, index) = step.split_once('[').map_or((step, false), |(name, _)| (name, true));
        schema = schema.properties.as_ref()?.get(name)?;
        if index {
            schema = item(schema)?;
        }
    }
    Some(schema.properties.as_ref()?.keys().map(String::as_str).collect())
}

fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(item) => Some(item),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}
