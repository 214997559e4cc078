//! Golden files: `CASE/pod.yaml` and what pools there are → `patch.json` and `injected.yaml`, or `refusal.txt`.
//!
//! `pools.yaml` has the pools and tables of the pod's namespace, and is optional. `UPDATE_GOLDEN=1` writes the results anew:
//! review the difference like code. Fixtures are decoded strictly, so that a typo in one fails.

#![allow(clippy::panic, clippy::print_stdout)] // clippy knows a test by its attribute, not the functions it calls

use std::{collections::BTreeMap, fs, path::Path};

use evenkeel_crds::BalancerPool;
use evenkeel_operator::{
    cluster,
    inject::{Decision, Pod as Asking, PoolState, admit, pools_to_look_up},
};
use json_patch::Patch;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::settings;

const NAMESPACE: &str = "shop";
const RESULTS: [&str; 3] = ["patch.json", "injected.yaml", "refusal.txt"];

#[test]
fn every_case_gives_its_patch_or_its_refusal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inject");
    let entries = fs::read_dir(&root).expect("cases").map(|entry| entry.expect("a case").path());
    let mut cases: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    let wrong: Vec<_> = cases.iter().filter(|case| !matches(case)).map(|case| case.display().to_string()).collect();
    assert!(wrong.is_empty(), "these differ; UPDATE_GOLDEN=1 writes them anew: {wrong:#?}");
    assert!(cases.len() >= 25, "only {} cases were found", cases.len());
}

fn matches(case: &Path) -> bool {
    let found = results(case);
    RESULTS.iter().all(|name| {
        let (file, found) = (case.join(name), found.get(name).map(String::as_str).unwrap_or_default());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let _ = fs::remove_file(&file); // it may not be there
            if !found.is_empty() {
                fs::write(&file, found).expect("written");
            }
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if found != expected {
            println!("--- {}\n{expected}\n+++ found\n{found}", file.display());
        }
        found == expected
    })
}

/// The results of a case, by file. What is decided must hold for a second look as well.
fn results(case: &Path) -> BTreeMap<&'static str, String> {
    let pod = one(case.join("pod.yaml").as_path());
    strict::<Pod>(pod.clone(), case);
    let pools = pools(case);
    let state = |name: &str| pools.get(name).cloned().unwrap_or(PoolState::Missing);
    let read = |pod: &Value| serde_json::from_value::<Asking>(pod.clone()).expect("any JSON is a pod");
    let look = |pod: &Value| admit(&read(pod), NAMESPACE, state, &settings());
    let mut results = BTreeMap::new();
    match look(&pod) {
        Decision::Inject(patch) => {
            assert!(!pools_to_look_up(&read(&pod)).is_empty(), "{}: its pools are looked up", case.display());
            let injected = apply(&patch, &pod);
            strict::<Pod>(injected.clone(), case);
            assert_eq!(look(&injected), Decision::Already, "{}", case.display());
            results.insert("patch.json", serde_json::to_string_pretty(&patch).expect("JSON") + "\n");
            results.insert("injected.yaml", serde_yaml::to_string(&injected).expect("YAML"));
        }
        Decision::Refuse(reason) => drop(results.insert("refusal.txt", reason + "\n")),
        untouched => drop(results.insert("refusal.txt", format!("nothing to do: {untouched:?}\n"))),
    }
    results
}

fn apply(patch: &Patch, pod: &Value) -> Value {
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, patch).expect("the patch fits the pod");
    patched
}

fn pools(case: &Path) -> BTreeMap<String, PoolState> {
    let (mut pools, mut tables): (Vec<cluster::Pool>, BTreeMap<String, ConfigMap>) = Default::default();
    for document in documents(&case.join("pools.yaml")) {
        match document["kind"].as_str() {
            Some("BalancerPool") => {
                pools.push(cluster::Pool { object: strict::<BalancerPool>(document, case), unreadable: None });
            }
            Some("ConfigMap") => {
                let table: ConfigMap = strict(document, case);
                tables.insert(table.metadata.name.clone().expect("a name"), table);
            }
            kind => panic!("{}: kind {kind:?}", case.display()),
        }
    }
    let state = |pool: &cluster::Pool| {
        let name = pool.meta().name.clone().expect("a name");
        let state = PoolState::of(pool, tables.get(&format!("evenkeel-{name}")));
        (name, state)
    };
    pools.iter().map(state).collect()
}

fn one(file: &Path) -> Value {
    let mut documents = documents(file);
    assert_eq!(documents.len(), 1, "{}: one document", file.display());
    documents.remove(0)
}

fn documents(file: &Path) -> Vec<Value> {
    let Ok(text) = fs::read_to_string(file) else { return Vec::new() };
    serde_yaml::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn strict<T: DeserializeOwned>(document: Value, case: &Path) -> T {
    let mut unknown = Vec::new();
    let parsed = serde_ignored::deserialize(document, |path| unknown.push(path.to_string()));
    unknown.retain(|field| !matches!(field.as_str(), "apiVersion" | "kind")); // types skip what names them
    assert_eq!(unknown, [""; 0], "{}: unknown fields", case.display());
    parsed.unwrap_or_else(|error| panic!("{}: {error}", case.display()))
}
