//! The demo, as the README tells it: unattended with a verdict, and live with a file that is edited.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use evenkeel_tests::process::{ChildGuard, Finished, Signal};

/// Much more than it needs, for busy machines.
const SOON: Duration = Duration::from_secs(60);

/// The program, told where the proxy is: as `EVENKEEL_PROXY_BIN` says, else beside it.
fn demo(arguments: &[&str]) -> ChildGuard {
    let program = Path::new(env!("CARGO_BIN_EXE_demo"));
    let proxy = env::var_os("EVENKEEL_PROXY_BIN").map(PathBuf::from);
    let proxy = proxy.unwrap_or_else(|| program.with_file_name("evenkeel-proxy"));
    let missing = "build it first (cargo build -p evenkeel-proxy), or name it in EVENKEEL_PROXY_BIN";
    assert!(proxy.exists(), "there is no proxy at {}: {missing}", proxy.display());
    let mut command = Command::new(program);
    command.args(arguments).arg("--proxy").arg(proxy);
    ChildGuard::spawn(command).expect("the demo starts")
}

/// Its output as one row of words: where lines are broken is of no interest.
fn words(finished: &Finished) -> String {
    finished.stdout.iter().flat_map(|line| line.split_whitespace()).collect::<Vec<_>>().join(" ")
}

#[test]
fn unattended_it_shows_the_shares_and_the_refusal() {
    let finished = demo(&["--once"]).finish(SOON).unwrap();
    let output = finished.stdout.join("\n");
    assert!(finished.status.success(), "{output}\n{}", finished.stderr.join("\n"));
    for stage in ["the example", "weights changed", "file broken"] {
        let row = finished.stdout.iter().find(|line| line.starts_with(stage));
        assert!(row.is_some_and(|row| row.contains("0:   0.0 %         0")), "{stage}: {output}");
    }
    let refusal = "pool.yaml:16: spec.backends[1].weight: a weight is a whole number from 0 to 1000000";
    assert!(words(&finished).contains(refusal), "{output}");
    assert!(output.contains("Good: "), "{output}");
    assert!(finished.stdout.iter().all(|line| line.chars().count() <= 80 && !line.contains('\x1b')), "{output}");
}

#[test]
fn an_edit_is_followed_and_a_broken_one_refused_until_ctrl_c() {
    let demo = demo(&["--free-ports"]);
    let file = demo.stdout().wait_for(SOON, |line| Some(PathBuf::from(line.split_once(", pool ")?.1))).unwrap();
    let wait = |text: &str| demo.stdout().wait_for(SOON, |line| line.contains(text).then(|| line.to_owned())).unwrap();
    wait("stable 70 -> 70.");
    let edited = fs::read_to_string(&file).unwrap().replace("weight: 70", "weight: 10");
    fs::write(&file, edited.replace("weight: 30", "weight: 90")).unwrap();
    wait("canary 90 -> 90.");
    fs::write(&file, edited.replace("weight: 30", "wieght: 30")).unwrap();
    let refusal = wait("refused");
    assert!(refusal.contains("pool.yaml:16: spec.backends[1].wieght: there is no such field"), "{refusal}");
    demo.signal(Signal::INT).unwrap();
    let finished = demo.finish(SOON).unwrap();
    let summary = finished.stdout.last().unwrap();
    assert!(finished.status.success() && summary.contains("; 0 failed. Everything has ended."), "{finished:?}");
    assert!(!file.exists(), "a copy with ports of the moment is of no use afterwards");
}

#[test]
fn a_port_that_is_taken_is_named_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let finished = demo(&["--free-ports", "--listen-port", &port]).finish(SOON).unwrap();
    let error = finished.stderr.join("\n");
    assert_eq!(finished.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("port {port} (the pool's listener) cannot be used")), "{error}");
    assert!(error.contains("--listen-port"), "{error}");
}
