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
        let Self { pools, registry, listeners, retired, shared, seed } = self;
        let pool = &mut pools[update.pool];
        let applied = pool.take_in(update.seen).and_then(|taken| {
            let Some(taken) = taken else { return Ok(()) };
            let table = &taken.table;
            let bound = listeners.bind(update.pool, table.policy.listener.bind_port)?;
            let view = Arc::new(View::of(Arc::new(Plan::compile(table, registry, *seed))));
            retired.extend(shared.pools[update.pool].view.swap(Some(view)));
            if let Some(bound) = bound {
                listeners.open(bound);
            }
            pool.in_force(taken);
            Ok(())
        });
        pool.note(&applied);
        applied
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
            now = sweep.tick() => control.borrow_mut().sweep(now),
        }
    }
}

/// Answers the admin port.
pub(crate) async fn serve_admin(control: Rc<RefCell<Control>>, listener: TcpListener) {
    admin::serve(control, listener).await;
}
