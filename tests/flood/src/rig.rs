//! The proxy and its endpoint as processes, and what the proxy tells of itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use evenkeel_tests::memory::rss_kb;
use evenkeel_tests::metrics::sum;
use evenkeel_tests::process::ChildGuard;
use evenkeel_tests::programs::Xserver;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::cases::Case;

const PORT: u16 = 18_080;
const ADMIN_PORT: u16 = 19_440;
/// How many clients are connected, among the metrics.
pub(crate) const CLIENTS: &str = "evenkeel_connections_active";
const START: Duration = Duration::from_secs(20);
/// Far more than an answer takes of a proxy that is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Those who were slow are gone then: the longest is a minute without a piece of a body.
const CALM: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// A proxy that is to be flooded. Everything ends when this is dropped.
pub(crate) struct Rig {
    /// Where clients connect.
    pub(crate) addr: SocketAddr,
    pub(crate) gauge: Gauge,
    _proxy: ChildGuard,
    _server: Xserver,
    _folder: TempDir,
}

/// Where the proxy tells of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauge {
    process: u32,
    admin: SocketAddr,
}

impl Rig {
    /// Starts both, on an address of this case's own.
    pub(crate) fn start(case: &Case, number: u8, proxy: Option<&Path>) -> anyhow::Result<Self> {
        let server = Xserver::start(&beside("xserver")?, &["s"], &[])?;
        let folder = tempfile::tempdir()?;
        let pool = folder.path().join("pool.yaml");
        fs::write(&pool, yaml(server.addr()))?;
        let ip = Ipv4Addr::new(10, 201, 0, 10 + number);
        let admin = SocketAddr::from((ip, ADMIN_PORT));
        let mut command = Command::new(proxy.map_or_else(|| beside("evenkeel-proxy"), |path| Ok(path.to_owned()))?);
        command.args(["run", "--threads", "2", "--bind", &ip.to_string(), "--admin", &admin.to_string(), "--pool"]);
        command.arg(&pool);
        if let Some(limit) = case.limit {
            command.args(["--max-connections", &limit.to_string()]);
        }
        let proxy = ChildGuard::spawn(command)?;
        proxy.stderr().wait_for(START, |line| line.contains("started").then_some(()))?;
        let gauge = Gauge { process: proxy.id(), admin };
        Ok(Self { addr: (ip, PORT).into(), gauge, _proxy: proxy, _server: server, _folder: folder })
    }

    /// Waits until no more than so many clients are connected.
    pub(crate) async fn is_left_alone_by_all_but(&self, connections: u64) -> anyhow::Result<()> {
        let deadline = Instant::now() + CALM;
        loop {
            let active = self.gauge.clients().await?;
            if active <= connections {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{active} connections are left when all have gone");
            sleep(PAUSE).await;
        }
    }

    /// Whoever comes when it is over is served.
    pub(crate) async fn serves_newcomers(&self) -> anyhow::Result<()> {
        let answer = timeout(PATIENCE, ask(self.addr, "/")).await.context("a newcomer is not served")??;
        if !answer.starts_with("HTTP/1.1 200 ") {
            bail!("a newcomer gets {answer:.80}");
        }
        Ok(())
    }
}

impl Gauge {
    /// All metrics, as text.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        timeout(PATIENCE, ask(self.admin, "/metrics")).await.context("the admin port does not answer")?
    }

    /// How many clients are connected.
    pub(crate) async fn clients(&self) -> anyhow::Result<u64> {
        Ok(sum(&self.metrics().await?, CLIENTS, &[]))
    }

    pub(crate) fn memory_kb(&self) -> u64 {
        rss_kb(self.process)
    }
}

/// One request on a connection of its own: the whole answer.
async fn ask(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: flood\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A program that was built with this one.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(path.exists(), "{} is not built: run tests/flood/run", path.display());
    Ok(path)
}

fn yaml(endpoint: SocketAddr) -> String {
    format!(
        "apiVersion: evenkeel.dev/v1alpha1\nkind: BalancerPool\nmetadata: {{name: flood}}\nspec:\n  \
         listener: {{port: {PORT}}}\n  backends:\n    - name: main\n      endpoints:\n        \
         - {{address: \"{}\", port: {}}}\n",
        endpoint.ip(),
        endpoint.port()
    )
}
