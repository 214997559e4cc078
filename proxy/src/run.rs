//! `evenkeel-proxy run`: starts control and workers, and ends when told to.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, sync::Arc};

use anyhow::{Context as _, anyhow};
use evenkeel_crds::address::Scope;
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::{mpsc, watch},
};

use crate::{
    capacity::Capacity,
    cli::{PoolName, Run},
    control::{self, Control, Expected, Identity, Listeners, PoolControl, Signals, count_panic, lead_out},
    last_good::{self, Keeper},
    report::{Sender, Writer},
    shared::{Pool, Shared, Stage},
    source::{self, Origin, Seen, Source, Update},
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
    let ended = runtime.block_on(serve(options));
    // A disk that hangs holds up a copy that is being written, but not the end of the process.
    runtime.shutdown_background();
    ended
}

async fn serve(options: &Run) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let threads = options.worker_threads();
    let origins = source::origins(options)?;
    let (controls, first) = pools(options, &origins).await;
    let (stage, stages) = watch::channel(Stage::Serving);
    let pools = (0..origins.len()).map(|index| Arc::new(Pool::new(index, threads))).collect();
    let capacity = Capacity::claim(options.max_connections);
    let shared = Arc::new(Shared::new(pools, threads, capacity, stages));

    let admin = listen_admin(&options.admins()).await?;
    let seed = fastrand::u64(1..);
    let (log, lines) = Writer::start(Arc::clone(&shared.access_log)).context("the access log cannot be written")?;
    let workers = start_workers(&shared, seed, &lines)?;
    drop(lines); // the workers have their own, so that the writer ends with them
    let bind = usable(&options.binds())?;
    let listeners = Listeners::new(bind, workers);
    let identity = Identity { pod: options.pod_name.clone(), zone: options.zone.clone() };
    let control = Control::new(Arc::clone(&shared), controls, listeners, identity, seed);
    let control = Rc::new(RefCell::new(control));
    for update in first {
        control.borrow_mut().apply(update);
    }
    if let Some(refusal) = control.borrow().first_refusal() {
        return Err(refusal.into());
    }

    let (updates, received) = mpsc::channel(UPDATES);
    source::watch_all(options, origins, &updates, &shared.vital).await?;
    tokio::task::spawn_local(control::run(Rc::clone(&control), received));
    tokio::task::spawn_local(control::serve_admin(Rc::clone(&control), admin));
    let Capacity { descriptors, connections, .. } = capacity;
    tracing::info!(threads, descriptors, connections, version = env!("CARGO_PKG_VERSION"), "started");

    let served = async {
        let ending = signals.next().await;
        lead_out(ending, options.drains_for(), &stage, &shared, &mut signals).await;
    };
    let ended = tokio::select! {
        () = served => Ok(()),
        part = shared.vital.lost() => Err(anyhow!("{part} panicked, so the process ends to be started anew: please report this")),
    };
    stage.send_replace(Stage::Ended);
    log.finish().await;
    ended
}

/// The pools, as yet without a table, and what the files hold.
async fn pools(options: &Run, origins: &[Origin]) -> (Vec<PoolControl>, Vec<Update>) {
    let (mut pools, mut first) = (Vec::new(), Vec::new());
    for (index, origin) in origins.iter().enumerate() {
        let pool = PoolControl::new(expected(origin));
        pools.push(match (origin, &options.last_good) {
            (Origin::Api(name), Some(directory)) => {
                pool.kept_by(Keeper::start(directory, name.clone()), last_good::read(directory, name).await)
            }
            _ => pool,
        });
        if let Origin::File { table, .. } = origin {
            first.push(Update { pool: index, seen: Seen::Table(table.clone()) });
        }
    }
    (pools, first)
}

fn expected(origin: &Origin) -> Expected {
    match origin {
        Origin::Api(PoolName { namespace, name }) => Expected {
            namespace: namespace.clone(),
            name: name.clone(),
            is_named: true,
            scope: Scope::Cluster,
            source: Source::Watch,
        },
        Origin::Mount(directory) => Expected {
            namespace: String::new(),
            name: directory.display().to_string(),
            is_named: false,
            scope: Scope::Cluster,
            source: Source::Mount,
        },
        Origin::File { table, .. } => Expected {
            namespace: table.policy.namespace.clone(),
            name: table.policy.pool.clone(),
            is_named: true,
            scope: Scope::Machine,
            source: Source::File,
        },
    }
}

fn start_workers(shared: &Arc<Shared>, seed: u64, lines: &Sender) -> anyhow::Result<Vec<mpsc::Sender<Command>>> {
    let (senders, receivers) = worker::hand_over(shared.threads());
    let mut workers = Vec::new();
    for (index, handed_over) in receivers.into_iter().enumerate() {
        let (commands, obeyed) = mpsc::channel(COMMANDS);
        // Far apart, so that no worker's pool has the seed of another's.
        let seed = seed.wrapping_add(index as u64 * 1_000_003).max(1);
        worker::start(index, Arc::clone(shared), senders.clone(), handed_over, obeyed, lines.clone(), seed)?;
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

/// A panic ends one task, or the process if that is vital; it is counted and logged, with the place where it happened.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        count_panic();
        tracing::error!(%panic, "a task panicked: please report this");
    }));
}
