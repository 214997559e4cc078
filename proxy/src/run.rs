//! `evenkeel-proxy run`: starts control and workers, and ends when told to.

use std::{cell::RefCell, io, net::SocketAddr, path::PathBuf, rc::Rc, sync::Arc};

use anyhow::{Context as _, bail};
use evenkeel_crds::address::Scope;
use kube::{Client, config::KubeConfigOptions, config::Kubeconfig};
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
};

use crate::{
    cli::{PoolName, Run},
    control::{self, Control, Expected, Listeners, PoolControl, Signals, count_panic, lead_out},
    shared::{Pool, Shared, Stage},
    source::{self, Seen, Update},
    threads,
    worker::{self, Command},
};

/// Updates that control has not looked at yet; a source waits then.
const UPDATES: usize = 16;
/// Commands that a worker has not obeyed yet: more listeners than a process has pools.
const COMMANDS: usize = 256;

/// Serves until a signal. Returns when everything under way is finished.
pub fn run(options: &Run) -> anyhow::Result<()> {
    log_panics();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(serve(options))
}

/// What a pool's tables come from.
enum Source {
    File { path: PathBuf, text: String },
    Api(PoolName),
}

async fn serve(options: &Run) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let threads = options.threads.map_or_else(|| threads::by_default(options.cpu_request), usize::from);
    let (sources, first) = sources(options)?;
    let (stage, stages) = watch::channel(Stage::Serving);
    let pools = (0..sources.len()).map(|index| Arc::new(Pool::new(index, threads))).collect();
    let shared = Arc::new(Shared::new(pools, threads, stages));

    let admin = listen_admin(&options.admins()).await?;
    let seed = fastrand::u64(1..);
    let workers = start_workers(&shared, seed)?;
    let bind = usable(&options.binds())?;
    let listeners = Listeners::new(bind, workers, sources.len());
    let expected = sources.iter().zip(&first).map(|(source, first)| expected(source, first.as_ref()));
    let controls = expected.map(PoolControl::new).collect();
    let control = Rc::new(RefCell::new(Control::new(Arc::clone(&shared), controls, listeners, seed)));
    for (pool, table) in first.into_iter().enumerate() {
        let Some(table) = table else { continue };
        control.borrow_mut().apply(Update { pool, seen: Ok(table) }).map_err(anyhow::Error::new)?;
    }

    let (updates, received) = mpsc::channel(UPDATES);
    watch_all(options, sources, &updates).await?;
    tokio::task::spawn_local(control::run(Rc::clone(&control), received));
    tokio::task::spawn_local(control::serve_admin(Rc::clone(&control), admin));
    tracing::info!(threads, version = env!("CARGO_PKG_VERSION"), "started");

    let ending = signals.next().await;
    lead_out(ending, &stage, &shared, &mut signals).await;
    Ok(())
}

/// The sources, and of files the tables that they hold now: a bad file is an error at the start.
fn sources(options: &Run) -> anyhow::Result<(Vec<Source>, Vec<Option<Seen>>)> {
    let mut sources = Vec::new();
    let mut tables = Vec::new();
    for path in &options.pool {
        let (text, table) = source::read_file(path).map_err(anyhow::Error::msg)?;
        sources.push(Source::File { path: path.clone(), text });
        tables.push(Some(Seen::Table(Box::new(table))));
    }
    for name in &options.watch {
        sources.push(Source::Api(name.clone()));
        tables.push(None);
    }
    Ok((sources, tables))
}

fn expected(source: &Source, first: Option<&Seen>) -> Expected {
    match (source, first) {
        (Source::Api(PoolName { namespace, name }), _) => {
            Expected { namespace: namespace.clone(), name: name.clone(), scope: Scope::Cluster }
        }
        (Source::File { .. }, Some(Seen::Table(table))) => Expected {
            namespace: table.policy.namespace.clone(),
            name: table.policy.pool.clone(),
            scope: Scope::Machine,
        },
        (Source::File { path, .. }, _) => {
            Expected { namespace: String::new(), name: path.display().to_string(), scope: Scope::Machine }
        }
    }
}

async fn watch_all(options: &Run, sources: Vec<Source>, updates: &mpsc::Sender<Update>) -> anyhow::Result<()> {
    let client = if options.watch.is_empty() { None } else { Some(client(options.kubeconfig.as_ref()).await?) };
    for (pool, source) in sources.into_iter().enumerate() {
        let updates = updates.clone();
        match (source, &client) {
            (Source::File { path, text }, _) => {
                tokio::task::spawn_local(source::watch_file(pool, path, text, updates));
            }
            (Source::Api(PoolName { namespace, name }), Some(client)) => {
                tokio::task::spawn_local(source::watch_api(client.clone(), pool, namespace, name, updates));
            }
            (Source::Api(_), None) => bail!("no API server to watch"),
        }
    }
    Ok(())
}

/// A client of the API server: by the file that was named, else as a pod. Never by what a user's shell happens to be set to.
async fn client(kubeconfig: Option<&PathBuf>) -> anyhow::Result<Client> {
    // The one provider of cryptography; a second installation of the same is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).with_context(|| format!("{} cannot be used", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::incluster().context("not in a pod; name the cluster by --kubeconfig FILE")?,
    };
    Ok(Client::try_from(config)?)
}

fn start_workers(shared: &Arc<Shared>, seed: u64) -> anyhow::Result<Vec<mpsc::Sender<Command>>> {
    let (senders, receivers) = worker::hand_over(shared.threads());
    let mut workers = Vec::new();
    for (index, handed_over) in receivers.into_iter().enumerate() {
        let (commands, obeyed) = mpsc::channel(COMMANDS);
        // Far apart, so that no worker's pool has the seed of another's.
        let seed = seed.wrapping_add(index as u64 * 1_000_003).max(1);
        worker::start(index, Arc::clone(shared), senders.clone(), handed_over, obeyed, seed)?;
        workers.push(commands);
    }
    Ok(workers)
}

async fn listen_admin(addresses: &[SocketAddr]) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(addresses).await;
    listener.with_context(|| format!("the admin port {addresses:?} cannot be bound; name another one by --admin"))
}

/// The first address that a socket can be bound to.
fn usable(addresses: &[std::net::IpAddr]) -> anyhow::Result<std::net::IpAddr> {
    let mut last = io::Error::other("no address");
    for address in addresses {
        match std::net::TcpListener::bind((*address, 0)) {
            Ok(_) => return Ok(*address),
            Err(error) => last = error,
        }
    }
    Err(last).with_context(|| format!("{addresses:?} cannot be bound; name another address by --bind"))
}

/// A panic ends one task; it is counted and logged, with the place where it happened.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        count_panic();
        tracing::error!(%panic, "a task panicked: please report this");
    }));
}
