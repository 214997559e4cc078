//! The control thread: takes tables in, puts them in force, answers the admin port, leads the process to its end.

mod admin;
mod guests;
mod listeners;
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
    balance::{Plan, Registry, View},
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

/// Everything that control knows. Its tasks share it, on one thread.
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pools: Vec<PoolControl>,
    registry: Registry,
    listeners: Listeners,
    /// Views that were in force. Freed here and not by a worker, whose request would wait for it.
    retired: Vec<Arc<View>>,
    seed: u64,
    /// Whether every pool has served; then for ever. A clash of ports or a bad table of one pool, later on, must not take the
    /// whole pod out of service: its other pools serve, and the application has other things to do than to call this one.
    started: watch::Sender<bool>,
    /// When the process began.
    since: SystemTime,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>, pools: Vec<PoolControl>, listeners: Listeners, seed: u64) -> Self {
        let registry = Registry::new(shared.threads());
        Self {
            shared,
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
        let view = Arc::new(View::of(Arc::new(Plan::compile(&taken.table, &mut self.registry, self.seed))));
        self.retired.extend(self.shared.pools[pool].view.swap(Some(view)));
        self.pools[pool].in_force(taken);
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
        tokio::select! {
            update = updates.recv() => match update {
                Some(update) => control.borrow_mut().apply(update),
                None => return,
            },
            now = sweep.tick() => control.borrow_mut().sweep(now),
        }
    }
}

/// Answers the admin port.
pub(crate) async fn serve_admin(control: Rc<RefCell<Control>>, listener: TcpListener) {
    let _vital = control.borrow().shared.vital.part("the admin port");
    admin::serve(control, listener).await;
}
