//! The sources that the command line names, and their start.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use evenkeel_crds::RoutingTable;
use futures::FutureExt as _;
use kube::{Client, config::KubeConfigOptions, config::Kubeconfig};
use tokio::sync::mpsc;

use super::{Update, api, file, mount};
use crate::{
    cli::{PoolName, Run},
    vital::Vital,
};

/// A connection to the API server takes no longer, unless it is away.
const CONNECT: Duration = Duration::from_secs(5);
/// A watch is renewed each minute, so that a connection which says nothing for longer is dead.
const SILENCE: Duration = Duration::from_secs(90);

/// What a pool's tables come from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A file, and what it held at the start: a bad file is an error then.
    File { path: PathBuf, text: String, table: Box<RoutingTable> },
    /// A mounted ConfigMap.
    Mount(PathBuf),
    /// The API server.
    Api(PoolName),
}

/// What each pool's tables come from.
pub(crate) fn origins(options: &Run) -> anyhow::Result<Vec<Origin>> {
    let mut origins = Vec::new();
    for path in &options.pool {
        let (text, table) = file::read(path).map_err(anyhow::Error::msg)?;
        origins.push(Origin::File { path: path.clone(), text, table: Box::new(table) });
    }
    for (index, directory) in options.tables.iter().enumerate() {
        if options.tables[..index].contains(directory) {
            bail!("--tables names {} twice; name each directory once", directory.display());
        }
        origins.push(Origin::Mount(directory.clone()));
    }
    for (index, name) in options.watch.iter().enumerate() {
        if options.watch[..index].contains(name) {
            bail!("--watch names {name} twice; name each pool once");
        }
        origins.push(Origin::Api(name.clone()));
    }
    Ok(origins)
}

/// Starts to watch all of them.
pub(crate) async fn watch_all(
    options: &Run,
    origins: Vec<Origin>,
    updates: &mpsc::Sender<Update>,
    vital: &Vital,
) -> anyhow::Result<()> {
    let client = if options.watch.is_empty() { None } else { Some(client(options.kubeconfig.as_ref()).await?) };
    for (pool, origin) in origins.into_iter().enumerate() {
        let updates = updates.clone();
        let watch = match (origin, &client) {
            (Origin::File { path, text, .. }, _) => file::watch(pool, path, text, updates).boxed_local(),
            (Origin::Mount(directory), _) => mount::watch(pool, directory, updates).boxed_local(),
            (Origin::Api(name), Some(client)) => api::watch(client.clone(), pool, name, updates).boxed_local(),
            (Origin::Api(_), None) => bail!("no API server to watch"),
        };
        let part = vital.part("the watch of a pool's table");
        tokio::task::spawn_local(async move {
            let _part = part;
            watch.await;
        });
    }
    Ok(())
}

/// A client of the API server: by the file that was named, else as a pod. Never by what a user's shell happens to be set to.
async fn client(kubeconfig: Option<&PathBuf>) -> anyhow::Result<Client> {
    // The one provider of cryptography; a second installation of the same is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).with_context(|| format!("{} cannot be used", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::incluster().context("not in a pod; name the cluster by --kubeconfig FILE")?,
    };
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // The watch tries again by itself, and whoever has a copy of the table wants to know of the first failure.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}
