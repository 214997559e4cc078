//! What the admin port tells, and whom.

use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::net::TcpSocket;

use crate::endpoint::nobody;
use crate::namespace::{self, in_namespace};
use crate::pool::{PORT, Pool};
use crate::proxy::Proxy;
use crate::wire::{Conn, field, status};

#[tokio::test]
async fn the_tables_in_force_are_shown_to_who_is_at_the_machine() {
    let endpoint = nobody().await;
    let first = Pool::of(&[endpoint]);
    let second = Pool { name: "api", port: first.port + 1, ..first.clone() };
    let proxy = Proxy::with(&[&first, &second], &["--threads", "2"]).await;
    let (head, body) = proxy.admin("/table").await;
    assert_eq!((status(&head), field(&head, "content-type")), (200, Some("application/json")));
    let tables: Vec<Value> = serde_json::from_str(&body).unwrap();
    let pools: Vec<_> = tables.iter().map(|table| table["policy"]["pool"].as_str().unwrap()).collect();
    assert_eq!(pools, ["web", "api"]);
    let row = &tables[0]["endpoints"]["backends"]["b0"][0];
    assert_eq!((&row[0], &row[1]), (&endpoint.ip().to_string().into(), &endpoint.port().into()));
    let revision = &proxy.status().await.pools[0].revision;
    assert_eq!(tables[0]["policy"]["revision"].as_str(), revision.as_deref(), "the same as /status says");

    let one: Vec<Value> = serde_json::from_str(&proxy.admin("/table?pool=default/api").await.1).unwrap();
    assert_eq!((one.len(), &one[0]), (1, &tables[1]));
    assert_eq!(proxy.probe("/table?pool=default/none").await, 404);
}

in_namespace! {
    async fn nobody_else_sees_a_table() {
        let server = namespace::xserver("s").await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pool.yaml");
        std::fs::write(&file, Pool::of(&[server.addr()]).yaml()).unwrap();
        let address = Ipv4Addr::new(10, 201, 0, 9);
        let proxy = Proxy::run(address, PORT, folder, ["--threads", "1", "--pool", file.to_str().unwrap()]).await;
        let (head, body) = proxy.admin("/table").await;
        assert_eq!(status(&head), 403);
        assert!(body.contains("kubectl port-forward"), "{body}");
        assert_eq!(proxy.probe("/status").await, 200);
    }
}

/// A service mesh hands strangers on from another address of the loopback network, and a stranger's page may have a name that
/// leads here.
#[tokio::test]
async fn neither_a_mesh_nor_a_name_that_leads_here_opens_the_tables() {
    let proxy = Proxy::start(&Pool::of(&[nobody().await])).await;
    let ask = async |source: &str, host: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source.parse::<Ipv4Addr>().unwrap(), 0).into()).unwrap();
        let mut client = Conn::new(socket.connect(proxy.admin).await.unwrap());
        client.send(format!("GET /table HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let (head, body) = client.answer().await;
        (status(&head), body)
    };
    assert_eq!(ask("127.0.0.1", "127.0.0.1:9440").await.0, 200);
    let (mesh, name) = (ask("127.0.0.6", "127.0.0.1:9440").await, ask("127.0.0.1", "rebound.example:9440").await);
    assert_eq!((mesh.0, name.0), (403, 403));
    assert!(mesh.1.contains("kubectl port-forward") && name.1.contains("DNS rebinding"), "{mesh:?} {name:?}");
}

#[tokio::test]
async fn the_status_says_since_when_and_how_busy_it_is() {
    let proxy = Proxy::start(&Pool::of(&[nobody().await])).await;
    let idle = [proxy.connect().await, proxy.connect().await];
    proxy.reaches("evenkeel_connections_active", &[], 2).await;
    let status = proxy.status().await;
    assert_eq!((status.threads, status.connections, idle.len()), (2, 2, 2));
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!((now - 60..=now).contains(&status.since), "{} of {now}", status.since);
}
