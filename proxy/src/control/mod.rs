//! The control thread: takes tables in, puts them in force, answers the admin port, leads the process to its end.

mod admin;
mod explain;
mod guests;
mod listeners;
mod local;
mod metrics;
mod pool;
mod ports;
mod shutdown;
mod spare;
mod status;
mod tables;
mod taking;

pub(crate) use metrics::count_panic;
pub(crate) use shutdown::{Signals, lead_out};

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    balance::{Plan, Registry, Surroundings, View},
    mishap,
    shared::Shared,
    source::{Seen, Update},
};
pub(crate) use listeners::Listeners;
pub(crate) use pool::PoolControl;
use ports::{Denied, share_out};
pub use status::{PoolStatus, Refusal, Source, Status};
pub(crate) use taking::Expected;
use taking::Taken;

/// What is no longer needed is looked for this often.
const SWEEP: Duration = Duration::from_secs(1);

/// Slow starts go on no sooner than after this for each endpoint: a hundred times what a look at it costs all threads.
const EACH: Duration = Duration::from_micros(25);

/// Who this proxy is, as far as it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// Its pod's name.
    pub(crate) pod: Option<String>,
    /// Its zone.
    pub(crate) zone: Option<String>,
}

/// Everything that control knows. Its tasks share it, on one thread.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pools: Vec<PoolControl>,
    registry: Registry,
    listeners: Listeners,
    /// Views that were in force. Freed here and not by a worker, whose request would wait for it.
    retired: Vec<Arc<View>>,
    seed: u64,
    identity: Identity,
    /// When the view of each pool is due to be made anew, while slow starts go on.
    due: Vec<Option<Instant>>,
    /// Whether every pool has served; then for ever. A clash of ports or a bad table of one pool, later on, must not take the
    /// whole pod out of service: its other pools serve, and the application has other things to do than to call this one.
    started: watch::Sender<bool>,
    /// When the process began.
    since: SystemTime,
}

impl Control {
    pub(crate) fn new(
        shared: Arc<Shared>,
        pools: Vec<PoolControl>,
        listeners: Listeners,
        identity: Identity,
        seed: u64,
    ) -> Self {
        let registry = Registry::new(shared.threads());
        Self {
            shared,
            identity,
            due: vec![None; pools.len()],
            pools,
            registry,
            listeners,
            retired: Vec::new(),
            seed,
            started: watch::Sender::new(false),
            since: SystemTime::now(),
        }
    }

    /// Puts what a source saw in force, or notes why not; what was in force stays then.
    pub(crate) fn apply(&mut self, Update { pool, seen }: Update) {
        if let Seen::Nothing(reason) = seen {
            self.pools[pool].hear_nothing(reason);
        } else {
            let taken = self.pools[pool].take_in(seen).and_then(|taken| self.unique(pool, taken));
            let refusal = taken.map(|taken| taken.into_iter().for_each(|taken| self.pools[pool].await_port(taken)));
            self.pools[pool].note(refusal.err());
        }
        self.start_from_copy(pool);
        self.settle();
        self.pools[pool].count_refused_port();
    }

    /// Two mounts may turn out to be of one pool.
    fn unique(&self, pool: usize, taken: Option<Taken>) -> Result<Option<Taken>, Refusal> {
        let Some(taken) = taken else { return Ok(None) };
        let policy = &taken.table.policy;
        if self.pools.iter().enumerate().any(|(other, known)| other != pool && known.owns(policy)) {
            let (namespace, name) = (&policy.namespace, &policy.pool);
            return Err(Refusal::new(format!("pool {namespace}/{name} comes from elsewhere already: name it once")));
        }
        Ok(Some(taken))
    }

    /// Takes the last good copy of a pool that has nothing else to serve by.
    fn start_from_copy(&mut self, pool: usize) {
        let known = &mut self.pools[pool];
        match known.take_copy() {
            Some(Ok(taken)) => {
                tracing::warn!(reason = known.trouble(), "starting from the last good copy");
                known.await_port(taken);
            }
            Some(Err(refusal)) => tracing::warn!(%refusal, "the last good copy cannot be used and is ignored"),
            None => {}
        }
    }

    /// Shares the ports out, and puts tables in force whose pool has its port. Also tries again what the system refused.
    fn settle(&mut self) {
        let claims = self.pools.iter().enumerate().map(|(pool, known)| known.claim(self.listeners.port_of(pool)));
        let claims: Vec<_> = claims.collect();
        let shares = share_out(&claims, |port| self.listeners.obtain(port));
        for (pool, share) in shares.iter().enumerate() {
            if let Some(taken) = self.pools[pool].enters(share.denied.is_none()) {
                self.put_in_force(pool, taken);
            }
            let denied = share.denied.as_ref().map(|denied| self.say(denied, claims[pool].wish));
            self.pools[pool].place(share.port.is_some(), denied);
        }
        // After the views: whoever is accepted finds the table that the port was opened for.
        let owners: BTreeMap<_, _> =
            shares.iter().enumerate().filter_map(|(pool, share)| Some((share.port?, pool))).collect();
        self.listeners.assign(&owners);
        if self.pools.iter().all(PoolControl::has_started) {
            self.started.send_replace(true);
        }
    }

    fn put_in_force(&mut self, pool: usize, taken: Taken) {
        let backends = &taken.table.policy.backends;
        mishap::may_strike(mishap::CONTROL, || backends.first().map_or(&[], |backend| backend.name.as_bytes()));
        let plan = Plan::compile(&taken.table, &mut self.registry, self.seed);
        self.pools[pool].in_force(taken);
        self.show(pool, Arc::new(plan));
    }

    /// Shows workers who is eligible now.
    fn show(&mut self, pool: usize, plan: Arc<Plan>) {
        let zone = self.zone(pool);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unix_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let count: usize = plan.backends.iter().map(|backend| backend.endpoints.len()).sum();
        let step = plan.slow_start.step().max(EACH * u32::try_from(count).unwrap_or(u32::MAX));
        let view = View::of(plan, &Surroundings { unix_ms, zone: &zone });
        self.due[pool] = view.is_ramping.then(|| Instant::now() + step);
        self.retired.extend(self.shared.pools[pool].view.swap(Some(Arc::new(view))));
    }

    /// This proxy's zone: as it was told, else as the pool's table has it; empty if unknown.
    fn zone(&self, pool: usize) -> String {
        let Identity { pod, zone } = &self.identity;
        if let Some(zone) = zone {
            return zone.clone();
        }
        let table = self.pools[pool].table();
        let me = table.and_then(|table| table.fleet.proxies.iter().find(|proxy| Some(&proxy.name) == pod.as_ref()));
        me.map_or_else(String::new, |me| me.zone.clone())
    }

    /// When the next slow start goes on.
    fn next_due(&self) -> Option<Instant> {
        self.due.iter().flatten().min().copied()
    }

    /// Goes on with slow starts.
    fn ramp(&mut self, now: Instant) {
        for pool in 0..self.due.len() {
            let view = self.shared.pools[pool].view.load_full();
            if let Some(view) = view.filter(|_| self.due[pool].is_some_and(|due| due <= now)) {
                self.show(pool, Arc::clone(&view.plan));
            }
        }
    }

    fn say(&self, denied: &Denied, port: Option<u16>) -> Refusal {
        Refusal::new(match denied {
            Denied::System(reason) => reason.clone(),
            Denied::Pool(other) => {
                let (port, other) = (port.unwrap_or_default(), &self.pools[*other]);
                let (namespace, name) = (other.namespace(), other.name());
                format!(
                    "port {port} belongs to pool {namespace}/{name} here, which is older; choose another \
                     spec.listener.port for one of the two"
                )
            }
        })
    }

    /// What is wrong with a pool, if anything is.
    pub(crate) fn first_refusal(&self) -> Option<Refusal> {
        self.pools.iter().find_map(|pool| pool.last_refusal().cloned())
    }

    fn sweep(&mut self, now: Instant) {
        self.retired.retain(|view| Arc::strong_count(view) > 1);
        self.registry.sweep(now);
        if self.pools.iter().any(|pool| pool.denied.is_some()) {
            self.settle();
        }
    }
}

/// Runs until the sources are gone, which they never are.
pub(crate) async fn run(control: Rc<RefCell<Control>>, mut updates: mpsc::Receiver<Update>) {
    let _vital = control.borrow().shared.vital.part("control");
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = control.borrow().next_due();
        tokio::select! {
            update = updates.recv() => match update {
                Some(update) => control.borrow_mut().apply(update),
                None => return,
            },
            now = sweep.tick() => control.borrow_mut().sweep(now),
            now = at(due) => control.borrow_mut().ramp(now),
        }
    }
}

/// That moment, or never.
async fn at(due: Option<Instant>) -> Instant {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
    Instant::now()
}

/// Answers the admin port.
pub(crate) async fn serve_admin(control: Rc<RefCell<Control>>, listener: TcpListener) {
    let _vital = control.borrow().shared.vital.part("the admin port");
    admin::serve(control, listener).await;
}
