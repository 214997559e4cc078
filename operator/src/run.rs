//! `evenkeel-operator run`: connects, watches, works, and ends in order.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admin::Admin, context::Context, metrics::Metrics, notice::Notifier, options::RunOptions, own::Owner,
    publish::Publisher, report::Reporter, watch::Watches,
};

/// How many pools' tables, and how many pools' objects, are worked on at once.
const AT_ONCE: usize = 8;
/// Reports wait for proxies to answer, so more of them are under way.
const REPORTS_AT_ONCE: usize = 32;
/// An API server that does not answer a connect in that time is not there: the default is half a minute.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that says nothing for so long is dead: the server itself ends a watch after a minute.
const SILENCE: Duration = Duration::from_secs(90);
/// What has begun is finished in that time, or not at all.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let metrics = Arc::new(Metrics::new());
    let ready = Arc::new(AtomicBool::new(false));
    let admin = Admin::bind(options.address, Arc::clone(&metrics), Arc::clone(&ready)).await;
    let admin = admin.with_context(|| format!("cannot listen at --address {:?}", options.address))?;
    let client = connect(options.kubeconfig.as_deref().filter(|file| !file.as_os_str().is_empty())).await?;
    tokio::spawn(admin.serve());
    let namespaces = options.namespaces();
    let context = Arc::new(Context::new(client, options.proxy, metrics));
    let mut watches = Watches::start(&context, &namespaces);
    tokio::select! {
        () = watches.synced() => {}
        () = stop.cancelled() => return Ok(()),
    }
    info!(version = env!("CARGO_PKG_VERSION"), "Every cache has synced: at work.");
    ready.store(true, Ordering::Relaxed);
    let mut lanes = start_lanes(&context, &stop);
    tokio::select! {
        biased; // lanes end when they are told to: that is no failure
        () = stop.cancelled() => {}
        ended = watches.ended() => bail!("{ended}"),
        ended = lanes.join_next() => bail!("a lane has ended: {ended:?}"),
    }
    ready.store(false, Ordering::Relaxed);
    if timeout(SHUTDOWN, async { while lanes.join_next().await.is_some() {} }).await.is_err() {
        warn!("Work that had begun was cut short at the end.");
    }
    info!("Stopped.");
    Ok(())
}

fn start_lanes(context: &Arc<Context>, stop: &CancellationToken) -> JoinSet<()> {
    let mut lanes = JoinSet::new();
    let (publisher, owner, reporter) =
        (Publisher::new(Arc::clone(context)), Owner::new(Arc::clone(context)), Reporter::new(Arc::clone(context)));
    let shared = || (Arc::clone(context), Arc::clone(&context.metrics), stop.clone());
    let (lane, metrics, token) = shared();
    lanes.spawn(async move { lane.publish.run(Arc::new(publisher), AT_ONCE, metrics, token).await });
    let (lane, metrics, token) = shared();
    lanes.spawn(async move { lane.own.run(Arc::new(owner), AT_ONCE, metrics, token).await });
    let (lane, metrics, token) = shared();
    lanes.spawn(async move { lane.report.run(Arc::new(reporter), REPORTS_AT_ONCE, metrics, token).await });
    let (lane, metrics, token) = shared();
    let notifier = Notifier::new(Arc::clone(context));
    lanes.spawn(async move { lane.notice.run(Arc::new(notifier), 1, metrics, token).await });
    lanes
}

/// The file that was named, or the pod's own account: never `$KUBECONFIG` or `~/.kube/config`, which may be anybody's cluster.
async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let mut config = match kubeconfig {
        Some(file) => {
            let found = Kubeconfig::read_from(file).with_context(|| format!("cannot read {}", file.display()))?;
            Config::from_custom_kubeconfig(found, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster().context("this is no pod of a cluster; name one with --kubeconfig FILE")?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // Lanes and watches try again by themselves; 15 tries inside one request would hold a pool for minutes.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// The first signal stops in order, the second at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        info!("Stopping.");
        token.cancel();
        either(&mut terminate, &mut interrupt).await;
        warn!("Stopped by a second signal.");
        std::process::exit(1);
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
