//! The real proxy on a pool's table, and a client that asks it who answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use evenkeel_crds::names;
use serde_json::Value;
use tempfile::TempDir;

use super::{Space, Stage, account, operator::program};
use crate::process::ChildGuard;

/// The machine may be busy.
const START: Duration = Duration::from_secs(60);
/// No answer takes that long; a proxy that says nothing fails the test.
const ANSWER: Duration = Duration::from_secs(10);

/// A running proxy, at an address of `tests/cluster/netns`. It ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: IpAddr,
    _process: ChildGuard,
    _folder: TempDir,
}

impl Proxy {
    /// Starts one on a pool of a space, under the account and with the rights that the operator made for it; without an
    /// operator as the administrator. It is not awaited.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(stage: &Stage, space: &Space, pool: &str, address: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut kubeconfig = stage.server.kubeconfig().to_owned();
        if stage.operator.is_some() {
            kubeconfig = folder.path().join("kubeconfig");
            account::account_kubeconfig(&stage.server, &space.api(), &names::object_name(pool), &kubeconfig).await;
        }
        Self::spawn(folder, &kubeconfig, address, &["--watch", &format!("{}/{pool}", space.namespace)])
    }

    /// Writes a kubeconfig of an account of a space: pods of an application run under one.
    pub async fn account(stage: &Stage, space: &Space, account: &str, file: &Path) {
        account::account_kubeconfig(&stage.server, &space.api(), account, file).await;
    }

    /// Starts a sidecar on pools of a space, with what an earlier one kept in that folder. It is not awaited.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn sidecar(kubeconfig: &Path, space: &Space, pools: &[&str], address: &str, last_good: &Path) -> Self {
        let pools: Vec<_> = pools.iter().map(|pool| format!("{}/{pool}", space.namespace)).collect();
        let last_good = last_good.to_str().expect("a path in UTF-8");
        let mut arguments = vec!["--sidecar", "--last-good", last_good, "--watch"];
        arguments.extend(pools.iter().map(String::as_str));
        Self::spawn(TempDir::new().expect("a folder"), kubeconfig, address, &arguments)
    }

    fn spawn(folder: TempDir, kubeconfig: &Path, address: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program("evenkeel-proxy"));
        command.arg("run").args(arguments).args(["--bind", address, "--kubeconfig"]).arg(kubeconfig);
        command.args(["--admin", &format!("{address}:{}", names::ADMIN_PORT)]);
        let process = ChildGuard::spawn(command).expect("the proxy, which `cargo build` makes");
        process.stderr().wait_for(START, |line| line.contains(" started").then_some(())).expect("it starts");
        Self { address: address.parse().expect("an address"), _process: process, _folder: folder }
    }

    /// What `/status` says of its first pool.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status: Value = serde_json::from_str(&self.ask("/status")).expect("JSON");
        status["pools"][0].take()
    }

    /// What its admin port answers to a path.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn ask(&self, path: &str) -> String {
        let (_, body) = Client::new(SocketAddr::new(self.address, names::ADMIN_PORT)).get(path);
        String::from_utf8(body).expect("text")
    }

    /// A client of its listener at that port.
    #[must_use]
    pub fn client(&self, port: u16) -> Client {
        Client::new(SocketAddr::new(self.address, port))
    }
}

/// A client with one kept connection, as plain as can be: what it measures is not itself.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Who answers the next request.
    ///
    /// # Panics
    /// If nobody does, or not with 200.
    pub fn who(&mut self) -> String {
        let (head, _) = self.get("/");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let server = head.lines().find_map(|line| line.strip_prefix("x-server: "));
        server.expect("an answer of xserver").to_owned()
    }

    fn get(&mut self, path: &str) -> (String, Vec<u8>) {
        let address = self.address;
        let connection = self.connection.get_or_insert_with(|| {
            let stream = TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(ANSWER))).expect("a socket");
            BufReader::new(stream)
        });
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.get_mut().write_all(request.as_bytes()).expect("it takes the request");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(connection.read_line(&mut head).expect("a head") > 0, "closed after {head:?}");
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("a length")];
        connection.read_exact(&mut body).expect("a body");
        if head.lines().any(|line| line == "connection: close") {
            self.connection = None; // it has served as many requests as one may
        }
        (head, body)
    }
}
