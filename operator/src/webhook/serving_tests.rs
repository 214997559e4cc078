//! Certificates are taken into use when it costs nothing, and connections do not notice.

use std::collections::BTreeSet;

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::*;
use crate::{clock::unix_now, webhook::certificate::Authority};

fn named(authority: u8, certificate: u8) -> InUse {
    let life = Life { from: 0, until: 100 };
    InUse { authority: vec![authority].into(), certificate: vec![certificate].into(), life }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_used_when_its_authority_is_trusted_by_all() {
    let start = Instant::now() + Duration::from_secs(10);
    let (old, renewed, foreign) = (named(1, 1), named(1, 2), named(2, 3));
    let second = Duration::from_secs(1);
    let early = InUse { life: Life { from: 57, until: 150 }, ..renewed.clone() };
    let ended = InUse { life: Life { from: 0, until: 40 }, ..named(1, 4) };
    for (what, in_use, offered, trusted, time, expected) in [
        ("the first one", None, &foreign, None, 50, Take::Now),
        ("the same", Some(&old), &old, None, 50, Take::Has),
        ("by the same authority", Some(&old), &renewed, None, 50, Take::Now),
        ("by one that nobody trusts", Some(&old), &foreign, None, 50, Take::Wait),
        ("by one that is trusted from now on", Some(&old), &foreign, Some(start), 50, Take::At(start + second)),
        ("by one that is trusted", Some(&old), &foreign, Some(start - second), 50, Take::Now),
        ("not yet valid", Some(&old), &early, None, 50, Take::At(start + 7 * second)),
        ("valid at last", Some(&old), &early, None, 57, Take::Now),
        ("not valid any more", Some(&old), &ended, None, 50, Take::Wait),
        ("not yet valid, like the one in use", Some(&ended), &early, None, 50, Take::Now),
        ("not yet valid, but there is no other", None, &early, None, 50, Take::Now),
        ("after the end of the one in use", Some(&old), &foreign, None, 101, Take::Now),
    ] {
        assert_eq!(take(in_use, offered, trusted, (start, time)), expected, "{what}");
    }
}

fn kept() -> Kept {
    let now = unix_now();
    let hosts = BTreeSet::from(["evenkeel-operator.shop.svc".to_owned()]);
    let secret = Kept::make(&Authority::make(now).expect("an authority"), &hosts, now, 3600).expect("a certificate");
    Kept::read(&secret).expect("it can be read")
}

/// A connection by somebody who trusts that authority, to a server that sends back what it gets.
async fn connect(serving: &Arc<Serving>, trusted: &Kept) -> std::io::Result<TlsStream<DuplexStream>> {
    let (client, server) = duplex(1 << 16);
    let acceptor = TlsAcceptor::from(Arc::new(server_config(Arc::clone(serving)).expect("a configuration")));
    tokio::spawn(async move {
        let Ok(stream) = acceptor.accept(server).await else { return };
        let (mut from, mut to) = tokio::io::split(stream);
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    let mut roots = RootCertStore::empty();
    roots.add(trusted.authority.clone()).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = builder.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let name = ServerName::try_from("evenkeel-operator.shop.svc").expect("a name");
    TlsConnector::from(Arc::new(config.with_no_client_auth())).connect(name, client).await
}

async fn echoes(stream: &mut TlsStream<DuplexStream>) -> bool {
    let mut answer = [0; 4];
    stream.write_all(b"ping").await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == *b"ping"
}

#[tokio::test]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let (serving, old, new) = (Arc::new(Serving::default()), kept(), kept());
    assert!(connect(&serving, &old).await.is_err(), "there is none yet");
    serving.set(old.certified().expect("a certificate"));
    let mut before = connect(&serving, &old).await.expect("it is trusted");
    assert!(echoes(&mut before).await);
    serving.set(new.certified().expect("a certificate"));
    assert!(connect(&serving, &old).await.is_err(), "the old authority did not sign it");
    assert!(echoes(&mut connect(&serving, &new).await.expect("it is trusted")).await);
    assert!(echoes(&mut before).await, "the connection was not touched");
}
