//! An API server with etcd and the controller manager, as `tests/cluster/apiserver` runs them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{ChildStdin, Command},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize;

use crate::process::ChildGuard;

/// Its own deadline is a minute, three times.
const START: Duration = Duration::from_secs(200);
/// A pause between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// To come back it needs a few seconds.
const ORDER: Duration = Duration::from_secs(90);

/// A running API server. It ends with this value, and with the test, however that ends.
#[derive(Debug)]
pub struct ApiServer {
    process: ChildGuard,
    orders: Mutex<ChildStdin>,
    ready: Ready,
}

/// What the script says when all are ready.
#[derive(Clone, Debug, Deserialize)]
struct Ready {
    kubeconfig: PathBuf,
    url: String,
    ca: PathBuf,
}

impl ApiServer {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// If it does not start: a test cannot go on.
    #[must_use]
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/apiserver");
        let (process, input) = ChildGuard::spawn_with_input(Command::new(script)).expect("the script starts");
        let ready = process.stdout().wait_for(START, |line| serde_json::from_str(line).ok());
        let ready = ready.map_err(|error| format!("{error}\n{}", process.stderr().so_far().join("\n")));
        let ready = ready.expect("it gets ready");
        Self { process, orders: Mutex::new(input), ready }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.ready.url
    }

    /// The file with its certificate.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ready.ca
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.ready.kubeconfig
    }

    /// A client of the administrator, for the runtime of the caller.
    ///
    /// # Panics
    /// If there can be none.
    pub async fn client(&self) -> Client {
        // Every test makes one; the first installs the provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Kubeconfig::read_from(self.kubeconfig()).expect("the script wrote it");
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a config");
        Client::try_from(config).expect("a client")
    }

    /// Takes the API server alone down, at once as a crash does it.
    pub fn stop(&self) {
        self.order("stop", "stopped");
    }

    /// Brings it back at the same port.
    pub fn start_again(&self) {
        self.order("start", "ready");
    }

    /// Gives an order and waits for the line that answers it.
    fn order(&self, order: &str, answer: &str) {
        let before = self.count(answer);
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(orders, "{order}").expect("the script reads orders");
        let deadline = Instant::now() + ORDER;
        while self.count(answer) == before {
            assert!(Instant::now() < deadline, "no answer to {order:?}: {:?}", self.process.stderr().so_far());
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn count(&self, answer: &str) -> usize {
        self.process.stdout().so_far().iter().filter(|line| line.contains(answer)).count()
    }
}
