//! What is seen meanwhile: by a client that does nothing wrong, at the admin port, and in the proxy's memory.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use evenkeel_tests::load::{LoadReport, Settings, Stop, run};
use evenkeel_tests::metrics::sum;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::cases::Case;
use crate::rig::{CLIENTS, Gauge, PATIENCE, Rig};

/// Requests a second of the client that does nothing wrong.
const RATE: f64 = 200.0;
const CONNECTIONS: usize = 8;
const LOOK: Duration = Duration::from_millis(200);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// RSS before anybody came.
    pub(crate) base_kb: u64,
    pub(crate) peak_kb: u64,
    /// And when all had gone.
    pub(crate) end_kb: u64,
    /// What the kernel had for connections, before and at most; of the whole machine.
    pub(crate) kernel_kb: (u64, u64),
    /// The most clients that were connected at once.
    pub(crate) clients: u64,
    /// How many were not let in.
    pub(crate) refused: u64,
    /// How often the admin port was asked, and its slowest answer.
    pub(crate) admin: (u32, Duration),
    /// What became of the good client's requests.
    pub(crate) good: LoadReport,
}

/// Looks, from before the flood until it is over.
pub(crate) struct Observer {
    /// How many connections are the good client's.
    pub(crate) connections: u64,
    gauge: Gauge,
    stop: CancellationToken,
    good: JoinHandle<LoadReport>,
    looking: JoinHandle<anyhow::Result<Observed>>,
}

impl Observer {
    /// Returns when the good client is connected. Where there is no room for newcomers, it keeps its connections.
    pub(crate) async fn start(case: &Case, rig: &Rig) -> anyhow::Result<Self> {
        let settings = Settings {
            rate: Some(RATE),
            stop: Stop::Signal,
            concurrency: CONNECTIONS,
            keep_alive_percent: if case.limit.is_some() { 100 } else { 50 },
            timeout: PATIENCE,
            ..Settings::to(&rig.addr.to_string())
        };
        let (stop, base_kb) = (CancellationToken::new(), rig.gauge.memory_kb());
        let stopped = stop.clone();
        let good = tokio::spawn(async move { run(settings, &stopped, |_| {}).await });
        let connections = CONNECTIONS as u64;
        let deadline = Instant::now() + PATIENCE;
        while case.limit.is_some() && rig.gauge.clients().await? < connections {
            ensure!(Instant::now() < deadline, "the good client does not connect");
            sleep(LOOK).await;
        }
        let looking = tokio::spawn(look(rig.gauge, base_kb, stop.clone()));
        Ok(Self { connections, gauge: rig.gauge, stop, good, looking })
    }

    pub(crate) async fn finish(self) -> anyhow::Result<Observed> {
        self.stop.cancel();
        let mut observed = self.looking.await??;
        observed.good = self.good.await.context("the good client")?;
        observed.end_kb = self.gauge.memory_kb();
        Ok(observed)
    }
}

async fn look(gauge: Gauge, base_kb: u64, stop: CancellationToken) -> anyhow::Result<Observed> {
    let kernel = tcp_kb();
    let mut seen = Observed { base_kb, kernel_kb: (kernel, kernel), ..Observed::default() };
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let since = Instant::now();
        let metrics = gauge.metrics().await?;
        seen.admin = (seen.admin.0 + 1, seen.admin.1.max(since.elapsed()));
        seen.clients = seen.clients.max(sum(&metrics, CLIENTS, &[]));
        seen.refused = sum(&metrics, "evenkeel_connections_refused_total", &[]);
        seen.kernel_kb.1 = seen.kernel_kb.1.max(tcp_kb());
        seen.peak_kb = seen.peak_kb.max(gauge.memory_kb());
    }
    Ok(seen)
}

/// The kernel counts pages of 4 kB, of all namespaces together.
fn tcp_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"));
    let pages = line.and_then(|line| line.rsplit_once("mem ")?.1.trim().parse::<u64>().ok());
    pages.unwrap_or_default() * 4
}
