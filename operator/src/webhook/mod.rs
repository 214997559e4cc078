//! The mutating webhook: the API server asks about each pod that wants a sidecar.
//!
//! ```text
//!                 ┌─ Keeper (leader) ──writes──▶ Secret, caBundle
//! Secret ─watch──▶│
//! caBundle        └─ Follower (all) ──▶ Serving ──▶ Server ──▶ Handler ──▶ inject::admit
//! ```
//!
//! All replicas serve. What they decide is pure (`inject`); what they know of pools comes from the caches.

mod body;
pub mod certificate;
mod follower;
mod handler;
mod keeper;
mod lookup;
pub mod options;
mod recent;
pub mod review;
mod seen;
mod server;
mod serving;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use evenkeel_crds::names;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{admin::listen, context::Context, inject::Settings, options::RunOptions};
use certificate::Wanted;
use follower::Follower;
use handler::Handler;
use keeper::Keeper;
use lookup::Lookup;
use server::Server;
use serving::{Serving, server_config};

/// The Secret with the certificates, in the operator's namespace.
const SECRET: &str = names::OPERATOR;
/// At the end: until every API server has heard that this replica is going, so that it asks another one. A pod that is deleted has
/// been waiting for that before it was told to stop.
const LINGER: Duration = Duration::from_secs(2);
/// When the process ends by itself, they hear it from its readiness: a probe every two seconds, and the news of it.
const LINGER_UNANNOUNCED: Duration = Duration::from_secs(5);
/// And then until what was asked is answered.
const FINISH: Duration = Duration::from_secs(1);

/// The webhook, if this installation has one.
pub struct Webhook {
    running: Option<Running>,
}

struct Running {
    handler: Arc<Handler>,
    keeper: Keeper,
    ready: watch::Receiver<bool>,
    draining: CancellationToken,
    answering: TaskTracker,
}

impl Webhook {
    /// Listens, and watches what it needs. Without a configuration to serve there is no webhook.
    pub async fn start(options: &RunOptions, context: &Arc<Context>, namespace: &str) -> anyhow::Result<Self> {
        let webhook = &options.webhook;
        let Some(configuration) = webhook.configuration() else { return Ok(Self { running: None }) };
        let Some(image) = options.proxy.image() else {
            bail!("sidecars need an image: name it with --proxy-image, or leave --webhook-configuration away");
        };
        let listener = listen(webhook.address).await;
        let listener = listener.with_context(|| format!("cannot listen at --webhook-address {:?}", webhook.address))?;
        let settings = Settings {
            image: image.to_owned(),
            pull_policy: options.proxy.image_pull_policy,
            resources: webhook.resources.clone(),
        };
        let lookup = Lookup::new(Arc::clone(context), options.namespaces());
        let metrics = Arc::clone(&context.metrics);
        let handler = Arc::new(Handler { lookup, settings, metrics, synced: AtomicBool::new(false) });
        let serving = Arc::new(Serving::default());
        let acceptor = TlsAcceptor::from(Arc::new(server_config(Arc::clone(&serving))?));
        let seen = seen::watch(&context.client, namespace, SECRET, configuration);
        let (sender, ready) = watch::channel(false);
        let (draining, answering) = (CancellationToken::new(), TaskTracker::new());
        info!(webhook = %listener.local_addr()?, "Answering /inject/fail and /inject/ignore.");
        tokio::spawn(Follower::new(serving, seen.clone(), sender).run());
        let server = Server {
            listener,
            acceptor,
            handler: Arc::clone(&handler),
            draining: draining.clone(),
            answering: answering.clone(),
        };
        tokio::spawn(server.run());
        let wanted =
            Wanted { hosts: webhook.hosts(namespace).into_iter().collect(), leaf_seconds: webhook.lifetime.seconds() };
        let keeper = Keeper {
            client: context.client.clone(),
            namespace: namespace.to_owned(),
            secret: SECRET.to_owned(),
            configuration: configuration.to_owned(),
            wanted,
            seen,
        };
        Ok(Self { running: Some(Running { handler, keeper, ready, draining, answering }) })
    }

    /// Every cache has synced: from now on pools are known.
    pub fn synced(&self) {
        if let Some(running) = &self.running {
            running.handler.synced.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until questions can be answered.
    pub fn ready(&self) -> impl Future<Output = ()> + Send + 'static {
        let ready = self.running.as_ref().map(|running| running.ready.clone());
        async move {
            if let Some(mut ready) = ready {
                let _ = ready.wait_for(|ready| *ready).await; // an error: the process is ending
            }
        }
    }

    /// The leader's part: keeps certificates until it is told to stop.
    pub fn keep(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let keeper = self.running.as_ref().map(|running| running.keeper.clone());
        async move {
            match keeper {
                Some(keeper) => keeper.run(stop).await,
                None => stop.cancelled().await,
            }
        }
    }

    /// At the end: serves on until nobody asks any more, so that no pod is refused since a replica goes. `announced`: whether
    /// somebody told it to.
    pub async fn drain(&self, announced: bool) {
        let Some(running) = &self.running else { return };
        running.draining.cancel();
        sleep(if announced { LINGER } else { LINGER_UNANNOUNCED }).await;
        running.answering.close();
        let _ = timeout(FINISH, running.answering.wait()).await; // what takes longer is cut off
    }
}
