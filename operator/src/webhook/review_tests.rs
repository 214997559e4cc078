//! Questions of an API server, and what it gets to hear.

use super::*;

fn question(operation: &str, resource: &str, object: &Value) -> Question {
    asked("u-1", "shop", operation, resource, object).expect("a question")
}

fn asked(uid: &str, namespace: &str, operation: &str, resource: &str, object: &Value) -> Result<Question, Trouble> {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": uid, "namespace": namespace, "operation": operation, "name": "", "dryRun": true, "newer": [1],
            "resource": { "group": "", "version": "v1", "resource": resource }, "object": object, "oldObject": null,
        },
    });
    Question::read(body.to_string().as_bytes())
}

fn object() -> Value {
    json!({ "metadata": { "generateName": "app-" }, "spec": {} })
}

fn pod() -> Question {
    question("CREATE", "pods", &object())
}

/// The patch of an answer, applied to the pod.
fn patched_pod(answer: &Value) -> Value {
    let patch: ByteString = serde_json::from_value(answer["response"]["patch"].clone()).expect("base64");
    let patch: Patch = serde_json::from_slice(&patch.0).expect("a patch");
    let mut pod = object();
    json_patch::patch(&mut pod, &patch).expect("it fits");
    pod
}

#[test]
fn only_new_pods_are_looked_at() {
    assert_eq!((pod().uid.as_str(), pod().namespace.as_str(), pod().pod.is_some()), ("u-1", "shop", true));
    for (operation, resource) in [("UPDATE", "pods"), ("CREATE", "secrets"), ("", "")] {
        assert!(question(operation, resource, &json!({})).pod.is_none(), "{operation} {resource}");
    }
}

#[test]
fn every_answer_is_a_review_with_the_uid() {
    let patch = not_injected(&Pod::default(), "x");
    let decisions = [
        Ok(Decision::Inject(patch)),
        Ok(Decision::Already),
        Ok(Decision::NotAsked),
        Ok(Decision::Refuse("no".into())),
        Err(Trouble::Busy),
        Err(Trouble::Starting),
        Err(Trouble::Unreadable("rubbish".into())),
        Err(Trouble::Unknown("no".into())),
    ];
    for policy in [Policy::Fail, Policy::Ignore] {
        for decision in &decisions {
            let (answer, _) = answer(policy, &pod(), decision.clone());
            assert_eq!(answer["kind"], "AdmissionReview");
            assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
            assert_eq!(answer["response"]["uid"], "u-1");
            let fails = matches!(decision, Ok(Decision::Refuse(_)) | Err(_));
            assert_eq!(answer["response"]["allowed"], !fails || policy == Policy::Ignore, "{policy:?} {decision:?}");
        }
    }
}

#[test]
fn a_refusal_says_why() {
    let (answer, counts) = answer(Policy::Fail, &pod(), Ok(Decision::Refuse("port 8080 is taken".into())));
    assert_eq!(answer["response"]["status"]["message"], "port 8080 is taken");
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert_eq!(counts, Some(Admission::Refused));
}

#[test]
fn under_ignore_the_pod_says_why_it_has_no_sidecar() {
    let reason = "x".repeat(400);
    let (answer, counts) = answer(Policy::Ignore, &pod(), Ok(Decision::Refuse(reason.clone())));
    let pod = patched_pod(&answer);
    assert_eq!(pod["metadata"]["annotations"]["evenkeel.dev/not-injected"], reason);
    let warning = answer["response"]["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("made without a sidecar: xxx") && warning.len() <= 256);
    assert_eq!(counts, Some(Admission::Ignored));
}

#[test]
fn rubbish_is_told_from_questions() {
    for body in ["", "{", "[]", "{}", r#"{"request":null}"#, r#"{"request":{}}"#, r#"{"request":{"uid":7}}"#, "\u{0}"] {
        assert!(matches!(Question::read(body.as_bytes()), Err(Trouble::Unreadable(_))), "{body:?}");
    }
}

#[test]
fn what_reaches_paths_and_logs_is_short_and_harmless() {
    let (long, object) = ("x".repeat(1000), object());
    for (uid, namespace) in [(&*long, "shop"), ("u-1", "../.."), ("u-1", "shop/pods/x?"), ("u-1", &*long)] {
        assert!(asked(uid, namespace, "CREATE", "pods", &object).is_err(), "{uid} {namespace}");
    }
    let body = json!({ "request": long }).to_string();
    let Err(Trouble::Unreadable(problem)) = Question::read(body.as_bytes()) else { panic!("it is no question") };
    assert!(problem.chars().count() <= MAX_PROBLEM, "{problem}");
}
