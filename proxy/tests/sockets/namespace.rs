//! Tests whose endpoints must not be on the loopback, as no endpoint of a cluster may: each runs once more, in a process and a
//! network namespace of its own, where `10.201.0.1` to `.32` are.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evenkeel_tests::process::ChildGuard;
use evenkeel_tests::xserver::{Behaviour, XServer};

/// Longer than any of these tests.
const LIMIT: Duration = Duration::from_secs(120);

/// Makes tests of asynchronous functions that run in a namespace.
macro_rules! in_namespace {
    ($($(#[$attribute:meta])* async fn $name:ident() $body:block)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            $crate::namespace::run(concat!(module_path!(), "::", stringify!($name)), async $body);
        }
    )*};
}
pub(crate) use in_namespace;

/// Runs a test by its path, or has it run by another process.
pub(crate) fn run(path: &str, test: impl Future<Output = ()>) {
    if std::env::var("EVENKEEL_NETNS").is_ok_and(|state| state == "ready") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(test);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster/netns");
    let (_, name) = path.split_once("::").unwrap();
    let mut command = Command::new(script);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    let finished = ChildGuard::spawn(command).unwrap().finish(LIMIT).unwrap();
    let output = || format!("{}\n{}", finished.stdout.join("\n"), finished.stderr.join("\n"));
    assert!(finished.status.success(), "{}", output());
    assert!(finished.stdout.iter().any(|line| line.contains("1 passed")), "no test {name}: {}", output());
}

/// A well-behaved endpoint with an address that a cluster's table may have.
pub(crate) async fn xserver(name: &str) -> XServer {
    let address: SocketAddr = "10.201.0.1:0".parse().unwrap();
    XServer::start(address, name, Behaviour::default()).await.unwrap()
}
