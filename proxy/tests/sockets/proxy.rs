//! A proxy process on loopback addresses of its own, so that tests side by side never share a port.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use evenkeel_proxy::control::Status;
use evenkeel_tests::metrics::sum;
use evenkeel_tests::process::{ChildGuard, Finished, Signal};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::pool::{PORT, Pool};
use crate::wire::{Conn, SOON, status};

const ADMIN_PORT: u16 = 19_440;

/// A running proxy. It ends when this is dropped.
pub(crate) struct Proxy {
    process: ChildGuard,
    folder: TempDir,
    /// Where the pool listens.
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Proxy {
    /// Two workers on one pool, listening.
    pub(crate) async fn start(pool: &Pool) -> Self {
        Self::with(&[pool], &["--threads", "2"]).await
    }

    /// On these pools, with these options.
    pub(crate) async fn with(pools: &[&Pool], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = write(&folder, pools);
        let port = pools.first().map_or(PORT, |pool| pool.port);
        Self::run(own_address(), port, folder, sources.iter().map(String::as_str).chain(options.iter().copied())).await
    }

    /// With these arguments, on that address. Returns when it has started, which says nothing of its tables.
    pub(crate) async fn run<'a>(
        ip: Ipv4Addr,
        port: u16,
        folder: TempDir,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::launch(command(), ip, port, folder, arguments).await
    }

    /// On one pool, with so many descriptors.
    pub(crate) async fn with_descriptors(pool: &Pool, descriptors: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = write(&folder, &[pool]);
        let mut limited = Command::new("/usr/bin/prlimit");
        let proxy = command();
        limited.env_clear().arg(format!("--nofile={descriptors}")).arg(proxy.get_program()).args(proxy.get_args());
        let arguments = sources.iter().map(String::as_str).chain(["--threads", "2"]);
        Self::launch(limited, own_address(), pool.port, folder, arguments).await
    }

    /// On one pool, with standard output going to a file.
    pub(crate) async fn writing_to(pool: &Pool, file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = write(&folder, &[pool]);
        let mut shell = Command::new("/bin/sh");
        let proxy = command();
        let program = proxy.get_program();
        shell
            .env_clear()
            .env("OUT", file)
            .args(["-c", r#"exec "$0" "$@" > "$OUT""#])
            .arg(program)
            .args(proxy.get_args());
        let arguments = sources.iter().map(String::as_str).chain(["--threads", "2"]);
        Self::launch(shell, own_address(), pool.port, folder, arguments).await
    }

    /// On one pool with one worker, where requests that ask for it panic.
    pub(crate) async fn with_mishaps(pool: &Pool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = write(&folder, &[pool]);
        let mut command = command();
        command.env("EVENKEEL_TEST_MISHAPS", "1");
        let arguments = sources.iter().map(String::as_str).chain(["--threads", "1"]);
        Self::launch(command, own_address(), pool.port, folder, arguments).await
    }

    async fn launch<'a>(
        mut command: Command,
        ip: Ipv4Addr,
        port: u16,
        folder: TempDir,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let admin = SocketAddr::from((ip, ADMIN_PORT));
        command.args(["--bind", &ip.to_string(), "--admin", &admin.to_string()]).args(arguments);
        let process = ChildGuard::spawn(command).unwrap();
        let proxy = Self { process, folder, addr: (ip, port).into(), admin };
        proxy.logs("started").await;
        proxy
    }

    /// Waits for a line of its log that contains a text.
    pub(crate) async fn logs(&self, text: &'static str) -> String {
        let log = self.process.stderr().clone();
        let found = move || log.wait_for(SOON, |line| line.contains(text).then(|| line.to_owned()));
        tokio::task::spawn_blocking(found).await.unwrap().unwrap()
    }

    /// Where another pool of the same process listens.
    pub(crate) fn at(&self, pool: &Pool) -> SocketAddr {
        (self.addr.ip(), pool.port).into()
    }

    /// A connection to the pool.
    pub(crate) async fn connect(&self) -> Conn {
        Conn::connect(self.addr).await
    }

    /// One request on a connection of its own: the answer's head and body.
    pub(crate) async fn ask(&self, request: &str) -> (String, String) {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    pub(crate) fn path(&self) -> PathBuf {
        file(&self.folder, 0)
    }

    /// Replaces the pool's file, as a careful editor does.
    pub(crate) fn edit(&self, pool: &Pool) {
        self.edit_text(pool.yaml());
    }

    /// Replaces the file of one of several pools.
    pub(crate) fn edit_one(&self, index: usize, pool: &Pool) {
        self.replace(&file(&self.folder, index), pool.yaml());
    }

    pub(crate) fn edit_text(&self, text: impl AsRef<[u8]>) {
        self.replace(&self.path(), text);
    }

    fn replace(&self, path: &std::path::Path, text: impl AsRef<[u8]>) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until a pool's policy is in force.
    pub(crate) async fn takes(&self, pool: &Pool) {
        let table = evenkeel_crds::file::table(&pool.yaml(), None, 0).unwrap();
        until("the policy is in force", async || {
            self.status().await.pools[0].revision.as_ref() == Some(&table.policy.revision)
        })
        .await;
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.stderr().so_far()
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.process.stdout().so_far()
    }

    /// Waits for so many lines of the access log, and takes them apart.
    pub(crate) async fn access_log(&self, lines: usize) -> Vec<serde_json::Value> {
        until("the lines are there", async || self.process.stdout().so_far().len() >= lines).await;
        let lines = self.process.stdout().so_far();
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// Waits for its end.
    pub(crate) async fn finish(self, within: Duration) -> Finished {
        let Self { process, folder, .. } = self;
        let finished = tokio::task::spawn_blocking(move || process.finish(within)).await.unwrap().unwrap();
        drop(folder);
        finished
    }

    /// An answer of the admin port: head and body.
    pub(crate) async fn admin(&self, path: &str) -> (String, String) {
        let mut client = Conn::connect(self.admin).await;
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        client.answer().await
    }

    /// The status of an answer of the admin port.
    pub(crate) async fn probe(&self, path: &str) -> u16 {
        status(&self.admin(path).await.0)
    }

    pub(crate) async fn status(&self) -> Status {
        serde_json::from_str(&self.admin("/status").await.1).unwrap()
    }

    /// The sum of a metric's samples whose labels contain all of these.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        sum(&self.admin("/metrics").await.1, name, labels)
    }

    /// Failures counted for a reason.
    pub(crate) async fn failures(&self, reason: &str) -> u64 {
        self.metric("evenkeel_failed_requests_total", &[&format!("reason=\"{reason}\"")]).await
    }

    /// Waits until a metric has a value.
    pub(crate) async fn reaches(&self, name: &str, labels: &[&str], value: u64) {
        let mut last = 0;
        until(&format!("{name} {labels:?} is {value}"), async || {
            last = self.metric(name, labels).await;
            last == value
        })
        .await;
    }

    /// Waits until nothing is in flight any more.
    pub(crate) async fn settles(&self) {
        self.reaches("evenkeel_requests_in_flight", &[], 0).await;
    }
}

/// Writes the pools' files, and gives the arguments that name them.
fn write(folder: &TempDir, pools: &[&Pool]) -> Vec<String> {
    let mut sources = Vec::new();
    for (index, pool) in pools.iter().enumerate() {
        let path = file(folder, index);
        std::fs::write(&path, pool.yaml()).unwrap();
        sources.extend(["--pool".to_owned(), path.display().to_string()]);
    }
    sources
}

/// `evenkeel-proxy run`, with nothing of the environment. `EVENKEEL_PROXY` names another one: a release, for what is measured.
pub(crate) fn command() -> Command {
    let other = std::env::var_os("EVENKEEL_PROXY");
    let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_evenkeel-proxy").into()));
    command.env_clear().arg("run");
    command
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds().await {
        assert!(Instant::now() < deadline, "in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// An address that no other test has: by the process, and by a number in it.
pub(crate) fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 0x80, low, NEXT.fetch_add(1, Relaxed))
}

fn file(folder: &TempDir, index: usize) -> PathBuf {
    folder.path().join(format!("pool-{index}.yaml"))
}
