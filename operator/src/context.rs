//! What all lanes share.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use kube::Client;

use crate::{cluster::Wake, cluster::World, findings::Board, lane::Lane, metrics::Metrics, options::ProxyOptions};

/// What all lanes share.
pub struct Context {
    /// The way to the API server.
    pub client: Client,
    /// How proxies are run.
    pub proxy: ProxyOptions,
    /// Counts what is done.
    pub metrics: Arc<Metrics>,
    /// What the lanes found out.
    pub board: Board,
    /// Pools whose table is to be looked at.
    pub publish: Lane,
    /// Pools whose other objects are to be looked at.
    pub own: Lane,
    /// Pools whose status is to be looked at.
    pub report: Lane,
    /// Namespaces whose pods without the sidecar that they ask for are to be told of.
    pub notice: Lane,
    world: Mutex<World>,
    /// Set once, when leading begins.
    leads: AtomicBool,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive() // a client has no Debug, and the world is large
    }
}

impl Context {
    /// A context that knows nothing of the cluster yet.
    #[must_use]
    pub fn new(client: Client, proxy: ProxyOptions, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            proxy,
            metrics,
            board: Board::default(),
            publish: Lane::new("publish"),
            own: Lane::new("own"),
            report: Lane::new("report"),
            notice: Lane::new("notice"),
            world: Mutex::default(),
            leads: AtomicBool::new(false),
        }
    }

    /// What is known of the cluster. Held for moments only: never across a wait.
    pub fn world(&self) -> MutexGuard<'_, World> {
        // A panic between two changes leaves an index that is behind: the next event of the object mends it.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on wakes are heard, and everything is looked at: what happened before was somebody else's work.
    pub fn begin(&self) {
        self.leads.store(true, Ordering::SeqCst);
        // A change that comes after this look at the world is heard, since the flag was set before.
        let everything = self.world().everything();
        self.wake(everything);
    }

    /// Wakes who must look again. A follower has nobody to wake, and remembers nothing of pools that come and go.
    pub fn wake(&self, wakes: impl IntoIterator<Item = Wake>) {
        if !self.leads.load(Ordering::SeqCst) {
            return;
        }
        for wake in wakes {
            match wake {
                Wake::Publish(key) => self.publish.wake(&key),
                Wake::Own(key) => self.own.wake(&key),
                Wake::Report(key) => self.report.wake(&key),
                Wake::Notice(namespace) => self.notice.wake(&namespace),
            }
        }
    }
}
