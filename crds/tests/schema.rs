//! The definition as the API server and `kubectl explain` meet it.

use std::{fs, path::Path};

use evenkeel_crds::BalancerPool;
use kube::CustomResourceExt;
use serde_json::Value;

/// Calls for the schema and all schemas below it, with their paths.
fn visit(path: &str, schema: &Value, on_schema: &mut impl FnMut(&str, &Value)) {
    on_schema(path, schema);
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        visit(&format!("{path}.{name}"), below, on_schema);
    }
    if schema["items"].is_object() {
        visit(&format!("{path}[]"), &schema["items"], on_schema);
    }
}

/// Those below `spec` for which the rule does not hold.
fn wrong(holds: impl Fn(&Value) -> bool) -> Vec<String> {
    let crd = serde_json::to_value(BalancerPool::crd()).expect("JSON");
    let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let (mut wrong, mut seen) = (Vec::new(), 0);
    visit("spec", root, &mut |path, schema| {
        seen += 1;
        if !holds(schema) {
            wrong.push(path.into());
        }
    });
    assert!(seen > 15, "only {seen} schemas were found");
    wrong
}

#[test]
fn every_field_is_explained_in_one_piece() {
    let good = |text: &str| !text.contains('\n') && !text.contains("  ") && text.ends_with('.');
    assert_eq!(wrong(|schema| schema["description"].as_str().is_some_and(good)), [""; 0]);
}

#[test]
fn no_field_stores_null_instead_of_leaving_it_out() {
    assert_eq!(wrong(|schema| schema["nullable"].is_null() && !schema.to_string().contains(r#""null""#)), [""; 0]);
}

#[test]
fn every_string_and_list_is_bounded_for_the_cost_of_rules() {
    assert_eq!(
        wrong(|schema| match schema["type"].as_str() {
            Some("string") => schema["maxLength"].is_u64() || schema["enum"].is_array(),
            Some("array") =>
                schema["maxItems"].is_u64()
                    && ["map", "set"].iter().any(|kind| schema["x-kubernetes-list-type"] == **kind),
            Some("integer") => schema["minimum"].is_number() && schema["maximum"].is_number(),
            _ => true,
        }),
        [""; 0]
    );
}

#[test]
fn weights_alone_have_a_stored_default() {
    let is_weight = |schema: &Value| schema["maximum"] == 1_000_000.0;
    assert_eq!(wrong(|schema| schema["default"].is_null() || (is_weight(schema) && schema["default"] == 1)), [""; 0]);
}

#[test]
fn every_rule_says_what_to_do() {
    let says = |rule: &Value| rule["message"].as_str().is_some_and(|message| message.contains("; "));
    assert_eq!(
        wrong(|schema| schema["x-kubernetes-validations"].as_array().is_none_or(|rules| rules.iter().all(says))),
        [""; 0]
    );
}

#[test]
fn the_definition_in_the_repository_is_what_the_types_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("balancerpools.yaml");
    let text = fs::read_to_string(file).expect("charts/generate writes it");
    let stored: Value = serde_yaml::from_str(&text).expect("YAML");
    assert_eq!(stored, serde_json::to_value(BalancerPool::crd()).expect("JSON"), "charts/generate writes it anew");
    assert!(text.len() < 100_000, "kubectl apply takes 262,144 bytes, with the last version beside it");
}
