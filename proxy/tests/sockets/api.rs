//! An API server that can do one thing, list and watch ConfigMaps by name, and that comes and goes as a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_crds::names;
use evenkeel_crds::table::Parts;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::tables::NAMESPACE;
use crate::wire::Conn;

/// What it knows: by pool the version of the last change and the table, none if it was deleted.
type Known = BTreeMap<String, (u64, Option<Parts>)>;

/// An API server. Its connections end with it.
pub(crate) struct Api {
    pub(crate) addr: SocketAddr,
    known: Arc<watch::Sender<(u64, Known)>>,
    tasks: Option<tokio::task::JoinHandle<()>>,
}

impl Api {
    pub(crate) fn start() -> Self {
        let known = Arc::new(watch::Sender::new((1, Known::new())));
        let mut api = Self { addr: "127.0.0.1:0".parse().unwrap(), known, tasks: None };
        api.comes();
        api
    }

    /// It listens, where it did before.
    pub(crate) fn comes(&mut self) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.addr).unwrap();
        let listener = socket.listen(64).unwrap();
        self.addr = listener.local_addr().unwrap();
        self.tasks = Some(tokio::spawn(serve(listener, Arc::clone(&self.known))));
    }

    /// It is gone: connections end, new ones are refused.
    pub(crate) async fn goes(&mut self) {
        let tasks = self.tasks.take().unwrap();
        tasks.abort();
        let _ = tasks.await;
    }

    /// Publishes a pool's table.
    pub(crate) fn put(&self, pool: &str, parts: Parts) {
        self.change(pool, Some(parts));
    }

    /// Deletes it.
    pub(crate) fn delete(&self, pool: &str) {
        self.change(pool, None);
    }

    fn change(&self, pool: &str, parts: Option<Parts>) {
        self.known.send_modify(|(version, known)| {
            *version += 1;
            known.insert(names::object_name(pool), (*version, parts));
        });
    }

    /// A file that names it.
    pub(crate) fn kubeconfig(&self, folder: &Path) -> PathBuf {
        kubeconfig(self.addr, folder)
    }
}

/// A file that names an API server at that address.
pub(crate) fn kubeconfig(addr: SocketAddr, folder: &Path) -> PathBuf {
    let path = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "x", "cluster": { "server": format!("http://{addr}") } }],
        "users": [{ "name": "x", "user": {} }],
        "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

async fn serve(listener: TcpListener, known: Arc<watch::Sender<(u64, Known)>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(answer(stream, known.subscribe()));
    }
}

/// Answers lists until a watch is asked for, which ends with the connection.
async fn answer(stream: TcpStream, mut known: watch::Receiver<(u64, Known)>) {
    let mut conn = Conn::new(stream);
    while let Some(head) = conn.patient_head().await {
        let query = head.split([' ', '?']).nth(2).unwrap_or_default();
        let query: BTreeMap<_, _> = query.split('&').filter_map(|field| field.split_once('=')).collect();
        let object = query["fieldSelector"].replace("%3D", "=").replace("metadata.name=", "");
        if query.contains_key("watch") {
            return stream_changes(conn, &object, query["resourceVersion"].parse().unwrap(), known).await;
        }
        let list = {
            let (version, known) = &*known.borrow_and_update();
            let found = known.get(&object).and_then(|(version, parts)| Some(map(&object, *version, parts.as_ref()?)));
            let items: Vec<_> = found.into_iter().collect();
            json!({ "apiVersion": "v1", "kind": "ConfigMapList",
                "metadata": { "resourceVersion": version.to_string() }, "items": items })
            .to_string()
        };
        let head = format!("Content-Type: application/json\r\nContent-Length: {}", list.len());
        if conn.try_send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{list}").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn stream_changes(mut conn: Conn, object: &str, mut seen: u64, mut known: watch::Receiver<(u64, Known)>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut sent = conn.try_send(head.as_bytes()).await;
    while sent.is_ok() {
        let newer = |(_, known): &(u64, Known)| known.get(object).is_some_and(|(version, _)| *version > seen);
        let Ok(change) = known.wait_for(newer).await.map(|known| known.1[object].clone()) else { return };
        let (version, parts) = change;
        let kind = if parts.is_some() { "MODIFIED" } else { "DELETED" };
        let object = map(object, version, &parts.unwrap_or_default());
        let event = json!({ "type": kind, "object": object }).to_string() + "\n";
        sent = conn.try_send(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await;
        seen = version;
    }
}

fn map(name: &str, version: u64, parts: &Parts) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some(NAMESPACE.into()),
            uid: Some("1".into()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
        data: Some(parts.data.clone()),
        binary_data: Some(parts.binary_data.clone()),
        ..ConfigMap::default()
    }
}

/// One that accepts connections, as a machine does whose program hangs, and says nothing.
pub(crate) struct Mute {
    pub(crate) addr: SocketAddr,
    _listener: std::net::TcpListener,
}

impl Mute {
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self { addr: listener.local_addr().unwrap(), _listener: listener }
    }
}
