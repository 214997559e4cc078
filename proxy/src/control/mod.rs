//! The control thread: takes tables in, puts them in force, answers the admin port, leads the process to its end.

mod admin;
mod listeners;
mod metrics;
mod pool;
mod shutdown;
mod status;

pub(crate) use metrics::count_panic;
pub(crate) use shutdown::{Signals, lead_out};

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use crate::{
    balance::{Plan, Registry, View},
    shared::Shared,
    source::Update,
};
pub(crate) use listeners::Listeners;
use pool::Taken;
pub(crate) use pool::{Expected, PoolControl};
pub use status::{PoolStatus, Refusal, Status};

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
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>, pools: Vec<PoolControl>, listeners: Listeners, seed: u64) -> Self {
        let registry = Registry::new(shared.threads());
        Self { shared, pools, registry, listeners, retired: Vec::new(), seed }
    }

    /// Puts what a source saw in force, or says why not; what was in force stays then.
    pub(crate) fn apply(&mut self, update: Update) -> Result<(), Refusal> {
        let pool = update.pool;
        let taken = self.pools[pool].take_in(update.seen);
        let applied = taken.and_then(|taken| taken.map_or(Ok(()), |taken| self.put_in_force(pool, taken)));
        self.pools[pool].note(&applied);
        applied
    }

    fn put_in_force(&mut self, pool: usize, taken: Taken) -> Result<(), Refusal> {
        let table = &taken.table;
        let bound = match self.listeners.bind(pool, table.policy.listener.bind_port) {
            Ok(bound) => bound,
            Err(refusal) => {
                self.pools[pool].waiting = Some(taken);
                return Err(refusal);
            }
        };
        let view = Arc::new(View::of(Arc::new(Plan::compile(table, &mut self.registry, self.seed))));
        self.retired.extend(self.shared.pools[pool].view.swap(Some(view)));
        if let Some(bound) = bound {
            self.listeners.open(bound);
        }
        self.pools[pool].in_force(taken);
        Ok(())
    }

    /// Tries again what only waits for a port: whoever has it, another pool perhaps, may have left it.
    fn try_waiting(&mut self) {
        for pool in 0..self.pools.len() {
            let Some(taken) = self.pools[pool].waiting.take() else { continue };
            if let Ok(()) = self.put_in_force(pool, taken) {
                self.pools[pool].note(&Ok(()));
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.retired.retain(|view| Arc::strong_count(view) > 1);
        self.registry.sweep(now);
    }
}

/// Runs until the sources are gone, which they never are.
pub(crate) async fn run(control: Rc<RefCell<Control>>, mut updates: mpsc::Receiver<Update>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(update) => drop(control.borrow_mut().apply(update)), // noted where it can be asked for
                None => return,
            },
            now = sweep.tick() => {
                let mut control = control.borrow_mut();
                control.sweep(now);
                control.try_waiting();
            }
        }
    }
}

/// Answers the admin port.
pub(crate) async fn serve_admin(control: Rc<RefCell<Control>>, listener: TcpListener) {
    admin::serve(control, listener).await;
}
