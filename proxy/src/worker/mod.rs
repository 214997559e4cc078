//! A worker: one OS thread with its own runtime, listeners, turns and upstream connections.

mod accept;
mod client;
mod clients;
mod closing;
mod connection;
mod date;
mod heads;
mod listener;
mod pace;
mod replying;
mod room;

pub(crate) use client::Client;
pub(crate) use listener::bind;

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use tokio::{
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    balance::{Context, EndpointState, NoPick, Picked, Steps, ThreadState, View, pick, pick_traced},
    mishap,
    report::{Log, Sender},
    shared::{ConnectionGuard, Shared, Stage, Upstream},
    upstream::{Buffers, Idle, begin_turn},
    waits::{TICK, Waits},
};
use clients::Clients;
use date::Date;

/// Clients, and idle upstream connections, are looked at every so many ticks; the limit of the latter is 4 s.
const SWEEP_TICKS: u32 = 5;
const _: () = assert!(pace::TICK.as_millis() == TICK.as_millis() * SWEEP_TICKS as u128);
/// Enough for nearly every head; what does not fit is read where it is parsed.
const SCRATCH_BYTES: usize = 8 * 1024;
/// Connections passed to a worker that it has not taken up yet; above it the acceptor keeps them.
const HANDED_OVER: usize = 256;

/// What control tells a worker.
#[derive(Debug)]
pub(crate) enum Command {
    /// Accept on a listener for this pool, or for who owns it from then on, until nobody does.
    Listen { pool: usize, listener: std::net::TcpListener, owner: watch::Receiver<Option<usize>> },
    /// Tell how the next pick of a pool would be made, for a request with this key.
    Explain { pool: usize, key: Option<Vec<u8>>, reply: oneshot::Sender<Steps> },
}

/// A connection that another worker accepted.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pool: usize,
    stream: std::net::TcpStream,
    peer: SocketAddr,
    guard: ConnectionGuard,
}

/// What a request finds on its thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) idle: Idle,
    pub(crate) buffers: Buffers,
    pub(crate) waits: Waits,
    pub(crate) log: Log,
    clients: Clients,
    date: Date,
    /// For the first bytes of a request.
    scratch: RefCell<Box<[u8]>>,
    /// How far the process is with ending, for everybody on this thread.
    reached: Cell<Stage>,
    /// As of [`Shared`], but this worker's own, for its listeners to wait for.
    stage: watch::Receiver<Stage>,
    told: watch::Sender<Stage>,
    turns: Box<[RefCell<ThreadState>]>,
    others: Box<[mpsc::Sender<HandedOver>]>,
    /// How often another worker had asked for descriptors at the last look.
    asked: Cell<u32>,
    start: Instant,
    random: RefCell<fastrand::Rng>,
}

/// The ends of the channels between workers.
pub(crate) type HandOver = (Box<[mpsc::Sender<HandedOver>]>, Vec<mpsc::Receiver<HandedOver>>);

/// Channels over which so many workers hand connections over.
pub(crate) fn hand_over(threads: usize) -> HandOver {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel(HANDED_OVER)).unzip();
    (senders.into(), receivers)
}

/// Starts a worker's thread, which ends with the process. Returns when it has its runtime.
pub(crate) fn start(
    index: usize,
    shared: Arc<Shared>,
    others: Box<[mpsc::Sender<HandedOver>]>,
    handed_over: mpsc::Receiver<HandedOver>,
    commands: mpsc::Receiver<Command>,
    lines: Sender,
    seed: u64,
) -> io::Result<()> {
    let (started, starts) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        // A local runtime cannot leave its thread, so it is made there.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_unpark(begin_turn)
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let _vital = shared.vital.part("a worker");
                let _ = started.send(Ok(()));
                runtime.block_on(Rc::new(Worker::new(index, shared, others, lines, seed)).run(handed_over, commands));
            }
            Err(error) => drop(started.send(Err(error))),
        }
    })?;
    starts.recv().unwrap_or_else(|_| Err(io::Error::other("a worker ended at its start")))
}

impl Worker {
    fn new(
        index: usize,
        shared: Arc<Shared>,
        others: Box<[mpsc::Sender<HandedOver>]>,
        lines: Sender,
        seed: u64,
    ) -> Self {
        let turns = shared.pools.iter().map(|pool| RefCell::new(ThreadState::new(seed + pool.index as u64))).collect();
        let random = RefCell::new(fastrand::Rng::new());
        let reached = *shared.stage.borrow();
        let (told, stage) = watch::channel(reached);
        let start = Instant::now();
        Self {
            index,
            idle: Idle::new(shared.threads(), shared.capacity.idle),
            buffers: Buffers::default(),
            waits: Waits::new(start),
            log: Log::new(lines, Arc::clone(&shared.access_log)),
            clients: Clients::default(),
            date: Date::new(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into()),
            reached: Cell::new(reached),
            stage,
            told,
            turns,
            others,
            asked: Cell::new(0),
            start,
            random,
            shared,
        }
    }

    async fn run(self: Rc<Self>, mut handed_over: mpsc::Receiver<HandedOver>, mut commands: mpsc::Receiver<Command>) {
        let mut stage = self.shared.stage.clone();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u32;
        loop {
            tokio::select! {
                Some(command) = commands.recv() => self.obey(command),
                Some(connection) = handed_over.recv() => self.take_over(connection),
                Ok(()) = stage.changed() => self.reach(*stage.borrow_and_update()),
                _ = ticks.tick() => {
                    count = count.wrapping_add(1);
                    self.tick(count);
                }
                else => return,
            }
        }
    }

    fn tick(&self, count: u32) {
        let now = Instant::now(); // not when the tick was due: the thread may have been busy
        self.waits.tick(now);
        self.log.tick(now);
        self.date.tick(Timestamp::now());
        self.help_out();
        for pool in &self.shared.pools {
            if let Some(view) = &*pool.view.load() {
                let backends = &view.plan.backends;
                mishap::may_strike(mishap::WORKER, || {
                    backends.first().map_or(&[], |first| first.state.name.as_bytes())
                });
                self.prepare(pool.index, view);
            }
        }
        if count.is_multiple_of(SWEEP_TICKS) {
            self.idle.sweep(now);
            self.shared.upstream.of(self.index).set(Upstream::IDLE, self.idle.len() as u64);
            self.clients.tick(now.duration_since(self.start));
        }
    }

    fn reach(&self, stage: Stage) {
        self.reached.set(stage);
        self.told.send_replace(stage);
        self.clients.call_all();
        if stage == Stage::Ended {
            self.log.finish();
        }
    }

    /// Whether the process is that far with ending.
    fn is_at(&self, stage: Stage) -> bool {
        self.reached.get() >= stage
    }

    fn obey(self: &Rc<Self>, command: Command) {
        let (pool, listener, owner) = match command {
            Command::Listen { pool, listener, owner } => (pool, listener, owner),
            Command::Explain { pool, key, reply } => {
                let _ = reply.send(self.explain(pool, key.as_deref())); // who asked may have left
                return;
            }
        };
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::task::spawn_local(accept::run(Rc::clone(self), pool, listener, owner))),
            Err(error) => tracing::error!(%error, "a listener cannot be used"),
        }
    }

    fn take_over(self: &Rc<Self>, connection: HandedOver) {
        let HandedOver { pool, stream, peer, guard } = connection;
        match TcpStream::from_std(stream) {
            Ok(stream) => connection::spawn(self, pool, stream, peer, guard),
            Err(error) => tracing::warn!(%peer, %error, "a connection cannot be taken over"),
        }
    }

    /// Picks an endpoint of a pool for a request with this key, one that was not tried.
    pub(crate) fn pick(
        &self,
        pool: usize,
        view: &View,
        key: Option<&[u8]>,
        tried: &[Arc<EndpointState>],
    ) -> Result<Picked, NoPick> {
        self.prepare(pool, view);
        pick(view, &mut self.turns[pool].borrow_mut(), &Context { tried, key, now: self.millis() })
    }

    /// How a request with this key would be picked for now. Nothing comes of it.
    fn explain(&self, pool: usize, key: Option<&[u8]>) -> Steps {
        let mut steps = Steps::default();
        if let Some(view) = &*self.shared.pools[pool].view.load() {
            self.prepare(pool, view);
            let mut turns = self.turns[pool].borrow().clone();
            let context = Context { tried: &[], key, now: self.millis() };
            let _ = pick_traced(view, &mut turns, &context, &mut steps); // without a pick the steps end before it
        }
        steps
    }

    /// Milliseconds since the process began, as of the last tick.
    pub(crate) fn millis(&self) -> u64 {
        self.shared.millis(self.waits.now())
    }

    /// Takes a view up, if it is a new one, of a new plan: connections to endpoints that get no new traffic are closed.
    fn prepare(&self, pool: usize, view: &View) {
        if self.turns[pool].borrow_mut().prepare(view) {
            self.idle.keep_only(pool, |address| view.plan.kept.contains(&address));
        }
    }

    /// A number that no other request has; not a secret.
    pub(crate) fn random(&self) -> u128 {
        self.random.borrow_mut().u128(..)
    }

    /// Whole seconds since the worker began.
    pub(crate) fn second(&self) -> u64 {
        // Not from 0: a budget's window reaches back.
        self.waits.now().duration_since(self.start).as_secs() + 100
    }
}
