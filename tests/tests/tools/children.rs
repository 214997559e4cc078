//! Child processes end with their guard, and with us.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use evenkeel_tests::process::{ChildError, ChildGuard, Signal};

use crate::raw::SOON;

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

/// A process that was waited for has no entry any more.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn dropping_the_guard_ends_the_process() {
    let child = ChildGuard::spawn(sleeper()).unwrap();
    let pid = child.id();
    assert!(exists(pid));
    drop(child);
    assert!(!exists(pid));
}

#[test]
fn a_child_outlives_the_thread_that_started_it() {
    let mut child = std::thread::spawn(|| ChildGuard::spawn(sleeper()).unwrap()).join().unwrap();
    assert!(matches!(child.wait(Duration::from_millis(200)), Err(ChildError::StillRunning { .. })));
}

#[test]
fn output_and_status_are_kept() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo one; echo two >&2; kill -TERM $$"]);
    let finished = ChildGuard::spawn(command).unwrap().finish(SOON).unwrap();
    assert_eq!((finished.stdout, finished.stderr), (vec!["one".to_owned()], vec!["two".to_owned()]));
    assert!(!finished.status.success());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let error = ChildGuard::spawn(Command::new("/no/such/program")).unwrap_err();
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

/// Not a test of its own: the parent in the next one. It starts a child, tells its pid and waits to be killed.
#[test]
fn parent_of_an_orphan() {
    if std::env::var_os("PARENT_OF_AN_ORPHAN").is_none() {
        return;
    }
    let mut child = ChildGuard::spawn(sleeper()).unwrap();
    eprintln!("child {}", child.id());
    let _ = child.wait(SOON);
}

#[test]
fn a_killed_test_leaves_no_child_behind() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "children::parent_of_an_orphan", "--nocapture"]).env("PARENT_OF_AN_ORPHAN", "1");
    let mut parent = ChildGuard::spawn(command).unwrap();
    let pid = |line: &str| line.strip_prefix("child ")?.parse::<u32>().ok();
    let orphan = parent.stderr().wait_for(SOON, pid).unwrap();
    assert!(exists(orphan));
    parent.signal(Signal::KILL).unwrap();
    parent.wait(SOON).unwrap();
    let deadline = Instant::now() + SOON;
    while runs(orphan) {
        assert!(Instant::now() < deadline, "the child is still running");
        std::thread::yield_now();
    }
}

/// An orphan is waited for by process 1, sooner or later: a zombie does not run.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
