//! Every refusal names line, field and fix.

use super::*;

const GOOD: &str = "\
apiVersion: evenkeel.dev/v1alpha1
kind: BalancerPool
metadata: { name: web }
spec:
  listener:
    port: 8080
  backends:
    - name: blue
      weight: 70
      endpoints:
        - { address: 127.0.0.1, port: 9001 }
    - name: green
      weight: 30
      endpoints:
        - { address: 127.0.0.1, port: 9002 }
";

fn problems(text: &str) -> Vec<FileProblem> {
    table(text, None, 0).expect_err("refused")
}

fn only(text: &str) -> (Option<u32>, Option<String>) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    let problem = found.into_iter().next().expect("one");
    assert!(!problem.message.is_empty());
    (problem.line, problem.field)
}

fn at(line: u32, field: &str) -> (Option<u32>, Option<String>) {
    (Some(line), Some(field.into()))
}

#[test]
fn a_good_file_becomes_a_table() {
    let table = table(GOOD, None, 0).expect("a table");
    let weights: Vec<_> = table.policy.backends.iter().map(|backend| (backend.name.as_str(), backend.weight)).collect();
    assert_eq!(weights, [("blue", 70), ("green", 30)]);
    assert_eq!(table.policy.namespace, "default");
    table.check(Scope::Machine).expect("valid");
}

#[test]
fn a_bad_value_is_found_by_line_and_field() {
    assert_eq!(only(&GOOD.replace("weight: 30", "weight: -1")), at(13, "spec.backends[1].weight"));
    assert_eq!(only(&GOOD.replace("port: 8080", "port: 9440")), at(6, "spec.listener.port"));
    assert_eq!(
        only(&GOOD.replace("127.0.0.1, port: 9002", "example.com, port: 1")),
        at(15, "spec.backends[1].endpoints[0].address")
    );
    assert_eq!(only(&GOOD.replace("name: green", "name: blue")), at(12, "spec.backends[1].name"));
}

#[test]
fn a_misspelt_field_is_refused() {
    assert_eq!(only(&GOOD.replace("weight: 30", "wieght: 30")), at(13, "spec.backends[1].wieght"));
    assert_eq!(
        only(&GOOD.replace("metadata: { name: web }", "metadata: { name: web, nmae: x }")),
        at(3, "metadata.nmae")
    );
}

#[test]
fn another_kind_is_refused() {
    assert_eq!(only(&GOOD.replace("kind: BalancerPool", "kind: Service")), at(2, "kind"));
    assert_eq!(only(&GOOD.replace("v1alpha1", "v9")), at(1, "apiVersion"));
}

#[test]
fn broken_yaml_and_wrong_types_name_the_line() {
    assert_eq!(only(&GOOD.replace("weight: 30", "weight: [")).0.map(|line| line >= 13), Some(true));
    assert_eq!(only(&GOOD.replace("weight: 30", "weight: heavy")).0, Some(13));
    assert_eq!(problems("").len(), 1);
    assert_eq!(problems("[]").len(), 1);
}

#[test]
fn all_problems_are_told_at_once() {
    let text = GOOD.replace("weight: 30", "weight: -1").replace("port: 9001", "port: 0");
    let fields: Vec<_> = problems(&text).into_iter().filter_map(|problem| problem.field).collect();
    assert_eq!(fields, ["spec.backends[0].endpoints[0].port", "spec.backends[1].weight"]);
}

#[test]
fn a_service_needs_a_cluster() {
    let text =
        GOOD.replace("endpoints:\n        - { address: 127.0.0.1, port: 9002 }", "service: { name: web, port: http }");
    assert_eq!(only(&text), at(14, "spec.backends[1].service"));
}
