//! What the webhook is sent takes little memory, whatever it is: whoever reaches its port could send it. In a program of its own,
//! so that nothing else takes memory at the same time.

use std::fs;

use evenkeel_operator::webhook::review::Question;
use evenkeel_tests::memory::{peak_kb, rss_kb};

/// The largest that the webhook reads.
const BODY: usize = 4 << 20;
/// Of the chart's limit, 512Mi, most is for the cluster's objects. Two of the largest bodies are read at once.
const BOUND_KIB: u64 = 40 << 10;

#[test]
fn the_largest_bodies_take_bounded_memory() {
    let label = r#""metadata":{"labels":{"evenkeel.dev/inject":"enabled"}}"#;
    for (what, before, repeated, after) in [
        ("objects", r#"{"object":["#.to_owned(), r#"{"":0},"#, "0]}"),
        ("unknown fields", r#"{"request":{"uid":"1","object":{"x":["#.to_owned(), r#"{"":0},"#, "0]}}}"),
        ("env", pod(&format!(r#"{label},"spec":{{"containers":[{{"env":["#)), r#"{"name":"A"},"#, "0]}]}}}}"),
        ("containers", pod(&format!(r#"{label},"spec":{{"containers":["#)), "{},", "0]}}}}"),
        ("ports", pod(&format!(r#"{label},"spec":{{"containers":["#)), r#"{"ports":[{"containerPort":1}]},"#, "0]}}}}"),
        (
            "mounts",
            pod(&format!(r#"{label},"spec":{{"containers":[{{"volumeMounts":["#)),
            r#"{"name":"","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"},"#,
            "0]}]}}}}",
        ),
        ("volumes", pod(&format!(r#"{label},"spec":{{"volumes":["#)), r#"{"name":"","secret":{}},"#, "0]}}}}"),
        ("labels", pod(r#""metadata":{"labels":{"#), r#""":"","#, r#""a":"b"}}}}}"#),
        ("depth", pod(r#""x":"#), "[", ""),
    ] {
        let body = before + &repeated.repeat(BODY / repeated.len()) + after;
        let start = reset_peak();
        let question = Question::read(body.as_bytes());
        assert!(question.is_ok() || what == "depth" || what == "objects", "{what}: {question:?}");
        let peak = peak_kb(std::process::id()).saturating_sub(start);
        eprintln!("{what}: {peak} KiB");
        assert!(peak < BOUND_KIB, "{what}: {peak} KiB for {} bytes", body.len());
    }
}

fn pod(begin: &str) -> String {
    let resource = r#""resource":{"group":"","version":"v1","resource":"pods"}"#;
    format!(r#"{{"request":{{"uid":"u-1","namespace":"shop","operation":"CREATE",{resource},"object":{{{begin}"#)
}

/// From now on, the most memory is counted anew; what is in use now, in KiB.
fn reset_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("it can be reset");
    rss_kb(std::process::id())
}
