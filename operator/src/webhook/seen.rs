//! The two objects that the webhook lives by, watched by name: the Secret with its certificates, and the configuration that says
//! whom the API server trusts.

use std::{fmt::Debug, sync::Arc};

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use rustls::pki_types::CertificateDer;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{debug, warn};

use super::certificate::Bundle;
use crate::again::{Again, WATCH_SECONDS};

/// What is known of an object: nothing yet, that it is not there, or what it is.
type Known<K> = Option<Option<Arc<K>>>;

/// What is known of both. Without `Debug`: there are keys in it.
#[derive(Clone, Default)]
pub(super) struct Seen {
    pub(super) secret: Known<Secret>,
    pub(super) configuration: Known<MutatingWebhookConfiguration>,
}

impl Seen {
    /// The bundles of the configuration, one for each of its webhooks.
    pub(super) fn bundles(&self) -> Vec<Bundle> {
        let Some(Some(configuration)) = &self.configuration else { return Vec::new() };
        let webhooks = configuration.webhooks.iter().flatten();
        webhooks
            .map(|webhook| {
                webhook.client_config.ca_bundle.as_ref().map_or_else(Bundle::default, |pem| Bundle::read(&pem.0))
            })
            .collect()
    }

    /// Whether the API server trusts that authority, whichever webhook it calls.
    pub(super) fn trusts(&self, authority: &CertificateDer) -> bool {
        let bundles = self.bundles();
        !bundles.is_empty() && bundles.iter().all(|bundle| bundle.trusts(authority))
    }
}

/// Watches both, for as long as somebody looks.
pub(super) fn watch(client: &Client, namespace: &str, secret: &str, configuration: &str) -> watch::Receiver<Seen> {
    let (sender, receiver) = watch::channel(Seen::default());
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    tokio::spawn(follow(secrets, secret.to_owned(), sender.clone(), |seen, object| seen.secret = Some(object)));
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    tokio::spawn(follow(configurations, configuration.to_owned(), sender, |seen, object| {
        seen.configuration = Some(object);
    }));
    receiver
}

async fn follow<K>(api: Api<K>, name: String, sender: watch::Sender<Seen>, put: impl Fn(&mut Seen, Option<Arc<K>>))
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config =
        watcher::Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS).any_semantic();
    let stream = watcher::watcher(api, config).backoff(Again::default());
    pin_mut!(stream);
    let mut listed = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed = None,
            Ok(Event::InitApply(object)) => listed = Some(Arc::new(object)),
            Ok(Event::InitDone) => sender.send_modify(|seen| put(seen, listed.take())),
            Ok(Event::Apply(object)) => sender.send_modify(|seen| put(seen, Some(Arc::new(object)))),
            Ok(Event::Delete(_)) => sender.send_modify(|seen| put(seen, None)),
            Err(watcher::Error::WatchError(status)) if status.code == 410 => {
                debug!(name, "A watch starts anew with a list.");
            }
            Err(error) => warn!(kind = %K::kind(&()), name, %error, "A watch broke; it is started again."),
        }
    }
}
