//! Lookups against a name server on a loopback port.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Knows `web.shop.svc` at 10.1.2.3 with a TTL of 60 s and `six.shop.svc` at `fd00::1`, and nothing else.
async fn name_server() -> (SocketAddr, Arc<AtomicU64>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (addr, asked) = (socket.local_addr().unwrap(), Arc::<AtomicU64>::default());
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((size, client)) = socket.recv_from(&mut buffer).await {
            count.fetch_add(1, Relaxed);
            socket.send_to(&reply(&buffer[..size]), client).await.unwrap();
        }
    });
    (addr, asked)
}

fn reply(question: &[u8]) -> Vec<u8> {
    let (name, kind) = (&question[12..question.len() - 4], question[question.len() - 3]);
    let mut reply = question.to_vec();
    reply[2] |= 0x80;
    let address: &[u8] = match (name, kind) {
        (b"\x03web\x04shop\x03svc\x00", 1) => &[10, 1, 2, 3],
        (b"\x03six\x04shop\x03svc\x00", 28) => &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        (b"\x03six\x04shop\x03svc\x00", _) => return reply, // exists, but not with this kind of address
        (b"\x03bad\x00", _) => {
            reply[3] |= 2; // SERVFAIL
            return reply;
        }
        _ => {
            reply[3] |= message::NAME_ERROR;
            return reply;
        }
    };
    reply[7] = 1;
    reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0]);
    reply.push(u8::try_from(address.len()).unwrap());
    reply.extend(address);
    reply
}

fn resolver(server: SocketAddr) -> Resolver {
    Resolver::new(&format!("nameserver {server}\nsearch other.svc shop.svc svc\noptions ndots:5\n"), "10.9.9.9 fixed\n")
}

#[tokio::test]
async fn a_short_name_is_found_by_the_search_list_and_asked_once() {
    let (server, asked) = name_server().await;
    let resolver = resolver(server);
    for name in ["web", "web", "web"] {
        assert_eq!(resolver.lookup(name).await.unwrap(), ["10.1.2.3".parse::<IpAddr>().unwrap()]);
    }
    assert_eq!(asked.load(Relaxed), 2, "other.svc and shop.svc, then the memory");
    assert_eq!(resolver.lookup("web.shop").await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_asks_at_the_same_time_shares_the_answer() {
    let (server, asked) = name_server().await;
    let resolver = resolver(server);
    let (one, two) = tokio::join!(resolver.lookup("web"), resolver.lookup("web"));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(asked.load(Relaxed), 2);
}

#[tokio::test]
async fn a_name_with_ipv6_alone_is_found() {
    let (server, _) = name_server().await;
    assert_eq!(resolver(server).lookup("six").await.unwrap(), ["fd00::1".parse::<IpAddr>().unwrap()]);
}

#[tokio::test]
async fn hosts_come_first_and_localhost_is_never_asked() {
    let (server, asked) = name_server().await;
    let resolver = resolver(server);
    assert_eq!(resolver.lookup("fixed").await.unwrap(), ["10.9.9.9".parse::<IpAddr>().unwrap()]);
    assert_eq!(resolver.lookup("localhost").await.unwrap(), [Ipv4Addr::LOCALHOST]);
    assert_eq!(asked.load(Relaxed), 0);
}

#[tokio::test]
async fn errors_are_told_apart() {
    let (server, _) = name_server().await;
    assert!(matches!(resolver(server).lookup("none").await, Err(LookupError::NotFound(_))));
    assert!(matches!(resolver(server).lookup("a..b.").await, Err(LookupError::NotFound(_))));
    assert!(matches!(resolver(server).lookup("bad.").await, Err(LookupError::Refused { code: 2, .. })));
    // A port that was just free: the kernel says that nobody listens there.
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(resolver(nobody).lookup("web").await, Err(LookupError::Io { .. })));
}
