//! The operator as a process, under its own account.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::account::NAMESPACE;
use crate::metrics::sum;
use crate::process::{ChildGuard, Finished, Signal};

/// It is at work in a fraction of a second, or when the Lease of one before it has expired; the machine may be busy.
const START: Duration = Duration::from_secs(60);
/// It promises ten seconds.
const STOP: Duration = Duration::from_secs(15);
/// Proxies never start here: there are no nodes.
const PROXY_IMAGE: &str = "proxy:test";

/// A running operator. It ends with this value.
#[derive(Debug)]
pub struct Operator {
    process: ChildGuard,
    address: String,
}

impl Operator {
    /// Starts it and waits until it leads.
    ///
    /// # Panics
    /// If it does not start: a test cannot go on.
    #[must_use]
    pub fn start(kubeconfig: &Path, arguments: &[&str]) -> Self {
        let operator = Self::start_candidate(kubeconfig, arguments);
        operator.wait_for(" Leading.");
        operator
    }

    /// Starts it and waits until it knows the cluster. It leads, or follows who does.
    ///
    /// # Panics
    /// If it does not start: a test cannot go on.
    #[must_use]
    pub fn start_candidate(kubeconfig: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program("evenkeel-operator"));
        command.args(["run", "--address", "127.0.0.1:0", "--namespace", NAMESPACE]);
        command.args(["--log-level", "info,evenkeel_operator=debug", "--kubeconfig"]);
        command.arg(kubeconfig).args(arguments).env("EVENKEEL_PROXY_IMAGE", PROXY_IMAGE); // a flag counts more
        let process = ChildGuard::spawn(command).expect("the operator, which `cargo build` makes");
        let address = process.stderr().wait_for(START, |line| Some(line.split_once(" address=")?.1.to_owned()));
        let address = address.expect("it says where it listens");
        let operator = Self { process, address };
        operator.wait_for("Every cache has synced");
        operator
    }

    /// Waits until its log has that text.
    ///
    /// # Panics
    /// If that does not come.
    pub fn wait_for(&self, text: &str) {
        self.process.stderr().wait_for(START, |line| line.contains(text).then_some(())).expect(text);
    }

    /// Whether it has said that it leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.log().iter().any(|line| line.contains(" Leading."))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it is gone.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal).expect("it runs");
    }

    /// Where it answers `/metrics`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it answers there.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(STOP)).expect("a socket");
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: operator\r\nconnection: close\r\n\r\n").expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// The sum of a metric's samples with these labels.
    ///
    /// # Panics
    /// If the operator does not answer.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.metrics(), name, labels)
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process.stderr().so_far()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn finish(self, within: Duration) -> Finished {
        self.process.finish(within).expect("the operator ends")
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// If it does not end, or not well.
    pub fn stop(self) {
        let finished = self.process.terminate(STOP).expect("the operator ends");
        assert!(finished.status.success(), "{}\n{}", finished.status, finished.stderr.join("\n"));
    }
}

/// A program of this workspace, beside the folder of the test's own.
pub(super) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own program");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    folder.join(name)
}
