//! A replica as the Secret and the configuration change, in virtual time.

use std::collections::BTreeSet;

use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tokio::time::{advance, sleep};

use super::*;
use crate::webhook::certificate::{Authority, CA_CERTIFICATE};

struct Replica {
    seen: watch::Sender<Seen>,
    serving: Arc<Serving>,
    ready: watch::Receiver<bool>,
}

impl Replica {
    fn start() -> Self {
        let ((seen, receiver), (sender, ready)) = (watch::channel(Seen::default()), watch::channel(false));
        let serving = Arc::new(Serving::default());
        tokio::spawn(Follower::new(Arc::clone(&serving), receiver, sender).run());
        Self { seen, serving, ready }
    }

    fn offer(&self, secret: &Secret) {
        self.seen.send_modify(|seen| seen.secret = Some(Some(Arc::new(secret.clone()))));
    }

    /// Both webhooks of the configuration trust the authorities of these Secrets.
    fn trust(&self, secrets: &[&Secret]) {
        let pem = |secret: &Secret| secret.data.as_ref().expect("data")[CA_CERTIFICATE].0.clone();
        let bundle = k8s_openapi::ByteString(secrets.iter().flat_map(|secret| pem(secret)).collect());
        let webhook = |name: &str| json!({ "name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": { "caBundle": bundle } });
        let object = json!({ "webhooks": [webhook("fail"), webhook("ignore")] });
        let object: MutatingWebhookConfiguration = serde_json::from_value(object).expect("a configuration");
        self.seen.send_modify(|seen| seen.configuration = Some(Some(Arc::new(object))));
    }

    /// What is served, and whether the replica is ready, after so long.
    async fn after(&self, time: Duration) -> (Option<CertificateDer<'static>>, bool) {
        // Before the time passes, and after it, the other task has its turn.
        sleep(Duration::from_millis(1)).await;
        advance(time).await;
        sleep(Duration::from_millis(1)).await;
        (self.serving.certificate(), *self.ready.borrow())
    }
}

fn secret() -> (Secret, Option<CertificateDer<'static>>) {
    let hosts = BTreeSet::from(["a.svc".to_owned()]);
    let authority = Authority::make(unix_now()).expect("an authority");
    let secret = Kept::make(&authority, &hosts, unix_now(), 3600).expect("a certificate");
    let certificate = Kept::read(&secret).expect("it can be read").certificate;
    (secret, Some(certificate))
}

const NOW: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_new_replica_is_ready_with_a_certificate_that_is_trusted() {
    let ((first, served), replica) = (secret(), Replica::start());
    replica.trust(&[&first]);
    assert_eq!(replica.after(SECOND).await, (None, false));
    replica.offer(&first);
    assert_eq!(replica.after(NOW).await, (served, true));
}

#[tokio::test(start_paused = true)]
async fn at_the_first_start_trust_comes_after_the_certificate() {
    let ((first, served), replica) = (secret(), Replica::start());
    replica.offer(&first);
    assert_eq!(replica.after(SECOND).await, (served.clone(), false));
    replica.trust(&[&first]);
    assert_eq!(replica.after(SECOND / 2).await, (served.clone(), false));
    assert_eq!(replica.after(SECOND / 2).await, (served, true));
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_is_not_there_keeps_nobody_for_long() {
    let ((first, served), replica) = (secret(), Replica::start());
    replica.offer(&first);
    assert_eq!(replica.after(PATIENCE / 2).await, (served.clone(), false));
    assert_eq!(replica.after(PATIENCE / 2).await, (served, true));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_nobody_makes_keeps_nobody_for_long() {
    let ((first, served), replica) = (secret(), Replica::start());
    assert_eq!(replica.after(PATIENCE / 2).await, (None, false));
    assert_eq!(replica.after(PATIENCE / 2).await, (None, true), "an old replica leads until this one is ready");
    replica.trust(&[&first]);
    replica.offer(&first);
    assert_eq!(replica.after(NOW).await, (served, true), "as soon as there is one");
}

#[tokio::test(start_paused = true)]
async fn a_new_authority_is_waited_for_until_it_is_trusted() {
    let ((first, old), (second, new), replica) = (secret(), secret(), Replica::start());
    replica.trust(&[&first]);
    replica.offer(&first);
    assert_eq!(replica.after(NOW).await, (old.clone(), true));
    replica.offer(&second);
    assert_eq!(replica.after(60 * SECOND).await, (old.clone(), true), "nobody trusts it");
    replica.trust(&[&second, &first]);
    assert_eq!(replica.after(SECOND / 2).await, (old, true), "another API server may not have heard of it");
    assert_eq!(replica.after(SECOND / 2).await, (new, true));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_gone_or_damaged_leaves_what_is_served() {
    let ((first, served), replica) = (secret(), Replica::start());
    replica.trust(&[&first]);
    replica.offer(&first);
    assert_eq!(replica.after(NOW).await, (served.clone(), true));
    replica.offer(&Secret::default());
    assert_eq!(replica.after(SECOND).await, (served.clone(), true));
    replica.seen.send_modify(|seen| seen.secret = Some(None));
    assert_eq!(replica.after(SECOND).await, (served, true));
}
