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
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    admin::Admin,
    context::Context,
    lease::{Campaign, Gate, GateLayer, LeaseError, Place},
    metrics::Metrics,
    notice::Notifier,
    options::RunOptions,
    own::Owner,
    publish::Publisher,
    report::Reporter,
    watch::Watches,
    webhook::Webhook,
};

/// How many pools' tables, and how many pools' objects, are worked on at once.
const AT_ONCE: usize = 8;
/// Reports wait for proxies to answer, so more of them are under way.
const REPORTS_AT_ONCE: usize = 32;
/// An API server that does not answer a connect in that time is not there: the default is half a minute.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that says nothing for so long is dead: the server itself ends a watch after a minute.
const SILENCE: Duration = Duration::from_secs(90);
/// At the end, how long the Lease may take to be given up: a write of it that hangs, those of others, and the giving up.
const SHUTDOWN: Duration = Duration::from_secs(8);

/// Runs until SIGTERM or SIGINT, or until it led and no longer does.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let metrics = Arc::new(Metrics::new());
    let ready = Arc::new(AtomicBool::new(false));
    let admin = Admin::bind(options.address, Arc::clone(&metrics), Arc::clone(&ready)).await;
    let admin = admin.with_context(|| format!("cannot listen at --address {:?}", options.address))?;
    let config = config(options.kubeconfig()).await?;
    let place = place(&options, &config)?;
    let gate = Gate::default();
    let client = ClientBuilder::try_from(config.clone())?.with_layer(&GateLayer { gate: gate.clone() }).build();
    tokio::spawn(admin.serve());
    let context = Arc::new(Context::new(client, options.proxy.clone(), Arc::clone(&metrics)));
    let webhook = Webhook::start(&options, &context, &place.namespace).await?;
    let mut watches = Watches::start(&context, &options.namespaces());
    tokio::select! {
        () = watches.synced() => {}
        () = stop.cancelled() => return Ok(()),
    }
    info!(version = env!("CARGO_PKG_VERSION"), "Every cache has synced.");
    webhook.synced();
    let (is_ready, can_answer) = (Arc::clone(&ready), webhook.ready());
    tokio::spawn(async move {
        can_answer.await;
        is_ready.store(true, Ordering::Relaxed);
    });
    let (led, leads) = oneshot::channel();
    let campaign = Campaign::new(Client::try_from(config)?, place, gate, metrics, led);
    let campaign = tokio::spawn(campaign.run(stop.clone()));
    let result = work(&context, &webhook, &mut watches, campaign, leads, &stop).await;
    ready.store(false, Ordering::Relaxed);
    webhook.drain(stop.is_cancelled()).await;
    info!("Stopped.");
    result
}

/// Follows, then leads. What lanes have begun at the end is not waited for: once the gate is closed it can write nothing.
async fn work(
    context: &Arc<Context>,
    webhook: &Webhook,
    watches: &mut Watches,
    mut campaign: JoinHandle<Result<(), LeaseError>>,
    mut leads: oneshot::Receiver<()>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut lanes = JoinSet::new();
    loop {
        tokio::select! {
            biased; // lanes end when they are told to: that is no failure
            () = stop.cancelled() => break,
            ended = &mut campaign => return Ok(ended??),
            Ok(()) = &mut leads, if lanes.is_empty() => {
                lanes = start_lanes(context, stop);
                lanes.spawn(webhook.keep(stop.clone()));
                context.begin();
            }
            ended = watches.ended() => bail!("{ended}"),
            Some(ended) = lanes.join_next() => bail!("a lane has ended: {ended:?}"),
        }
    }
    if let Ok(ended) = timeout(SHUTDOWN, campaign).await {
        return Ok(ended??);
    }
    warn!("The Lease was not given up in time: another leads when it has expired.");
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
async fn config(kubeconfig: Option<&Path>) -> anyhow::Result<Config> {
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
    Ok(config)
}

/// In a pod the namespace is its own; a file names the namespace of its user's work, which need not be the operator's.
fn place(options: &RunOptions, config: &Config) -> anyhow::Result<Place> {
    let own = options.kubeconfig().is_none().then_some(config.default_namespace.as_str());
    Place::new(&options.lease, own)
        .context("outside a pod, name the namespace of the operator's Lease with --namespace NAMESPACE")
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
