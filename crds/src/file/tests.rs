//! Every refusal names line, field and fix.

use std::fmt::Write as _;

use proptest::prelude::*;

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

/// What the file says of a change to a good one, all lines.
fn told(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    problems(&GOOD.replace(old, new)).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_type_names_the_field_and_what_fits() {
    for (value, found) in [
        ("heavy", "the text \"heavy\""),
        ("\"30\"", "the text \"30\""),
        ("30.5", "the fraction `30.5`"),
        ("99999999999", "the number `99999999999`"),
        ("", "nothing"),
        ("yes", "the boolean `true`"),
        ("[30]", "a list"),
        ("{ a: 1 }", "a map of fields"),
    ] {
        assert_eq!(
            told("weight: 30", &format!("weight: {value}")),
            format!("line 13: spec.backends[1].weight: this is {found}; write a whole number that fits here")
        );
    }
    for (old, new, expected) in [
        (
            "name: green",
            "name: 12",
            "line 12: spec.backends[1].name: this is the number `12`; write a text, in quotes if it looks like something else",
        ),
        (
            "spec:",
            "spec:\n  timeouts: { connect: 5 }",
            "line 5: spec.timeouts.connect: this is the number `5`; write a duration with its unit, for example 2s or 250ms",
        ),
        ("spec:", "spec:\n  protocol: http", "line 5: spec.protocol: `http` is no value of this field; write `HTTP`"),
        ("listener:\n    port: 8080", "listener: []", "line 5: spec.listener: this is a list; write a map of fields"),
        (
            "name: green",
            "service: { name: web, port: true }",
            "line 12: spec.backends[1].service.port: this is the boolean `true`; write a port's number or its name",
        ),
        (
            "    - name: green\n      weight: 30",
            "    - weight: 30",
            "line 12: spec.backends[1].name: is missing; add it",
        ),
        ("metadata: { name: web }\n", "", "line 1: metadata: is missing; add it"),
        (
            "metadata: { name: web }",
            "metadata:",
            "line 3: metadata: this is nothing; write a map of fields, name the first of them",
        ),
    ] {
        assert_eq!(told(old, new), expected);
    }
}

#[test]
fn a_misspelt_field_is_suggested_and_stands_beside_what_is_missing_for_it() {
    assert_eq!(
        told("weight: 30", "wieght: 30"),
        "line 13: spec.backends[1].wieght: there is no such field; did you mean weight?"
    );
    assert_eq!(
        told("metadata: { name: web }", "metadata: { nmae: web }").lines().next(),
        Some("line 3: metadata.nmae: there is no such field; did you mean name?")
    );
    assert_eq!(
        told("spec:", "spec:\n  loadbalancing: {}"),
        "line 5: spec.loadbalancing: there is no such field; did you mean loadBalancing?"
    );
    assert_eq!(
        told("  listener:", "  lisener:"),
        "line 4: spec.listener: is missing; add it\nline 5: spec.lisener: there is no such field; did you mean listener?"
    );
    assert_eq!(
        told("weight: 30", "x: 30"),
        "line 13: spec.backends[1].x: there is no such field; check its spelling and its indentation, or remove it"
    );
}

#[test]
fn broken_yaml_is_told_in_one_line() {
    for (old, new, expected) in [
        (
            "  listener:",
            "\tlistener:",
            "line 5: this is not YAML: tabs disallowed within this context (block indentation); correct it",
        ),
        ("weight: 30", "weight: 30\n      weight: 40", "line 14: weight stands here twice; remove one of the two"),
        ("weight: 30", "weight: *w", "line 13: this alias has no anchor before it; write the value itself"),
        ("weight: 30", "~: 30", "line 13: a key is empty; write the name of a field"),
        ("weight: 30", "[a]: 30", "line 13: a key is a list or a map; write the name of a field"),
        (
            "kind: BalancerPool",
            "kind: Service",
            "line 2: kind: the file holds one BalancerPool; write kind: BalancerPool",
        ),
    ] {
        assert_eq!(told(old, new), expected);
    }
    for text in ["", "\n", "# nothing\n", "---\n", "~"] {
        assert_eq!(problems(text)[0].to_string(), "the file is empty; write a BalancerPool", "{text:?}");
    }
    assert_eq!(problems("[]")[0].to_string(), "line 1: this is no object; write a BalancerPool");
}

#[test]
fn another_object_is_refused_for_what_it_is() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80 }] }\n";
    assert_eq!(only(service), at(1, "apiVersion"));
}

#[test]
fn a_file_holds_one_pool() {
    let second = problems(&format!("{GOOD}---\n{GOOD}"));
    assert_eq!(second[0].to_string(), "line 17: a second document begins here; write each pool to a file of its own");
    for text in ["---\n{}", "{}---\n", "{}---\n# nothing\n", "{}...\n", "\u{feff}{}", "%YAML 1.2\n---\n{}"] {
        table(&text.replace("{}", GOOD), None, 0).unwrap_or_else(|problems| panic!("{text:?}: {problems:?}"));
    }
    table(&GOOD.replace('\n', "\r\n"), None, 0).expect("CR LF");
}

#[test]
fn what_kubectl_get_shows_is_a_file_too() {
    let fields = "f:spec: { f:backends: { 'k:{\"name\":\"blue\"}': { .: {}, f:endpoints: { 'k:{\"port\":1}': { f:port: {} } } } } }";
    let metadata = format!(
        "metadata:\n  name: web\n  namespace: shop\n  uid: \"7\"\n  generation: 3\n  creationTimestamp: \"2025-01-01T00:00:00Z\"\n  \
         managedFields:\n  - apiVersion: evenkeel.dev/v1alpha1\n    fieldsType: FieldsV1\n    fieldsV1: {{ {fields} }}\n",
    );
    let status =
        "status:\n  observedGeneration: 3\n  endpoints: { ready: 1, total: 2, summary: 1/2 }\n  conditions: []\n";
    let text = GOOD.replace("metadata: { name: web }\n", &metadata) + status;
    assert_eq!(table(&text, None, 0).expect("a table").policy.generation, 3);
}

#[test]
fn anchors_work_but_a_tower_of_them_is_refused_at_once() {
    let shared = table(&GOOD.replace("weight: 70", "weight: &w 70").replace("weight: 30", "weight: *w"), None, 0);
    assert_eq!(shared.expect("a table").policy.backends[1].weight, 70);
    let mut tower = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(tower, "a{level}: &a{level} [{aliases}]").expect("a String");
    }
    for text in [tower, "[".repeat(100_000), "{a: ".repeat(10_000), "- ".repeat(10_000), "a:\n".repeat(500_000)] {
        let found = problems(&text);
        assert!(found.len() == 1 && found[0].line.is_some() && found[0].message.len() < 300, "{found:?}");
        assert!(!found[0].message.contains('\n'), "{found:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}", at in 0usize..GOOD.len(), cut in 0usize..40) {
        let end = (at + cut).min(GOOD.len());
        for text in [text.clone(), format!("{}{text}{}", &GOOD[..at], &GOOD[end..]), format!("{}{}", &GOOD[..at], &GOOD[end..])] {
            for problem in table(&text, None, 0).err().into_iter().flatten() {
                prop_assert!(!problem.to_string().contains('\n'), "{problem:?}");
            }
        }
    }
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
